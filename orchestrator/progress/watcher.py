"""The events that a run reports while it goes on."""

from collections.abc import Mapping, Sequence
from typing import Any


class Watcher:
    """Receives the events of a sweep. This one ignores them."""

    def on_preparing(self, what: str) -> None:
        """``what`` is done before the first cell starts."""

    def on_start(self, cell: str, seeds: Sequence[int]) -> None:
        """These seeds of a cell have started, together."""

    def on_progress(self, cell: str, seeds: Sequence[int], share: float, steps: int) -> None:
        """They have done this share of their rounds and so many environment transitions."""

    def on_lost(self, cell: str, seeds: Sequence[int]) -> None:
        """They were lost with their process and wait for another start."""

    def on_end(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Replicates ended: the columns of their rows of ``runs`` that identify them and hold their status."""
