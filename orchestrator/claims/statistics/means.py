"""The interval of a mean over runs, and of a share of runs."""

import math

import numpy as np

from orchestrator.claims.columns import Floats
from orchestrator.claims.statistics.intervals import ROUNDING, Interval, jackknife, left_out
from orchestrator.claims.statistics.quantiles import binomial_limits

#: Upper tail of a positive mean as a part of alpha, for spreads of the runs below .35 and .6 of their mean, and above.
#: The more skewed numbers are, the more often the mean of a few of them lies too low.
UPPER_TAILS = ((0.35, 0.3), (0.6, 0.1), (math.inf, 0.02))
#: Below so many seeds it is halved: then a few runs often miss the largest ones altogether.
FEW_SEEDS = 8
#: Tail of a mean of any sign as a part of alpha, for skewness towards this side below -.3, .3 and .8, and above.
SKEW_TAILS = ((-0.3, 0.5), (0.3, 0.2), (0.8, 0.04), (math.inf, 0.004))


def mean_interval(y: Floats, alpha: float, share: bool = False) -> Interval:
    """The interval of the mean of ``y`` [..., seeds] that misses it with a chance of about ``alpha``.

    - ``share``, every run is 0 or 1: exact binomial limits (Clopper and Pearson 1934), alpha / 2 on each side.
    - No run below 0: t on the logarithm of the mean, exp(log mean -+ t error). The lower tail is alpha / 2, the upper
      one smaller (``UPPER_TAILS``).
    - Otherwise the t interval of ``signed_interval``.

    None where all runs gave the same number up to rounding.
    """
    if share:
        return _share(y, alpha / 2)
    mean, others = y.mean(axis=-1), left_out(y)
    positive = np.asarray((y >= 0).all(axis=-1) & (others > 0).all(axis=-1))
    safe, safe_others = np.where(positive, mean, 1.0), np.where(positive[..., None], others, 1.0)
    spread = y.std(axis=-1, ddof=1) / safe if y.shape[-1] > 1 else np.zeros(mean.shape)
    upper = alpha * _stepped(spread, UPPER_TAILS) / (2 if y.shape[-1] < FEW_SEEDS else 1)
    on_log = jackknife(np.log(safe), np.log(safe_others), alpha / 2, upper).on(np.exp)
    plain = signed_interval(y, alpha)
    interval = Interval(mean, np.where(positive, on_log.low, plain.low), np.where(positive, on_log.high, plain.high))
    return interval.where(np.ptp(y, axis=-1) > ROUNDING * np.abs(y).max(axis=-1))


def signed_interval(y: Floats, alpha: float) -> Interval:
    """The t interval of the mean of runs that may be negative, such as differences.

    Each tail is a part of alpha (``SKEW_TAILS``), the smaller the more the runs are skewed towards that side. None
    where all runs gave the same number up to rounding.
    """
    mean = y.mean(axis=-1)
    z = y - mean[..., None]
    skewness = (z**3).mean(axis=-1) / np.maximum((z * z).mean(axis=-1), 1e-200) ** 1.5
    below, above = (alpha * _stepped(side, SKEW_TAILS) for side in (-skewness, skewness))
    interval = jackknife(mean, left_out(y), below, above)
    return interval.where(np.ptp(y, axis=-1) > ROUNDING * np.abs(y).max(axis=-1))


def _stepped(numbers: Floats, steps: tuple[tuple[float, float], ...]) -> Floats:
    """The value of the first step whose edge each number is below."""
    return np.select([numbers < edge for edge, _ in steps], [value for _, value in steps], steps[-1][1])


def _share(y: Floats, tail: float) -> Interval:
    runs = y.shape[-1]
    hits = y.sum(axis=-1).astype(np.intp)
    low, high = (
        np.array(ends) for ends in zip(*(binomial_limits(k, runs, tail) for k in range(runs + 1)), strict=True)
    )
    return Interval(hits / runs, low[hits], high[hits])
