"""The fingerprint of a sweep: equal results give equal fingerprints, however they were computed and stored."""

import hashlib
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from orchestrator.errors import UserError
from orchestrator.store.schema import FLOAT, INT, STAMPS, TABLES
from orchestrator.store.sql import sql_name, sql_text
from orchestrator.store.views import as_text

if TYPE_CHECKING:
    import duckdb

#: Columns of runs that may differ between two executions with equal results.
CIRCUMSTANCES = ("error", "note", "versions", "cpu", *STAMPS)


class Digest(Protocol):
    """A hash of ``hashlib``."""

    def update(self, data: bytes, /) -> None: ...


def fingerprint(connection: "duckdb.DuckDBPyConnection", sweep: str) -> str:
    """SHA-256 (64 hex digits) over the canonical rows of ``sweep``'s newest membership.

    Three tables are hashed, each without duplicates and sorted by its key:

    - members: case, cell_id;
    - runs of these cells: every column except error, note, versions, cpu, write_number and written;
    - metrics of these runs: every column.

    For each table, its name and number of rows are hashed, then its columns in the order of their names. Columns that
    are null throughout are skipped: they are parameters of other sweeps. For each column, its name is hashed, then one
    byte per row (1 for a value, 0 for null), then the values. Metrics are the 8 little-endian bytes of their IEEE 754
    double (every NaN is the same one), counts are 8-byte integers, texts are all lengths and then the UTF-8 bytes.
    Parameters are hashed as text (``schema.text``), because the type of their column depends on what else the store
    holds. Names and lengths come first, so different contents cannot give the same bytes.

    Raises UserError if no sweep has that name.
    """
    cells = 'SELECT "case", cell_id FROM members WHERE sweep = ' + sql_text(sweep)
    members = connection.sql(f"{cells} ORDER BY ALL").to_arrow_table()
    if not members.num_rows:
        known = [name for (name,) in connection.sql("SELECT DISTINCT sweep FROM members ORDER BY sweep").fetchall()]
        raise UserError(f"No sweep is named {sweep}: the results hold {', '.join(known) or 'none yet'}.")
    runs = f"SELECT {_run_columns(connection)} FROM runs WHERE cell_id IN (SELECT cell_id FROM ({cells}))"
    metrics = f"FROM metrics WHERE replicate_id IN (SELECT replicate_id FROM ({runs}))"
    digest = hashlib.sha256()
    for name, rows in (
        ("members", members),
        ("runs", connection.sql(f"{runs} ORDER BY replicate_id").to_arrow_table()),
        ("metrics", connection.sql(f"{metrics} ORDER BY replicate_id, round").to_arrow_table()),
    ):
        _add_bytes(digest, name.encode())
        digest.update(rows.num_rows.to_bytes(8, "little"))
        for column in sorted(rows.column_names):
            _add_column(digest, column, rows[column])
    return digest.hexdigest()


def _run_columns(connection: "duckdb.DuckDBPyConnection") -> str:
    """SELECT list: results unchanged, parameters as text."""
    schema = TABLES["runs"]
    view = connection.sql("FROM runs LIMIT 0").to_arrow_table().schema
    cells: list[str] = []
    for field in view:
        column = sql_name(field.name)
        if field.name in CIRCUMSTANCES:
            continue
        typed = field.name in schema.columns or schema.is_metric(field.name)
        cells.append(column if typed else f"{as_text(column, field.type)} AS {column}")
    return ", ".join(cells)


def _add_column(digest: Digest, name: str, values: pa.ChunkedArray) -> None:
    import pyarrow.compute as pc  # here, because every command that reads imports this file

    if values.null_count == len(values):
        return
    _add_bytes(digest, name.encode())
    digest.update(values.is_valid().to_numpy().astype(np.uint8).tobytes())
    if values.type == FLOAT:
        numbers = pc.fill_null(values, 0.0).to_numpy()
        digest.update(np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes())
    elif values.type == INT:
        digest.update(pc.fill_null(values, 0).to_numpy().astype("<i8").tobytes())
    else:
        texts = [str(text).encode() for text in pc.fill_null(values, "").to_pylist()]
        digest.update(np.array([len(text) for text in texts], "<i8").tobytes())
        digest.update(b"".join(texts))


def _add_bytes(digest: Digest, data: bytes) -> None:
    digest.update(len(data).to_bytes(8, "little") + data)
