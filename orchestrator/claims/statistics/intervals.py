"""An estimate with its interval, the jackknife that makes most of them, and what an interval says of a range.

A sample is ``y`` float64 [..., seeds] with the replicates last; leading axes are levels, or whole experiments of a
simulation. Sums run over axes in memory order and no BLAS is called, so the same table gives the same digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orchestrator.claims.columns import Floats
from orchestrator.claims.statistics.quantiles import t_quantile

#: Outcomes of verdicts: 1 supported, 0 inconclusive, -1 refuted.
Outcomes = NDArray[np.int8]
#: Spreads below this part of the numbers themselves are rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Interval:
    """Estimates with their intervals [low, high], arrays of one shape; NaN ends where there is no interval."""

    estimate: Floats
    low: Floats
    high: Floats

    def at(self, index: int) -> "Interval":
        """The interval of one of several estimates."""
        return Interval(*(np.asarray(part[index]) for part in (self.estimate, self.low, self.high)))

    def on(self, scale: Callable[[Floats], Floats]) -> "Interval":
        """Estimates and ends on another scale, which keeps their order."""
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            return Interval(scale(self.estimate), scale(self.low), scale(self.high))

    def where(self, known: ArrayLike, low: Floats | float = math.nan, high: Floats | float = math.nan) -> "Interval":
        """The same with other ends, or none, where ``known`` is false."""
        return Interval(self.estimate, np.where(known, self.low, low), np.where(known, self.high, high))


def exactly(numbers: Floats) -> Interval:
    """Intervals of width 0: numbers that are known."""
    return Interval(numbers, numbers, numbers)


def outcomes(interval: Interval, accepted: tuple[float, float]) -> Outcomes:
    """1 where the interval lies inside the accepted range, -1 where both are disjoint, else 0; 0 without interval."""
    inside = (interval.low >= accepted[0]) & (interval.high <= accepted[1])
    outside = (interval.high < accepted[0]) | (interval.low > accepted[1])
    return inside.astype(np.int8) - outside.astype(np.int8)


def left_out(y: Floats) -> Floats:
    """Means [..., seeds] over all replicates except each one.

    The sums before and after it are added: subtracting it from the sum of all would lose the digits of the others
    where one replicate is much larger than the rest.
    """
    seeds = y.shape[-1]
    sums = np.zeros((2, *y.shape[:-1], seeds + 1))
    np.cumsum(y, axis=-1, out=sums[0, ..., 1:])
    np.cumsum(y[..., ::-1], axis=-1, out=sums[1, ..., 1:])
    return (sums[0, ..., :-1] + sums[1, ..., seeds - 1 :: -1]) / max(seeds - 1, 1)


def jackknife(estimate: Floats, deleted: Floats, low: Floats | float, high: Floats | float) -> Interval:
    """The interval of ``estimate`` [...] from the estimates without one replicate each, ``deleted`` [..., seeds].

    error^2 = (R-1)/R sum_s (theta_(s) - mean theta_(.))^2 (Tukey 1958; Efron and Stein 1981), ends theta - t error and
    theta + t error, where t leaves the tail ``low`` or ``high`` of Student's t with R - 1 degrees of freedom. For a
    mean this is the textbook t interval. ``low`` and ``high`` are numbers. A single replicate gives no interval.
    """
    seeds = deleted.shape[-1]
    if seeds < 2:
        return Interval(estimate, np.full(estimate.shape, math.nan), np.full(estimate.shape, math.nan))
    error = math.sqrt(seeds - 1) * deleted.std(axis=-1)
    return Interval(estimate, estimate - _t(seeds, low) * error, estimate + _t(seeds, high) * error)


def jackknife_of(statistic: Callable[[Floats], ArrayLike], y: Floats, low: float, high: float) -> Interval:
    """The jackknife of any ``statistic(y)``: a replicate is deleted at every level, and in both halves of a ratio."""
    parts = [np.delete(y, seed, axis=-1) if y.shape[-1] > 1 else y for seed in range(y.shape[-1])]
    deleted = [np.asarray(statistic(part), dtype=float) for part in parts]
    estimate = np.asarray(statistic(y), dtype=float)
    return jackknife(
        estimate, np.moveaxis(np.array(deleted), 0, -1) if len(deleted) > 1 else estimate[..., None], low, high
    )


def _t(seeds: int, tail: Floats | float) -> Floats | float:
    """Quantiles of Student's t for one tail, or for an array of few different ones."""
    if isinstance(tail, float):
        return t_quantile(seeds, tail)
    tails = np.asarray(tail)
    different, place = np.unique(tails, return_inverse=True)
    return np.array([t_quantile(seeds, float(each)) for each in different])[place].reshape(tails.shape)
