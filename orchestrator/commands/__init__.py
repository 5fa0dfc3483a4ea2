"""The commands of ``orchestrator``, and how they print."""
