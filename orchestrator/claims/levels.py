"""The laws that must hold at every level: value, bound and order; and the points of a verdict."""

import math
from dataclasses import replace

import numpy as np

from orchestrator.claims.claim import Claim
from orchestrator.claims.columns import Floats, listed
from orchestrator.claims.replicates import Undecided
from orchestrator.claims.samples import Sample
from orchestrator.claims.sentences import (
    no_interval,
    placed,
    runs_words,
    seeds_words,
    still_words,
)
from orchestrator.claims.statistics import curves, rule
from orchestrator.claims.statistics.intervals import Interval, exactly, outcomes
from orchestrator.claims.statistics.looks import ALPHA
from orchestrator.claims.statistics.means import mean_interval
from orchestrator.claims.verdict import OUTCOMES, LawResult, Point


def require_logarithm(claim: Claim, data: Sample) -> None:
    """Raise ``Undecided`` if a mean that the law needs has no logarithm."""
    fine = curves.positive(data.y)
    if not fine.all():
        place = f" at {claim.versus}={listed(map(float, data.x[~fine]))}" if claim.versus else ""
        raise Undecided(
            f"the mean of {claim.quantity} over the seeds (or over all but one of them) is not positive{place}, so "
            "it has no logarithm"
        )


def points_of(claim: Claim, data: Sample) -> tuple[Point, ...]:
    """Every level for the table; those outside the window are not used."""
    points = level_points(data.x, _interval_of_levels(claim, data.y, data.share), data.y.shape[-1])
    for x, y in data.aside:
        points += aside_points(claim, x, y)
    return tuple(sorted(points, key=lambda point: point.x))


def aside_points(claim: Claim, x: float, y: Floats) -> list[Point]:
    """The point of a level that is not judged."""
    return level_points(np.array(x), _interval_of_levels(claim, y, share=False), y.shape[-1], used=False)


def level_points(x: Floats, intervals: Interval, seeds: int, used: bool = True) -> list[Point]:
    """Means and intervals at the levels ``x``."""
    parts = (np.atleast_1d(part) for part in (x, intervals.estimate, intervals.low, intervals.high))
    return [Point(*map(float, row), seeds=seeds, used=used) for row in zip(*parts, strict=True)]


def _interval_of_levels(claim: Claim, y: Floats, share: bool) -> Interval:
    """The mean, ratio or difference at each level with an interval of 95 %, whatever the look."""
    if claim.deterministic or y.shape[-1] < 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = _difference(y).mean(axis=-1) if claim.by == "difference" else curves.mean_curve(y)
        return exactly(mean) if claim.deterministic else exactly(mean).where(False)
    if y.ndim == 2:
        return mean_interval(y, ALPHA, share)
    if claim.by == "difference":
        return rule.judge_differences(_difference(y), claim.accepted).each
    with np.errstate(divide="ignore", invalid="ignore"):
        return _ratios(y, claim.accepted, 1).each


def _difference(y: Floats) -> Floats:
    return y[0] - y[1]


def _ratios(y: Floats, accepted: rule.Range, look: int) -> rule.Levels:
    ratios = rule.judge_ratios if curves.positive(y).all() else rule.judge_quotients
    return ratios(y[0], y[1], accepted, look)


def judge_value(claim: Claim, data: Sample, look: int) -> LawResult:
    """The mean (or ratio) at every level against the accepted range."""
    return _judged(claim, data, data.y, f"measured {claim.quantity}", look)


def judge_bound(claim: Claim, data: Sample, look: int) -> LawResult:
    """y / (C x^exponent) at every level against 1."""
    limit = (claim.constant or math.nan) * data.x ** (claim.exponent if claim.exponent is not None else math.nan)
    y = data.y.copy()
    if y.ndim == 2:
        y /= limit[:, None]
    else:
        y[0] /= limit[:, None]
    share = data.share and bool((limit == 1).all())
    return _judged(claim, replace(data, share=share), y, f"ratio of {claim.quantity} to its bound", look)


def judge_order(claim: Claim, data: Sample, look: int) -> LawResult:
    """The ratio, or the difference, of the two cases' means, paired by seed, at every level against 1 or 0."""
    if claim.by != "difference":
        require_logarithm(claim, data)
    result = _judged(claim, data, data.y, f"measured {claim.quantity}", look)
    if len(data.x) == 1:
        return result
    middle = _difference(data.y).mean(axis=-1) if claim.by == "difference" else curves.mean_curve(data.y)
    sentence = (
        f"{result.sentence}; {int((middle < claim.equal).sum())} of {len(data.x)} levels are below {claim.equal:g}"
    )
    if claim.by != "difference":
        sentence += f", geometric mean {math.exp(float(np.log(middle).mean())):.3g}"
    return replace(result, sentence=sentence)


def _judged(claim: Claim, data: Sample, y: Floats, quantity: str, look: int) -> LawResult:
    """Supported if every level is, refuted by one level or by all together. The estimate is that of what decides."""
    found = _levels(claim, data, y, look)
    verdict = OUTCOMES[int(found.outcome)]
    points = points_of(claim, data)
    levels, accepted = len(data.x), claim.accepted
    if verdict == "refuted" and not bool(found.by_one) and found.together is not None:
        mean = "mean" if claim.by == "difference" else "geometric mean"
        sentence = f"The {mean} over the {levels} levels of the {quantity} {placed(claim, found.together, verdict)}"
        return LawResult(verdict, found.together, sentence, points)
    i = _deciding(found, verdict, accepted)
    worst = (found.strict if verdict == "refuted" else found.each).at(i)
    place = ""
    if levels > 1:
        edge = ", the level closest to the edge" if verdict == "supported" else ""
        place = f" at {claim.versus}={data.x[i]:g}{edge} (the claim must hold at all {levels} levels)"
    if math.isnan(float(worst.low)):
        where = f" at {claim.versus}={data.x[i]:g}" if levels > 1 else ""
        sentence = still_words(len(data.seeds), f"the {quantity}{where}", float(worst.estimate))
        return LawResult(verdict, no_interval(float(worst.estimate)), sentence, points)
    sentence = f"The {quantity} {placed(claim, worst, verdict)}{place}"
    if verdict == "inconclusive":
        sentence += _needed(claim, data, worst, look)
    return LawResult(verdict, worst, sentence, points)


def _levels(claim: Claim, data: Sample, y: Floats, look: int) -> rule.Levels:
    accepted = claim.accepted
    if claim.deterministic:
        return _exact(claim, y)
    if y.ndim == 2:
        return rule.judge_means(y, accepted, look, data.share)
    if claim.by == "difference":
        return rule.judge_differences(_difference(y), accepted, look)
    return _ratios(y, accepted, look)


def _exact(claim: Claim, y: Floats) -> rule.Levels:
    """Numbers without noise: every level is inside or outside."""
    numbers = exactly(_difference(y).mean(axis=-1) if claim.by == "difference" else curves.mean_curve(y))
    lies = outcomes(numbers, claim.accepted)
    return rule.Levels(numbers, numbers, None, np.asarray(lies.min(axis=-1)), np.asarray((lies < 0).any(axis=-1)))


def _deciding(found: rule.Levels, verdict: str, accepted: tuple[float, float]) -> int:
    """The level that refutes most, or comes nearest to the edge or farthest over it; one without interval first."""
    part = found.strict if verdict == "refuted" else found.each
    low, high = part.low, part.high
    if verdict == "refuted":
        beyond = np.fmax(low - accepted[1], accepted[0] - high)
    else:
        beyond = np.fmax(high - accepted[1], accepted[0] - low)
    return int(np.argmax(np.where(np.isnan(low), -math.inf if verdict == "refuted" else math.inf, beyond)))


def _needed(claim: Claim, data: Sample, worst: Interval, look: int) -> str:
    """How many seeds would decide, on the scale on which the interval is made."""
    if data.share:
        return runs_words(claim, data, float(worst.estimate), look)
    accepted = claim.accepted
    if float(worst.low) > 0 and claim.by != "difference":
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = (float(np.log(max(edge, 0.0))) for edge in accepted)
        return seeds_words(claim, data, [worst.on(np.log)], (low, high), look)
    return seeds_words(claim, data, [worst], accepted, look)
