"""A global agent and many like local ones."""
