"""The coverage of a claim's interval: ``python -m benchmarks.coverage`` (a few minutes) writes it to docs/claims.md.

Curves with a known law are drawn at random. For each, two intervals are computed: that of the claims rule (one seed
left out of the whole curve, t with R - 1 degrees; the same code that judges claims) and the percentile bootstrap over
seeds. How many of them contain the true value goes to docs/claims/coverage.csv, and the page's table is made from this
file. The numbers are the same each time.
"""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.claims import fits

CHECKOUT = Path(__file__).parents[1]
POINTS, PAGE = CHECKOUT / "docs" / "claims" / "coverage.csv", CHECKOUT / "docs" / "claims.md"
BEGIN, END = "<!-- coverage -->", "<!-- end -->"

SEEDS = (4, 5, 6, 8, 16)
CURVES = 4000  #: per row and number of seeds; the standard error of a share of .95 is then .003
RESAMPLES = 1000
LEVELS = np.array([2.0, 4.0, 8.0, 16.0, 32.0])

Factors = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def lognormal(spread: float, common: float = 0.0) -> Factors:
    """Factors of mean 1: ``spread`` is that of their logarithm, ``common`` the part that all levels of a seed share."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        own, shared = random.normal(size=shape), random.normal(size=shape[1])
        z = math.sqrt(1 - common) * own + math.sqrt(common) * shared
        return np.exp(spread * z - spread * spread / 2)

    return draw


def squares(dimension: int) -> Factors:
    """Factors of mean 1, distributed as the squared length of a normal error in ``dimension`` dimensions."""
    return lambda random, shape: random.chisquare(dimension, size=shape) / dimension


def narrowing(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Lognormal factors of mean 1 whose spread falls from .6 at the first level to .1 at the last."""
    spread = np.linspace(0.6, 0.1, shape[0])[:, None]
    return np.exp(spread * random.normal(size=shape) - spread * spread / 2)


#: (what is estimated, how replicates scatter about the true value) -> factors.
STUDIES: dict[tuple[str, str], Factors] = {
    ("exponent", "lognormal, spread .3"): lognormal(0.3),
    ("exponent", "the same, half of it shared by a seed's levels"): lognormal(0.3, common=0.5),
    ("exponent", "lognormal, spread 1"): lognormal(1.0),
    ("exponent", "spread .6 at the first level, .1 at the last"): narrowing,
    ("exponent", "squared normal error, 8 dimensions"): squares(8),
    ("exponent", "squared normal error, 2 dimensions"): squares(2),
    ("ratio of two cases", "lognormal, spread .3"): lognormal(0.3),
    ("ratio of two cases", "squared normal error, 2 dimensions"): squares(2),
    ("mean", "lognormal, spread .3"): lognormal(0.3),
    ("mean", "squared normal error, 2 dimensions"): squares(2),
}


def slope(y: np.ndarray) -> np.ndarray:
    """Exponents of curves with these means: ``y`` [..., levels]."""
    u = np.log(LEVELS) - np.log(LEVELS).mean()
    return (u * np.log(y)).sum(axis=-1) / (u * u).sum()


def curve(estimated: str, factors: Factors, random: np.random.Generator, seeds: int) -> np.ndarray:
    """One experiment [levels, seeds]: an error of .07 / x, two cases with means 1 and 2, or a mean of 1."""
    if estimated == "exponent":
        return 0.07 / LEVELS[:, None] * factors(random, (len(LEVELS), seeds))
    if estimated == "mean":
        return factors(random, (1, seeds))
    return np.array([1.0, 2.0])[:, None] * factors(random, (2, seeds))


def by_rule(estimated: str, y: np.ndarray) -> fits.Interval:
    """The interval of the claims rule, computed by ``fits`` as in ``judge``."""
    if estimated == "exponent":
        return fits.jackknife(lambda part: fits.power_slope(LEVELS, part), y)
    if estimated == "mean":
        return fits.jackknife(fits.mean_curve, y).at(0)
    return fits.jackknife(lambda part: np.log(fits.mean_curve(part)), y[:, None, :]).at(0)


def by_bootstrap(estimated: str, y: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """The percentile bootstrap: whole seeds drawn with replacement, the middle 95 percent of the estimates."""
    seeds = y.shape[1]
    drawn = random.integers(seeds, size=(RESAMPLES, seeds))
    means = y[:, drawn].mean(axis=-1).T
    if estimated == "exponent":
        estimates = slope(means)
    else:
        estimates = means[:, 0] if estimated == "mean" else np.log(means[:, 0] / means[:, 1])
    low, high = np.quantile(estimates, [0.025, 0.975])
    return float(low), float(high)


TRUTH = {"exponent": -1.0, "ratio of two cases": math.log(0.5), "mean": 1.0}


def count(estimated: str, scatter: str, seeds: int) -> dict[str, Any]:
    """How many of ``CURVES`` intervals of each kind contain the true value. Each row has its own random stream."""
    key = [list(STUDIES).index((estimated, scatter)), seeds]
    random, again = (np.random.default_rng(np.random.SeedSequence([2026, part, *key])) for part in (0, 1))
    truth, rule, bootstrap = TRUTH[estimated], 0, 0
    for _ in range(CURVES):
        y = curve(estimated, STUDIES[estimated, scatter], random, seeds)
        interval = by_rule(estimated, y)
        rule += bool(interval.low <= truth <= interval.high)
        low, high = by_bootstrap(estimated, y, again)
        bootstrap += low <= truth <= high
    row = {"estimated": estimated, "scatter": scatter, "seeds": seeds, "curves": CURVES}
    return row | {"rule": rule, "bootstrap": bootstrap}


def table(counts: pd.DataFrame) -> str:
    """The page's table: the coverage of the rule and, after a slash, of the bootstrap."""
    numbers = sorted(set(counts["seeds"]))
    lines = ["| estimated | seeds scatter as | " + " | ".join(f"R = {n}" for n in numbers) + " |"]
    lines += ["|---|---|" + "---:|" * len(numbers)]
    for (estimated, scatter), own in counts.groupby(["estimated", "scatter"], sort=False):
        shares = own.set_index("seeds")[["rule", "bootstrap"]].div(own.set_index("seeds")["curves"], axis=0)
        cells = [f"**{shares.at[n, 'rule']:.3f}** / {shares.at[n, 'bootstrap']:.3f}" for n in numbers]
        lines.append(f"| {estimated} | {scatter} | {' | '.join(cells).replace('0.', '.')} |")
    return "\n".join(lines)


def rendered(text: str, counts: pd.DataFrame) -> str:
    """The page with a new table between its marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(counts)}\n{END}{rest.partition(END)[2]}"


def rows() -> Iterator[dict[str, Any]]:
    """Every row of the study. Prints its progress on stderr."""
    for estimated, scatter in STUDIES:
        print(f"{estimated}: {scatter} …", file=sys.stderr)
        for seeds in SEEDS:
            yield count(estimated, scatter, seeds)


if __name__ == "__main__":
    POINTS.parent.mkdir(exist_ok=True)
    pd.DataFrame(rows()).to_csv(POINTS, index=False)
    PAGE.write_text(rendered(PAGE.read_text(), pd.read_csv(POINTS)))
