"""Schedules of faults by a seed, in one process: `python -m tests.tools.simulation`; some of them are tests."""
