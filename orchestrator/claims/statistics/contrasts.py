"""Intervals of everything that is judged on logarithms: a contrast theta = sum_k w_k log E[y_k].

An exponent, a rate, a bend and a ratio are contrasts, with weights that sum to 0. A paper's bound on an error is about
the mean over runs, E[y]. What most people compute is the typical run, E[log y]. The two have different exponents where
the spread of log y changes over the levels. No interval for means covers under every distribution, so three are
computed and the verdict needs all of them:

- M, the means: sum w log(mean y), with one replicate deleted at every level (jackknife).
- T, the typical run: the mean over replicates of sum w log y, with the t interval over replicates.
- S, the means under unequal spread: sum w (mean log y + s^2 / 2), as if log y were normal with a variance s^2 at each
  level. It joins only where Bartlett's test finds the spreads unequal (p < .05; for the two
  rows of a ratio p < .5, because it sees little in two).
"""

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.claims.columns import Flags, Floats
from orchestrator.claims.statistics.intervals import ROUNDING, Interval, jackknife, left_out
from orchestrator.claims.statistics.quantiles import chi_squared_quantile

#: Level of Bartlett's test, and that for two rows, between which it sees little.
UNEQUAL, UNEQUAL_PAIR = 0.05, 0.5
#: Where a run is not positive there is no typical run, and M stands alone with tails smaller by this factor.
ALONE = 2.5


@dataclass(frozen=True)
class Contrast:
    """The interval of a verdict, the hull of its ``parts`` (M, T, S; NaN where one does not count).

    The estimate is that of M.
    """

    interval: Interval
    parts: tuple[Interval, Interval, Interval]

    @property
    def typical(self) -> Floats:
        """The estimate of the typical run; NaN where a run is not positive."""
        return self.parts[1].estimate


def slope_weights(u: Floats) -> Floats:
    """Weights of the least-squares slope of log y on ``u``: v / sum v^2 with v = u - mean u."""
    v = u - u.mean()
    return v / (v * v).sum()


def change_weights(u: Floats) -> Floats:
    """Weights of the change of the local slope over the window: 2 (u_max - u_min) q / sum q^2.

    q is the quadratic polynomial that is orthogonal to 1 and u on the levels, so q / sum q^2 estimates the quadratic
    coefficient of log y = a + b u + c u^2, whose slope changes by 2 c (u_max - u_min).
    """
    v = u - u.mean()
    square = (v * v).sum()
    q = v * v - square / len(u) - (v * v * v).sum() / square * v
    return 2 * (u.max() - u.min()) * q / (q * q).sum()


def contrast(y: Floats, weights: Floats, tail: float) -> Contrast:
    """The contrast of ``y`` [..., rows, seeds] with ``weights`` [rows] and its interval, ``tail`` on each side.

    Column s of ``y`` is replicate s in every row, so rows may be correlated. No interval where the contrast of all
    replicates is the same up to rounding: that tells nothing of other runs. NaN where a mean is not positive.
    """
    positive = np.asarray((y > 0).all(axis=(-1, -2)))
    logs = np.log(np.where(positive[..., None, None], y, 1.0))
    m, alone = _of_means(y, weights, tail), _of_means(y, weights, tail / ALONE)
    t = _of_runs(logs, weights, tail).where(positive)
    t = Interval(np.where(positive, t.estimate, math.nan), t.low, t.high)
    s = _for_spread(logs, weights, tail).where(positive & _unequal(logs))
    m = m.where(positive, alone.low, alone.high)
    low, high = np.fmin(np.fmin(m.low, t.low), s.low), np.fmax(np.fmax(m.high, t.high), s.high)
    known = high - low > ROUNDING * np.abs(weights).sum()
    return Contrast(Interval(m.estimate, low, high).where(known), (m.where(known), t.where(known), s.where(known)))


def geometric_mean(y: Floats, tail: float) -> Interval:
    """The geometric mean over the levels of the means of ``y`` [..., levels, seeds]: exp of M with weights 1 / K."""
    return _of_means(y, np.ones(y.shape[-2]) / y.shape[-2], tail).on(np.exp)


def _of_means(y: Floats, weights: Floats, tail: float) -> Interval:
    with np.errstate(divide="ignore", invalid="ignore"):
        means, others = np.log(y.mean(axis=-1)), np.log(left_out(y))
        return jackknife((weights * means).sum(axis=-1), (weights[:, None] * others).sum(axis=-2), tail, tail)


def _of_runs(logs: Floats, weights: Floats, tail: float) -> Interval:
    own = (weights[:, None] * logs).sum(axis=-2)
    return jackknife(own.mean(axis=-1), left_out(own), tail, tail)


def _for_spread(logs: Floats, weights: Floats, tail: float) -> Interval:
    """S. Each end is as far from the middle as the square root of T's squared half width and those of the variances.

    The limits of a variance v over R - 1 degrees d are v d / chi^2; one end of sum w v / 2 takes the upper limits of
    rows with positive weights and the lower limits of the others (MOVER: Zou and Donner 2008).
    """
    d = logs.shape[-1] - 1
    t = _of_runs(logs, weights, tail)
    if d < 1:
        return t
    half = np.asarray(weights * logs.var(axis=-1, ddof=1) / 2, dtype=np.float64)
    grows = d / chi_squared_quantile(d, tail) - 1
    falls = 1 - d / chi_squared_quantile(d, 1 - tail)
    adds = (weights > 0).astype(np.float64)
    down, up = (falls * adds + grows * (1 - adds)) * half, (grows * adds + falls * (1 - adds)) * half
    middle = t.estimate + half.sum(axis=-1)
    low = middle - np.sqrt((t.estimate - t.low) ** 2 + (down * down).sum(axis=-1))
    return Interval(middle, low, middle + np.sqrt((t.high - t.estimate) ** 2 + (up * up).sum(axis=-1)))


def _unequal(logs: Floats) -> Flags:
    """Bartlett's test of equal spread over the rows [...]: whether p < ``UNEQUAL``.

    d (K log(mean v) - sum log v) / (1 + (K + 1) / (3 K d)) is about chi-squared with K - 1 degrees of freedom.
    """
    rows, d = logs.shape[-2], logs.shape[-1] - 1
    if d < 1 or rows < 2:
        return np.zeros(logs.shape[:-2], dtype=bool)
    v = np.maximum(logs.var(axis=-1, ddof=1), 1e-300)
    statistic = d * (rows * np.log(v.mean(axis=-1)) - np.log(v).sum(axis=-1)) / (1 + (rows + 1) / (3 * rows * d))
    return statistic > chi_squared_quantile(rows - 1, 1 - (UNEQUAL if rows > 2 else UNEQUAL_PAIR))
