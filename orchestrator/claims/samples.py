"""From replicates to arrays without gaps, or the reason why a claim has none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.claims.claim import ROUND, Claim
from orchestrator.claims.columns import Columns, Floats, listed, numbers
from orchestrator.claims.replicates import (
    Level,
    Replicates,
    Undecided,
    compute_missing,
    levels_of,
    replicates,
    resume,
)


@dataclass(frozen=True)
class Sample:
    """Measured numbers without gaps: ``x`` [levels] ascending, ``y`` [levels, seeds], or [2, levels, seeds] of a ratio.

    ``aside`` holds (x, y [1, seeds] or [2, 1, seeds]) of the levels outside the window; ``notes`` end the reason.
    ``waiting`` are planned seeds that have not finished. ``share``: the metric is 0 or 1 in every run.
    """

    x: Floats
    y: Floats
    seeds: tuple[int, ...]
    aside: tuple[Level, ...]
    notes: tuple[str, ...]
    waiting: tuple[int, ...] = ()
    share: bool = False

    @property
    def rows(self) -> Floats:
        """``y`` as one table: [levels, seeds], or [2 levels, seeds] of a ratio, numerators first."""
        return self.y.reshape(-1, self.y.shape[-1])

    def of_seeds(self, seeds: NDArray[np.int64]) -> "Sample":
        """The sample of these of its seeds."""
        y = np.ascontiguousarray(self.y[..., np.searchsorted(self.seeds, seeds)])
        return replace(self, y=y, seeds=tuple(int(seed) for seed in seeds))


@dataclass(frozen=True)
class Family:
    """A curve at each value ``x`` of a claim's ``versus``, all with the same seeds."""

    x: Floats
    curves: tuple[Sample, ...]
    seeds: tuple[int, ...]
    notes: tuple[str, ...]
    waiting: tuple[int, ...]


@dataclass(frozen=True)
class Curve:
    """The numbers of one side as a table: ``y`` [levels, seeds], NaN where there is none."""

    levels: Floats
    seeds: NDArray[np.int64]
    y: Floats

    @classmethod
    def of(cls, rows: Replicates) -> "Curve":
        """Replicates as a table of levels and seeds."""
        levels, level = np.unique(rows.x, return_inverse=True)
        seeds, seed = np.unique(rows.seed, return_inverse=True)
        y = np.full((len(levels), len(seeds)), math.nan)
        y[level, seed] = rows.y
        return cls(levels, seeds, y)

    def at(self, levels: Floats) -> Floats:
        """The rows of these levels [len(levels), seeds]; each must be there."""
        return self.y[np.searchsorted(self.levels, levels)]


def _gaps(claim: Claim, rows: Replicates, command: str) -> str:
    """Which replicates in the window failed, diverged or never reached ``level``, and what to do; empty if none."""
    gaps, remedies = dict[str, None](), dict[str, None]()
    starts = np.flatnonzero(rows.x[1:] != rows.x[:-1]) + 1
    for level in np.split(np.arange(len(rows.x)), starts):
        along = claim.versus == ROUND  # a seed that did not finish lacks its whole curve
        place = f"case {rows.case}"
        if claim.versus and not along:
            place += f" at {claim.versus}={rows.x[level[0]]:g}"
        for gap, remedy in _gaps_at(claim, rows, level, command).items():
            gaps[f"{place}: {gap}"] = None
            if remedy:
                remedies[remedy] = None
    if not gaps:
        return ""
    more = f"; and {len(gaps) - 6} more" if len(gaps) > 6 else ""
    return "; ".join(list(gaps)[:6]) + more + "".join(f"; {remedy}" for remedy in remedies)


def _gaps_at(claim: Claim, rows: Replicates, level: NDArray[np.intp], command: str) -> Mapping[str, str]:
    """The gaps at one level, each with its remedy."""
    seeds, status, gaps = rows.seed[level], rows.status[level], dict[str, str]()
    done, failed, diverged = (status == state for state in ("done", "failed", "diverged"))
    if failed.any():
        gaps[f"seed {listed(seeds[failed], 8)} failed"] = (
            f"{resume(command, ' --retry-failed')} to repeat the failed replicates"
        )
    if diverged.any():
        gaps[f"seed {listed(seeds[diverged], 8)} diverged"] = (
            "a diverged run diverges again when repeated, so change the step size or the window"
        )
    if not (done | failed | diverged).any():
        gaps["no seed has finished"] = compute_missing(command)
    empty = done & np.isnan(rows.y[level])
    if empty.any() and rows.metric.startswith("rounds_to_"):
        gap = f"seed {listed(seeds[empty], 8)} did not reach {claim.level:g}"
        gaps[gap] = "use more rounds or a higher level"
    elif empty.any():
        gaps[f"seed {listed(seeds[empty], 8)} has no {rows.metric}"] = ""
    return gaps


def sample(claim: Claim, summary: Columns, curves: Columns, command: str = "") -> Sample:
    """The arrays of a claim. Raises ``Undecided`` with the reason if a level in the window has a gap.

    Seeds that have not run at every level yet are left out everywhere, and a note says so.
    """
    sides = [(claim.case, claim.metric)]
    if claim.below is not None:
        sides.append((claim.below, claim.metric))
    if claim.relative_to is not None:
        sides.append((claim.relative_to.case or claim.case, claim.relative_to.metric or claim.metric))
    rows = [replicates(claim, case, metric, summary, curves, command) for case, metric in sides]
    table = [Curve.of(side) for side in rows]
    low, high = claim.window or (-math.inf, math.inf)
    inside = [side.select((low <= side.x) & (side.x <= high)) for side in rows]
    x = np.unique(np.concatenate([side.x for side in inside]))
    if reason := _incomplete(claim, inside, x, command):
        raise Undecided(reason, _aside(table, np.empty(0)))
    common = table[0].seeds
    for curve in table:
        common = common[np.isin(common, curve.seeds[~np.isnan(curve.at(x)).any(axis=0)])]
    if not len(common):
        reason = f"no seed has finished at every level; {compute_missing(command)}"
        raise Undecided(reason, _aside(table, np.empty(0)))
    y = np.stack([curve.at(x)[:, np.searchsorted(curve.seeds, common)] for curve in table])
    left = sorted({int(seed) for side in inside for seed in side.seed} - set(common.tolist()))
    notes = ()
    if left:
        notes = (f"left out because not finished at every level: seed {listed(left, 8)} ({compute_missing(command)})",)
    waiting = {int(seed) for side in inside for seed in side.seed[side.status == "missing"]} & set(left)
    data = Sample(x, y if len(table) > 1 else y[0], tuple(int(seed) for seed in common), _aside(table, x), notes)
    return replace(data, waiting=tuple(sorted(waiting)), share=_is_share(claim, summary, data.y))


def family(claim: Claim, summary: Columns, curves: Columns, command: str = "") -> Family:
    """The curves whose floors a claim is about, one at each value of ``versus``. Raises as ``sample`` does."""
    if claim.floor is None or claim.versus is None:
        raise ValueError(f"claim {claim.name!r} is not about a floor")
    x, parts = levels_of(claim, summary, command), list[Sample]()
    inner = {"law": "floor", "versus": claim.floor.versus, "window": claim.floor.window, "floor": None}
    for at in x:
        one = claim.model_copy(update=inner | {"where": claim.where | {claim.versus: float(at)}})
        try:
            parts.append(sample(one, summary, curves, command))
        except Undecided as why:
            raise Undecided(f"at {claim.versus}={at:g}: {why}") from why
    common = np.array(parts[0].seeds, dtype=np.int64)
    for part in parts:
        common = np.intersect1d(common, np.array(part.seeds, dtype=np.int64))
    if not len(common):
        raise Undecided(f"no seed has finished at every value of {claim.versus}; {compute_missing(command)}")
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    waiting = tuple(sorted({seed for part in parts for seed in part.waiting}))
    return Family(x, tuple(part.of_seeds(common) for part in parts), tuple(map(int, common)), notes, waiting)


def _is_share(claim: Claim, summary: Columns, y: Floats) -> bool:
    """Whether every run of the metric is 0 or 1: the claim says so, or the whole column holds both and nothing else."""
    if claim.law not in ("value", "bound") or claim.relative_to is not None or claim.share is False:
        return False
    if claim.share:
        if not np.isin(y, (0.0, 1.0)).all():
            raise Undecided(f"the claim is about a share of runs, but {claim.metric} is not 0 or 1 in every run")
        return True
    if claim.metric not in summary:
        return False
    found = numbers(summary[claim.metric])
    return set(np.unique(found[np.isfinite(found)])) == {0.0, 1.0}


def _incomplete(claim: Claim, inside: list[Replicates], x: Floats, command: str) -> str:
    """Why the sides do not have numbers at every level ``x`` of the window; empty if they do."""
    for side in inside:
        if not len(side.x):
            window = f" in the window [{claim.window[0]:g}, {claim.window[1]:g}]" if claim.window else ""
            return f"case {side.case} has no value of {claim.versus}{window}"
        if reason := _gaps(claim, side, command):
            return reason
    for side in inside:
        if len(lacking := np.setdiff1d(x, side.x)):
            levels = listed(map(float, lacking))
            place = f"{claim.versus}={levels}"
            return f"only one side of the comparison has a cell at {place}; {compute_missing(command)}"
    return ""


def _aside(table: list[Curve], used: Floats) -> tuple[Level, ...]:
    """Levels that are not judged (not in ``used``), each with the seeds that every side has there."""
    levels, seeds = table[0].levels, table[0].seeds
    for curve in table[1:]:
        levels, seeds = np.intersect1d(levels, curve.levels), np.intersect1d(seeds, curve.seeds)
    aside: list[Level] = []
    for at in np.setdiff1d(levels, used):
        y = np.stack([curve.at(np.array([at]))[:, np.searchsorted(curve.seeds, seeds)] for curve in table])
        y = np.ascontiguousarray(y[:, :, ~np.isnan(y).any(axis=(0, 1))])
        if y.size:
            aside.append((float(at), y if len(table) > 1 else y[0]))
    return tuple(aside)
