"""The floor of a curve: C0 of C0 + C1 x^-p, with p fixed beforehand for verdicts, and with p fitted for figures."""

import math

import numpy as np

from orchestrator.claims.columns import Flags, Floats
from orchestrator.claims.statistics.curves import mean_curve
from orchestrator.claims.statistics.intervals import Interval, jackknife

#: Decay of the floor's power over the window, p * (u_max - u_min): outside it the floor is not identified.
FLOOR_DECAYS = np.geomspace(0.05, 20.0, 200)
#: Spread of log y above which a floor is not judged.
TOO_NOISY = 0.6
#: Each tail of a floor's interval as a part of alpha.
FLOOR_TAIL = 0.2
REWEIGHTINGS = 4


def fixed_floor(m: Floats, g: Floats) -> tuple[Floats, Floats]:
    """C0 and C1 of the relative least-squares fit m = C0 + C1 g: means ``m`` [..., levels], ``g`` [levels] = x^-p.

    Errors of a mean are relative, so the weights are 1 / fit^2, first 1 / m^2 and then of the last fit, four times.
    """
    weights = 1 / (m * m)
    c0 = c1 = np.zeros(m.shape[:-1])
    for _ in range(REWEIGHTINGS):
        weights = weights / weights.sum(axis=-1, keepdims=True)
        centre, level = (weights * g).sum(axis=-1, keepdims=True), (weights * m).sum(axis=-1, keepdims=True)
        slope = (weights * (g - centre) * m).sum(axis=-1, keepdims=True)
        slope = slope / (weights * (g - centre) ** 2).sum(axis=-1, keepdims=True)
        c0, c1 = (level - slope * centre)[..., 0], slope[..., 0]
        weights = 1 / np.maximum(level + slope * (g - centre), m / 3) ** 2
    return c0, c1


def floor_interval(means: Floats, deleted: Floats, g: Floats, alpha: float) -> Interval:
    """C0 for ``means`` [..., levels] and its interval from the means without one replicate, [..., levels, seeds].

    The tails are smaller than those of an exponent, alpha times .2 on each side: a floor is the small difference of
    larger means.
    """
    others, _ = fixed_floor(np.moveaxis(deleted, -1, -2), g)
    return jackknife(fixed_floor(means, g)[0], others, FLOOR_TAIL * alpha, FLOOR_TAIL * alpha)


def too_noisy(y: Floats) -> Flags:
    """Whether log y spreads more than ``TOO_NOISY`` at a level in the upper half of ``y`` [..., levels, seeds].

    There the fit rests on means that come out low.
    """
    upper = y[..., y.shape[-2] // 2 :, :]
    positive = np.asarray((upper > 0).all(axis=-1))
    logs = np.log(np.where(positive[..., None], upper, 1.0))
    return (~positive | (logs.std(axis=-1, ddof=1) > TOO_NOISY)).any(axis=-1)


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
