"""Laws fitted to a measured curve, and the range of a fit over leaving out one level.

A *curve* is ``y`` float64 [levels, seeds]: one number per replicate; column s is seed s at every level. A *ratio* is
``y`` float64 [2, levels, seeds]: numerator and denominator with the same seeds. All laws are fitted to the mean over
seeds (of a ratio: the quotient of the two means).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.claims.columns import Flags, Floats
from orchestrator.claims.statistics.contrasts import change_weights, slope_weights
from orchestrator.claims.statistics.intervals import Interval, left_out

#: A number, or several, of levels ``u`` [levels] and ``y``.
CurveStatistic = Callable[[Floats, Floats], ArrayLike]


def mean_curve(y: Floats) -> Floats:
    """Mean over seeds [levels] of a curve [levels, seeds]; of a ratio [2, levels, seeds] the quotient of the means."""
    means = np.ascontiguousarray(y, dtype=float).mean(axis=-1)
    return means if means.ndim == 1 else means[0] / means[1]


def positive(y: Floats) -> Flags:
    """Whether each level [levels] has a logarithm: its mean and every mean without one seed are above 0.

    A metric that scatters around zero fails here. Its logarithm would depend on a few seeds.
    """
    fine = (y.mean(axis=-1) > 0) & ((left_out(y) > 0).all(axis=-1) | (y.shape[-1] == 1))
    return fine if fine.ndim == 1 else fine.all(axis=0)


def leave_one_point_out(statistic: CurveStatistic, u: Floats, y: Floats) -> Interval:
    """Range of ``statistic(u, y)`` when one level at a time is left out: a sensitivity, not a confidence interval.

    For curves without noise: the only uncertainty is which levels were measured. The estimate uses all levels.
    """
    left = [statistic(np.delete(u, i), np.delete(y, i, axis=-2)) for i in range(len(u))]
    values = np.array([statistic(u, y), *left], dtype=float)
    return Interval(values[0], values.min(axis=0), values.max(axis=0))


def line(u: Floats, y: Floats) -> Floats:
    """Least squares log mean_curve(y) = a + b u: returns [a, b]. ``u`` [levels], needs two distinct values."""
    z = np.log(mean_curve(y))
    b = (slope_weights(u) * z).sum()
    return np.array([z.mean() - b * u.mean(), b])


def slope(u: Floats, y: Floats) -> float:
    """Slope b of log mean_curve(y) = a + b u: the exponent of a power for u = log x, the rate of an exponential."""
    return float(line(u, y)[1])


def change(u: Floats, y: Floats) -> float:
    """How much the local slope of log mean_curve(y) = a + b u + c u^2 changes over ``u``: 2 c (u_max - u_min)."""
    return float((change_weights(u) * np.log(mean_curve(y))).sum())
