"""Seeds in batches until the claims are decided: ``seeds: {until: decided, at_most: 64}``.

Each batch ends with a look at the data. The rule of verdicts counts the looks (``claims.statistics.looks``).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from orchestrator.claims.claim import LEAST_SEEDS, Claim
from orchestrator.core.parameters import Parameters
from orchestrator.errors import UserError

if TYPE_CHECKING:
    from orchestrator.claims.verdict import Verdict

#: Seeds that such a sweep may take.
MOST = 1000


class Until(Parameters):
    """Seeds 0, 1, 2, … in batches, as long as a claim is inconclusive and more seeds can change that."""

    until: Literal["decided"] = Field(description="decided: until no claim is inconclusive at the same number of seeds")
    at_most: int = Field(ge=LEAST_SEEDS, le=MOST, description="seeds after which it ends in any case")
    start: int = Field(8, ge=LEAST_SEEDS, description="seeds of the first look")
    batch: int = Field(8, ge=1, description="seeds that are added for each further look")

    @model_validator(mode="after")
    def _start_in_reach(self) -> Self:
        if self.start > self.at_most:
            raise ValueError(f"start is {self.start} and at_most {self.at_most}; at_most takes {self.start} or more")
        return self

    def size(self, seeds: int) -> int:
        """The smallest number of seeds of a look that is not below ``seeds``."""
        batches = max(0, -(-(seeds - self.start) // self.batch))
        return min(self.start + batches * self.batch, self.at_most)


def seed_words(seeds: int, at_most: int | None) -> str:
    """``8``, or ``8 of up to 64``."""
    return str(seeds) if at_most is None else f"{seeds} of up to {at_most}"


def waiting(claims: Sequence[Claim], verdicts: "Sequence[Verdict]", planned: Sequence[Mapping[str, object]]) -> bool:
    """Whether a claim is inconclusive and more seeds can change that. ``planned`` is as in ``judge.foreseen``.

    They cannot where nothing is random, where a replicate failed or diverged, and where cells are lacking.
    """
    from orchestrator.claims.judge import foreseen

    return any(
        verdict.verdict == "inconclusive"
        and verdict.seeds > 0
        and not claim.deterministic
        and not foreseen(claim, planned)
        for claim, verdict in zip(claims, verdicts, strict=True)
    )


def check_place(content: Mapping[str, object], owner: str) -> None:
    """Raise ``UserError`` for a key of ``seeds`` that is written beside it."""
    if "until" in content:
        raise UserError(f"{owner}: until belongs to seeds: write seeds: {{until: decided, at_most: 64}}.")
