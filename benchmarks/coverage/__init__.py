"""How often verdicts err: ``python -m benchmarks.coverage`` (a few minutes on one core) measures it for docs/claims.md.

Experiments whose truth is known are drawn at random and judged by the code that judges claims
(``orchestrator.claims.statistics.rule``). The counts go to docs/claims/coverage.csv, and the page's tables are made
from them. Each row has its own random stream, so the counts are the same each time.
"""
