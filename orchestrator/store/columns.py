"""The columns of a table, kept in a file of its own: all segments of a table have the same columns and types.

``TABLE/0-columns-….parquet`` has no rows and every column that the table ever had. It sorts before all segments, so
programs that take the columns of the first file see all of them. A writer adds the columns that are new, and then
writes its rows with all columns; segments that lack some are written anew (``compact.settle``). Files of columns are
added and merged as segments are, never changed: whoever deletes one has written one that holds all its columns, so two
writers at once lose nothing.
"""

import hashlib
import io
import json
import logging
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.store import names
from orchestrator.store.folder import Folder
from orchestrator.store.schema import FLOAT, TABLES, TEXT, promoted, texts

log = logging.getLogger("orchestrator")

#: Column -> type.
Types = dict[str, pa.DataType]


class Columns:
    """The files of columns in one folder."""

    def __init__(self, folder: Folder):
        self._folder = folder
        self._held: dict[str, Types] = {}

    def known(self, table: str, files: Iterable[str]) -> Types:
        """The columns of these files of the table. One that is gone or damaged counts for nothing."""
        for path in files:
            if path not in self._held and (types := self._read(path)) is not None:
                self._held[path] = types
        return united(table, [self._held.get(path, {}) for path in files])

    def replace(self, table: str, types: Types, files: Sequence[str]) -> str:
        """Write a file that holds ``types`` and delete ``files``, whose columns it holds. Returns its path."""
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_batches([], pa.schema(list(types.items()))), sink)
        path = f"{table}/{names.columns_file(len(types), sink.getvalue())}"
        if path not in files or self._held.get(path) != types:  # a damaged one is replaced
            self._folder.write(path, sink.getvalue())
        self._held[path] = types
        for old in files:
            if old != path:
                self._folder.delete(old)
        return path

    def _read(self, path: str) -> Types | None:
        data = self._folder.read(path)
        if data is None:  # merged by another writer: the next listing shows the new one
            return None
        try:
            if names.promised(path) in (None, names.digests(data)):
                return types_of(pq.read_schema(io.BytesIO(data)))
        except pa.ArrowException:
            pass
        log.warning("%s is damaged. It holds no rows, and is written anew.", self._folder.shown(path))
        return {}


def types_of(schema: pa.Schema) -> Types:
    """The columns of a schema that have a type."""
    return {field.name: field.type for field in schema if not pa.types.is_null(field.type)}


def united(table: str, parts: Sequence[Mapping[str, pa.DataType]]) -> Types:
    """All columns of ``parts``, and the fixed ones of the table: these first, then the free ones by name."""
    fixed = TABLES[table].types()
    free: dict[str, list[pa.DataType]] = {}
    for part in parts:
        for column, type_ in part.items():
            if column not in fixed:
                free.setdefault(column, []).append(type_)
    return fixed | {column: promoted(free[column]) for column in sorted(free)}


def identity(types: Types) -> str:
    """8 hex digits for the names, types and order of columns."""
    text = json.dumps([(column, str(type_)) for column, type_ in types.items()])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def fitted(rows: pa.Table, types: Types) -> pa.Table:
    """``rows`` with exactly these columns: a column that they lack is null, a number may become text or a double."""
    there = dict(zip(rows.column_names, rows.columns, strict=True))
    assert types.keys() >= there.keys()
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for column, type_ in types.items():
        values = there[column] if column in there else pa.nulls(rows.num_rows, type_)
        if type_ == TEXT and values.type != TEXT:
            values = texts(values)
        elif values.type != type_:
            values = values.cast(type_, safe=type_ != FLOAT)
        columns[column] = values
    return pa.table(columns)
