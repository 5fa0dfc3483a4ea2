"""How replicates scatter about the truth: factors of mean 1, drawn for many experiments at once."""

import math
from collections.abc import Callable

import numpy as np

Shape = tuple[int, int, int]  #: experiments, levels, seeds
Factors = Callable[[np.random.Generator, Shape], np.ndarray]

LEVELS = np.array([2.0, 4.0, 8.0, 16.0, 32.0])
#: Rare runs are 10 times as large as the others, with this share.
RARE, LARGE = 0.1, 10.0


def lognormal(spread: float, common: float = 0.0) -> Factors:
    """``spread`` is that of the logarithm, ``common`` the part of its variance that all levels of a seed share."""

    def draw(random: np.random.Generator, shape: Shape) -> np.ndarray:
        own, shared = random.normal(size=shape), random.normal(size=(shape[0], 1, shape[2]))
        z = math.sqrt(1 - common) * own + math.sqrt(common) * shared
        return np.exp(spread * z - spread * spread / 2)

    return draw


def squares(dimension: int) -> Factors:
    """The squared length of a normal error in ``dimension`` dimensions."""
    return lambda random, shape: random.chisquare(dimension, size=shape) / dimension


def changing(first: float, last: float) -> Factors:
    """Lognormal factors whose spread goes from ``first`` at the first level to ``last``; of one level the larger."""

    def draw(random: np.random.Generator, shape: Shape) -> np.ndarray:
        spread = np.linspace(first, last, shape[1]) if shape[1] > 1 else np.array([max(first, last)])
        spread = spread[:, None]
        return np.exp(spread * random.normal(size=shape) - spread * spread / 2)

    return draw


def _log_t(random: np.random.Generator, shape: Shape) -> np.ndarray:
    return np.exp(0.3 * np.clip(random.standard_t(3, size=shape), -12, 12)) / LOG_T_MEAN


def _log_t_mean() -> float:
    """E exp(.3 T) of Student's T with 3 degrees, cut at -+12, by the trapezoidal rule."""
    t = np.linspace(-12, 12, 240_001)
    density = 2 / (math.pi * math.sqrt(3)) / (1 + t * t / 3) ** 2
    outside = 1 - np.trapezoid(density, t)
    return float(np.trapezoid(density * np.exp(0.3 * t), t) + outside * math.cosh(0.3 * 12))


LOG_T_MEAN = _log_t_mean()


def _pareto(random: np.random.Generator, shape: Shape) -> np.ndarray:
    return (random.pareto(2.5, size=shape) + 1) * 1.5 / 2.5


def _correlated(random: np.random.Generator, shape: Shape) -> np.ndarray:
    """Spread .6; the logarithms of neighbouring levels of a seed are correlated by .95."""
    z = random.normal(size=shape)
    for level in range(1, shape[1]):
        z[:, level] = 0.95 * z[:, level - 1] + math.sqrt(1 - 0.95**2) * z[:, level]
    return np.exp(0.6 * z - 0.18)


def _own_exponent(random: np.random.Generator, shape: Shape) -> np.ndarray:
    """Each seed has an exponent of its own, with spread .25, and every run a spread of .2."""
    u = (np.log(LEVELS) - np.log(LEVELS).mean())[: shape[1], None]
    slopes = random.normal(0, 0.25, size=(shape[0], 1, shape[2]))
    return np.exp(slopes * u + 0.2 * random.normal(size=shape) - ((0.25 * u) ** 2 + 0.04) / 2)


def rare(by_seed: bool) -> Factors:
    """One run (or seed, at all its levels) in ten is ten times as large; the others have spread .2."""

    def draw(random: np.random.Generator, shape: Shape) -> np.ndarray:
        large = random.random((shape[0], 1, shape[2]) if by_seed else shape) < RARE
        factors = np.where(large, LARGE, 1.0) * np.exp(0.2 * random.normal(size=shape) - 0.02)
        return factors / (1 + RARE * (LARGE - 1))

    return draw


PROCESSES: dict[str, Factors] = {
    "lognormal, spread .3": lognormal(0.3),
    "the same, half of it shared by a seed's levels": lognormal(0.3, common=0.5),
    "lognormal, spread 1": lognormal(1.0),
    "spread falls from .6 to .1 over x": changing(0.6, 0.1),
    "spread grows from .1 to 1.2 over x": changing(0.1, 1.2),
    "squared normal error, 8 dimensions": squares(8),
    "squared normal error, 2 dimensions": squares(2),
    "spread .6, neighbouring levels correlated by .95": _correlated,
    "each seed has its own exponent, spread .25": _own_exponent,
    "logarithm is t with 3 degrees, times .3": _log_t,
    "Pareto with index 2.5": _pareto,
    "1 run in 10 is 10 times as large": rare(by_seed=False),
    "1 seed in 10 is 10 times as large": rare(by_seed=True),
}
MORE = {
    "lognormal, spread .1": lognormal(0.1),
    "lognormal, spread .6": lognormal(0.6),
    "lognormal, spread 1.2": lognormal(1.2),
}
#: Means of these are out of reach: a few replicates do not show the runs that make the mean.
HEAVY = ("logarithm is t with 3 degrees, times .3", "Pareto with index 2.5")
WITH_RARE = ("1 run in 10 is 10 times as large", "1 seed in 10 is 10 times as large")
