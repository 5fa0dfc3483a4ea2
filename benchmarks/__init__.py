"""Benchmarks: what the orchestration costs on top of the work it orchestrates."""
