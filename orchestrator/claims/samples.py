"""From tables to arrays: the replicates of a claim by level and seed, or the reason why they cannot be used."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.claims.claim import COSTS, PLANNED_ROUNDS, ROUND, Claim, column
from orchestrator.errors import UserError
from orchestrator.plugins import registry
from orchestrator.store.schema import text


class Undecided(Exception):
    """The data do not allow a verdict; the message is the reason.

    ``measured`` is what is there all the same: (x, y) of each level, as in ``Sample.aside``.
    """

    measured: "tuple[tuple[float, np.ndarray], ...]" = ()


@dataclass(frozen=True)
class Sample:
    """Measured numbers with no gap: ``x`` [levels] ascending, ``y`` [levels, seeds], or [2, levels, seeds] of a ratio.

    ``aside`` holds (x, y [1, seeds] or [2, 1, seeds]) of the levels outside the window; ``notes`` belong in the reason.
    """

    x: np.ndarray
    y: np.ndarray
    seeds: tuple[int, ...]
    aside: tuple[tuple[float, np.ndarray], ...]
    notes: tuple[str, ...]


def _axis(key: str, frame: pd.DataFrame) -> str:
    """The column by which cells are told apart: of ``rounds`` what was planned, where the frame knows it."""
    return PLANNED_ROUNDS if key == "rounds" and PLANNED_ROUNDS in frame else column(key)


def matches(values: pd.Series, wanted: Sequence[Any]) -> pd.Series:
    """Which ``values`` are one of ``wanted``; beside strings of another algorithm, numbers are stored as text."""
    found = values.isin(list(wanted))
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return found
    return found | values.astype(str).isin([text(value) for value in wanted])


def listed(items: Iterable[Any], most: int = 4) -> str:
    """``a, b, c`` with the rest counted."""
    words = [f"{item:g}" if isinstance(item, float) else str(item) for item in items]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def crossing(rounds: np.ndarray, errors: np.ndarray, level: float) -> float:
    """First round at which the window mean reaches ``level``, or NaN if it never does.

    ``rounds`` and ``errors`` [records], ascending rounds. Between the last record above, (r0, e0), and the first one at
    or below, (r1, e1), the error falls as a power of the round: log r = log r0 + (log r1 - log r0) *
    (log e0 - log level) / (log e0 - log e1). Where r0 is 0 the round itself replaces its logarithm; where e1 is not
    positive the record's own round is taken. The answer is a real number, not a whole round.
    """
    known = ~np.isnan(errors)
    rounds, errors = rounds[known].astype(float), errors[known]
    reached = np.flatnonzero(errors <= level)
    if not len(reached):
        return math.nan
    i = int(reached[0])
    if i == 0 or errors[i] <= 0:
        return float(rounds[i])
    r0, r1 = rounds[i - 1], rounds[i]
    share = math.log(errors[i - 1] / level) / math.log(errors[i - 1] / errors[i])
    return float(r0 * (r1 / r0) ** share if r0 > 0 else r0 + (r1 - r0) * share)


def with_missing(summary: pd.DataFrame, planned: pd.DataFrame) -> pd.DataFrame:
    """``summary`` and the rows of ``planned`` (case, cell_id, seed, parameters) it lacks, with status ``missing``."""
    key = ["case", "cell_id", "seed"]
    if summary.empty:
        return planned.assign(status="missing")
    have = pd.MultiIndex.from_frame(summary[key])
    lacking = planned[~pd.MultiIndex.from_frame(planned[key]).isin(have)]
    return pd.concat([summary, lacking.assign(status="missing")], ignore_index=True) if len(lacking) else summary


def _selected(claim: Claim, case: str, summary: pd.DataFrame, sweep: str) -> pd.DataFrame:
    """Rows of a case that ``where`` selects. A key that the case does not have at all selects nothing away."""
    if "case" not in summary or not (summary["case"] == case).any():
        raise Undecided(f"no replicate of case {case} is there yet; {fill_in(sweep)}")
    rows = summary[summary["case"] == case]
    for key, value in claim.where.items():
        name = _axis(key, summary)
        if name not in summary:
            raise UserError(
                f"claim {claim.name!r}: where names {key!r}: {registry.nearest(name, map(str, summary.columns))}"
            )
        if case != claim.case and rows[name].isna().all():
            continue
        rows = rows[matches(rows[name], value if isinstance(value, list) else [value])]
    if rows.empty:
        chosen = listed(f"{key}={value}" for key, value in claim.where.items())
        raise Undecided(f"no cell of case {case} has {chosen}; check where; {fill_in(sweep)}")
    return rows


def _values(claim: Claim, metric: str, rows: pd.DataFrame, curves: pd.DataFrame) -> pd.Series:
    """The metric of each row; NaN where a run did not finish or never reached the level."""
    done = rows["status"] == "done"
    if not metric.startswith("rounds_to_"):
        if metric not in rows:
            if done.any():
                known = [str(name) for name in rows.columns if str(name).endswith(("_tail", "_final"))]
                raise UserError(f"claim {claim.name!r}: no metric {metric!r}: {registry.nearest(metric, known)}")
            return pd.Series(math.nan, rows.index)
        numbers = pd.to_numeric(rows[metric], errors="coerce").astype(float)
        return numbers.where(done & np.isfinite(numbers))
    name = f"{metric.removeprefix('rounds_to_')}_window"
    if name not in curves:
        if done.any():
            known = [
                f"rounds_to_{str(c).removesuffix('_window')}" for c in curves.columns if str(c).endswith("_window")
            ]
            raise UserError(f"claim {claim.name!r}: no metric {metric!r}: {registry.nearest(metric, known)}")
        return pd.Series(math.nan, rows.index)
    records = curves[["cell_id", "seed", "round", name]].drop_duplicates(["cell_id", "seed", "round"])
    of = dict(tuple(records.sort_values("round").groupby(["cell_id", "seed"], sort=True)))
    level = claim.level or math.nan
    found = []
    for cell, seed, ok in zip(rows["cell_id"], rows["seed"], done, strict=True):
        record = of.get((cell, seed)) if ok else None
        found.append(
            math.nan if record is None else crossing(record["round"].to_numpy(), record[name].to_numpy(float), level)
        )
    return pd.Series(found, rows.index, dtype=float)


def replicates(
    claim: Claim, case: str, metric: str, summary: pd.DataFrame, curves: pd.DataFrame, sweep: str
) -> pd.DataFrame:
    """Columns x, seed, status, y: the replicates of one half of a claim, one cell a level (x is 0 without versus)."""
    rows = _selected(claim, case, summary, sweep)
    if claim.versus == ROUND:
        return _records(claim, case, metric, rows, curves)
    if claim.versus is None:
        x = pd.Series(0.0, rows.index)
    elif claim.versus.endswith("_final"):
        x = _measured(claim, case, rows, sweep)
    elif _axis(claim.versus, rows) not in rows:
        names = map(str, summary.columns)
        raise UserError(
            f"claim {claim.name!r}: versus is {claim.versus!r}: {registry.nearest(column(claim.versus), names)}"
        )
    else:
        x = pd.to_numeric(rows[_axis(claim.versus, rows)], errors="coerce").astype(float)
    if not np.isfinite(x).all():
        raise Undecided(f"{claim.versus} of case {case} is not a finite number in every cell; select cells with where")
    if claim.law in ("power", "floor", "bound") and (x <= 0).any():
        raise Undecided(f"{claim.versus} of case {case} is not above 0 in every cell, which a power of it needs")
    for at, cells in rows.groupby(x)["cell_id"]:
        if cells.nunique() > 1:
            place = f"at {claim.versus}={at:g}" if claim.versus else "here"
            raise Undecided(f"case {case} has {cells.nunique()} cells {place}; {_pin(rows.loc[cells.index])}")
    frame = pd.DataFrame({"x": x, "seed": rows["seed"], "status": rows["status"].astype(str)})
    frame["y"] = _values(claim, metric, rows, curves)
    order = {"done": 0, "diverged": 1, "failed": 2}
    frame["rank"] = frame["status"].map(order).fillna(3)
    return frame.sort_values(["x", "seed", "rank"]).drop_duplicates(["x", "seed"]).drop(columns="rank")


def fill_in(sweep: str, option: str = "", what: str = "what is missing") -> str:
    """Which command runs what is missing of a sweep: one of a file or of ``run`` cannot be called by its name."""
    if sweep in registry.sweeps():
        return f"`orchestrator sweep {sweep}{option}` runs {what}"
    return f"the command that began it{option and f', with{option},'} runs {what}"


def _measured(claim: Claim, case: str, rows: pd.DataFrame, sweep: str) -> pd.Series:
    """Where the x axis is a metric: its mean over the finished seeds of each cell, for all rows of that cell."""
    x = _values(claim, str(claim.versus), rows, pd.DataFrame()).groupby(rows["cell_id"]).transform("mean")
    told = [
        f"seed {listed(cell['seed'], 8)} {' and '.join(sorted({str(status) for status in cell['status']}))}"
        for _, cell in rows[x.isna()].groupby("cell_id", sort=False)
    ]
    if told:
        raise Undecided(
            f"{claim.versus} of case {case} is not known in {len(told)} of its cells, where no seed has finished "
            f"({'; '.join(told[:4])}); {fill_in(sweep)}"
        )
    return x


def _records(claim: Claim, case: str, metric: str, rows: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Columns x, seed, status, y: the records of one cell's learning curves from round 1 on; x is the round."""
    if rows["cell_id"].nunique() > 1:
        raise Undecided(f"case {case} has {rows['cell_id'].nunique()} cells; {_pin(rows)}")
    done = rows.loc[rows["status"] == "done", "seed"]
    found = pd.DataFrame({"x": [], "seed": [], "y": []}, dtype=float)
    if len(done):
        if metric not in curves:
            known = [str(name) for name in curves.columns if str(name).endswith("_window")]
            raise UserError(f"claim {claim.name!r}: no metric {metric!r}: {registry.nearest(metric, known)}")
        own = curves[(curves["cell_id"] == rows["cell_id"].iloc[0]) & (curves["round"] > 0)]
        own = own[own["seed"].isin(done)].drop_duplicates(["seed", "round"])
        found = own[["round", "seed", metric]].set_axis(["x", "seed", "y"], axis=1)
    low, high = claim.window or (-math.inf, math.inf)
    levels = found.loc[found["x"].between(low, high), "x"].unique() if len(found) else [low]
    other = rows.loc[rows["status"] != "done", ["seed", "status"]].drop_duplicates("seed")
    lacking = other.assign(y=math.nan).merge(pd.DataFrame({"x": levels}), how="cross")  # a gap at every level
    parts = [part for part in (found.assign(status="done"), lacking) if len(part)]
    frame = pd.concat(parts, ignore_index=True) if parts else found.assign(status="done")
    return frame.astype({"x": float, "y": float}).sort_values(["x", "seed"])[["x", "seed", "status", "y"]]


def _pin(rows: pd.DataFrame) -> str:
    """Which keys differ between the cells of one level."""
    outcome = ("cell_id", "seed", "replicate_id", "status", "error", "note", "versions", "cpu", *COSTS[1:])
    keys = [str(c) for c in rows.columns if c not in outcome and not str(c).endswith(("_tail", "_final"))]
    first = rows.drop_duplicates("cell_id")
    differ = [key for key in keys if first[key].astype(str).nunique() > 1]
    return f"they differ in {listed(differ) or 'nothing shown here'}: fix that in the claim's where"


def _gaps(claim: Claim, case: str, metric: str, frame: pd.DataFrame, sweep: str) -> None:
    """Raise ``Undecided`` naming replicates that failed, diverged or never reached ``level``, and empty levels."""
    told: list[str] = []
    commands: dict[str, None] = {}
    for at, rows in frame.groupby("x"):
        along = claim.versus == ROUND  # a seed that did not finish lacks its whole curve
        place = f"case {case}" + (f" at {claim.versus}={at:g}" if claim.versus and not along else "")
        bad = {status: rows.loc[rows["status"] == status, "seed"] for status in ("failed", "diverged")}
        done = rows["status"] == "done"
        for status, seeds in bad.items():
            if len(seeds):
                told.append(f"{place}: seed {listed(seeds, 8)} {status}")
        if len(bad["failed"]):
            commands[fill_in(sweep, " --retry-failed", "what failed again")] = None
        if len(bad["diverged"]):
            commands["a run that diverged diverges again: change the step size or the window"] = None
        if not done.any() and not len(bad["failed"]) and not len(bad["diverged"]):
            told.append(f"{place}: no seed has finished")
            commands[fill_in(sweep)] = None
        empty = rows.loc[done & rows["y"].isna(), "seed"]
        if len(empty) and metric.startswith("rounds_to_"):
            told.append(f"{place}: seed {listed(empty, 8)} did not reach {claim.level:g}")
            commands["more rounds or a higher level would do it"] = None
        elif len(empty):
            told.append(f"{place}: seed {listed(empty, 8)} has no {metric}")
    told = list(dict.fromkeys(told))
    if told:
        raise Undecided("; ".join(told[:6]) + (f"; and {len(told) - 6} more" if len(told) > 6 else "")
                        + "".join(f"; {command}" for command in commands))  # fmt: skip


def sample(claim: Claim, summary: pd.DataFrame, curves: pd.DataFrame, sweep: str) -> Sample:
    """The arrays of a claim. Raises ``Undecided`` with the reason when a level in the window has a gap.

    Seeds that have not run at every level yet are left out everywhere, and a note says so.
    """
    halves = [(claim.case, claim.metric)]
    if claim.below is not None:
        halves.append((claim.below, claim.metric))
    if claim.relative_to is not None:
        halves.append((claim.relative_to.case or claim.case, claim.relative_to.metric or claim.metric))
    frames = [replicates(claim, case, metric, summary, curves, sweep) for case, metric in halves]
    tables = [frame.dropna(subset="y").pivot(index="x", columns="seed", values="y") for frame in frames]
    low, high = claim.window or (-math.inf, math.inf)
    inside = [frame[frame["x"].between(low, high)] for frame in frames]
    try:
        for (case, metric), frame in zip(halves, inside, strict=True):
            if frame.empty:
                raise Undecided(f"case {case} has no level of {claim.versus} in the window [{low:g}, {high:g}]")
            _gaps(claim, case, metric, frame, sweep)
        return _complete(claim, tables, inside, sweep)
    except Undecided as why:
        why.measured = _aside(tables, set())
        raise


def _complete(claim: Claim, tables: list[pd.DataFrame], inside: list[pd.DataFrame], sweep: str) -> Sample:
    """The seeds that have a number at every level of every half. ``inside`` are the replicates in the window."""
    fill = fill_in(sweep)
    x = np.unique(np.concatenate([frame["x"].to_numpy() for frame in inside]))
    for frame in inside:
        absent = sorted(set(x) - set(frame["x"]))
        if absent:
            raise Undecided(f"only one of the two compared has a cell at {claim.versus}={listed(absent)}; {fill}")
    common = tables[0].columns
    for table in tables:
        common = common[common.isin(table.columns[table.loc[x].notna().all()])]
    if common.empty:
        raise Undecided(f"no seed has finished at every level; {fill}")
    seeds = tuple(int(seed) for seed in sorted(common))
    y = np.array([table.loc[x, list(seeds)].to_numpy(float) for table in tables])
    left = sorted(set().union(*(frame["seed"] for frame in inside)) - set(seeds))
    notes = ()
    if left:
        notes = (f"left out, because not finished at every level: seed {listed(left, 8)} ({fill})",)
    return Sample(x, y if len(tables) > 1 else y[0], seeds, _aside(tables, set(x)), notes)


def _aside(tables: list[pd.DataFrame], used: set[float]) -> tuple[tuple[float, np.ndarray], ...]:
    """Levels that are not judged (not in ``used``), each with the seeds that it has in every half."""
    found = []
    for at in sorted(set.intersection(*(set(table.index) for table in tables)) - used):
        rows = pd.concat([table.loc[at] for table in tables], axis=1).dropna().sort_index()
        if len(rows):
            y = rows.to_numpy(float).T[:, None, :]
            found.append((float(at), np.ascontiguousarray(y if len(tables) > 1 else y[0])))
    return tuple(found)
