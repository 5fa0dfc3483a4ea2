"""Ray: connections, nodes, Tune trials and submitted jobs."""
