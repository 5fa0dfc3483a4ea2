"""SQL over the segments: a locked in-memory DuckDB that holds the views and can touch no file.

Every view removes duplicates: two drivers may compute the same replicate, and a compaction may be interrupted. DuckDB
only selects, orders and joins here. The last bits of an ``avg`` depend on the order of the rows, so claims and
fingerprints reduce the selected rows themselves.
"""

import contextlib
import itertools
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from orchestrator.errors import UserError, writable
from orchestrator.store.schema import NEWEST, TABLES, TEXT, conform, promoted
from orchestrator.store.segments import Part, empty_table
from orchestrator.store.sql import sql_name

if TYPE_CHECKING:
    import duckdb

#: The tables that each view reads, in the order of creation.
NEEDS = {
    "members": ("members",),
    "runs": ("runs",),
    "metrics": ("metrics", "runs"),
    "agents": ("agents", "runs"),
    "timings": ("timings",),
    "claims": ("claims",),
    "verdicts": ("claims",),
    "claim_points": ("claim_points", "claims"),
    "registrations": ("registrations",),
    "memberships": ("members",),
    "summary": ("runs", "members"),
    "curves": ("metrics", "runs", "members"),
    "first_crossing": ("metrics", "runs", "members"),
}
#: The views that a view is made of.
MADE_OF = {
    "summary": ("members", "runs"),
    "curves": ("members", "runs", "metrics", "summary"),
    "first_crossing": ("members", "runs", "metrics", "summary"),
}
#: Words that let a query reach tables or columns without naming them.
INDIRECT = ("query", "information_schema", "duckdb_", "pg_", "show", "pragma", "sqlite_")
LOCKED = ("temp_directory = ''", "enable_external_access = false", "python_enable_replacements = false")

#: Types that parquet, pandas and JSON do not know.
FOREIGN = ("interval", "union", "bit", "variant", "time with time zone")

#: DuckDB's most frequent messages (the beginning of each), in plainer words.
MESSAGES = (
    (r"^Parser Error: ", "The SQL does not parse: "),
    (
        r'^Binder Error: Referenced column "([^"]*)" not found in FROM clause!',
        r'The query names a column "\1" that is not there.',
    ),
    (r"^Catalog Error: Table with name (\S+) does not exist!", r'The query names a table "\1" that is not there.'),
)

_SELECTS = {
    "members": """SELECT * FROM {members} WHERE (sweep, sweep_hash) IN (
        SELECT DISTINCT ON (sweep) (sweep, sweep_hash) FROM {members} ORDER BY sweep, {newest}, sweep_hash DESC)""",
    "runs": "SELECT * FROM {runs}",
    "metrics": "SELECT * FROM {metrics} WHERE replicate_id IN (SELECT replicate_id FROM {runs})",
    "agents": "SELECT * FROM {agents} WHERE replicate_id IN (SELECT replicate_id FROM {runs})",
    "timings": "SELECT * FROM {timings}",
    "claims": "SELECT * FROM {claims} WHERE {judged}",
    "verdicts": "SELECT * FROM {claims}",
    "claim_points": "SELECT * FROM {claim_points} WHERE {judged}",
    "registrations": "SELECT * FROM {registrations}",
    "memberships": "SELECT * FROM {members}",
    "summary": 'SELECT sweep, sweep_hash, "case", runs.* FROM runs JOIN members USING (cell_id)',
}
#: The rows of the newest judgement of their sweep.
_JUDGED = """(sweep, coalesce(write_number, 0), written) IN (
    SELECT DISTINCT ON (sweep) (sweep, coalesce(write_number, 0), written) FROM {claims} ORDER BY sweep, {newest})"""
_FIRST_CROSSING = """CREATE MACRO first_crossing(metric_column, level) AS TABLE
    SELECT summary.*, first_round FROM summary LEFT JOIN (
        SELECT replicate_id, min(round) AS first_round FROM metrics WHERE metric_column <= level GROUP BY replicate_id
    ) USING (replicate_id)"""


def named(sql: str) -> tuple[str, ...]:
    """The views that ``sql`` may read."""
    text = sql.lower()
    everything = any(word in text for word in INDIRECT)
    return tuple(view for view in NEEDS if everything or view in text)


def needed(names: Iterable[str]) -> tuple[str, ...]:
    """The tables that the views ``names`` read."""
    tables = {table for view in names for table in NEEDS[view]}
    return tuple(table for table in TABLES if table in tables)


def connect(tables: Mapping[str, Sequence[Part]], names: Iterable[str] = ()) -> "duckdb.DuckDBPyConnection":
    """A fresh in-memory DuckDB with views over the parts of ``tables``. A table that is not given is empty.

    Only the views ``names``, and what they are made of, are there; without names all are. To define one takes DuckDB
    longer than to read a small table.
    """
    import duckdb  # here, because trials and --help need none of it

    wanted = set(names) or set(NEEDS)
    wanted |= {below for name in wanted for below in MADE_OF.get(name, ())}
    connection = duckdb.connect(":memory:")
    _silence(connection)
    for setting in LOCKED:
        connection.execute(f"SET {setting}")
    rows: dict[str, str] = {}
    for name in needed(wanted):
        parts = tables.get(name) or [empty_table(TABLES[name].types())]
        rows[name] = f"({_distinct(name, _united(connection, name, parts))})"
    rows["newest"] = NEWEST
    rows["judged"] = _JUDGED.format_map(rows) if "claims" in rows else ""
    for view, select in _SELECTS.items():
        if view in wanted:
            connection.execute(f"CREATE VIEW {view} AS {select.format_map(rows)}")
    if "curves" in wanted:
        connection.execute(f"CREATE VIEW curves AS {_curves(connection)}")
    if "first_crossing" in wanted:
        connection.execute(_FIRST_CROSSING)
    connection.execute("SET lock_configuration = true")
    return connection


def _silence(connection: "duckdb.DuckDBPyConnection") -> None:
    """Turn the progress bar off: it would appear in the middle of the output."""
    import duckdb

    # In a notebook without widgets neither the bar nor the setting exists.
    with contextlib.suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")


def distinct_rows(table: str, parts: Sequence[Part]) -> pa.Table:
    """All rows of ``table`` without duplicates, sorted by key: nothing is judged or left out, unlike in the view."""
    import duckdb

    key = ", ".join(map(sql_name, TABLES[table].key)) or "ALL"
    # A table larger than memory is sorted in the system's temporary folder, not in the working folder.
    spill = str(Path(tempfile.gettempdir()) / "marl-orchestrator")
    with duckdb.connect(":memory:", config={"temp_directory": spill}) as connection:
        _silence(connection)
        select = _distinct(table, _united(connection, table, parts))
        return conform(table, connection.sql(f"FROM ({select}) ORDER BY {key}").to_arrow_table())


def run(connection: "duckdb.DuckDBPyConnection", sql: str) -> pa.Table:
    """The rows of one reading statement. Raises UserError for any other statement, duckdb.Error as DuckDB does."""
    import duckdb

    if writable(sql) != sql:
        raise UserError(f"The query {writable(sql)!r} holds a character that no text can have.")
    reading = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in reading:
        raise UserError(
            "A query is a single reading statement: SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN. "
            "Nothing was executed."
        )
    return _unique_columns(_known_types(connection.sql(sql)).to_arrow_table())


def _known_types(rows: "duckdb.DuckDBPyRelation") -> "duckdb.DuckDBPyRelation":
    """The rows, with columns of types that no other program reads (intervals, unions, bits) as DuckDB's texts."""
    foreign = [_foreign(kind) for kind in rows.types]
    if not any(foreign):
        return rows
    cells = [f"CAST(#{k} AS VARCHAR)" if odd else f"#{k}" for k, odd in enumerate(foreign, 1)]
    names = map(sql_name, rows.columns)
    return rows.project(", ".join(f"{cell} AS {name}" for cell, name in zip(cells, names, strict=True)))


def _foreign(kind: Any) -> bool:  # untyped in DuckDB
    inner: list[Any] = kind.children if kind.id in ("list", "array", "struct", "map") else []
    return kind.id in FOREIGN or any(_foreign(part) for _, part in inner if not isinstance(part, int))


def _unique_columns(rows: pa.Table) -> pa.Table:
    """Give columns unique names, and whole numbers as int64: DuckDB sums them as wide decimals."""
    taken, used = set(rows.column_names), set[str]()
    counts: dict[str, Iterator[int]] = {}
    names: list[str] = []
    for name in rows.column_names:
        if name in used:
            count = counts.setdefault(name, itertools.count(1))
            name = next(other for k in count if (other := f"{name}_{k}") not in taken)
        used.add(name)
        taken.add(name)
        names.append(name)
    rows = rows.rename_columns(names)
    for k, field in enumerate(rows.schema):
        if pa.types.is_decimal(field.type) and field.type.scale == 0:
            with contextlib.suppress(pa.ArrowInvalid):  # larger than 64 bits: left as it is
                rows = rows.set_column(k, field.name, rows.column(k).cast(pa.int64()))
    return rows


def explained(error: "duckdb.Error", sql: str) -> str:
    """DuckDB's message, with a hint if a column's name is a SQL keyword."""
    import duckdb

    message = str(error)
    for pattern, plain in MESSAGES:
        message = re.sub(pattern, plain, message)
    reserved = sorted(set(re.findall(r'(?<!")\b(case|window)\b(?!")', sql.lower())))
    if isinstance(error, duckdb.ParserException) and reserved:
        message += f"\nA column whose name is a SQL keyword needs double quotes: {', '.join(map(sql_name, reserved))}."
    return message


def as_text(column: str, type_: pa.DataType) -> str:
    """SQL that writes a parameter as text, equal to ``schema.text``."""
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        decimal = f"regexp_replace(CAST(CAST({column} AS DOUBLE) AS VARCHAR), '\\.0$', '')"
        return f"replace({decimal}, '-nan', 'nan')"
    return f"CAST({column} AS VARCHAR)"


def _united(connection: "duckdb.DuckDBPyConnection", table: str, parts: Sequence[Part]) -> str:
    """SELECT over all parts, united by name, conflicting types promoted; fixed columns first, then the free by name."""
    fixed = TABLES[table].types()
    if not fixed.keys() <= {name for part in parts for name in part.schema.names}:
        parts = [*parts, empty_table(fixed)]  # all segments are older than a fixed column
    types: dict[str, list[pa.DataType]] = {}
    for part in parts:
        for field in part.schema:
            types.setdefault(field.name, []).append(field.type)
    unified = {column: promoted(present) for column, present in types.items()}
    selects: list[str] = []
    for number, part in enumerate(parts):
        source = f"_{table}_{number}"
        connection.register(source, part)
        cells = [_cell(field, unified[field.name]) for field in part.schema]
        selects.append(f"SELECT {', '.join(cells)} FROM {source}")
    order = [*fixed, *sorted(unified.keys() - fixed.keys())]
    return f"SELECT {', '.join(map(sql_name, order))} FROM ({' UNION ALL BY NAME '.join(selects)})"


def _cell(field: pa.Field, type_: pa.DataType) -> str:
    column = sql_name(field.name)
    if field.type == type_:
        return column
    converted = as_text(column, field.type) if type_ == TEXT else f"CAST({column} AS DOUBLE)"
    return f"{converted} AS {column}"


def _distinct(table: str, select: str) -> str:
    """``select`` with one row per key, the preferred one."""
    key = ", ".join(map(sql_name, TABLES[table].key))
    if not key:
        return f"SELECT DISTINCT * FROM ({select})"
    prefer = TABLES[table].prefer
    return f"SELECT DISTINCT ON ({key}) * FROM ({select})" + (f" ORDER BY {key}, {prefer}" if prefer else "")


def _curves(connection: "duckdb.DuckDBPyConnection") -> str:
    """metrics ⨝ summary; a column of both (agent_steps, bytes_sent) is the one at the record."""
    metrics, summary = (connection.sql(f"FROM {view}").columns for view in ("metrics", "summary"))
    twice = ", ".join(sql_name(column) for column in summary if column in metrics and column != "replicate_id")
    columns = f"summary.* EXCLUDE ({twice}), metrics.* EXCLUDE (replicate_id)"
    return f"SELECT {columns} FROM metrics JOIN summary USING (replicate_id)"
