"""From a sweep file to the tasks that are still to run."""
