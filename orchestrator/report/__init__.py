"""The report page and the figures."""
