"""The sentences of a verdict: what was found, what was accepted, what was varied, what it would take."""

import math

import numpy as np

from orchestrator.claims import fits
from orchestrator.claims.claim import Claim
from orchestrator.claims.fits import Interval
from orchestrator.claims.samples import Sample, listed

LEAST_SEEDS = 6
WORDS = {
    "supported": "lies inside the accepted range",
    "refuted": "lies outside the accepted range",
    "inconclusive": "is cut by the edge of the accepted range",
}


def accepted_range(claim: Claim) -> str:
    """The accepted range in brackets."""
    if claim.law == "order":
        return f"(-inf, {claim.equal:g})"
    low, high = claim.accepted
    return f"{'(-inf' if low == -math.inf else f'[{low:g}'}, {'inf)' if high == math.inf else f'{high:g}]'}"


def told(interval: Interval) -> str:
    """``estimate [low, high]``, or the estimate alone where there is no interval."""
    if math.isnan(float(interval.low)):
        return f"{float(interval.estimate):.3g}"
    return f"{float(interval.estimate):.3g} [{float(interval.low):.3g}, {float(interval.high):.3g}]"


def floor_words(claim: Claim, floor: Interval) -> tuple[str, dict[str, float]]:
    """What a bent curve's floor fit says, and the parameters to draw it (none where it is not identified)."""
    c0, c1, p = (float(part) for part in np.asarray(floor.estimate))
    if math.isnan(c0):
        return "a floor does not describe the bend either", {}
    term = f"{claim.versus}^-{p:.3g}" if claim.law != "exponential" else f"exp(-{p:.3g} {claim.versus})"
    sign = "+" if c1 >= 0 else "-"
    words = f"the floor fit is {c0:.3g} {sign} {abs(c1):.3g} {term}, floor {told(floor.at(0))}"
    if c0 <= 0:
        words += ": not above 0, so the curve steepens and has no floor"
    return words, {"floor": c0, "scale": c1, "decay": p}


def seeds_words(
    claim: Claim, data: Sample, interval: Interval, edges: tuple[float, float], confidence: float = fits.CONFIDENCE
) -> str:
    """How many seeds it would take, at the end of an inconclusive sentence."""
    if claim.deterministic:
        return "; more seeds cannot help a deterministic curve, more levels can"
    if len(data.seeds) < 2:
        return ""
    n = fits.seeds_needed(interval, len(data.seeds), edges, max(LEAST_SEEDS, len(data.seeds)), confidence=confidence)
    if n is None:
        return "; the estimate sits at the edge of the accepted range, so no number of seeds up to 1000 would decide it"
    return f"; about {n} seeds would decide it if the estimate stays"


def what_varied(claim: Claim, data: Sample, varied: str) -> str:
    """What was varied, over how many replicates and levels; every verdict ends with it."""
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
            f"; {len(data.x)} level{'s' * (len(data.x) != 1)} of {claim.versus} from {data.x[0]:g} to {data.x[-1]:g}"
        )
    return "; ".join([text, *data.notes])
