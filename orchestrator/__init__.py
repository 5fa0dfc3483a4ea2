"""Reproduce, compare and extend multi-agent and federated reinforcement-learning theory on Ray.

``run``, ``sweep`` and ``Results`` are what a notebook needs; they are imported when first used, so that
``import orchestrator`` (and ``orchestrator --help``) stays fast.
"""

from typing import TYPE_CHECKING

from orchestrator import process as _process

if TYPE_CHECKING:
    from orchestrator.api import run, sweep
    from orchestrator.results import Results

_process.prepare()

__version__ = "0.1.0"
__all__ = ["Results", "__version__", "run", "sweep"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str):
    if name == "Results":
        from orchestrator.results import Results

        return Results
    if name in ("run", "sweep"):
        from orchestrator import api

        return getattr(api, name)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
