"""The studies: for each process and number of seeds, how many of the drawn experiments get which verdict."""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.coverage.processes import HEAVY, LEVELS, MORE, PROCESSES, RARE, WITH_RARE
from orchestrator.claims.statistics import looks, rule
from orchestrator.claims.statistics.contrasts import Contrast, contrast, slope_weights
from orchestrator.claims.statistics.intervals import Interval
from orchestrator.claims.statistics.means import mean_interval

CURVES = 5000  #: per row; the standard error of a share of .03 is then .0024
FACTORS = PROCESSES | MORE
U = np.log(LEVELS)
HALF_LINE = (-math.inf, 1.0)
BELOW = (-math.inf, math.nextafter(1.0, 0.0))
#: Whether a claim is true of what is drawn: an edge counts for both errors.
TRUE, FALSE, EDGE = "true", "false", "edge"
#: The exponent over the window is as claimed, but the curve is bent: a verdict cannot promise to see it.
BENT = "bent"
#: A difference of which only one case scatters: it is as skewed as the case, and its sign is open.
ONE_SKEWED = "equal to 1"
MOST_FALSE_SUPPORTS, MOST_FALSE_REFUTATIONS = 0.03, 0.05
#: Share of supports by the former rule: exponent -1 +- .15, lognormal with spread .3, 8 seeds.
FORMER_POWER, MOST_POWER_LOST = 0.491, 0.05


@dataclass(frozen=True)
class Row:
    """Counts of one situation. Of an interval: how many lie ``below`` and ``above`` the truth."""

    study: str
    process: str
    situation: str
    seeds: int
    truth: str
    curves: int
    supported: int
    refuted: int
    below: int = 0
    above: int = 0

    @property
    def out_of_reach(self) -> bool:
        """Whether the page names this as something that the rule cannot promise."""
        if self.study == "difference" and self.situation == ONE_SKEWED:
            return True
        about_means = self.study in ("mean", "value", "bound", "difference")
        return about_means and self.process in HEAVY + WITH_RARE and "rare" not in self.situation

    @property
    def errs(self) -> bool:
        """Whether a rate of errors exceeds what is promised."""
        supports = self.truth in (FALSE, EDGE) and self.supported > MOST_FALSE_SUPPORTS * self.curves
        return supports or (self.truth in (TRUE, EDGE) and self.refuted > MOST_FALSE_REFUTATIONS * self.curves)


@dataclass(frozen=True)
class Study:
    """One study: which processes and numbers of seeds, and what is judged."""

    judged: Callable[[str, int, np.random.Generator], "Judged"]
    processes: tuple[str, ...]
    seeds: tuple[int, ...]
    interval: bool = False  #: what is judged yields -1, 1 or 0 for an interval below, above or over the truth


def drawn(process: str, random: np.random.Generator, levels: int, seeds: int, curves: int = CURVES) -> np.ndarray:
    """Factors of mean 1 [curves, levels, seeds]."""
    return FACTORS[process](random, (curves, levels, seeds))


def side(interval: Interval, truth: float) -> np.ndarray:
    """-1 where the interval lies below the truth, 1 above, 0 where it covers it (or where there is none)."""
    return np.where(interval.high < truth, -1, np.where(interval.low > truth, 1, 0))


def _moved(interval: Interval, by: float) -> Interval:
    return Interval(interval.estimate + by, interval.low + by, interval.high + by)


def _shifted(found: rule.Slope, exponent: float, accepted: rule.Range, within: float | None) -> np.ndarray:
    """Outcomes for curves with another exponent: the factors are the same, so every interval moves along."""
    slope = Contrast(_moved(found.slope.interval, exponent), found.slope.parts)
    return rule.decide_slope(slope, found.change, accepted, within).outcome


Judged = Iterator[tuple[str, str, np.ndarray]]  #: situation, whether the claim is true of it, outcomes


def exponent(process: str, seeds: int, random: np.random.Generator) -> Judged:
    found = rule.judge_slope(U, drawn(process, random, len(LEVELS), seeds), (0, 0), None)
    yield "", TRUE, side(found.slope.interval, 0.0)


def ratio(process: str, seeds: int, random: np.random.Generator) -> Judged:
    y = drawn(process, random, 2, seeds)
    yield "", TRUE, side(contrast(y, np.array([1.0, -1.0]), looks.alpha(1) / 2).interval, 0.0)


def mean(process: str, seeds: int, random: np.random.Generator) -> Judged:
    yield "", TRUE, side(mean_interval(drawn(process, random, 1, seeds)[:, 0], looks.alpha(1)), 1.0)


def share(process: str, seeds: int, random: np.random.Generator) -> Judged:
    truth = float(process.split()[-1])
    hits = (random.random((CURVES, seeds)) < truth).astype(float)
    yield "", TRUE, side(mean_interval(hits, looks.alpha(1), share=True), truth)


def floor(process: str, seeds: int, random: np.random.Generator) -> Judged:
    y = (0.1 + 2 / LEVELS)[:, None] * drawn(process, random, len(LEVELS), seeds)
    yield "", TRUE, side(rule.judge_floor(y, 1 / LEVELS, HALF_LINE)[0], 0.1)


def floors(process: str, seeds: int, random: np.random.Generator) -> Judged:
    steps = np.array([1.0, 2.0, 4.0, 8.0])
    pairs = [
        rule.deleted_floors((a * a * (0.1 + 2 / LEVELS))[:, None] * drawn(process, random, 5, seeds), 1 / LEVELS)
        for a in steps
    ]
    c0, deleted = np.stack([pair[0] for pair in pairs], -1), np.stack([pair[1] for pair in pairs], -2)
    found = rule.judge_floor_slope(c0, deleted, np.log(steps), (0, 0), None, 1)
    yield "", TRUE, side(found.slope.interval, 2.0)


def power(process: str, seeds: int, random: np.random.Generator) -> Judged:
    found = rule.judge_slope(U, drawn(process, random, len(LEVELS), seeds), (0, 0), None)
    for truth, exponent, name in ((TRUE, -1.0, "-1"), (EDGE, -1.15, "-1.15"), (FALSE, -1.3, "-1.3")):
        yield f"-1 ± .15, truth {name}", truth, _shifted(found, exponent, (-1.15, -0.85), 0.15)
    yield "≤ -1, truth -1", EDGE, _shifted(found, -1.0, (-math.inf, -1.0), None)


def bend(process: str, seeds: int, random: np.random.Generator) -> Judged:
    factors = drawn(process, random, len(LEVELS), seeds)
    v = (U - U.mean()) / (U.max() - U.min())
    for name, truth, curve in (
        ("change .15, the tolerance", TRUE, np.exp(0.15 / 2 * v * v * (U.max() - U.min()))),
        ("change .6", BENT, np.exp(0.6 / 2 * v * v * (U.max() - U.min()))),
        ("floor 5 % of the first value", BENT, (1 / LEVELS + 0.025) * LEVELS),
        ("floor 15 % of the first value", BENT, (1 / LEVELS + 0.075) * LEVELS),
    ):
        y = curve[:, None] * factors
        middle = float(
            (slope_weights(U) * np.log(curve)).sum()
        )  # accepted around the curve's own slope: only the bend refutes
        yield name, truth, rule.judge_slope(U, y, (middle - 0.15, middle + 0.15), 0.15).outcome


def bound(process: str, seeds: int, random: np.random.Generator) -> Judged:
    y = drawn(process, random, len(LEVELS), seeds)
    one = np.where(np.arange(len(LEVELS)) == len(LEVELS) - 1, 1.0, 0.5)[:, None]
    for name, truth, factor in (
        ("all levels on it", EDGE, 1.0),
        ("one on it, others half", EDGE, one),
        ("1.1 times it", FALSE, 1.1),
        ("1.3 times it", FALSE, 1.3),
        (".7 of it", TRUE, 0.7),
    ):
        yield name, truth, rule.judge_means(factor * y, HALF_LINE).outcome


def order(process: str, seeds: int, random: np.random.Generator) -> Judged:
    top, bottom = (drawn(process, random, len(LEVELS), seeds) for _ in range(2))
    for name, truth, factor in (
        (".97 of the other", TRUE, 0.97),
        ("equal", FALSE, 1.0),
        ("1.3 times", FALSE, 1.3),
        (".7 of the other", TRUE, 0.7),
    ):
        yield name, truth, rule.judge_ratios(factor * top, bottom, BELOW).outcome


def difference(process: str, seeds: int, random: np.random.Generator) -> Judged:
    y, other = drawn(process, random, 1, seeds), drawn(process, random, 1, seeds)
    for name, truth, d in (
        ("equal", FALSE, y - other),
        (".02 below", TRUE, y - other - 0.02),
        (".5 below", TRUE, y - other - 0.5),
        (ONE_SKEWED, FALSE, y - 1),
        ("1 equal to it", FALSE, 1 - y),
    ):
        yield name, truth, rule.judge_differences(d, (-math.inf, -5e-324)).outcome


def value(process: str, seeds: int, random: np.random.Generator) -> Judged:
    y = drawn(process, random, 1, seeds)
    for name, truth, factor in (("≤ 1, truth 1", EDGE, 1.0), ("truth 1.5", FALSE, 1.5), ("truth .7", TRUE, 0.7)):
        found = rule.judge_means(factor * y, HALF_LINE).outcome
        yield name, truth, found
        if process in WITH_RARE:
            enough = seeds >= looks.seeds_for(RARE)
            yield f"{name}, rare .1", truth, found * enough


def shares(process: str, seeds: int, random: np.random.Generator) -> Judged:
    for limit, p, truth in ((0.01, 0.05, FALSE), (0.3, 0.45, FALSE), (0.3, 0.3, EDGE), (0.3, 0.05, TRUE)):
        hits = (random.random((CURVES, 1, seeds)) < p).astype(float)
        name = f"at most {limit:g}, truth {p:g}".replace("0.", ".")
        yield name, truth, rule.judge_means(hits, (-math.inf, limit), share=True).outcome


def looking(process: str, seeds: int, random: np.random.Generator) -> Judged:
    """Looks at 8, 16, ... ``seeds`` while inconclusive."""
    factors = drawn(process, random, len(LEVELS), seeds)
    situations = {
        "≤ -1, truth -.995": (FALSE, -0.995, (-math.inf, -1.0), None),
        "-1 ± .15, truth -1.16": (FALSE, -1.16, (-1.15, -0.85), 0.15),
        "-1 ± .15, truth -1": (TRUE, -1.0, (-1.15, -0.85), 0.15),
    }
    ends = {name: np.zeros(CURVES, dtype=np.int8) for name in situations}
    for look, count in enumerate(range(8, seeds + 1, 8), start=1):
        found = rule.judge_slope(U, np.ascontiguousarray(factors[..., :count]), (0, 0), None, look)
        for name, (_, truth, accepted, within) in situations.items():
            ends[name] = np.where(ends[name] == 0, _shifted(found, truth, accepted, within), ends[name])
    for name, (truth, *_) in situations.items():
        yield name, truth, ends[name]


ALL, MEANS = tuple(PROCESSES), (*PROCESSES, "lognormal, spread .6", "lognormal, spread 1.2")
CALM = ("lognormal, spread .1", "lognormal, spread .3", "spread falls from .6 to .1 over x")
STUDIES: dict[str, Study] = {
    "exponent": Study(exponent, ALL, (6, 8, 16, 40), interval=True),
    "ratio": Study(ratio, ALL, (6, 8, 16, 40), interval=True),
    "mean": Study(mean, MEANS, (6, 8, 16, 40), interval=True),
    "share": Study(share, ("share .1", "share .9"), (6, 8, 16, 40), interval=True),
    "floor": Study(floor, CALM, (6, 8, 16, 40), interval=True),
    "exponent of floors": Study(floors, CALM[:2], (6, 8, 16, 40), interval=True),
    "power": Study(power, ALL, (6, 8, 16, 40)),
    "bend": Study(bend, ("lognormal, spread .1", "lognormal, spread .3"), (8, 16, 40)),
    "bound": Study(bound, MEANS, (8, 16, 40)),
    "order": Study(order, ALL, (8, 16, 40)),
    "difference": Study(difference, (*ALL, "lognormal, spread .6"), (8, 16, 40)),
    "value": Study(value, MEANS, (6, 8, 16, 40)),
    "shares": Study(shares, ("0 or 1",), (6, 8, 16, 32, 40)),
    "looks": Study(looking, ALL, (64,)),
}


def count(study: str, process: str, seeds: int) -> list[Row]:
    """The rows of one process and number of seeds. The random stream is that of their names alone."""
    entropy = zlib.crc32(f"{study}|{process}|{seeds}".encode())
    random = np.random.default_rng(np.random.SeedSequence([2026, entropy]))
    found: list[Row] = []
    for situation, truth, code in STUDIES[study].judged(process, seeds, random):
        low, high = int((code < 0).sum()), int((code > 0).sum())
        counts = {"below": low, "above": high} if STUDIES[study].interval else {"supported": high, "refuted": low}
        row = {"supported": 0, "refuted": 0} | counts
        found.append(Row(study, process, situation, seeds, truth, CURVES, **row))
    return found


def keys() -> Iterator[tuple[str, str, int]]:
    """(study, process, seeds) of all rows in order."""
    for name, study in STUDIES.items():
        for process in study.processes:
            for seeds in study.seeds:
                yield name, process, seeds
