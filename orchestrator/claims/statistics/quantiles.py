"""Quantiles of Student's t, chi-squared and the binomial limits, because importing scipy takes longer than judging.

Each is the root of a distribution function: a bracket is halved until Newton's method takes over. They agree with scipy
to eleven digits (tests/claims/test_quantiles.py).
"""

import math
from collections.abc import Callable
from functools import cache

#: Most steps of a continued fraction or a series; those of verdicts end after a few dozen.
TERMS = 10_000
TINY = 1e-300


@cache
def t_quantile(seeds: int, tail: float = 0.025) -> float:
    """Upper ``tail`` quantile of Student's t with ``seeds`` - 1 degrees of freedom (NaN below 2 seeds).

    2.365 for 8 seeds. P(T > t) = I_x(d/2, 1/2) / 2 with x = d / (d + t^2).
    """
    if seeds < 2:
        return math.nan
    d = seeds - 1
    scale = math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2)) / math.sqrt(d * math.pi)

    def excess(t: float) -> float:
        return tail - _beta_share(d / (d + t * t), d / 2, 0.5) / 2

    return _root(excess, lambda t: scale * (1 + t * t / d) ** (-(d + 1) / 2), 0.0, _above(excess))


@cache
def chi_squared_quantile(degrees: int, share: float) -> float:
    """The number below which a chi-squared variable with ``degrees`` of freedom lies with probability ``share``."""
    half = degrees / 2

    def excess(x: float) -> float:
        return _gamma_share(half, x / 2) - share

    def density(x: float) -> float:
        return math.exp((half - 1) * math.log(x / 2) - x / 2 - math.lgamma(half)) / 2

    return _root(excess, density, 0.0, _above(excess))


@cache
def binomial_limits(hits: int, runs: int, tail: float) -> tuple[float, float]:
    """Limits of the share p of runs that hit, ``tail`` on each side: Clopper and Pearson 1934.

    The lower limit solves P(at least ``hits`` | p) = tail, the upper one P(at most ``hits`` | p) = tail.
    """
    low = _beta_quantile(tail, hits, runs - hits + 1) if hits > 0 else 0.0
    high = _beta_quantile(1 - tail, hits + 1, runs - hits) if hits < runs else 1.0
    return low, high


def _beta_quantile(share: float, a: float, b: float) -> float:
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)

    def density(x: float) -> float:
        return math.exp(constant + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))

    return _root(lambda x: _beta_share(x, a, b) - share, density, 0.0, 1.0)


def _above(excess: Callable[[float], float]) -> float:
    """A number at which the increasing function ``excess`` is positive."""
    high = 2.0
    while excess(high) < 0:
        high *= 2
    return high


def _root(excess: Callable[[float], float], slope: Callable[[float], float], low: float, high: float) -> float:
    """Where the increasing function ``excess`` is 0 in (low, high): Newton's steps, or halves where they leave it."""
    x = (low + high) / 2
    for _ in range(200):
        value = excess(x)
        low, high = (x, high) if value < 0 else (low, x)
        steep = slope(x)
        step = x - value / steep if steep > 0 else low
        new = step if low < step < high else (low + high) / 2
        if abs(new - x) <= 1e-14 * abs(x) or new in (low, high):
            return new
        x = new
    return x


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(1 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)

    def numerator(n: int) -> float:
        m = n // 2
        if n % 2:
            return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))

    return math.exp(front) / a / _fraction(1.0, numerator, lambda n: 1.0)


def _gamma_share(a: float, x: float) -> float:
    """The regularised lower incomplete gamma function P(a, x): its series, or 1 - its fraction (DLMF 8.11.4, 8.9.2)."""
    if x <= 0:
        return 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for n in range(1, TERMS):
            term *= x / (a + n)
            total += term
            if term <= 1e-17 * total:
                break
        return front * total
    return 1 - front / _fraction(x + 1 - a, lambda n: -n * (n - a), lambda n: x + 1 - a + 2 * n)


def _fraction(first: float, numerator: Callable[[int], float], denominator: Callable[[int], float]) -> float:
    """first + numerator(1) / (denominator(1) + numerator(2) / (denominator(2) + ...)), by Lentz's method."""
    value = c = first or TINY
    d = 0.0
    for n in range(1, TERMS):
        above, below = numerator(n), denominator(n)
        d = 1 / ((below + above * d) or TINY)
        c = (below + above / c) or TINY
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
