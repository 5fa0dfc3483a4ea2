"""Which seeds a sweep has: a list, or batches until the claims are decided (``seeds: {until: decided, at_most: 64}``).

Each batch ends with a look at the data. The rule of verdicts counts the looks (``claims.statistics.looks``).
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from orchestrator.claims.claim import LEAST_SEEDS, Claim
from orchestrator.core.parameters import Parameters
from orchestrator.errors import UserError
from orchestrator.planning.plain import LARGEST, is_sequence

if TYPE_CHECKING:
    from orchestrator.claims.verdict import Verdict

#: Seeds of a list.
MOST_SEEDS = 1_000_000
#: Seeds of a sweep in batches.
MOST = 1000


def parse_seeds(value: object) -> tuple[int, ...]:
    """``0..7``, ``3``, ``0,2,5`` or a list. Raises ``UserError`` for anything else, negatives and repeats."""
    wrong = UserError(
        f"seeds is {value!r}; it takes 0..7, a list such as 0,2,5, or one number; each 0 or more, and once."
    )
    many = UserError(f"seeds is {value!r}; a sweep takes up to {MOST_SEEDS} of them, each below 2**63.")
    if isinstance(value, str):
        if span := re.fullmatch(r"\s*(\d+)\s*\.\.\s*(\d+)\s*", value):
            first, last = int(span[1]), int(span[2])
            if last < first:
                raise wrong
            if last - first >= MOST_SEEDS or last >= LARGEST:
                raise many
            return tuple(range(first, last + 1))
        words = [part.strip() for part in value.split(",")]
        if not all(part.isdigit() for part in words):
            raise wrong
        value = [int(part) for part in words]
    items = value if is_sequence(value) else [value]
    seeds = [seed for seed in items if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0]
    if not items or len(seeds) < len(items) or len(set(seeds)) < len(seeds):
        raise wrong
    if len(seeds) > MOST_SEEDS or max(seeds) >= LARGEST:
        raise many
    return tuple(seeds)


Seeds = Annotated[tuple[int, ...], BeforeValidator(parse_seeds)]


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
