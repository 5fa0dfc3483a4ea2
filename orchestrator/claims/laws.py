"""What is needed before a claim is fitted, and the laws of a whole curve: power, exponential and floor."""

import math

import numpy as np

from orchestrator.claims.claim import LEAST_SEEDS, ROUND, Claim
from orchestrator.claims.columns import Floats, listed
from orchestrator.claims.levels import level_points, points_of, require_logarithm
from orchestrator.claims.replicates import Undecided
from orchestrator.claims.samples import Family, Sample
from orchestrator.claims.sentences import (
    floor_words,
    interval_text,
    no_interval,
    placed,
    seeds_words,
    still_words,
)
from orchestrator.claims.statistics import curves, floors, rule
from orchestrator.claims.statistics.contrasts import Contrast
from orchestrator.claims.statistics.intervals import ROUNDING, Interval, jackknife, jackknife_of, outcomes
from orchestrator.claims.statistics.looks import MISSED, alpha
from orchestrator.claims.verdict import OUTCOMES, LawResult, Line

LEAST_LEVELS = 4
LEAST_RATIO = 8.0


def require(claim: Claim, data: Sample) -> None:
    """Raise ``Undecided`` if the data cannot decide the claim, before anything is fitted."""
    if claim.deterministic:
        spread = np.ptp(data.y, axis=-1)
        if (spread > ROUNDING * np.abs(data.y).max(axis=-1)).any():
            raise Undecided("the claim is marked deterministic, but its seeds differ; remove deterministic")
    if claim.relative_to is not None and not (fine := curves.positive(data.y[1])).all():
        place = f" at {claim.versus}={listed(map(float, data.x[~fine]))}" if claim.versus else ""
        raise Undecided(f"the mean of the denominator of {claim.quantity} is not positive{place}")
    if claim.law in ("power", "exponential", "floor"):
        require_levels(claim.law, claim.versus, data.x)
    if claim.law == "exponential" and claim.versus == ROUND and claim.metric.endswith("_window"):
        _require_even_windows(claim, data)


def require_levels(law: str, versus: str | None, x: Floats) -> None:
    """Raise ``Undecided`` if ``x`` has too few values for a law, or spans too little."""
    if len(x) < LEAST_LEVELS:
        values = f"only {len(x)} value{'s' * (len(x) != 1)} of {versus} in the window"
        raise Undecided(f"{values}; at least {LEAST_LEVELS} are needed")
    if law != "exponential" and x[-1] / x[0] < LEAST_RATIO:
        raise Undecided(
            f"{versus} spans only a factor of {x[-1] / x[0]:.3g} ({x[0]:g} to {x[-1]:g}); at least "
            f"{LEAST_RATIO:g} is needed to identify a power law"
        )


def _require_even_windows(claim: Claim, data: Sample) -> None:
    """Means over windows of different lengths fall at another rate than the values themselves."""
    earlier = [x for x, _ in data.aside if x < data.x[0]]
    lengths = np.diff(np.concatenate([[max(earlier, default=0.0)], data.x]))
    if np.ptp(lengths) > 0:
        value = claim.metric.removesuffix("_window")
        raise Undecided(
            f"{claim.metric} is a mean over windows of different lengths, which has another rate than the curve; "
            f"use {value}, the value at each record"
        )


def judge_curve(claim: Claim, data: Sample, look: int) -> LawResult:
    """Power and exponential: the slope of log y on u, and whether one slope is enough."""
    require_logarithm(claim, data)
    u = np.log(data.x) if claim.law == "power" else data.x
    if claim.deterministic:
        found = _without_noise(claim, u, data.y)
    else:
        found = rule.judge_slope(u, data.rows, claim.accepted, claim.within, look)
    intercept, slope = curves.line(u, data.y)
    fit = {"intercept": float(intercept), "slope": float(slope)}
    fit |= {"slope_change": float(found.change.interval.estimate)}
    curve = ""
    if bool(found.bent):
        floor, floor_fit = floor_words(claim, _free_floor(claim, u, data.y))
        curve, fit = f"; {floor}", fit | floor_fit
    sentence = _slope_sentence(claim, data, found, look) + curve
    return LawResult(OUTCOMES[int(found.outcome)], found.slope.interval, sentence, points_of(claim, data), fit)


def _without_noise(claim: Claim, u: Floats, y: Floats) -> rule.Slope:
    """The same for numbers without noise: ranges over leaving out one level."""
    slope, change = (curves.leave_one_point_out(statistic, u, y) for statistic in (curves.slope, curves.change))
    limit = math.inf if claim.within is None else claim.within
    bent = ((change.low > 0) | (change.high < 0)) & (np.abs(change.estimate) > limit)
    outcome = np.where(bent, -1, outcomes(slope, claim.accepted)).astype(np.int8)
    none = slope.where(False)
    parts = [Contrast(interval, (interval, none, none)) for interval in (slope, change)]
    return rule.Slope(*parts, bent=bent, doubtful=np.zeros_like(bent), outcome=outcome)


def _slope_sentence(claim: Claim, data: Sample | Family, found: rule.Slope, look: int) -> str:
    word = "exponent" if claim.law == "power" else "rate"
    interval, change, verdict = found.slope.interval, found.change.interval, OUTCOMES[int(found.outcome)]
    if bool(found.bent):
        where = "as estimated and by every range" if claim.deterministic else "with its whole interval"
        return (
            f"Not one {claim.law} law: the local {word} changes by {float(change.estimate):+.2g} "
            f"[{float(change.low):.2g}, {float(change.high):.2g}] over the window, {where} more than the allowed "
            f"{claim.within:g} (a single {word} would be {interval_text(interval)})"
        )
    if math.isnan(float(interval.low)):
        return still_words(len(data.seeds), f"the {word}", float(interval.estimate))
    typical = float(found.slope.typical)
    of_runs = "" if math.isnan(typical) or claim.deterministic else f" (of the typical run {typical:.3g})"
    if bool(found.doubtful) and verdict == "inconclusive":
        accepted = (-float(claim.within or 0), float(claim.within or 0))
        more = seeds_words(claim, data, found.change.parts, accepted, look)
        return (
            f"The {word} {interval_text(interval)}{of_runs} would do, but the local {word} changes over the window by "
            f"{interval_text(change)}: surely, and perhaps by more than the allowed {claim.within:g}{more}"
        )
    sentence = f"The {word} {placed(claim, interval, verdict, of_runs)}"
    if verdict == "inconclusive":
        sentence += seeds_words(claim, data, found.slope.parts, claim.accepted, look)
    curved = float(change.low) > 0 or float(change.high) < 0
    if curved and claim.within is None and abs(float(change.estimate)) > 0.01:
        sentence += (
            f"; the local {word} changes by {float(change.estimate):+.2g} over the window, which is not limited "
            "without within"
        )
    return sentence


def _free_floor(claim: Claim, u: Floats, y: Floats) -> Interval:
    """[C0, C1, p] with a fitted p: for the figure and for words."""
    if claim.deterministic:
        return curves.leave_one_point_out(floors.floor_fit, u, y)
    return jackknife_of(lambda part: floors.floor_fit(u, part), y, MISSED, MISSED)


def judge_floor(claim: Claim, data: Sample, look: int) -> LawResult:
    """The floor C0 of C0 + C1 x^-p against the accepted range; p is the claim's ``decay``."""
    require_logarithm(claim, data)
    if claim.decay is None:
        return _judge_free_floor(claim, data)
    g = data.x**-claim.decay
    c0, c1 = floors.fixed_floor(curves.mean_curve(data.y), g)
    fit = {"floor": float(c0), "scale": float(c1), "decay": claim.decay}
    if claim.deterministic:
        interval = curves.leave_one_point_out(
            lambda u, y: floors.fixed_floor(curves.mean_curve(y), np.exp(-(claim.decay or 0) * u))[0],
            np.log(data.x),
            data.y,
        )
        outcome = outcomes(interval, claim.accepted)
    else:
        if len(data.seeds) < 2:
            sentence = f"the floor of a single seed is {float(c0):.3g}"
            return LawResult("inconclusive", no_interval(float(c0)), sentence, points_of(claim, data), fit)
        interval, outcome = rule.judge_floor(data.rows, g, claim.accepted, look)
        if bool(floors.too_noisy(data.rows)):
            sentence = (
                f"The floor is {float(c0):.3g}, but single runs scatter too much for an interval: the spread of log "
            )
            sentence += f"{claim.quantity} exceeds {floors.TOO_NOISY:g} at a level in the upper half"
            return LawResult("inconclusive", interval, sentence, points_of(claim, data), fit)
    verdict = OUTCOMES[int(outcome)]
    sign = "+" if float(c1) >= 0 else "-"
    sentence = f"The floor {placed(claim, interval, verdict)}; the fit is {float(c0):.3g} "
    sentence += f"{sign} {abs(float(c1)):.3g} {claim.versus}^-{claim.decay:g}"
    if verdict == "inconclusive":
        sentence += seeds_words(claim, data, [interval], claim.accepted, look)
    return LawResult(verdict, interval, sentence, points_of(claim, data), fit)


def _judge_free_floor(claim: Claim, data: Sample) -> LawResult:
    """A floor with a fitted p: a verdict only for numbers without noise."""
    curve = _free_floor(claim, np.log(data.x), data.y)
    floor = curve.at(0)
    if math.isnan(float(floor.estimate)):
        raise Undecided(
            f"the values of {claim.versus} do not identify a floor: any p of C0 + C1 {claim.versus}^-p fits"
        )
    words, fit = floor_words(claim, curve)
    points = points_of(claim, data)
    if claim.deterministic and not math.isnan(float(floor.low)):
        verdict = OUTCOMES[int(outcomes(floor, claim.accepted))]
        sentence = f"The floor {placed(claim, floor, verdict)}; {words.split(', floor')[0]}"
        return LawResult(verdict, floor, sentence, points, fit)
    sentence = f"{words}; an interval of a floor covers it only if the claim fixes p: write decay"
    return LawResult("inconclusive", floor.where(False), sentence, points, fit)


def judge_floors(claim: Claim, data: Family, look: int) -> LawResult:
    """The slope of the floors C0 fitted at each value of ``versus``; a seed is deleted from everything."""
    if claim.floor is None:
        raise ValueError(f"claim {claim.name!r} is not about a floor")
    require_levels(claim.law, claim.versus, data.x)
    if len(data.seeds) < LEAST_SEEDS:
        few = f"{len(data.seeds)} seeds are too few for fitted floors; at least {LEAST_SEEDS} are needed"
        raise Undecided(few)
    pairs: list[tuple[Floats, Floats]] = []
    for at, part in zip(data.x, data.curves, strict=True):
        try:
            require_levels("floor", claim.floor.versus, part.x)
            require_logarithm(claim.model_copy(update={"versus": claim.floor.versus, "floor": None}), part)
        except Undecided as why:
            raise Undecided(f"at {claim.versus}={at:g}: {why}") from why
        pairs.append(rule.deleted_floors(part.y, part.x**-claim.floor.decay))
    c0, deleted = (np.array(part) for part in zip(*pairs, strict=True))
    tail = floors.FLOOR_TAIL * alpha(1)
    points = tuple(level_points(data.x, jackknife(c0, deleted, tail, tail), len(data.seeds)))
    if (lost := ~((c0 > 0) & (deleted > 0).all(axis=-1))).any():
        place = f"{claim.versus}={listed(map(float, data.x[lost]))}"
        raise Undecided(f"a fitted floor at {place} is not above 0, in all seeds or without one of them")
    u = np.log(data.x) if claim.law == "power" else data.x
    found = rule.judge_floor_slope(c0, deleted, u, claim.accepted, claim.within, look)
    slope = float(found.slope.interval.estimate)
    fit = {"intercept": float(np.log(c0).mean() - slope * u.mean()), "slope": slope}
    fit |= {"slope_change": float(found.change.interval.estimate)}
    sentence = _slope_sentence(claim, data, found, look)
    return LawResult(OUTCOMES[int(found.outcome)], found.slope.interval, sentence, points, fit)


def lines_of(claim: Claim, data: Family) -> tuple[Line, ...]:
    """The curves that the floors are fitted to, each with its points and its fit."""
    if claim.floor is None:
        raise ValueError(f"claim {claim.name!r} is not about a floor")
    inner = claim.model_copy(update={"law": "floor", "versus": claim.floor.versus, "floor": None})
    lines: list[Line] = []
    for at, part in zip(data.x, data.curves, strict=True):
        c0, c1 = np.array(math.nan), np.array(math.nan)
        if len(part.x) > 1 and curves.positive(part.y).all():
            c0, c1 = floors.fixed_floor(curves.mean_curve(part.y), part.x**-claim.floor.decay)
        lines.append(Line(float(at), points_of(inner, part), float(c0), float(c1), claim.floor.decay))
    return tuple(lines)
