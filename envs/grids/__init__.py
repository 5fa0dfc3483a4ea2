"""Agents on grids, alone or as a team."""
