"""Segments: immutable parquet files that are added and merged, never changed."""

import io
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from orchestrator.errors import UserError
from orchestrator.store.folder import Folder
from orchestrator.store.schema import TABLES

Parts = dict[str, list[ds.Dataset]]  # of each table, datasets whose columns have no conflicting types
Paths = dict[str, list[str]]  # of each table, its segments


class Segments:
    """The segments of all tables in one folder, ``<table>/<unique name>.parquet``."""

    def __init__(self, folder: Folder):
        self._folder = folder
        self._schemas: dict[str, pa.Schema] = {}  # a segment never changes, so its schema is read once

    def paths(self, table: str) -> list[str]:
        """Paths of the table's segments.

        A listing is no snapshot: while it is made, a compaction may add the merged segment where the listing has
        already passed and delete the old ones where it has not yet been. A second listing that lacks nothing of the
        first rules that out; what others add meanwhile does no harm.
        """
        before, now = self._names(table), self._names(table)
        while not set(before) <= set(now):
            before, now = now, self._names(table)
        return [f"{table}/{name}" for name in now]

    def add(self, table: str, rows: pa.Table) -> str:
        """Write one new segment and return its path."""
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd", write_page_checksum=True)
        # Names sort by time, for people who look; the random part makes them unique.
        path = f"{table}/{time.time_ns() // 1000:016d}-{uuid.uuid4().hex[:16]}.parquet"
        self._folder.write(path, sink.getvalue())
        return path

    def delete(self, paths: Sequence[str]) -> None:
        """Delete segments; some may be gone already."""
        for path in paths:
            self._folder.delete(path)

    def vanished(self, paths: Sequence[str]) -> bool:
        """Whether one of the segments is there no more."""
        return not all(map(self._folder.exists, paths))

    def datasets(self, table: str, paths: Sequence[str]) -> list[ds.Dataset]:
        """The segments as datasets that are read when scanned: one, or several where columns have conflicting types."""
        with ThreadPoolExecutor(16) as pool:
            schemas = list(pool.map(lambda path: self._schema(table, path), paths))
        groups: list[tuple[dict[str, pa.DataType], list[str]]] = [(TABLES[table].types(), [])]
        for path, schema in zip(paths, schemas, strict=True):
            types = dict(zip(schema.names, schema.types, strict=True))
            agreeing = (group for group in groups if all(group[0].get(c, t) == t for c, t in types.items()))
            if (group := next(agreeing, None)) is None:
                group = (TABLES[table].types(), [])
                groups.append(group)
            group[0].update(types)
            group[1].append(path)
        return [self._dataset(known, members) for known, members in groups]

    def check(self, table: str, paths: Sequence[str]) -> None:
        """Read every byte of the segments and raise UserError for the first that is damaged."""
        for path in paths:
            try:
                self._dataset(TABLES[table].types(), [path]).replace_schema(self._schema(table, path)).to_table()
            except FileNotFoundError:
                continue
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(path, error) from error

    def _names(self, table: str) -> list[str]:
        return [name for name in self._folder.names(table) if name.endswith(".parquet")]

    def _dataset(self, types: dict[str, pa.DataType], paths: Sequence[str]) -> ds.Dataset:
        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        files = ds.ParquetFileFormat(default_fragment_scan_options=options)
        fragments = [files.make_fragment(self._folder.path(path), self._folder.filesystem) for path in paths]
        return ds.FileSystemDataset(fragments, pa.schema(list(types.items())), files, self._folder.filesystem)

    def _schema(self, table: str, path: str) -> pa.Schema:
        if path not in self._schemas:
            try:
                with self._folder.filesystem.open_input_file(self._folder.path(path)) as file:
                    schema = pq.read_schema(file)
            except FileNotFoundError:
                raise
            except PermissionError as error:
                raise UserError(f"{self._folder.shown(path)} cannot be read: permission denied.") from error
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(path, error) from error
            self._verify(table, path, schema)
            self._schemas[path] = schema
        return self._schemas[path]

    def _verify(self, table: str, path: str, schema: pa.Schema) -> None:
        expected = TABLES[table]
        for column, type_ in expected.types().items():
            found = schema.field(column).type if column in schema.names else None
            if found != type_ and (found is not None or column in expected.key):
                raise UserError(
                    f"{self._folder.shown(path)} is not a segment of table {table}: column {column} should be {type_}, "
                    f"not {found or 'missing'}. Move the file out of the results folder; nothing was changed."
                )

    def _damaged(self, path: str, error: Exception) -> UserError:
        reason = str(error).splitlines()[0].rstrip(".")
        return UserError(
            f"{self._folder.shown(path)} is truncated or not a parquet file ({reason}); it was left as it is. Move it "
            "out of the results folder and run the sweep again: it computes only what is missing."
        )
