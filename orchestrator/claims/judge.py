"""Each law's judgement: from the arrays of ``samples.py`` through the statistics of ``fits.py`` to a verdict."""

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from orchestrator.claims import fits
from orchestrator.claims.claim import ROUND, Claim
from orchestrator.claims.fits import Interval
from orchestrator.claims.samples import Sample, Undecided, listed, replicates, sample
from orchestrator.claims.sentences import (
    LEAST_SEEDS,
    WORDS,
    accepted_range,
    floor_words,
    seeds_words,
    told,
    what_varied,
)
from orchestrator.claims.verdict import Point, Verdict

LEAST_LEVELS = 4
LEAST_RATIO = 8.0
#: Each one-sided limit of a bound holds with 95 percent, so the two together are a 90 percent interval.
ONE_SIDED = 0.90

Outcome = Literal["supported", "refuted", "inconclusive"]
UNKNOWN = Interval(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Finding:
    """A law's judgement before it is put into words for the table."""

    verdict: Outcome
    interval: Interval
    sentence: str
    points: tuple[Point, ...] = ()
    fit: dict[str, float] = field(default_factory=dict)


def judge(
    claim: Claim,
    summary: pd.DataFrame,
    curves: pd.DataFrame,
    varied: Literal["seeds", "instances"] = "seeds",
    sweep: str = "SWEEP",
) -> Verdict:
    """Judge one claim by the rule.

    ``summary`` has one row a replicate: case, cell_id, seed, status (done, failed, diverged; anything else counts as
    not finished yet, so the caller adds the planned replicates that have not run with status ``missing``), the
    parameters as plain columns (``env_…`` for the environment's) and ``<metric>_final`` / ``<metric>_tail``.
    ``curves`` has one row a record: cell_id, seed, round, ``<m>_window``; ``rounds_to_<m>`` and claims versus
    ``round`` read it. Along a learning curve the levels are the records of one cell, so the intervals delete a seed's
    whole curve at a time.
    ``varied`` says whether seeds alone differ between replicates or the problem instance as well; ``sweep`` names the
    command that fills gaps.

    - The curve is the mean over seeds at each level of ``versus``; its interval deletes one seed across the whole
      curve (t with R-1 degrees, 95 percent). With ``relative_to`` it is the quotient of the two means, both without
      the same seed. ``deterministic`` curves use the range over leaving out one level instead.
    - Supported: the interval lies inside the accepted range; refuted: it lies outside; otherwise inconclusive.
      6 seeds at least, 4 levels for power, exponential and floor, and a range of x of 8 for power and floor.
    - power, exponential: the slope is judged; a quadratic term whose interval excludes 0 and that moves the local
      slope over the window by more than ``within`` refutes the law. floor: C0 of C0 + C1 x^-p.
    - bound, order and value hold at every level or not at all. Supported when every level is (an intersection-union
      test, which needs no correction for the number of levels: Berger 1982); refuted as soon as one level is. The
      estimate is that of the level that decides. bound: one-sided 95 percent limits of y / (C x^exponent) against 1;
      order: the ratio of the two means, paired by seed, against 1, on its logarithm, or their difference
      against 0; value: the mean, t interval.
    - Any failed, diverged or absent replicate that leaves a level unknown makes the claim inconclusive; a mean that
      is not positive where a logarithm is needed does too.

    Raises ``UserError`` for a metric or key that the table does not have.
    """
    try:
        data = sample(claim, summary, curves, sweep)
    except Undecided as why:
        points = tuple(point for x, y in why.measured for point in _level_points(claim, np.array([x]), y, used=False))
        return _verdict(claim, Finding("inconclusive", UNKNOWN, f"No estimate: {why}", points), "")
    try:
        finding = _require(claim, data) or JUDGES[claim.law](claim, data)
    except Undecided as why:
        finding = Finding("inconclusive", UNKNOWN, f"No estimate: {why}", _points(claim, data))
    finding = _with_enough_seeds(claim, data, finding)
    return _verdict(claim, finding, what_varied(claim, data, varied))


def decide(interval: Interval, accepted: tuple[float, float]) -> Outcome:
    """Supported if the interval lies inside the accepted range, refuted if they do not meet, else inconclusive."""
    low, high = float(interval.low), float(interval.high)
    if accepted[0] <= low and high <= accepted[1]:
        return "supported"
    return "refuted" if high < accepted[0] or low > accepted[1] else "inconclusive"


def _require(claim: Claim, data: Sample) -> Finding | None:
    """What the rule demands of the data before anything is fitted."""
    if claim.deterministic:
        spread = np.ptp(data.y, axis=-1)
        if (spread > 1e-9 * np.abs(data.y).max(axis=-1)).any():
            raise Undecided("the claim says deterministic, but seeds differ; leave deterministic out")
    if claim.relative_to is not None and not (fine := fits.positive(data.y[1])).all():
        place = f" at {claim.versus}={listed(map(float, data.x[~fine]))}" if claim.versus else ""
        raise Undecided(f"the mean of the denominator of {claim.quantity} is not positive{place}")
    if claim.law not in ("power", "exponential", "floor"):
        return None
    x = data.x
    if len(x) < LEAST_LEVELS:
        raise Undecided(f"{claim.versus} has {len(x)} levels in the window; the rule needs {LEAST_LEVELS} at least")
    if claim.law != "exponential" and x[-1] / x[0] < LEAST_RATIO:
        raise Undecided(
            f"{claim.versus} spans a ratio of {x[-1] / x[0]:.3g} ({x[0]:g} to {x[-1]:g}); the rule needs "
            f"{LEAST_RATIO:g} at least to tell a power"
        )
    return None


def foreseen(claim: Claim, planned: pd.DataFrame, sweep: str) -> str:
    """Why replicates as ``planned`` cannot decide a claim whatever they measure; empty where they may.

    ``planned`` has a row a replicate: case, cell_id, seed and the parameters.
    """
    if claim.versus and claim.versus.endswith("_final"):
        return ""  # its levels are measured
    other = claim.relative_to.model_copy(update={"metric": "y_tail"}) if claim.relative_to else None
    any_metric = claim.model_copy(update={"metric": "y_tail", "level": None, "relative_to": other})
    try:
        if claim.versus == ROUND:
            replicates(any_metric, claim.case, "y_tail", planned.assign(status="missing"), pd.DataFrame(), sweep)
        else:
            done = planned.assign(status="done", y_tail=1.0)
            _require(any_metric, sample(any_metric, done, pd.DataFrame(), sweep))
    except Undecided as why:
        return str(why)
    return ""


def _logarithm(claim: Claim, data: Sample) -> None:
    """Raise ``Undecided`` where a logarithm cannot be taken of every mean that the judgement needs."""
    fine = fits.positive(data.y)
    if not fine.all():
        place = f" at {claim.versus}={listed(map(float, data.x[~fine]))}" if claim.versus else ""
        raise Undecided(
            f"the mean of {claim.quantity} over the seeds (or over all but one of them) is not positive{place}, so "
            "it has no logarithm"
        )


def _interval(claim: Claim, u: np.ndarray, y: np.ndarray, statistic) -> Interval:
    """Interval of a statistic of the whole curve, ``statistic(u, y)``."""
    if claim.deterministic:
        return fits.leave_one_point_out(statistic, u, y)
    return fits.jackknife(partial(statistic, u), y)


def _levels(claim: Claim, y: np.ndarray, logarithm: bool, confidence: float = fits.CONFIDENCE) -> Interval:
    """Interval of the mean (or ratio) at each level [levels]; on the logarithm it stays positive."""
    if claim.deterministic:
        mean = fits.mean_curve(y)
        return Interval(mean, mean, mean, np.zeros(len(mean)))
    if not logarithm:
        return fits.jackknife(fits.mean_curve, y, confidence)
    found = fits.jackknife(lambda part: np.log(fits.mean_curve(part)), y, confidence)
    return Interval(np.exp(found.estimate), np.exp(found.low), np.exp(found.high), found.error)


def _points(claim: Claim, data: Sample) -> tuple[Point, ...]:
    """Every level for the table, those outside the window unused."""
    found = _level_points(claim, data.x, data.y, used=True)
    for x, y in data.aside:
        found += _level_points(claim, np.array([x]), y, used=False)
    return tuple(sorted(found, key=lambda point: point.x))


def _level_points(claim: Claim, x: np.ndarray, y: np.ndarray, used: bool) -> list[Point]:
    """Mean and interval at each level, of the kind that the law judges: plain, or logarithmic where means allow it."""
    logarithm = claim.law not in ("value", "bound") and bool(fits.positive(y).all())
    with np.errstate(divide="ignore", invalid="ignore"):
        at = _levels(claim, y, logarithm, ONE_SIDED if claim.law == "bound" else fits.CONFIDENCE)
    rows = zip(x, *(np.atleast_1d(part) for part in (at.estimate, at.low, at.high)), strict=True)
    return [Point(*map(float, row), seeds=y.shape[-1], used=used) for row in rows]


def _fitted(claim: Claim, data: Sample) -> Finding:
    """Power and exponential: the slope of log y on u, and whether one slope is enough."""
    _logarithm(claim, data)
    u = np.log(data.x) if claim.law == "power" else data.x
    slope = _interval(claim, u, data.y, lambda u, y: fits.line(u, y)[1])
    bend = _interval(claim, u, data.y, fits.quadratic_term)
    moved = 2 * float(bend.estimate) * float(u[-1] - u[0])
    intercept = float(fits.line(u, data.y)[0])
    fit = {"intercept": intercept, "slope": float(slope.estimate)}
    fit |= {"quadratic": float(bend.estimate), "slope_change": moved}
    verdict = decide(slope, claim.accepted)
    word = "exponent" if claim.law == "power" else "rate"
    sentence = f"The {word} {told(slope)} {WORDS[verdict]} {accepted_range(claim)}"
    bent = float(bend.low) > 0 or float(bend.high) < 0
    if bent and claim.within is not None and abs(moved) > claim.within:
        floor = _interval(claim, u, data.y, fits.floor_fit)
        floor_told, more = floor_words(claim, floor)
        verdict, fit = "refuted", fit | more
        sentence = (
            f"Not one {claim.law} law: the local {word} moves by {moved:+.2g} over the window, more than the "
            f"{claim.within:g} allowed, and the bend {told(bend)} excludes 0 (one {word} would be {told(slope)}); "
            f"{floor_told}"
        )
        return Finding(verdict, slope, sentence, _points(claim, data), fit)
    if verdict == "inconclusive":
        sentence += seeds_words(claim, data, slope, claim.accepted)
    if bent and claim.within is None and abs(moved) > 0.01:
        sentence += (
            f"; the local {word} moves by {moved:+.2g} over the window, which a claim without within leaves free"
        )
    return Finding(verdict, slope, sentence, _points(claim, data), fit)


def _floor(claim: Claim, data: Sample) -> Finding:
    """The floor C0 of C0 + C1 x^-p against the accepted range."""
    _logarithm(claim, data)
    found = _interval(claim, np.log(data.x), data.y, fits.floor_fit)
    floor = found.at(0)
    if math.isnan(float(floor.estimate)):
        raise Undecided(
            f"the levels of {claim.versus} do not identify a floor: p of C0 + C1 {claim.versus}^-p can be anything"
        )
    words, fit = floor_words(claim, found)
    if math.isnan(float(floor.low)) and len(data.seeds) >= LEAST_SEEDS:
        sentence = f"{words}; without one of the seeds or levels it is not identified"
        return Finding("inconclusive", floor, sentence, _points(claim, data), fit)
    verdict = decide(floor, claim.accepted)
    sentence = f"The floor {told(floor)} {WORDS[verdict]} {accepted_range(claim)}; {words.split(', floor')[0]}"
    if verdict == "inconclusive":
        sentence += seeds_words(claim, data, floor, claim.accepted)
    return Finding(verdict, floor, sentence, _points(claim, data), fit)


def _value(claim: Claim, data: Sample) -> Finding:
    """The mean (or ratio) at every level against the accepted range."""
    found = _levels(claim, data.y, logarithm=False)
    return _every_level(claim, data, found, claim.accepted, f"The measured {claim.quantity}")


def _bound(claim: Claim, data: Sample) -> Finding:
    """One-sided 95 percent limits of y / (C x^exponent) at every level against 1."""
    limit = (claim.constant or math.nan) * data.x ** (claim.exponent if claim.exponent is not None else math.nan)
    found = _levels(claim, data.y, logarithm=False, confidence=ONE_SIDED)
    scaled = Interval(found.estimate / limit, found.low / limit, found.high / limit, found.error / limit)
    return _every_level(claim, data, scaled, claim.accepted, f"The ratio of {claim.quantity} to its bound", ONE_SIDED)


def _order(claim: Claim, data: Sample) -> Finding:
    """The ratio, or the difference, of the two cases' means, paired by seed, at every level against 1 or 0."""
    ratio = claim.by != "difference"
    if ratio:
        _logarithm(claim, data)
    y = data.y if ratio else data.y[0] - data.y[1]
    found = _levels(claim, y, logarithm=ratio)
    finding = _every_level(claim, data, found, claim.accepted, f"The measured {claim.quantity}", logarithm=ratio)
    if len(data.x) == 1:
        return finding
    below = int((np.asarray(found.estimate) < claim.equal).sum())
    sentence = f"{finding.sentence}; {below} of {len(data.x)} levels are below {claim.equal:g}"
    if ratio:
        sentence += f", geometric mean {told(_overall(claim, data))}"
    return Finding(finding.verdict, finding.interval, sentence, finding.points)


def _overall(claim: Claim, data: Sample) -> Interval:
    """Geometric mean over the levels of the ratio of means, told beside the level that decides."""

    def mean_log(y: np.ndarray) -> float:
        return float(np.log(fits.mean_curve(y)).mean())

    if claim.deterministic:
        mean = math.exp(mean_log(data.y))
        return Interval(mean, mean, mean, 0.0)
    found = fits.jackknife(mean_log, data.y)
    return Interval(np.exp(found.estimate), np.exp(found.low), np.exp(found.high), found.error)


def _every_level(
    claim: Claim, data: Sample, found: Interval, accepted: tuple[float, float], quantity: str,
    confidence: float = fits.CONFIDENCE, logarithm: bool = False,
) -> Finding:  # fmt: skip
    """Supported if every level is, refuted as soon as one is; the level that decides gives the estimate."""
    low, high, middle = (np.atleast_1d(part) for part in (found.low, found.high, found.estimate))
    outcomes = [decide(found.at(i), accepted) for i in range(len(data.x))]
    verdict: Outcome = "supported"
    # Distance by which the interval (its centre where it is unknown) sticks out of the accepted range, on either side.
    out = np.fmax(
        np.where(np.isnan(high), middle, high) - accepted[1], accepted[0] - np.where(np.isnan(low), middle, low)
    )
    if "refuted" in outcomes:
        verdict = "refuted"
        out = np.fmax(low - accepted[1], accepted[0] - high)
    elif "inconclusive" in outcomes:
        verdict = "inconclusive"
    i = int(np.argmax(out))
    worst = found.at(i)
    sentence = f"{quantity} {told(worst)} {WORDS[verdict]} {accepted_range(claim)}"
    if len(data.x) > 1:
        where = "at the level closest to its edge" if verdict == "supported" else f"{verdict} at the level that decides"
        sentence += f", {where}, {claim.versus}={data.x[i]:g} (all {len(data.x)} levels must hold)"
    if verdict == "inconclusive":
        scale = worst
        edges = accepted
        if logarithm:
            scale = Interval(math.log(float(worst.estimate)), worst.low, worst.high, worst.error)
            edges = (-math.inf, math.log(accepted[1]))
        sentence += seeds_words(claim, data, scale, edges, confidence)
    return Finding(verdict, worst, sentence, _points(claim, data))


def _with_enough_seeds(claim: Claim, data: Sample, finding: Finding) -> Finding:
    """Too few seeds: what was found is told, but it is no verdict."""
    seeds = len(data.seeds)
    if claim.deterministic or seeds >= LEAST_SEEDS or math.isnan(float(finding.interval.estimate)):
        return finding
    few = f"{seeds} seed{'s are' if seeds != 1 else ' is'} too few for a verdict, which takes {LEAST_SEEDS}"
    if finding.verdict == "inconclusive" and seeds > 1:
        sentence = f"{few}: {finding.sentence[0].lower()}{finding.sentence[1:]}"
        return Finding("inconclusive", finding.interval, sentence, finding.points, finding.fit)
    estimate = f"the estimate so far is {told(finding.interval)}, accepted {accepted_range(claim)}"
    sentence = f"{few}; {estimate}; run at least {LEAST_SEEDS} seeds"
    return Finding("inconclusive", finding.interval, sentence, finding.points, finding.fit)


def _verdict(claim: Claim, finding: Finding, varied: str) -> Verdict:
    kind = "95% interval, one seed deleted at a time"
    if claim.law == "bound":
        kind = "two one-sided 95% limits"
    if claim.deterministic:
        kind = "sensitivity: range over leaving out one level"
        if claim.law in ("value", "bound", "order"):
            kind = "exact"
    sentence = finding.sentence[0].upper() + finding.sentence[1:]
    estimate, low, high = (
        float(part) for part in (finding.interval.estimate, finding.interval.low, finding.interval.high)
    )
    return Verdict(
        claim.name, claim.case, claim.metric, claim.versus, claim.law, estimate, low, high, kind, claim.expected,
        finding.verdict, ". ".join(filter(None, [sentence, varied])) + ".", finding.points, finding.fit,
    )  # fmt: skip


JUDGES = {
    "power": _fitted,
    "exponential": _fitted,
    "floor": _floor,
    "bound": _bound,
    "order": _order,
    "value": _value,
}
