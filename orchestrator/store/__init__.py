"""Results as parquet tables in a folder: ``Store`` opens it, ``schema`` documents the tables."""

from orchestrator.store.store import Store

__all__ = ["Store"]
