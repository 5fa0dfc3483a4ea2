"""The verdict on a claim, and its points."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.claims.standing import Standing
from orchestrator.claims.statistics.intervals import Interval

#: A withdrawn claim is one that a sweep had and has no more; the others are judged.
Outcome = Literal["supported", "refuted", "inconclusive", "withdrawn"]
#: In words what the rule's arrays hold as 1, -1 and 0.
OUTCOMES: dict[int, Outcome] = {1: "supported", -1: "refuted", 0: "inconclusive"}


@dataclass(frozen=True)
class Point:
    """One level: the mean ``y`` over ``seeds`` seeds with its interval; ``used`` if the verdict is based on it."""

    x: float
    y: float
    lo: float
    hi: float
    seeds: int
    used: bool


@dataclass(frozen=True)
class Line:
    """One curve of a claim about floors: its points at the value ``at`` of the claim's ``versus``, and what fits them.

    The fit is ``floor`` + ``scale`` x^-``decay``, where x is the ``versus`` of the claim's ``floor``.
    """

    at: float
    points: tuple[Point, ...]
    floor: float
    scale: float
    decay: float


@dataclass(frozen=True)
class LawResult:
    """What a law makes of a sample; ``interval`` is of one number, ``fit`` is what a figure draws (see ``Verdict``)."""

    verdict: Outcome
    interval: Interval
    sentence: str
    points: tuple[Point, ...] = ()
    fit: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def told(self) -> bool:
        """Whether there is an interval, so that the verdict tells something about the truth."""
        return math.isfinite(float(self.interval.low)) and math.isfinite(float(self.interval.high))


@dataclass(frozen=True)
class Verdict:
    """The outcome of a claim. ``estimate`` is NaN if there is none; ``reason`` is a sentence for people.

    ``seeds`` is the number of replicates at every level. ``look`` counts the different numbers of seeds at which the
    claim has got a verdict; 0 if this is none (no interval, too few seeds, seeds that have not finished) or if nothing
    in it is random. ``interval`` says what [ci_low, ci_high] is. ``fit`` holds what figures draw: ``intercept`` and
    ``slope`` of log y = a + b u (u = log x for a power, x for an exponential), ``slope_change`` over the window, and
    ``floor``, ``scale``, ``decay`` of y = C0 + C1 exp(-p u). ``lines`` are the curves of a claim about floors.
    ``standing`` says whether the claim was fixed before the data.
    """

    claim: str
    case: str
    metric: str
    versus: str | None
    law: str
    estimate: float
    ci_low: float
    ci_high: float
    interval: str
    expected: str
    verdict: Outcome
    reason: str
    points: tuple[Point, ...] = ()
    fit: Mapping[str, float] = field(default_factory=dict[str, float])
    seeds: int = 0
    look: int = 0
    lines: tuple[Line, ...] = ()
    standing: Standing = field(default_factory=Standing)

    def to_rows(self, sweep: str, sweep_hash: str) -> tuple[dict[str, object], list[dict[str, object]]]:
        """The row of table ``claims`` and the rows of ``claim_points``; NaN stands for no number."""
        key: dict[str, object] = {"sweep": sweep, "sweep_hash": sweep_hash, "claim": self.claim}
        names = ("case", "metric", "versus", "law", "estimate", "ci_low", "ci_high", "interval", "expected", "verdict")
        names += ("seeds", "look")
        row = key | {name: getattr(self, name) for name in names} | {"reason": self.reason}
        row |= self.standing.to_row()
        points = [key | vars(point) | {"line": None} for point in self.points]
        points += [key | vars(point) | {"line": line.at} for line in self.lines for point in line.points]
        return row, points
