"""What a look at the data may spend, what so many seeds cannot have seen, and how many would decide."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from orchestrator.claims.claim import LEAST_SEEDS
from orchestrator.claims.statistics.intervals import Interval, outcomes
from orchestrator.claims.statistics.quantiles import binomial_limits, t_quantile

ALPHA = 0.05
#: Chance with which a kind of run may be missed by all replicates: one tail of the first look.
MISSED = ALPHA / 2
#: More seeds than this are not proposed.
MOST_SEEDS = 1000


def alpha(look: int) -> float:
    """Chance of an interval at the ``look``-th number of seeds to miss the truth: .05, then .025 / look.

    More seeds are added only while a claim is inconclusive. Looking at 8, 16, ... 64 seeds with .05 each time errs
    about twice as often as a single look. With this schedule the error rates stay those of one look (docs/claims.md).
    It is simulated up to eight looks and not proven beyond.
    """
    return ALPHA if look == 1 else ALPHA / 2 / look


def look_of(seeds: int, before: Sequence[int]) -> int:
    """Which look a verdict at so many seeds is, after those ``before``; the same number again is no new look."""
    different = list(dict.fromkeys(before))
    return different.index(seeds) + 1 if seeds in different else len(different) + 1


def unseen_share(seeds: int) -> float:
    """The largest share of runs that so many replicates miss altogether with a chance of .025: 1 - .025^(1/R)."""
    return 1 - MISSED ** (1 / seeds)


def seeds_for(rare: float) -> int:
    """Replicates that miss a kind of run of share ``rare`` with a chance of .025 at most: ln .025 / ln(1 - rare)."""
    return math.ceil(math.log(MISSED) / math.log1p(-rare))


def seeds_needed(
    intervals: Sequence[Interval], seeds: int, accepted: tuple[float, float], look: int, least: int = LEAST_SEEDS
) -> int | None:
    """About how many seeds decide at the next look if every estimate stays the same; None if ``MOST_SEEDS`` do not.

    The interval at n seeds is the hull of ``intervals``, each side shrunk by t_(n-1) / sqrt(n) with the tails of look
    + 1 against t_(R-1) / sqrt(R) with those of ``look``. The smallest n from ``least`` on is found by halving.
    """
    now = t_quantile(seeds, alpha(look) / 2) / math.sqrt(seeds)
    known = [part for part in intervals if math.isfinite(float(part.high) - float(part.low))]

    def decides(n: int) -> bool:
        shrunk = t_quantile(n, alpha(look + 1) / 2) / math.sqrt(n) / now
        low = min(float(part.estimate - shrunk * (part.estimate - part.low)) for part in known)
        high = max(float(part.estimate + shrunk * (part.high - part.estimate)) for part in known)
        return bool(outcomes(Interval(np.array(math.nan), np.array(low), np.array(high)), accepted))

    return _first(decides, max(least, seeds + 1)) if known else None


def runs_needed(hits: int, runs: int, accepted: tuple[float, float], look: int, least: int) -> int | None:
    """The same for a share of runs: about how many decide if the share of hits stays the same."""

    def decides(n: int) -> bool:
        low, high = binomial_limits(round(hits * n / runs), n, alpha(look + 1) / 2)
        return bool(outcomes(Interval(np.array(math.nan), np.array(low), np.array(high)), accepted))

    return _first(decides, max(least, runs + 1))


def _first(decides: Callable[[int], bool], low: int) -> int | None:
    """The smallest number from ``low`` to ``MOST_SEEDS`` that decides, if all larger ones do as well."""
    high = MOST_SEEDS
    if low > high or not decides(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle + 1, high)
    return high
