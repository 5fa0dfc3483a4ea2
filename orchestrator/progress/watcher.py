"""What a run reports of its course."""

from collections.abc import Mapping, Sequence
from typing import Any


class Watcher:
    """What execution tells of a sweep's course. This one listens to nothing."""

    def prepares(self, what: str) -> None:
        """What is done before the first cell is heard of."""

    def began(self, cell: str, seeds: Sequence[int]) -> None:
        """Seeds of a cell have begun, together."""

    def went(self, cell: str, seeds: Sequence[int], share: float, steps: int) -> None:
        """They have come so far: share of their rounds, environment transitions."""

    def halted(self, cell: str, seeds: Sequence[int]) -> None:
        """They were lost and wait for another start."""

    def ended(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Replicates ended: their rows of ``runs``, the columns that say who they are and what came of them."""
