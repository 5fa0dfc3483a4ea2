"""The sentences of a verdict: the estimate, the accepted range, what was varied and how many seeds would decide."""

import math

import numpy as np

from orchestrator.claims import fits
from orchestrator.claims.claim import LEAST_SEEDS, Claim
from orchestrator.claims.columns import listed
from orchestrator.claims.fits import Interval
from orchestrator.claims.samples import Sample

WORDS = {
    "supported": "lies inside the accepted range",
    "refuted": "lies outside the accepted range",
    "inconclusive": "overlaps the edge of the accepted range",
}


def accepted_range(claim: Claim) -> str:
    """The accepted range in brackets."""
    if claim.law == "order":
        return f"(-inf, {claim.equal:g})"
    low, high = claim.accepted
    return f"{'(-inf' if low == -math.inf else f'[{low:g}'}, {'inf)' if high == math.inf else f'{high:g}]'}"


def interval_text(interval: Interval) -> str:
    """``estimate [low, high]``, or only the estimate if there is no interval."""
    if math.isnan(float(interval.low)):
        return f"{float(interval.estimate):.3g}"
    return f"{float(interval.estimate):.3g} [{float(interval.low):.3g}, {float(interval.high):.3g}]"


def floor_words(claim: Claim, floor: Interval) -> tuple[str, dict[str, float]]:
    """The floor fit of a bent curve in words, and its parameters for the figure (none if it is not identified)."""
    c0, c1, p = (float(part) for part in np.asarray(floor.estimate))
    if math.isnan(c0):
        return "a floor does not fit the curve either", {}
    term = f"{claim.versus}^-{p:.3g}" if claim.law != "exponential" else f"exp(-{p:.3g} {claim.versus})"
    sign = "+" if c1 >= 0 else "-"
    words = f"the floor fit is {c0:.3g} {sign} {abs(c1):.3g} {term}, floor {interval_text(floor.at(0))}"
    if c0 <= 0:
        words += "; it is not above 0, so the curve steepens and has no floor"
    return words, {"floor": c0, "scale": c1, "decay": p}


def seeds_words(claim: Claim, data: Sample, interval: Interval, edges: tuple[float, float]) -> str:
    """How many seeds would decide an inconclusive claim, as the end of its sentence."""
    if claim.deterministic:
        return "; more seeds cannot decide a deterministic curve, more levels can"
    if len(data.seeds) < 2:
        return ""
    least = max(LEAST_SEEDS, len(data.seeds))
    n = fits.seeds_needed(interval, len(data.seeds), edges, least, confidence=claim.confidence)
    if n is None:
        few = f"even {fits.MOST_SEEDS} seeds would not decide it"
        return f"; the estimate lies at the edge of the accepted range, so {few}"
    return f"; about {n} seeds would decide it if the estimate stays the same"


def what_varied(claim: Claim, data: Sample, varied: str) -> str:
    """What was varied, with the number of replicates and levels: the end of every verdict."""
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
