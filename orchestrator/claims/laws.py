"""What each law makes of a sample: the statistics of ``fits`` turned into an outcome and a sentence."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from orchestrator.claims import fits
from orchestrator.claims.claim import Claim
from orchestrator.claims.columns import Floats, listed
from orchestrator.claims.fits import CurveStatistic, Interval
from orchestrator.claims.replicates import Undecided
from orchestrator.claims.samples import Sample
from orchestrator.claims.sentences import (
    LEAST_SEEDS,
    WORDS,
    accepted_range,
    floor_words,
    interval_text,
    seeds_words,
)
from orchestrator.claims.verdict import Outcome, Point

LEAST_LEVELS = 4
LEAST_RATIO = 8.0
UNKNOWN = Interval(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class LawResult:
    """What a law makes of a sample; ``fit`` is what a figure draws (see ``Verdict``)."""

    verdict: Outcome
    interval: Interval
    sentence: str
    points: tuple[Point, ...] = ()
    fit: dict[str, float] = field(default_factory=dict[str, float])


def require(claim: Claim, data: Sample) -> None:
    """Raise ``Undecided`` if the data cannot decide the claim, before anything is fitted."""
    if claim.deterministic:
        spread = np.ptp(data.y, axis=-1)
        if (spread > 1e-9 * np.abs(data.y).max(axis=-1)).any():
            raise Undecided("the claim is marked deterministic, but its seeds differ; remove deterministic")
    if claim.relative_to is not None and not (fine := fits.positive(data.y[1])).all():
        place = f" at {claim.versus}={listed(map(float, data.x[~fine]))}" if claim.versus else ""
        raise Undecided(f"the mean of the denominator of {claim.quantity} is not positive{place}")
    if claim.law not in ("power", "exponential", "floor"):
        return
    x = data.x
    if len(x) < LEAST_LEVELS:
        values = f"only {len(x)} value{'s' * (len(x) != 1)} of {claim.versus} in the window"
        raise Undecided(f"{values}; at least {LEAST_LEVELS} are needed")
    if claim.law != "exponential" and x[-1] / x[0] < LEAST_RATIO:
        raise Undecided(
            f"{claim.versus} spans only a factor of {x[-1] / x[0]:.3g} ({x[0]:g} to {x[-1]:g}); at least "
            f"{LEAST_RATIO:g} is needed to identify a power law"
        )


def decide(interval: Interval, accepted: tuple[float, float]) -> Outcome:
    """Supported if the interval lies inside the accepted range, refuted if they are disjoint, else inconclusive."""
    low, high = float(interval.low), float(interval.high)
    if accepted[0] <= low and high <= accepted[1]:
        return "supported"
    return "refuted" if high < accepted[0] or low > accepted[1] else "inconclusive"


def points_of(claim: Claim, data: Sample) -> tuple[Point, ...]:
    """Every level for the table; those outside the window are not used."""
    points = level_points(claim, data.x, data.y, used=True)
    for x, y in data.aside:
        points += level_points(claim, np.array([x]), y, used=False)
    return tuple(sorted(points, key=lambda point: point.x))


def level_points(claim: Claim, x: Floats, y: Floats, used: bool) -> list[Point]:
    """Mean and interval at each level as the law judges them: on the logarithm where means allow it, or plain."""
    logarithm = claim.law not in ("value", "bound") and bool(fits.positive(y).all())
    with np.errstate(divide="ignore", invalid="ignore"):
        at = _levels(claim, y, logarithm)
    rows = zip(x, *(np.atleast_1d(part) for part in (at.estimate, at.low, at.high)), strict=True)
    return [Point(*map(float, row), seeds=y.shape[-1], used=used) for row in rows]


def _need_logarithm(claim: Claim, data: Sample) -> None:
    """Raise ``Undecided`` if a mean that the law needs has no logarithm."""
    fine = fits.positive(data.y)
    if not fine.all():
        place = f" at {claim.versus}={listed(map(float, data.x[~fine]))}" if claim.versus else ""
        raise Undecided(
            f"the mean of {claim.quantity} over the seeds (or over all but one of them) is not positive{place}, so "
            "it has no logarithm"
        )


def _interval(claim: Claim, u: Floats, y: Floats, statistic: CurveStatistic) -> Interval:
    """Interval of a statistic of the whole curve, ``statistic(u, y)``."""
    if claim.deterministic:
        return fits.leave_one_point_out(statistic, u, y)
    return fits.jackknife(partial(statistic, u), y)


def _levels(claim: Claim, y: Floats, logarithm: bool) -> Interval:
    """Interval of the mean (or ratio) at each level [levels]; made on the logarithm it stays positive."""
    if claim.deterministic:
        mean = fits.mean_curve(y)
        return Interval(mean, mean, mean, np.zeros(len(mean)))
    if not logarithm:
        return fits.jackknife(fits.mean_curve, y, claim.confidence)
    log_mean = fits.jackknife(lambda part: np.log(fits.mean_curve(part)), y, claim.confidence)
    return Interval(np.exp(log_mean.estimate), np.exp(log_mean.low), np.exp(log_mean.high), log_mean.error)


def _slope(claim: Claim, data: Sample) -> LawResult:
    """Power and exponential: the slope of log y on u, and whether one slope is enough."""
    _need_logarithm(claim, data)
    u = np.log(data.x) if claim.law == "power" else data.x
    slope = _interval(claim, u, data.y, lambda u, y: fits.line(u, y)[1])
    bend = _interval(claim, u, data.y, fits.quadratic_term)
    change = 2 * float(bend.estimate) * float(u[-1] - u[0])
    fit = {"intercept": float(fits.line(u, data.y)[0]), "slope": float(slope.estimate)}
    fit |= {"quadratic": float(bend.estimate), "slope_change": change}
    points = points_of(claim, data)
    word = "exponent" if claim.law == "power" else "rate"
    bent = float(bend.low) > 0 or float(bend.high) < 0
    if bent and claim.within is not None and abs(change) > claim.within:
        floor, curve = floor_words(claim, _interval(claim, u, data.y, fits.floor_fit))
        sentence = (
            f"Not one {claim.law} law: the local {word} changes by {change:+.2g} over the window, more than the "
            f"allowed {claim.within:g}, and the interval of the quadratic term {interval_text(bend)} excludes 0 "
            f"(a single {word} would be {interval_text(slope)}); {floor}"
        )
        return LawResult("refuted", slope, sentence, points, fit | curve)
    verdict = decide(slope, claim.accepted)
    sentence = f"The {word} {interval_text(slope)} {WORDS[verdict]} {accepted_range(claim)}"
    if verdict == "inconclusive":
        sentence += seeds_words(claim, data, slope, claim.accepted)
    if bent and claim.within is None and abs(change) > 0.01:
        sentence += f"; the local {word} changes by {change:+.2g} over the window, which is not limited without within"
    return LawResult(verdict, slope, sentence, points, fit)


def _floor(claim: Claim, data: Sample) -> LawResult:
    """The floor C0 of C0 + C1 x^-p against the accepted range."""
    _need_logarithm(claim, data)
    curve = _interval(claim, np.log(data.x), data.y, fits.floor_fit)
    floor = curve.at(0)
    if math.isnan(float(floor.estimate)):
        raise Undecided(
            f"the values of {claim.versus} do not identify a floor: any p of C0 + C1 {claim.versus}^-p fits"
        )
    words, fit = floor_words(claim, curve)
    points = points_of(claim, data)
    if math.isnan(float(floor.low)) and len(data.seeds) >= LEAST_SEEDS:
        sentence = f"{words}; the floor is not identified if one of the seeds or levels is left out"
        return LawResult("inconclusive", floor, sentence, points, fit)
    verdict = decide(floor, claim.accepted)
    sentence = f"The floor {interval_text(floor)} {WORDS[verdict]} {accepted_range(claim)}; {words.split(', floor')[0]}"
    if verdict == "inconclusive":
        sentence += seeds_words(claim, data, floor, claim.accepted)
    return LawResult(verdict, floor, sentence, points, fit)


def _value(claim: Claim, data: Sample) -> LawResult:
    """The mean (or ratio) at every level against the accepted range."""
    return _every_level(claim, data, _levels(claim, data.y, logarithm=False), f"The measured {claim.quantity}")


def _bound(claim: Claim, data: Sample) -> LawResult:
    """One-sided 95 percent limits of y / (C x^exponent) at every level against 1."""
    limit = (claim.constant or math.nan) * data.x ** (claim.exponent if claim.exponent is not None else math.nan)
    y = _levels(claim, data.y, logarithm=False)
    ratio = Interval(y.estimate / limit, y.low / limit, y.high / limit, y.error / limit)
    return _every_level(claim, data, ratio, f"The ratio of {claim.quantity} to its bound")


def _order(claim: Claim, data: Sample) -> LawResult:
    """The ratio, or the difference, of the two cases' means, paired by seed, at every level against 1 or 0."""
    ratio = claim.by != "difference"
    if ratio:
        _need_logarithm(claim, data)
    levels = _levels(claim, data.y if ratio else data.y[0] - data.y[1], logarithm=ratio)
    result = _every_level(claim, data, levels, f"The measured {claim.quantity}")
    if len(data.x) == 1:
        return result
    below = int((np.asarray(levels.estimate) < claim.equal).sum())
    sentence = f"{result.sentence}; {below} of {len(data.x)} levels are below {claim.equal:g}"
    if ratio:
        sentence += f", geometric mean {interval_text(_geometric_mean(claim, data))}"
    return replace(result, sentence=sentence)


def _geometric_mean(claim: Claim, data: Sample) -> Interval:
    """Geometric mean over the levels of the ratio of means: reported beside the level that decides."""

    def mean_log(y: Floats) -> float:
        return float(np.log(fits.mean_curve(y)).mean())

    if claim.deterministic:
        mean = math.exp(mean_log(data.y))
        return Interval(mean, mean, mean, 0.0)
    log_mean = fits.jackknife(mean_log, data.y)
    return Interval(np.exp(log_mean.estimate), np.exp(log_mean.low), np.exp(log_mean.high), log_mean.error)


def _every_level(claim: Claim, data: Sample, levels: Interval, quantity: str) -> LawResult:
    """Supported if every level is, refuted as soon as one is. The level that decides gives the estimate."""
    low, high, middle = (np.atleast_1d(part) for part in (levels.low, levels.high, levels.estimate))
    accepted = claim.accepted
    outcomes = {decide(levels.at(i), accepted) for i in range(len(data.x))}
    verdict: Outcome = "supported"
    # How far the interval (its centre where it is unknown) lies outside the accepted range, on either side.
    out = np.fmax(
        np.where(np.isnan(high), middle, high) - accepted[1], accepted[0] - np.where(np.isnan(low), middle, low)
    )
    if "refuted" in outcomes:
        verdict = "refuted"
        out = np.fmax(low - accepted[1], accepted[0] - high)
    elif "inconclusive" in outcomes:
        verdict = "inconclusive"
    i = int(np.argmax(out))
    worst = levels.at(i)
    sentence = f"{quantity} {interval_text(worst)} {WORDS[verdict]} {accepted_range(claim)}"
    if len(data.x) > 1:
        edge = ", the level closest to the edge" if verdict == "supported" else ""
        sentence += f" at {claim.versus}={data.x[i]:g}{edge} (the claim must hold at all {len(data.x)} levels)"
    if verdict == "inconclusive":
        scale, edges = worst, accepted
        if claim.law == "order" and claim.by != "difference":  # its interval is made on the logarithm
            scale = replace(worst, estimate=math.log(float(worst.estimate)))
            edges = (-math.inf, math.log(accepted[1]))
        sentence += seeds_words(claim, data, scale, edges)
    return LawResult(verdict, worst, sentence, points_of(claim, data))


LAWS: dict[str, Callable[[Claim, Sample], LawResult]] = {
    "power": _slope,
    "exponential": _slope,
    "floor": _floor,
    "bound": _bound,
    "order": _order,
    "value": _value,
}
