"""The statistics of a claim: laws fitted to a measured curve, and intervals in which a seed's whole curve is one datum.

A *curve* is ``y`` float64 [levels, seeds]: one number a replicate, column s from seed s at every level. A *ratio* is
``y`` float64 [2, levels, seeds]: numerator and denominator of the same seeds. All laws are fitted to the mean over
seeds (of a ratio: the quotient of the two means), never to single replicates, because the papers speak of expected
errors and the mean of logarithms is another quantity. Sums run over axes in memory order and no BLAS is called, so
the same table gives the same digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95
#: Decay of the floor's power over the window, p * (u_max - u_min): outside it the floor is not identified.
FLOOR_DECAYS = np.geomspace(0.05, 20.0, 200)

Statistic = Callable[[np.ndarray], "float | np.ndarray"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval [low, high]; ``error`` is the standard error (0 for a sensitivity range).

    The fields are scalars, or arrays of one shape for a statistic of several components.
    """

    estimate: float | np.ndarray
    low: float | np.ndarray
    high: float | np.ndarray
    error: float | np.ndarray

    def at(self, index: int) -> "Interval":
        """The interval of one component."""
        parts = (self.estimate, self.low, self.high, self.error)
        return Interval(*(float(np.asarray(part)[index]) for part in parts))


def t_quantile(seeds: int, confidence: float = CONFIDENCE) -> float:
    """Two-sided t quantile with ``seeds`` - 1 degrees of freedom: 2.365 for 8 seeds at .95 (NaN below 2 seeds)."""
    return float(stdtrit(seeds - 1, (1 + confidence) / 2)) if seeds > 1 else math.nan


def mean_curve(y: np.ndarray) -> np.ndarray:
    """Mean over seeds [levels] of a curve [levels, seeds]; of a ratio [2, levels, seeds] the quotient of the means."""
    means = np.ascontiguousarray(y, dtype=float).mean(axis=-1)
    return means if means.ndim == 1 else means[0] / means[1]


def positive(y: np.ndarray) -> np.ndarray:
    """Whether each level [levels] can be put on a log axis: its mean and every mean without one seed are above 0.

    A metric that scatters around zero fails here; its logarithm would silently drop or invent decades.
    """
    seeds = y.shape[-1]
    means = [y.mean(axis=-1)]
    if seeds > 1:
        means += [np.delete(y, s, axis=-1).mean(axis=-1) for s in range(seeds)]
    return np.atleast_1d((np.array(means) > 0).all(axis=tuple(range(y.ndim - 1))))


def jackknife(statistic: Statistic, y: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """Delete-one-seed jackknife of ``statistic(y)``: a seed is left out of every level, and of both halves of a ratio.

    error^2 = (R-1)/R * sum_s (theta_(s) - mean theta_(.))^2, interval theta +- t_{R-1} * error (Tukey 1958; Efron and
    Stein 1981). For a mean this is the textbook t interval. Levels that share a seed may be correlated in any way.
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


def leave_one_point_out(
    statistic: Callable[[np.ndarray, np.ndarray], float | np.ndarray], u: np.ndarray, y: np.ndarray
) -> Interval:
    """Range of ``statistic(u, y)`` over leaving out one level at a time: a sensitivity, not a confidence interval.

    For noise-free curves, whose only uncertainty is which levels were measured. The estimate uses all levels.
    """
    left = [statistic(np.delete(u, i), np.delete(y, i, axis=-2)) for i in range(len(u))]
    values = np.array([statistic(u, y), *left], dtype=float)
    return Interval(values[0], values.min(axis=0), values.max(axis=0), np.zeros(values.shape[1:]))


def line(u: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least squares log mean_curve(y) = a + b u: returns [a, b]. ``u`` [levels], needs two distinct values."""
    z = np.log(mean_curve(y))
    v = u - u.mean()
    b = (v * z).sum() / (v * v).sum()
    return np.array([z.mean() - b * u.mean(), b])


def power_slope(x: np.ndarray, y: np.ndarray) -> float:
    """Exponent b of y = C x^b: least squares of log(mean over seeds) on log x (``x`` > 0 [levels])."""
    return float(line(np.log(x), y)[1])


def exponential_rate(x: np.ndarray, y: np.ndarray) -> float:
    """Rate b of y = C exp(b x): least squares of log(mean over seeds) on x (``x`` [levels])."""
    return float(line(np.asarray(x, dtype=float), y)[1])


def quadratic_term(u: np.ndarray, y: np.ndarray) -> float:
    """Coefficient c of the least-squares fit log mean_curve(y) = a + b u + c u^2, three distinct ``u`` at least.

    Computed through the quadratic polynomial that is orthogonal to 1 and u on the levels. The local slope moves by
    2 c (u_max - u_min) over the window.
    """
    z = np.log(mean_curve(y))
    v = u - u.mean()
    square = (v * v).sum()
    q = v * v - square / len(u) - (v * v * v).sum() / square * v
    return float((q * z).sum() / (q * q).sum())


def _floor_given(decay: np.ndarray, v: np.ndarray, m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C0, C1 and squared relative residuals of m = C0 + C1 exp(-decay v); ``decay`` [k], ``v`` and ``m`` [levels]."""
    a = np.broadcast_to(1.0 / m, (len(decay), len(m)))
    b = np.exp(-decay[:, None] * v) / m
    aa, ab, bb = (a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)
    sa, sb = a.sum(axis=1), b.sum(axis=1)
    determinant = aa * bb - ab * ab
    floor, scale = (bb * sa - ab * sb) / determinant, (aa * sb - ab * sa) / determinant
    residual = 1.0 - floor[:, None] * a - scale[:, None] * b
    return floor, scale, (residual * residual).sum(axis=1)


def floor_fit(u: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Fit mean_curve(y) = C0 + C1 exp(-p u), that is C0 + C1 x^-p for u = log x: returns [C0, C1, p].

    Least squares of relative residuals (errors are proportional to the size of the value on a log axis); C0 and C1
    solve the linear problem for each p, p by a fixed grid and golden section. C0 may come out negative, so that its
    interval is not cut at 0. All NaN where the data do not identify p: the best p lies at an end of the searched range
    (the power changes over the window by less than 5 percent, or is gone after the first level).
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
    interval: Interval, seeds: int, edges: tuple[float, float], least: int, most: int = 1000, confidence=CONFIDENCE
) -> int | None:
    """About how many seeds make the interval miss both ``edges`` if the estimate stays: t_{n-1} s / sqrt(n) < distance.

    ``s`` = error * sqrt(seeds) is the spread of one seed. None when more than ``most`` are needed: the estimate sits
    at an edge. Between ``least`` and ``most`` otherwise.
    """
    distance = min(abs(float(interval.estimate) - edge) for edge in edges)
    spread = float(interval.error) * math.sqrt(seeds)
    for n in range(least, most + 1):
        if t_quantile(n, confidence) * spread / math.sqrt(n) < distance:
            return n
    return None
