"""The tables: what one row is, the fixed columns with their meaning, and how free columns get their type.

Every table has fixed columns, which always exist and have one type. Parameters and metrics are *free* columns: they
differ between algorithms and are united by name. A free column is float64, int64, bool or string. If segments differ
in the type, a reader promotes: int64 and float64 give float64, any other pair gives string. A number is then written
as its shortest round-tripping decimal without a trailing ``.0`` (see ``text``). Metrics are always float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np
import pyarrow as pa

#: A value of a free column.
Value = bool | int | float | str

TEXT, INT, FLOAT, BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TIME = pa.timestamp("us")
WRITTEN = (TIME, "when the row was stored, in UTC; the store fills it in")
WRITE_NUMBER = (
    INT,
    "1 + the largest that its writer saw, so the newer the larger. The store fills it in; null in older rows",
)
#: Columns that the store fills in. Rows are newer by their number; the time decides only between equal ones.
STAMPS = ("write_number", "written")
NEWEST = "coalesce(write_number, 0) DESC, written DESC"


@dataclass(frozen=True)
class TableSchema:
    """One table of the store."""

    rows: str  #: what one row is
    columns: dict[str, tuple[pa.DataType, str]]  #: fixed columns: type and meaning
    key: tuple[str, ...]  #: rows with equal keys are duplicates; empty: only rows equal in every column are
    prefer: str = ""  #: SQL order by which one of several rows with equal keys is chosen
    numeric: bool = False  #: free columns are metrics, hence float64

    def types(self) -> dict[str, pa.DataType]:
        """The fixed columns' types by name."""
        return {name: type_ for name, (type_, _) in self.columns.items()}

    def is_metric(self, column: str) -> bool:
        """Whether the free ``column`` holds a metric and not a parameter."""
        return self.numeric or column.endswith(("_final", "_tail"))


TABLES: dict[str, TableSchema] = {
    "members": TableSchema(
        "sweep × case × cell: which cells belong to a sweep; the newest sweep_hash of a sweep replaces older ones",
        {
            "sweep": (TEXT, "name of the sweep"),
            "sweep_hash": (TEXT, "hash of the sweep's definition"),
            "case": (TEXT, "name of the variant inside the sweep"),
            "cell_id": (TEXT, "16 hex characters: hash of everything that determines the cell's numbers"),
            "write_number": WRITE_NUMBER,
            "written": WRITTEN,
        },
        key=("sweep", "sweep_hash", "case", "cell_id"),
        prefer=NEWEST,
    ),
    "runs": TableSchema(
        "replicate (cell × seed) that ended; parameters and <metric>_final, <metric>_tail are further columns",
        {
            "replicate_id": (TEXT, "cell_id and seed joined by a hyphen"),
            "cell_id": (TEXT, "the cell, as in members"),
            "seed": (INT, "the replicate's seed"),
            "algorithm": (TEXT, "registered name of the algorithm"),
            "env": (TEXT, "registered name of the environment"),
            "agents": (INT, "number of agents"),
            "status": (TEXT, "done, diverged (a metric or the state left the finite numbers) or failed (an error)"),
            "error": (TEXT, "what went wrong, null when done"),
            "note": (TEXT, "warnings that do not change the status, null when there are none"),
            "rounds": (INT, "rounds finished"),
            "agent_steps": (INT, "environment steps, summed over agents"),
            "calls": (INT, "communications"),
            "messages": (INT, "messages sent, one per receiver or sender"),
            "bytes_sent": (INT, "payload bytes of all messages"),
            "versions": (TEXT, "versions of the program and its libraries, JSON"),
            "cpu": (TEXT, "CPU model of the machine that did the arithmetic"),
            "write_number": WRITE_NUMBER,
            "written": WRITTEN,
        },
        key=("replicate_id",),
        prefer=f"CASE status WHEN 'done' THEN 0 WHEN 'diverged' THEN 1 ELSE 2 END, {NEWEST}",
    ),
    "metrics": TableSchema(
        "replicate × record; each metric is a column <m> (at the record) and <m>_window (mean since the last record)",
        {
            "replicate_id": (TEXT, "the replicate, as in runs"),
            "round": (INT, "rounds finished at the record; 0 is before any step"),
            "agent_steps": (INT, "environment steps so far, summed over agents"),
            "bytes_sent": (INT, "payload bytes so far"),
            "window": (INT, "measurements averaged in the _window columns"),
        },
        key=("replicate_id", "round"),
        numeric=True,
    ),
    "agents": TableSchema(
        "replicate × agent, where per-agent metrics were asked for; each metric is a column",
        {
            "replicate_id": (TEXT, "the replicate, as in runs"),
            "agent": (INT, "the agent's id, from 0"),
        },
        key=("replicate_id", "agent"),
        numeric=True,
    ),
    "timings": TableSchema(
        "cell × attempt: where the time went; never part of a fingerprint",
        {
            "cell_id": (TEXT, "the cell, as in members"),
            "attempt": (TEXT, "unique name of the attempt"),
            "startup_seconds": (FLOAT, "seconds spent building environments and agents, starting processes, compiling"),
            "agents_seconds": (FLOAT, "seconds spent in agents' blocks"),
            "coordinator_seconds": (FLOAT, "seconds spent in the coordinator"),
            "transport_seconds": (FLOAT, "seconds spent between them"),
            "peak_memory_bytes": (INT, "largest resident memory of the attempt's processes"),
            "nodes": (INT, "machines that took part"),
            "written": WRITTEN,
        },
        key=(),
    ),
    "claims": TableSchema(
        "sweep × claim: the verdict; a newer judgement of a sweep replaces the older one, which `verdicts` still has",
        {
            "sweep": (TEXT, "name of the sweep"),
            "sweep_hash": (TEXT, "hash of the sweep's definition that was judged"),
            "claim": (TEXT, "name of the claim"),
            "case": (TEXT, "the case that the claim is about"),
            "metric": (TEXT, "the column judged"),
            "versus": (TEXT, "the grid key it is judged against"),
            "law": (TEXT, "power, exponential, bound, order, floor or value"),
            "estimate": (FLOAT, "the measured parameter of the law"),
            "ci_low": (FLOAT, "lower end of its 95 % interval"),
            "ci_high": (FLOAT, "upper end of its 95 % interval"),
            "interval": (TEXT, "what the interval is: how it was made, over how many seeds"),
            "expected": (TEXT, "the accepted range, in words"),
            "verdict": (TEXT, "supported, refuted, inconclusive, or withdrawn: the sweep has the claim no more"),
            "reason": (TEXT, "one sentence"),
            "seeds": (INT, "number of replicates at every level"),
            "look": (INT, "which look it is: different numbers of seeds with a verdict so far; 0 if this is none"),
            "claim_hash": (TEXT, "hash of the claim's text, as in registrations"),
            "registered": (TEXT, "in words: whether the claim was fixed before the data, and what it was before"),
            "registration": (INT, "number of the registration that was judged, null if there is none"),
            "registered_after": (INT, "replicates stored before the claim's first text; null if nothing is known"),
            "changes": (INT, "how often its text was changed after that while replicates were stored"),
            "changed_after": (INT, "replicates stored before the last change or the withdrawal"),
            "was": (TEXT, "verdicts before the last change or the withdrawal"),
            "write_number": WRITE_NUMBER,
            "written": WRITTEN,
        },
        key=("sweep", "claim", *STAMPS),
    ),
    "claim_points": TableSchema(
        "sweep × claim × point: what the verdict was computed from",
        {
            "sweep": (TEXT, "name of the sweep"),
            "sweep_hash": (TEXT, "hash of the sweep's definition that was judged"),
            "claim": (TEXT, "name of the claim"),
            "x": (FLOAT, "the level"),
            "y": (FLOAT, "mean over seeds"),
            "lo": (FLOAT, "lower end of its interval"),
            "hi": (FLOAT, "upper end of its interval"),
            "seeds": (INT, "number of seeds averaged"),
            "used": (BOOL, "whether the point lies in the claim's window"),
            "line": (
                FLOAT,
                "claims about floors: the level whose curve has the point; null for the claim's own points",
            ),
            "write_number": WRITE_NUMBER,
            "written": WRITTEN,
        },
        key=(),
    ),
    "registrations": TableSchema(
        "sweep × claim × text: what a claim said when a run began; rows are only ever added",
        {
            "sweep": (TEXT, "name of the sweep"),
            "claim": (TEXT, "name of the claim, which identifies it"),
            "number": (INT, "place in the order of the sweep's registrations, from 1; it is no clock"),
            "event": (TEXT, "registered, changed, cases (a case got the cells of another one) or withdrawn"),
            "claim_hash": (TEXT, "16 hex characters: hash of the text"),
            "text": (TEXT, "all that decides the verdict, as JSON without defaults"),
            "replicates": (INT, "replicates that the folder held then, of the sweep's cells and of its earlier ones"),
            "sweep_hash": (TEXT, "hash of the sweep's definition"),
            "written": WRITTEN,
        },
        key=("sweep", "claim", "number", "event", "claim_hash"),
        prefer="replicates, written",
    ),
}

#: A row in runs guarantees that its other rows are stored, and that the claims were registered before it; a row in
#: claims that its points are. So these come last.
WRITE_ORDER = ("registrations", "claim_points", "claims", "metrics", "agents", "timings", "members", "runs")


def table(name: str, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Build table ``name`` from ``rows`` (column → value; a column that a row lacks is null).

    Fixed columns get the schema's type, free columns the type of their values. A free column without a value is left
    out. Raises TypeError for a value that is not a number, bool, string or None, ValueError for a null in a key.
    """
    fixed = TABLES[name].types()
    free = sorted({column for row in rows for column in row} - fixed.keys())
    columns = {c: pa.array([row.get(c) for row in rows], type_) for c, type_ in fixed.items()}
    for column in free:
        columns[column] = _free_array(column, [row.get(column) for row in rows])
    return conform(name, pa.table(columns))


def conform(name: str, rows: pa.Table, written: datetime | None = None) -> pa.Table:
    """``rows`` with the fixed columns of table ``name`` first, then its free columns by name, each typed as documented.

    ``written`` fills the column of that name where it is null.
    """
    schema, there = TABLES[name], dict(zip(rows.column_names, rows.columns, strict=True))
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for column, type_ in schema.types().items():
        columns[column] = there[column].cast(type_) if column in there else pa.nulls(rows.num_rows, type_)
        if column in schema.key and column not in STAMPS and columns[column].null_count:
            raise ValueError(f"table {name}: column {column} is part of the key and cannot be null")
    for column in sorted(there.keys() - columns.keys()):
        values = there[column]
        if values.null_count < rows.num_rows:
            columns[column] = values.cast(FLOAT if schema.is_metric(column) else _free_type(column, values.type))
    conformed = pa.table(columns)
    return conformed if written is None else stamped(conformed, "written", pa.scalar(written, TIME))


def stamped(rows: pa.Table, column: str, value: pa.Scalar) -> pa.Table:
    """``rows`` with ``value`` where the column is null; tables without the column stay as they are."""
    import pyarrow.compute as pc  # takes longer to import than a small table to read, and only writing needs it

    if column not in rows.column_names:
        return rows
    return rows.set_column(rows.column_names.index(column), column, pc.fill_null(rows[column], value))


def promoted(types: Sequence[pa.DataType]) -> pa.DataType:
    """The type of a column that has these types in different segments."""
    distinct = set(types)
    if len(distinct) == 1:
        return types[0]
    return FLOAT if distinct == {INT, FLOAT} else TEXT


def united(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all ``tables``: columns united by name, conflicting types of free columns promoted."""
    types: dict[str, list[pa.DataType]] = {}
    for each in tables:
        for field in each.schema:
            if not pa.types.is_null(field.type):
                types.setdefault(field.name, []).append(field.type)
    conflicts = {column: promoted(present) for column, present in types.items() if len(set(present)) > 1}
    agreed: list[pa.Table] = []
    for each in tables:
        for column in set(each.column_names) & conflicts.keys():
            type_, values = conflicts[column], each[column]
            if type_ == TEXT and values.type != TEXT:
                values = texts(values)
            each = each.set_column(each.column_names.index(column), column, values.cast(type_))
        agreed.append(each)
    return pa.concat_tables(agreed, promote_options="default")


def text(value: Value) -> str:
    """A parameter's value in a column of strings: ``true``, ``3`` for both 3 and 3.0, ``0.1``, ``1e-05``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return repr(float(value)).removesuffix(".0")


def texts(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The values of a parameter's column as text."""
    return pa.array([_text_or_null(value) for value in values.to_pylist()], TEXT)


def _text_or_null(value: object) -> str | None:
    return None if value is None else text(cast("Value", value))  # free columns hold nothing else


def _free_type(column: str, type_: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    for ours, test in ((BOOL, pa.types.is_boolean), (INT, pa.types.is_integer), (FLOAT, pa.types.is_floating)):
        if test(type_):
            return ours
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return TEXT
    raise TypeError(f"column {column}: {type_} is not a number, bool or string")


def _free_array(column: str, values: Sequence[object]) -> pa.Array:
    values = [cast("object", value.item()) if isinstance(value, np.generic) else value for value in values]
    types: dict[type[object], pa.DataType] = {bool: BOOL, int: INT, float: FLOAT, str: TEXT}
    present = {type(value) for value in values if value is not None}
    if unknown := present - types.keys():
        raise TypeError(f"column {column}: {unknown.pop().__name__} is not a number, bool or string")
    if not present:
        return pa.nulls(len(values))
    type_ = promoted([types[kind] for kind in present])
    if type_ == TEXT:
        values = [_text_or_null(value) for value in values]
    elif type_ == FLOAT:
        values = [None if value is None else float(cast("float", value)) for value in values]
    return pa.array(values, type_)
