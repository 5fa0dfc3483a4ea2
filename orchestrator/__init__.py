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

__version__: str
__all__ = ["Results", "__version__", "run", "sweep"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    if name == "Results":
        from orchestrator.results import Results

        return Results
    if name in ("run", "sweep"):
        from orchestrator import api

        return getattr(api, name)
    if name == "__version__":
        from importlib.metadata import version

        return version(_process.DISTRIBUTION)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
