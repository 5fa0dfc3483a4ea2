"""The sentences of a verdict: the estimate, the accepted range, what was varied and how many seeds would decide."""

import math
from collections.abc import Sequence

import numpy as np

from orchestrator.claims.claim import Claim
from orchestrator.claims.columns import listed
from orchestrator.claims.samples import Family, Sample
from orchestrator.claims.statistics import looks
from orchestrator.claims.statistics.intervals import Interval
from orchestrator.claims.verdict import Outcome

WORDS = {
    "supported": "lies inside the accepted range",
    "refuted": "lies outside the accepted range",
    "inconclusive": "overlaps the edge of the accepted range",
}

#: Digits of an interval at the most.
MOST_DIGITS = 9
#: Ends that differ by less, relative to them, are not told from each other.
SAME = 1e-5


def accepted_range(claim: Claim) -> str:
    """The accepted range in brackets."""
    if claim.law == "order":
        return f"(-inf, {claim.equal:g})"
    low, high = claim.accepted
    return f"{'(-inf' if low == -math.inf else f'[{low:g}'}, {'inf)' if high == math.inf else f'{high:g}]'}"


def interval_text(interval: Interval, limits: Sequence[float] = ()) -> str:
    """``estimate [low, high]``, or only the estimate if there is no interval.

    It has three digits, or as many as tell the ends from each other and from the ``limits`` of the accepted range: an
    end of 0.9998 below a limit of 1 is not written as 1.
    """
    return range_text(float(interval.estimate), float(interval.low), float(interval.high), limits)


def range_text(estimate: float, low: float, high: float, limits: Sequence[float] = ()) -> str:
    """``interval_text`` of three numbers."""
    if math.isnan(low):
        return f"{estimate:.3g}"
    ends = [] if math.isclose(low, high, rel_tol=SAME) else [(low, high)]
    pairs = [*ends, *((end, limit) for end in (low, high) for limit in limits)]
    digits = next((d for d in range(3, MOST_DIGITS) if all(_told_apart(*pair, d) for pair in pairs)), MOST_DIGITS)
    return f"{estimate:.{digits}g} [{low:.{digits}g}, {high:.{digits}g}]"


def _told_apart(a: float, b: float, digits: int) -> bool:
    return a == b or f"{a:.{digits}g}" != f"{b:.{digits}g}"


def placed(claim: Claim, interval: Interval, verdict: Outcome, between: str = "") -> str:
    """The interval, and where it lies: ``0.5 [0.4, 0.6] lies inside the accepted range [0, 1]``."""
    return f"{interval_text(interval, claim.accepted)}{between} {WORDS[verdict]} {accepted_range(claim)}"


def percent(share: float, digits: int = 2) -> str:
    """A share as percent with so many digits: 0.369 is ``37 %``."""
    return f"{100 * share:.{digits}g} %"


def floor_words(claim: Claim, floor: Interval) -> tuple[str, dict[str, float]]:
    """The floor fit of a bent curve in words, and its parameters for the figure (none if it is not identified)."""
    c0, c1, p = (float(part) for part in floor.estimate)
    if math.isnan(c0):
        return "a floor does not fit the curve either", {}
    term = f"{claim.versus}^-{p:.3g}" if claim.law != "exponential" else f"exp(-{p:.3g} {claim.versus})"
    sign = "+" if c1 >= 0 else "-"
    words = f"the floor fit is {c0:.3g} {sign} {abs(c1):.3g} {term}, floor {interval_text(floor.at(0))}"
    if c0 <= 0:
        words += "; it is not above 0, so the curve steepens and has no floor"
    return words, {"floor": c0, "scale": c1, "decay": p}


def seeds_words(
    claim: Claim, data: Sample | Family, intervals: Sequence[Interval], accepted: tuple[float, float], look: int
) -> str:
    """How many seeds would decide an inconclusive claim, as the end of its sentence."""
    if claim.deterministic:
        return "; more seeds cannot decide a deterministic curve, more levels can"
    seeds = len(data.seeds)
    least = max(looks.LEAST_SEEDS, looks.seeds_for(claim.rare) if claim.rare else 0)
    if seeds < 2 or not any(math.isfinite(float(part.high) - float(part.low)) for part in intervals):
        return ""
    return _needed_words(looks.seeds_needed(intervals, seeds, accepted, look, least), look)


def runs_words(claim: Claim, data: Sample, share: float, look: int) -> str:
    """The same for a share of runs."""
    runs = len(data.seeds)
    least = max(looks.LEAST_SEEDS, looks.seeds_for(claim.rare) if claim.rare else 0)
    return _needed_words(looks.runs_needed(round(share * runs), runs, claim.accepted, look, least), look)


def _needed_words(n: int | None, look: int) -> str:
    if n is None:
        few = f"even {looks.MOST_SEEDS} seeds would not decide it"
        return f"; the estimate lies at the edge of the accepted range, so {few}"
    wider = percent(1 - looks.alpha(look + 1), digits=4)
    return (
        f"; about {n} seeds would decide it if the estimate stays the same. Looking again costs: the next look needs "
        f"an interval of {wider}, and each look in between makes that wider"
    )


def still_words(seeds: int, what: str, number: float) -> str:
    """The sentence for runs that all gave the same number: they give no interval."""
    least = percent(1 - looks.unseen_share(seeds))
    return (
        f"{what} is {number:.3g} in {seeds} of {seeds} runs, without any spread: at least {least} of runs give this, "
        "and nothing is known of the others; mark the claim deterministic if nothing in it is random"
    )


def what_varied(claim: Claim, data: Sample | Family, varied: str) -> str:
    """What was varied, with the number of replicates and levels."""
    r, seeds = len(data.seeds), data.seeds
    span = f"{seeds[0]}-{seeds[-1]}" if r > 2 and seeds[-1] - seeds[0] == r - 1 else listed(seeds, 12)
    if claim.deterministic:
        text = "Nothing random was varied; the range is a sensitivity to leaving out one level"
        if claim.law in ("value", "bound", "order"):
            text = "Nothing random was varied; the numbers are exact"
    elif varied == "instances":
        text = f"Varied: {r} problem instances, each with its own seed ({span})"
    else:
        text = f"Varied: {r} seed{'s' * (r != 1)} ({span}) on one problem instance"
    if claim.versus:
        text += (
            f"; {len(data.x)} value{'s' * (len(data.x) != 1)} of {claim.versus} from {data.x[0]:g} to {data.x[-1]:g}"
        )
    return "; ".join([text, *data.notes])


def limits_words(claim: Claim, seeds: int, look: int) -> str:
    """The end of a verdict: what so many runs cannot have shown, and what earlier looks cost."""
    parts: list[str] = []
    if look > 1:
        confidence = 100 * (1 - looks.alpha(look))
        parts.append(f"This is look {look} at the claim, so its interval is one of {confidence:.4g} %")
    if claim.law in ("value", "bound") or claim.by == "difference":
        parts.append(f"Kinds of run rarer than {percent(looks.unseen_share(seeds))} would not have been seen")
    return ". ".join(parts)


def interval_kind(claim: Claim, share: bool, look: int) -> str:
    """What the interval of a verdict is; before the comma its short name."""
    if claim.deterministic:
        exact = claim.law in ("value", "bound", "order")
        return "exact" if exact else "sensitivity: range over leaving out one level"
    name = f"{100 * (1 - looks.alpha(max(look, 1))):.4g}% interval"
    if share:
        return f"{name}, exact for a share of runs"
    if claim.law == "floor" or claim.floor or claim.by == "difference":
        return f"{name}, one seed deleted at a time"
    if claim.law in ("value", "bound") and claim.relative_to is None:
        return f"{name}, of the mean over runs"
    return f"{name}, of the mean and of the typical run"


def no_interval(number: float = math.nan) -> Interval:
    """A number without an interval."""
    nan = np.array(math.nan)
    return Interval(np.array(number), nan, nan)
