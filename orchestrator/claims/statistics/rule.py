"""The rule of verdicts on arrays: the code that judges a claim, and thousands of drawn ones in the study of its errors.

``y`` is float64 [..., levels, seeds]; leading axes are experiments. Each function returns intervals and outcomes: 1
supported, 0 inconclusive, -1 refuted. docs/claims.md states the rule in words and shows how often it errs.
"""

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.claims.columns import Flags, Floats
from orchestrator.claims.statistics.contrasts import Contrast, change_weights, contrast, geometric_mean, slope_weights
from orchestrator.claims.statistics.floors import fixed_floor, floor_interval, too_noisy
from orchestrator.claims.statistics.intervals import ROUNDING, Interval, Outcomes, jackknife, left_out, outcomes
from orchestrator.claims.statistics.looks import alpha
from orchestrator.claims.statistics.means import mean_interval, signed_interval

Range = tuple[float, float]
#: Each tail of a quotient that may be negative, as a part of alpha.
SMALL = 0.2


@dataclass(frozen=True)
class Slope:
    """The slope of log y and how much it changes over the window."""

    slope: Contrast
    change: Contrast
    bent: Flags  #: the whole interval of the change lies beyond the tolerance: not one law
    doubtful: Flags  #: the change is not 0 and its estimate, but not its whole interval, lies beyond the tolerance
    outcome: Outcomes


def judge_slope(u: Floats, y: Floats, accepted: Range, within: float | None, look: int = 1) -> Slope:
    """The least-squares slope of log y on ``u`` [levels]; ``y`` [..., 2 levels, seeds] for a ratio, numerators first.

    Refuted as not one law if the whole interval of the change lies beyond -+``within``; never supported if its interval
    excludes 0 and its estimate lies beyond.
    """
    both = y.shape[-2] == 2 * len(u)
    tail = alpha(look) / 2
    weights = [np.concatenate([w, -w]) if both else w for w in (slope_weights(u), change_weights(u))]
    slope, change = (contrast(y, w, tail) for w in weights)
    return decide_slope(slope, change, accepted, within)


def decide_slope(slope: Contrast, change: Contrast, accepted: Range, within: float | None) -> Slope:
    """The outcome of a slope and its change; see ``judge_slope``."""
    limit = math.inf if within is None else within
    low, high, middle = change.interval.low, change.interval.high, change.interval.estimate
    bent = (low > limit) | (high < -limit)
    doubtful = ~bent & ((low > 0) | (high < 0)) & (np.abs(middle) > limit)
    outcome = outcomes(slope.interval, accepted)
    outcome = np.where(bent, -1, np.where(doubtful & (outcome > 0), 0, outcome)).astype(np.int8)
    return Slope(slope, change, bent, doubtful, outcome)


def judge_floor_slope(
    floors: Floats, deleted: Floats, u: Floats, accepted: Range, within: float | None, look: int
) -> Slope:
    """The slope of log C0 on ``u`` for ``floors`` [..., levels] and those without one seed [..., levels, seeds].

    A seed is deleted from everything. No interval where a floor is not positive, in all data or in a deletion.
    """
    positive = np.asarray((floors > 0).all(axis=-1) & (deleted > 0).all(axis=(-1, -2)))
    logs = np.log(np.where(positive[..., None], floors, 1.0))
    others = np.log(np.where(positive[..., None, None], deleted, 1.0))

    def of(weights: Floats) -> Contrast:
        tail = alpha(look) / 2
        m = jackknife((weights * logs).sum(axis=-1), (weights[:, None] * others).sum(axis=-2), tail, tail)
        m = Interval(np.where(positive, m.estimate, math.nan), m.low, m.high).where(positive & (m.high > m.low))
        none = m.where(False)
        return Contrast(m, (m, none, none))

    return decide_slope(of(slope_weights(u)), of(change_weights(u)), accepted, within)


@dataclass(frozen=True)
class Levels:
    """A claim that must hold at every level [..., levels].

    Each level's interval, for support; that which refutes (alpha / levels); and that of all levels together.
    """

    each: Interval
    strict: Interval
    together: Interval | None
    outcome: Outcomes
    by_one: Flags  #: refuted by one level; otherwise by all together


def judge_means(y: Floats, accepted: Range, look: int = 1, share: bool = False) -> Levels:
    """The mean at every level; ``share``: every run is 0 or 1.

    All together, for a half line and positive runs: the geometric mean over the levels of the means.
    """
    a = alpha(look)
    together = geometric_mean(y, a / 2).where((y > 0).all(axis=(-1, -2)))
    strict = mean_interval(y, a / y.shape[-2], share)
    return _levels(mean_interval(y, a, share), strict, together, accepted)


def judge_ratios(top: Floats, bottom: Floats, accepted: Range, look: int = 1) -> Levels:
    """The ratio of means at every level, paired by seed: a contrast with weights 1, -1.

    All together: the geometric mean over the levels.
    """
    a, levels = alpha(look), top.shape[-2]
    pairs, weights = np.stack([top, bottom], axis=-2), np.array([1.0, -1.0])
    each, strict = (contrast(pairs, weights, tail).interval.on(np.exp) for tail in (a / 2, a / 2 / levels))
    both = np.concatenate([top, bottom], axis=-2)
    together = contrast(both, np.repeat(weights / levels, levels), a / 2).interval.on(np.exp)
    return _levels(each, strict, together, accepted)


def judge_quotients(top: Floats, bottom: Floats, accepted: Range, look: int = 1) -> Levels:
    """The same where numerators may be negative: the quotient of the means, with tails of alpha times .2."""
    a, levels = alpha(look), top.shape[-2]
    mean, others = top.mean(axis=-1) / bottom.mean(axis=-1), left_out(top) / left_out(bottom)
    each, strict = (jackknife(mean, others, SMALL * tail, SMALL * tail) for tail in (a, a / levels))
    each, strict = (part.where(part.high - part.low > ROUNDING * np.abs(mean)) for part in (each, strict))
    return _levels(each, strict, None, accepted)


def judge_differences(d: Floats, accepted: Range, look: int = 1) -> Levels:
    """The mean difference of two cases at every level, paired by seed (``means.signed_interval``).

    All together: the mean over the levels.
    """
    a, levels = alpha(look), d.shape[-2]
    each, strict = signed_interval(d, a), signed_interval(d, a / levels)
    return _levels(each, strict, signed_interval(d.mean(axis=-2), a), accepted)


def _levels(each: Interval, strict: Interval, together: Interval | None, accepted: Range) -> Levels:
    """Supported if every level is: no correction is needed (intersection-union test: Berger 1982).

    Refuted if one level is at alpha / levels (Bonferroni), or all together at alpha where the range is a half line: if
    every mean is at most c, so is their geometric mean.
    """
    supported = (outcomes(each, accepted) > 0).all(axis=-1)
    by_one = np.asarray((outcomes(strict, accepted) < 0).any(axis=-1))
    refuted = by_one
    if together is not None and each.low.shape[-1] > 1 and math.inf in (-accepted[0], accepted[1]):
        refuted = refuted | (outcomes(together, accepted) < 0)
    outcome = np.where(refuted, -1, np.where(supported, 1, 0)).astype(np.int8)
    return Levels(each, strict, together, outcome, by_one)


def judge_floor(y: Floats, g: Floats, accepted: Range, look: int = 1) -> tuple[Interval, Outcomes]:
    """C0 of C0 + C1 g against the accepted range, g [levels] = x^-p with p given beforehand.

    No interval where a level is too noisy. ``y`` is [..., 2 levels, seeds] for a ratio, numerators first.
    """
    means, others = y.mean(axis=-1), left_out(y)
    if y.shape[-2] == 2 * len(g):
        means, others = means[..., : len(g)] / means[..., len(g) :], others[..., : len(g), :] / others[..., len(g) :, :]
    interval = floor_interval(means, others, g, alpha(look)).where(~too_noisy(y))
    return interval, outcomes(interval, accepted)


def deleted_floors(y: Floats, g: Floats) -> tuple[Floats, Floats]:
    """C0 [...] for ``y`` [..., levels, seeds], and without one replicate each [..., seeds]."""
    return fixed_floor(y.mean(axis=-1), g)[0], fixed_floor(np.moveaxis(left_out(y), -1, -2), g)[0]
