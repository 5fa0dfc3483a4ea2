"""How the time of a round grows with agents, actors and nodes: measurements, a model, and docs/scaling.md."""
