"""The statistics of a claim: laws fitted to a measured curve, and intervals that delete whole curves of a seed.

A *curve* is ``y`` float64 [levels, seeds]: one number per replicate; column s is seed s at every level. A *ratio* is
``y`` float64 [2, levels, seeds]: numerator and denominator with the same seeds. All laws are fitted to the mean over
seeds (of a ratio: the quotient of the two means), never to single replicates, because papers state expected errors,
and the mean of logarithms is a different quantity. Sums run over axes in memory order and no BLAS is called, so the
same table gives the same digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orchestrator.claims.columns import Flags, Floats
from orchestrator.claims.quantiles import t_quantile

CONFIDENCE = 0.95
#: More seeds than this are not proposed.
MOST_SEEDS = 1000
#: Decay of the floor's power over the window, p * (u_max - u_min): outside it the floor is not identified.
FLOOR_DECAYS = np.geomspace(0.05, 20.0, 200)

#: A number of a curve or ratio ``y``, or several.
Statistic = Callable[[Floats], float | Floats]
#: The same of levels ``u`` [levels] and ``y``.
CurveStatistic = Callable[[Floats, Floats], float | Floats]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval [low, high]; ``error`` is the standard error (0 for a sensitivity range).

    The fields are scalars, or arrays of one shape for a statistic of several components.
    """

    estimate: float | Floats
    low: float | Floats
    high: float | Floats
    error: float | Floats

    def at(self, index: int) -> "Interval":
        """The interval of one component."""
        parts = (self.estimate, self.low, self.high, self.error)
        return Interval(*(float(np.asarray(part)[index]) for part in parts))


def mean_curve(y: Floats) -> Floats:
    """Mean over seeds [levels] of a curve [levels, seeds]; of a ratio [2, levels, seeds] the quotient of the means."""
    means = np.ascontiguousarray(y, dtype=float).mean(axis=-1)
    return means if means.ndim == 1 else means[0] / means[1]


def positive(y: Floats) -> Flags:
    """Whether each level [levels] has a logarithm: its mean and every mean without one seed are above 0.

    A metric that scatters around zero fails here. Its logarithm would depend on a few seeds.
    """
    seeds = y.shape[-1]
    means = [y.mean(axis=-1)]
    if seeds > 1:
        means += [np.delete(y, s, axis=-1).mean(axis=-1) for s in range(seeds)]
    return np.atleast_1d((np.array(means) > 0).all(axis=tuple(range(y.ndim - 1))))


def jackknife(statistic: Statistic, y: Floats, confidence: float = CONFIDENCE) -> Interval:
    """Delete-one-seed jackknife of ``statistic(y)``: a seed is deleted at every level, and in both halves of a ratio.

    error^2 = (R-1)/R * sum_s (theta_(s) - mean theta_(.))^2, interval theta +- t_{R-1} * error (Tukey 1958; Efron and
    Stein 1981). For a mean this is the textbook t interval. Levels that share a seed may be correlated.
    With a single seed the interval is NaN.
    """
    estimate = np.asarray(statistic(y), dtype=float)
    seeds = y.shape[-1]
    if seeds < 2:
        blank = np.full(estimate.shape, math.nan)
        return Interval(estimate, blank, blank, blank)
    deleted = np.array([statistic(np.delete(y, s, axis=-1)) for s in range(seeds)], dtype=float)
    spread = deleted - deleted.mean(axis=0)
    error = np.sqrt((seeds - 1) / seeds * (spread * spread).sum(axis=0))
    half = t_quantile(seeds, confidence) * error
    return Interval(estimate, estimate - half, estimate + half, error)


def leave_one_point_out(statistic: CurveStatistic, u: Floats, y: Floats) -> Interval:
    """Range of ``statistic(u, y)`` when one level at a time is left out: a sensitivity, not a confidence interval.

    For curves without noise: the only uncertainty is which levels were measured. The estimate uses all levels.
    """
    left = [statistic(np.delete(u, i), np.delete(y, i, axis=-2)) for i in range(len(u))]
    values = np.array([statistic(u, y), *left], dtype=float)
    return Interval(values[0], values.min(axis=0), values.max(axis=0), np.zeros(values.shape[1:]))


def line(u: Floats, y: Floats) -> Floats:
    """Least squares log mean_curve(y) = a + b u: returns [a, b]. ``u`` [levels], needs two distinct values."""
    z = np.log(mean_curve(y))
    v = u - u.mean()
    b = (v * z).sum() / (v * v).sum()
    return np.array([z.mean() - b * u.mean(), b])


def power_slope(x: Floats, y: Floats) -> float:
    """Exponent b of y = C x^b: least squares of log(mean over seeds) on log x (``x`` > 0 [levels])."""
    return float(line(np.log(x), y)[1])


def exponential_rate(x: Floats, y: Floats) -> float:
    """Rate b of y = C exp(b x): least squares of log(mean over seeds) on x (``x`` [levels])."""
    return float(line(np.asarray(x, dtype=float), y)[1])


def quadratic_term(u: Floats, y: Floats) -> float:
    """Coefficient c of the least-squares fit log mean_curve(y) = a + b u + c u^2; needs three distinct ``u``.

    Computed with the quadratic polynomial that is orthogonal to 1 and u on the levels. The local slope changes by
    2 c (u_max - u_min) over the window.
    """
    z = np.log(mean_curve(y))
    v = u - u.mean()
    square = (v * v).sum()
    q = v * v - square / len(u) - (v * v * v).sum() / square * v
    return float((q * z).sum() / (q * q).sum())


def _floor_given(decay: Floats, v: Floats, m: Floats) -> tuple[Floats, Floats, Floats]:
    """C0, C1 and squared relative residuals of m = C0 + C1 exp(-decay v); ``decay`` [k], ``v`` and ``m`` [levels]."""
    a = np.broadcast_to(1.0 / m, (len(decay), len(m)))
    b = np.exp(-decay[:, None] * v) / m
    aa, ab, bb = (a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)
    sa, sb = a.sum(axis=1), b.sum(axis=1)
    determinant = aa * bb - ab * ab
    floor, scale = (bb * sa - ab * sb) / determinant, (aa * sb - ab * sa) / determinant
    residual = 1.0 - floor[:, None] * a - scale[:, None] * b
    return floor, scale, (residual * residual).sum(axis=1)


def floor_fit(u: Floats, y: Floats) -> Floats:
    """Fit mean_curve(y) = C0 + C1 exp(-p u), that is C0 + C1 x^-p for u = log x: returns [C0, C1, p].

    Minimises the squared relative residuals, because an error bar on a log axis is relative. C0 and C1 solve the linear
    problem for each p; p is found by a fixed grid and golden section. C0 may be negative, so that its interval is not
    cut at 0. All are NaN if the data do not identify p, that is, if the best p lies at an end of the searched range:
    the power changes by less than 5 percent over the window, or vanishes after the first level.
    """
    m = mean_curve(y)
    span = u.max() - u.min()
    v = (u - u.min()) / span
    cost = _floor_given(FLOOR_DECAYS, v, m)[2]
    best = int(np.argmin(cost))
    if not 0 < best < len(FLOOR_DECAYS) - 1:
        return np.full(3, math.nan)
    low, high = np.log(FLOOR_DECAYS[best - 1]), np.log(FLOOR_DECAYS[best + 1])
    golden = (math.sqrt(5.0) - 1) / 2
    for _ in range(60):
        inner = np.exp([high - golden * (high - low), low + golden * (high - low)])
        left, right = _floor_given(inner, v, m)[2]
        low, high = (low, math.log(inner[1])) if left <= right else (math.log(inner[0]), high)
    decay = np.exp([(low + high) / 2])
    floor, scale, _ = _floor_given(decay, v, m)
    p = float(decay[0] / span)
    return np.array([floor[0], scale[0] * math.exp(p * float(u.min())), p])


def seeds_needed(
    interval: Interval, seeds: int, edges: tuple[float, float], least: int, confidence: float = CONFIDENCE
) -> int | None:
    """About how many seeds keep the interval away from both ``edges`` if the estimate stays the same.

    The smallest n from ``least`` to ``MOST_SEEDS`` with t_{n-1} s / sqrt(n) < distance to the nearer edge, where
    ``s`` = error * sqrt(seeds) is the standard deviation of one seed. None if there is none.
    """
    distance = min(abs(float(interval.estimate) - edge) for edge in edges)
    spread = float(interval.error) * math.sqrt(seeds)
    for n in range(least, MOST_SEEDS + 1):
        if t_quantile(n, confidence) * spread / math.sqrt(n) < distance:
            return n
    return None
