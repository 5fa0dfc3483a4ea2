"""Cells that tests of several rooms run."""
