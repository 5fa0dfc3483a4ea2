"""Real faults against half-finished sweeps on a local Ray: `python -m tests.tools.faults`."""
