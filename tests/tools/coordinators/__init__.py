"""Worked coordinators: plug-in files that tests load."""
