"""The verdict on a claim, and its points."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["supported", "refuted", "inconclusive"]


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
class Verdict:
    """The outcome of a claim. ``estimate`` is NaN if there is none; ``reason`` is a sentence for people.

    ``interval`` says what [ci_low, ci_high] is. ``fit`` holds what figures draw: ``intercept`` and ``slope`` of
    log y = a + b u (u = log x for a power, x for an exponential), ``quadratic``, ``slope_change`` over the window,
    and ``floor``, ``scale``, ``decay`` of y = C0 + C1 exp(-p u).
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

    def to_rows(self, sweep: str, sweep_hash: str) -> tuple[dict[str, object], list[dict[str, object]]]:
        """The row of table ``claims`` and the rows of ``claim_points``; NaN stands for no number."""
        key: dict[str, object] = {"sweep": sweep, "sweep_hash": sweep_hash, "claim": self.claim}
        names = ("case", "metric", "versus", "law", "estimate", "ci_low", "ci_high", "interval", "expected", "verdict")
        row = key | {name: getattr(self, name) for name in names} | {"reason": self.reason}
        return row, [key | vars(point) for point in self.points]
