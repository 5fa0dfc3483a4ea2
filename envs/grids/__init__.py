"""Agents on grids, each or together."""
