"""A sweep's tables for other programs: CSV, JSON, one parquet file per table, or TensorBoard's event files."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from orchestrator.commands import printing
from orchestrator.errors import UserError, nearest
from orchestrator.results import Results

if TYPE_CHECKING:
    import pandas as pd

TENSORBOARD = "tensorboard"
#: Bytes of a folder's name.
LONGEST = 200
#: Table -> SQL for the rows of the sweep ``$$…$$`` in a fixed order; tidy and the views come from ``Results``.
STORED = {
    "agents": """SELECT sweep, "case", runs.seed, agents.* FROM agents JOIN runs USING (replicate_id)
        JOIN members USING (cell_id) WHERE sweep = $${sweep}$$ ORDER BY "case", replicate_id, agent""",
    "timings": """SELECT sweep, "case", timings.* FROM timings JOIN members USING (cell_id)
        WHERE sweep = $${sweep}$$ ORDER BY "case", cell_id, attempt""",
    "claims": "SELECT * FROM claims WHERE sweep = $${sweep}$$ ORDER BY ALL",
    "registrations": "SELECT * FROM registrations WHERE sweep = $${sweep}$$ ORDER BY number, claim",
    "claim_points": "SELECT * FROM claim_points WHERE sweep = $${sweep}$$ ORDER BY claim, x",
}
TABLES = ("tidy", "summary", "curves", *STORED)


def export(
    results: str | Path,
    sweep: str,
    format: str,
    tables: Sequence[str] | None = None,
    folder: str | Path | None = None,
    raw: bool = False,
) -> list[Path]:
    """Write the sweep's ``tables`` (default: all that have rows) into a new or empty folder. Returns the paths.

    ``raw`` as for ``printing.table``. Raises ``UserError`` for unknown names and for a folder that is not empty.
    """
    source = Results(results)
    source.stored(sweep)  # refuses an unknown sweep
    for name in tables or ():
        if name not in TABLES:
            raise UserError(f"table is {name!r}: {nearest(name, TABLES)}")
    if tables and format == TENSORBOARD:
        raise UserError("table: TensorBoard takes the curves; leave --table out.")
    place = Path(folder) if folder is not None else source.place(f"exports/{sweep}-{format}")
    try:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise UserError(f"output: {place} is not empty; remove it or name another --output.")
        place.mkdir(parents=True, exist_ok=True)
        if format == TENSORBOARD:
            return list(_events(source, sweep, place))
        return list(_files(source, sweep, format, tables, place, raw))
    except OSError as error:
        raise UserError(f"output: {place} cannot be written: {error.strerror or error}.") from error


def _files(
    source: Results, sweep: str, format: str, tables: Sequence[str] | None, place: Path, raw: bool
) -> Iterator[Path]:
    for name in tables or TABLES:
        rows = _rows(source, sweep, name)
        if len(rows) or tables:
            path = place / f"{name}.{format}"
            printing.table(pa.Table.from_pandas(rows, preserve_index=False), format, str(path), raw)
            yield path


def _rows(source: Results, sweep: str, name: str) -> "pd.DataFrame":
    if name in STORED:
        return source.sql(STORED[name].replace("{sweep}", sweep)).dropna(axis="columns", how="all")
    return getattr(source, name)(sweep)


def _events(source: Results, sweep: str, place: Path) -> Iterator[Path]:
    """One TensorBoard run per replicate. Each metric is a scalar at each recorded round, with the time of storing."""
    from tensorboardX import SummaryWriter

    keys, when = source.varying(sweep), _stored_at(source, sweep)
    tidy = source.tidy(sweep)
    points = {
        (case, cell): ",".join(f"{key}={printing.shown(rows[key].iloc[0])}" for key in keys) or str(cell)
        for (case, cell), rows in tidy.groupby(["case", "cell_id"], sort=True)
    }
    alike = Counter((case, point) for (case, _), point in points.items())
    for (case, cell, seed), rows in tidy.groupby(["case", "cell_id", "seed"], sort=True):
        point = points[case, cell]
        point += f",{cell}" if alike[case, point] > 1 else ""  # cells that differ in no printed digit
        path = place / _named(str(case)) / _named(point) / f"seed={seed}"
        with SummaryWriter(str(path), write_to_disk=True) as writer:
            for metric, value, at in zip(rows["metric"], rows["value"], rows["round"], strict=True):
                writer.add_scalar(metric, value, at, walltime=when[f"{cell}-{seed}"])
        yield path


def _named(text: str) -> str:
    """A folder's name. A case may be called anything, even like a path."""
    name = re.sub(r"[^\w.,=+-]", "_", text).lstrip(".") or "_"
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name[: LONGEST // 4]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"  # letters of up to four bytes


def _stored_at(source: Results, sweep: str) -> dict[str, float]:
    rows: Any = source.sql(f"SELECT replicate_id, epoch(written) AS at FROM summary WHERE sweep = $${sweep}$$")
    return dict(zip(rows["replicate_id"], rows["at"], strict=True))
