"""The replicates of one side of a claim, by level and seed, or the reason why they cannot be used."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.claims.claim import COSTS, ROUND, Claim
from orchestrator.claims.columns import (
    PLANNED_ROUNDS,
    Column,
    Columns,
    Flags,
    Floats,
    absent,
    column_name,
    columns_of_rows,
    listed,
    matches,
    numbers,
)
from orchestrator.errors import UserError, nearest

#: (x, y) of a level, y as in ``Sample`` with one level.
Level = tuple[float, Floats]

#: Which of several rows of one replicate counts.
PREFERENCE = {"done": 0, "diverged": 1, "failed": 2}
#: Columns that are results and not settings.
OUTCOME = ("cell_id", "seed", "replicate_id", "status", "error", "note", "versions", "cpu", *COSTS[1:])


class Undecided(Exception):
    """The data do not allow a verdict; the message is the reason. ``measured`` are the levels that exist anyway."""

    def __init__(self, reason: str, measured: tuple[Level, ...] = ()):
        super().__init__(reason)
        self.measured = measured


@dataclass(frozen=True)
class Replicates:
    """One side of a claim, sorted by level and seed, each pair once; ``y`` is NaN where there is no number."""

    case: str
    metric: str
    x: Floats
    seed: NDArray[np.int64]
    status: Column
    y: Floats

    def select(self, rows: Flags) -> "Replicates":
        """The replicates with these flags."""
        return Replicates(self.case, self.metric, self.x[rows], self.seed[rows], self.status[rows], self.y[rows])


def resume(command: str, option: str = "") -> str:
    """How to run a sweep again. ``command`` is empty where the sweep cannot be called by a name of its own."""
    if command:
        return f"run `{command}{option}`"
    return "run the original command again" + (f" with{option}" if option else "")


def compute_missing(command: str) -> str:
    """What to do about replicates that have not run."""
    return f"{resume(command)} to compute what is missing"


def crossing(rounds: NDArray[np.int64] | Floats, errors: Floats, level: float) -> float:
    """First round at which the window mean reaches ``level``, or NaN if it never does.

    ``rounds`` and ``errors`` [records], ascending rounds. Between the last record above, (r0, e0), and the first one at
    or below, (r1, e1), the error falls as a power of the round: log r = log r0 + (log r1 - log r0) *
    (log e0 - log level) / (log e0 - log e1). If r0 is 0, the round itself replaces its logarithm; if e1 is not
    positive, the record's own round is returned. The result is a real number, not a whole round.
    """
    known = ~np.isnan(errors)
    rounds, errors = rounds[known].astype(np.float64), errors[known]
    reached = np.flatnonzero(errors <= level)
    if not len(reached):
        return math.nan
    i = int(reached[0])
    if i == 0 or errors[i] <= 0:
        return float(rounds[i])
    r0, r1 = rounds[i - 1], rounds[i]
    share = math.log(errors[i - 1] / level) / math.log(errors[i - 1] / errors[i])
    return float(r0 * (r1 / r0) ** share if r0 > 0 else r0 + (r1 - r0) * share)


def _axis(key: str, table: Columns) -> str:
    """The column that distinguishes cells: of ``rounds`` the planned ones, where the table has them."""
    return PLANNED_ROUNDS if key == "rounds" and PLANNED_ROUNDS in table else column_name(key)


def _selected(claim: Claim, case: str, summary: Columns, command: str) -> Columns:
    """Rows of a case that ``where`` selects. A key that the other case does not have is ignored there."""
    own = summary["case"] == case if "case" in summary else np.zeros(0, dtype=bool)
    if not own.any():
        raise Undecided(f"case {case} has no replicates yet; {compute_missing(command)}")
    rows = summary.select(own)
    for key, value in claim.where.items():
        name = _axis(key, summary)
        if name not in summary:
            raise UserError(f"claim {claim.name!r}: where names {key!r}: {nearest(name, summary)}")
        if case != claim.case and absent(rows[name]).all():
            continue
        rows = rows.select(matches(rows[name], value if isinstance(value, list) else [value]))
    if not rows.rows:
        chosen = listed(f"{key}={value}" for key, value in claim.where.items())
        raise Undecided(f"no cell of case {case} has {chosen}; check the claim's where")
    return rows


def _unknown_metric(claim: Claim, metric: str, known: Iterable[str]) -> UserError:
    return UserError(f"claim {claim.name!r}: no metric {metric!r}: {nearest(metric, known)}")


def _values(claim: Claim, metric: str, rows: Columns, curves: Columns) -> Floats:
    """The metric of each row; NaN where a run did not finish or never reached the level."""
    done = rows["status"] == "done"
    if metric.startswith("rounds_to_"):
        return _crossings(claim, metric, rows, curves, done)
    if metric not in rows:
        if done.any():
            raise _unknown_metric(claim, metric, [name for name in rows if name.endswith(("_tail", "_final"))])
        return np.full(rows.rows, math.nan)
    values = numbers(rows[metric])
    return np.where(done & np.isfinite(values), values, math.nan)


def _crossings(claim: Claim, metric: str, rows: Columns, curves: Columns, done: Flags) -> Floats:
    """The round at which each finished run reached the claim's level."""
    name = f"{metric.removeprefix('rounds_to_')}_window"
    values = np.full(rows.rows, math.nan)
    if not done.any():
        return values
    if name not in curves:
        known = [f"rounds_to_{name.removesuffix('_window')}" for name in curves if name.endswith("_window")]
        raise _unknown_metric(claim, metric, known)
    _, cell = np.unique(curves["cell_id"].astype(str), return_inverse=True)
    seeds, rounds, errors = curves["seed"], curves["round"], numbers(curves[name])
    order = np.lexsort((rounds, seeds, cell))
    new = np.flatnonzero((np.diff(cell[order]) != 0) | (np.diff(seeds[order]) != 0)) + 1
    records = {(curves["cell_id"][part[0]], int(seeds[part[0]])): part for part in np.split(order, new) if len(part)}
    for i in np.flatnonzero(done):
        part = records.get((rows["cell_id"][i], int(rows["seed"][i])))
        if part is not None:
            part = part[np.unique(rounds[part], return_index=True)[1]]
            values[i] = crossing(rounds[part], errors[part], claim.level or math.nan)
    return values


def replicates(
    claim: Claim, case: str, metric: str, summary: Columns, curves: Columns, command: str = ""
) -> Replicates:
    """The replicates of one side of a claim.

    Raises ``Undecided`` if two cells share a level or a level is not a usable number, ``UserError`` for unknown names.
    """
    rows = _selected(claim, case, summary, command)
    if claim.versus == ROUND:
        return _records(claim, case, metric, rows, curves)
    x = _levels(claim, case, rows, command)
    for at in np.unique(x):
        here = rows.select(x == at)
        if (cells := len(set(here["cell_id"]))) > 1:
            place = f"at {claim.versus}={at:g}" if claim.versus else "here"
            raise Undecided(f"case {case} has {cells} cells {place}; {_difference(here)}")
    y = _values(claim, metric, rows, curves)
    seed, status = rows["seed"].astype(np.int64), rows["status"]
    rank = np.array([PREFERENCE.get(state, len(PREFERENCE)) for state in status])
    order = _once(x, seed, np.lexsort((rank, seed, x)))
    return Replicates(case, metric, x[order], seed[order], status[order], y[order])


def levels_of(claim: Claim, summary: Columns, command: str = "") -> Floats:
    """The values of a claim's ``versus`` in its window, ascending, at which its case has cells."""
    x = np.unique(_levels(claim, claim.case, _selected(claim, claim.case, summary, command), command))
    low, high = claim.window or (-math.inf, math.inf)
    return x[(low <= x) & (x <= high)]


def _levels(claim: Claim, case: str, rows: Columns, command: str) -> Floats:
    """The x of each row: a grid key, or the mean of a metric over the finished seeds of the row's cell."""
    if claim.versus is None:
        return np.zeros(rows.rows)
    name = _axis(claim.versus, rows)
    if claim.versus.endswith("_final"):
        x = _measured_levels(claim, claim.versus, case, rows, command)
    elif name not in rows:
        hint = nearest(column_name(claim.versus), rows)
        raise UserError(f"claim {claim.name!r}: versus is {claim.versus!r}: {hint}")
    else:
        x = numbers(rows[name])
    if not np.isfinite(x).all():
        raise Undecided(f"{claim.versus} of case {case} is not a finite number in every cell; select cells with where")
    if claim.law in ("power", "floor", "bound") and (x <= 0).any():
        raise Undecided(f"{claim.versus} of case {case} must be above 0 in every cell for law {claim.law}")
    return x


def _measured_levels(claim: Claim, metric: str, case: str, rows: Columns, command: str) -> Floats:
    values = _values(claim, metric, rows, columns_of_rows(()))
    x, unknown = np.full(rows.rows, math.nan), list[str]()
    for cell in dict.fromkeys(rows["cell_id"]):
        own = rows["cell_id"] == cell
        known = values[own & ~np.isnan(values)]
        if len(known):
            x[own] = math.fsum(known) / len(known)
        else:
            states = " and ".join(sorted({str(state) for state in rows["status"][own]}))
            unknown.append(f"seed {listed(rows['seed'][own], 8)} {states}")
    if unknown:
        raise Undecided(
            f"{metric} of case {case} is not known in {len(unknown)} of its cells, where no seed has finished "
            f"({'; '.join(unknown[:4])}); {compute_missing(command)}"
        )
    return x


def _records(claim: Claim, case: str, metric: str, rows: Columns, curves: Columns) -> Replicates:
    """The records of one cell's learning curves from round 1 on: x is the round."""
    cells = list(dict.fromkeys(rows["cell_id"]))
    if len(cells) > 1:
        raise Undecided(f"case {case} has {len(cells)} cells; {_difference(rows)}")
    done = rows["status"] == "done"
    x, seed, y = np.empty(0), np.empty(0, dtype=np.int64), np.empty(0)
    if done.any():
        if metric not in curves:
            raise _unknown_metric(claim, metric, _curve_names(curves))
        finished = np.isin(curves["seed"], rows["seed"][done])
        own = (curves["cell_id"] == cells[0]) & (curves["round"] > 0) & finished
        x, seed = curves["round"][own].astype(np.float64), curves["seed"][own].astype(np.int64)
        order = _once(x, seed, np.lexsort((seed, x)))
        x, seed, y = x[order], seed[order], numbers(curves[metric][own])[order]
    low, high = claim.window or (-math.inf, math.inf)
    levels = np.unique(x[(low <= x) & (x <= high)]) if len(x) else np.array([low])
    others = {int(s): state for s, state in zip(rows["seed"][~done], rows["status"][~done], strict=True)}
    gaps = np.repeat(levels, len(others))  # a seed that did not finish lacks every level
    x, y = np.concatenate([x, gaps]), np.concatenate([y, np.full(len(gaps), math.nan)])
    status = np.full(len(x), "done", dtype=object)
    status[len(seed) :] = list(others.values()) * len(levels)
    seed = np.concatenate([seed, np.tile(np.array(list(others), dtype=np.int64), len(levels))])
    order = np.lexsort((seed, x))
    return Replicates(case, metric, x[order], seed[order], status[order], y[order])


def _curve_names(curves: Columns) -> list[str]:
    """The metrics of a learning curve: values at the records, and means since the last record."""
    windows = [name for name in curves if name.endswith("_window")]
    return [name for window in windows for name in (window.removesuffix("_window"), window)]


def _once(x: Floats, seed: NDArray[np.int64], order: NDArray[np.intp]) -> NDArray[np.intp]:
    """``order`` (by level and seed) with the first of several rows of one level and seed."""
    first = np.ones(len(order), dtype=bool)
    x, seed = x[order], seed[order]
    first[1:] = (x[1:] != x[:-1]) | (seed[1:] != seed[:-1])
    return order[first]


def _difference(rows: Columns) -> str:
    """Which settings differ between the cells of one level."""
    names = [name for name in rows if name not in OUTCOME and not name.endswith(("_tail", "_final"))]
    first = rows.select(np.unique(rows["cell_id"].astype(str), return_index=True)[1])
    differ = [name for name in names if len(set(map(str, first[name]))) > 1]
    keys = [
        "rounds" if name == PLANNED_ROUNDS else re.sub("^env_", "env.", name) for name in differ
    ]  # as where has them
    return f"they differ in {listed(keys) or 'no setting shown here'}; select one with the claim's where"
