"""Schedules of faults by a seed, in one process: ``python -m tests.tools.simulation``, and a few of them in the tests."""
