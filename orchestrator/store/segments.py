"""Segments: immutable parquet files that are added and merged, never changed; their names hold digests (``names``)."""

import contextlib
import errno
import io
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from orchestrator.errors import UserError
from orchestrator.store import names
from orchestrator.store.columns import Columns, Types, fitted, identity, types_of
from orchestrator.store.folder import Folder
from orchestrator.store.schema import STAMPS, TABLES, WRITE_ORDER

if TYPE_CHECKING:
    import pyarrow.dataset as ds

T = TypeVar("T")
#: A read is repeated when a compaction took a segment away under it; each repetition needs a compaction of its own.
REPEATS = 50
#: Bytes of a table's segments up to which they are read at once.
SMALL = 16e6
#: Rows whose columns have no conflicting types.
Part: TypeAlias = "pa.Table | ds.Dataset"
Parts = dict[str, list[Part]]  # of each table
Paths = dict[str, list[str]]  # of each table, its segments


class Listing(NamedTuple):
    """Paths of a table's files."""

    segments: list[str]
    columns: list[str]  #: files of columns, which have no rows


class Segments:
    """The segments of all tables in one folder, ``<table>/<unique name>.parquet``."""

    def __init__(self, folder: Folder):
        self.columns = Columns(folder)
        self._folder = folder
        self._fragments: dict[str, tuple[ds.Fragment, pa.Schema]] = {}

    def paths(self, table: str) -> list[str]:
        """Paths of the table's segments."""
        return self.listing(table).segments

    def listing(self, table: str, sizes: bool = True) -> Listing:
        """Paths of the table's segments and files of columns; ``sizes`` as for ``Folder.names``.

        A listing is not a snapshot: while it is made, a compaction may add the merged segment where the listing has
        already passed and delete the old ones where it has not yet been. A second listing that lacks nothing of the
        first rules that out. What others add between the two listings does no harm.
        """
        before, now = self.glance(table, sizes), self.glance(table, sizes)
        while not set(before.segments) <= set(now.segments):
            before, now = now, self.glance(table, sizes)
        return now

    def glance(self, table: str, sizes: bool = False) -> Listing:
        """A single listing: right, unless a compaction goes on."""
        listing = Listing([], [])
        for name in self._folder.names(table, sizes):
            if name.endswith(".parquet"):
                (listing.columns if name.startswith(names.COLUMNS) else listing.segments).append(f"{table}/{name}")
        return listing

    def add(self, table: str, rows: pa.Table, number: int, types: Types) -> str:
        """Write one new segment, the ``number``-th of its folder, with all columns of ``types``. Returns its path."""
        sink = io.BytesIO()
        pq.write_table(fitted(rows, types), sink, compression="zstd", write_page_checksum=True)
        path = f"{table}/{names.segment(number, identity(types), sink.getvalue())}"
        self._folder.write(path, sink.getvalue())
        return path

    def types(self, table: str, paths: Sequence[str]) -> list[Types]:
        """The columns of segments, read from their footers. What cannot be read is left out."""

        def of(path: str) -> Types | None:
            where = self._folder.path(path)
            with contextlib.suppress(pa.ArrowException, OSError):
                return types_of(pq.read_schema(where, filesystem=self._folder.filesystem))

        with ThreadPoolExecutor(16) as pool:
            return [types for types in pool.map(of, paths) if types is not None]

    def delete(self, paths: Sequence[str]) -> None:
        """Delete segments; some may be gone already."""
        with ThreadPoolExecutor(16) as pool:  # each is three requests to an object store
            list(pool.map(self._folder.delete, paths))

    def vanished(self, table: str, paths: Sequence[str]) -> bool:
        """Whether one of the table's segments is there no more."""
        return not set(paths) <= set(self.glance(table).segments)

    def parts(self, table: str, paths: Sequence[str]) -> list[Part]:
        """The segments as one part, or as several where columns have conflicting types.

        Few bytes on this machine are read at once. Other segments become datasets, of which DuckDB reads the columns
        and rows that it needs. Raises UserError for a file that is not a segment of the table.
        """
        small = sum(self._folder.size(path) or 0 for path in paths) <= SMALL
        if self._folder.local is not None and small:
            return self._tables(table, paths)
        return self._datasets(table, paths)

    def _tables(self, table: str, paths: Sequence[str]) -> list[Part]:
        with ThreadPoolExecutor(16) as pool:
            tables = list(pool.map(partial(self._rows, table), paths))
        groups = _agreeing(table, [rows.schema for rows in tables])
        return [
            pa.concat_tables([empty_table(types), *(tables[k] for k in members)], promote_options="default")
            for types, members in groups
        ]

    def _datasets(self, table: str, paths: Sequence[str]) -> list[Part]:
        import pyarrow.dataset as ds  # imports pandas

        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        format = ds.ParquetFileFormat(default_fragment_scan_options=options)
        with ThreadPoolExecutor(16) as pool:
            fragments = list(pool.map(partial(self._fragment, table, format), paths))
        groups = _agreeing(table, [schema for _, schema in fragments])
        return [
            ds.FileSystemDataset(
                [fragments[k][0] for k in members], pa.schema(list(types.items())), format, self._folder.filesystem
            )
            for types, members in groups
        ]

    def reading(
        self,
        tables: Sequence[str],
        work: Callable[[Parts, Paths], T],
        chosen: Callable[[list[str]], list[str]] = lambda paths: paths,
    ) -> T:
        """``work`` on what ``tables`` hold now: their parts, and the segments that these are made of.

        With ``chosen``, some of the segments alone. Repeated if a compaction takes a segment away during the work.
        Raises UserError for a damaged segment.
        """
        import duckdb

        ordered = [name for name in reversed(WRITE_ORDER) if name in tables]
        for attempt in range(REPEATS):
            paths = {name: chosen(self.paths(name)) for name in ordered}
            try:
                return work({name: self.parts(name, paths[name]) for name in paths}, paths)
            except (duckdb.Error, FileNotFoundError) as error:
                if not any(self.vanished(name, paths[name]) for name in paths):
                    if isinstance(error, (duckdb.InvalidInputException, duckdb.IOException)):
                        for name in paths:
                            self.check(name, paths[name])
                    raise
                time.sleep(0.001 * attempt)
        raise UserError(
            f"{self._folder.title} is being compacted over and over by others: try again when that is over."
        )

    def check(self, table: str, paths: Sequence[str]) -> None:
        """Read every byte of the segments and raise UserError for the first that is damaged."""
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                self._rows(table, path)

    def _rows(self, table: str, path: str) -> pa.Table:
        """All rows of a segment, its checksums verified. Raises UserError for a damaged or foreign file."""
        with self._damage_as_sentence(path):
            with self._folder.filesystem.open_input_file(self._folder.path(path)) as stream:
                data = stream.read()
            self._check_footer(path, data)
            with pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True) as file:
                self._verify(table, path, file.schema_arrow)
                return file.read()

    def _fragment(self, table: str, format: "ds.ParquetFileFormat", path: str) -> "tuple[ds.Fragment, pa.Schema]":
        """A segment that is read when it is scanned, and its columns. It never changes: its footer is read once."""
        if path not in self._fragments:
            where, size = self._folder.path(path), self._folder.size(path)
            with self._damage_as_sentence(path):
                if self._folder.local is not None:  # object stores have checksums of their own, and a look costs a GET
                    self._check_footer(path, self._end(path))
                fragment = format.make_fragment(where, self._folder.filesystem, file_size=size)
                schema = cast("pa.Schema", fragment.physical_schema)  # pyright: ignore
                self._verify(table, path, schema)
            self._fragments[path] = fragment, schema
        return self._fragments[path]

    def check_footers(self, tables: Sequence[str]) -> None:
        """Raise UserError for a segment whose footer is not the one that was written.

        Readers do so by themselves, but not in a bucket.
        """
        paths = [path for table in tables for path in self.paths(table) if names.promised(path)]

        def check(path: str) -> None:
            with contextlib.suppress(FileNotFoundError), self._damage_as_sentence(path):
                self._check_footer(path, self._end(path))

        if self._folder.local is None:
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(check, paths))

    def _end(self, path: str) -> bytes:
        """A file from its footer on."""
        with self._folder.filesystem.open_input_file(self._folder.path(path)) as stream:
            size = stream.size()
            tail = stream.read_at(names.TAIL, max(size - names.TAIL, 0))
            length = names.TAIL + int.from_bytes(tail[:4], "little")
            return stream.read_at(length, size - length) if length <= size else tail

    def _check_footer(self, path: str, data: bytes) -> None:
        """Raise UserError if the footer at the end of ``data`` is not the one that the segment's name promises."""
        promised, footer = names.promised(path), names.footer(data)
        # A file that does not even end like a parquet file: its reader says so.
        if promised and data.endswith(b"PAR1") and names.digest(footer or b"") != promised.footer:
            raise UserError(
                f"{self._folder.shown(path)} is damaged: its columns are not those that were written; it was left as "
                "it is. Move it out of the results folder and run the sweep again: it computes only what is missing."
            )

    @contextlib.contextmanager
    def _damage_as_sentence(self, path: str) -> Generator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(path, error) from error

    def _verify(self, table: str, path: str, schema: pa.Schema) -> None:
        expected = TABLES[table]
        for column, type_ in expected.types().items():
            type_there = schema.field(column).type if column in schema.names else None
            needed = column in expected.key and column not in STAMPS  # older segments have no number
            if type_there != type_ and (type_there is not None or needed):
                raise UserError(
                    f"{self._folder.shown(path)} is not a segment of table {table}: column {column} should be {type_}, "
                    f"not {type_there or 'missing'}. Move the file out of the results folder; nothing was changed."
                )

    def _unreadable(self, path: str, error: Exception) -> Exception:
        """What to raise for a segment that cannot be read: it is gone, it may not be read, or it is damaged."""
        shown = self._folder.shown(path)
        if isinstance(error, PermissionError):
            return UserError(f"{shown} cannot be read: permission denied.")
        if isinstance(error, OSError) and (reason := self._folder.refusal(error)):
            return UserError(f"{shown} cannot be read: {reason}.")
        if self._folder.kind(path) == fs.FileType.NotFound:  # an object store says so only when asked
            return FileNotFoundError(errno.ENOENT, "segment is gone", path)
        reason = str(error).splitlines()[0].rstrip(".")
        return UserError(
            f"{shown} is truncated or not a parquet file ({reason}); it was left as it is. Move it "
            "out of the results folder and run the sweep again: it computes only what is missing."
        )


def _agreeing(table: str, schemas: Sequence[pa.Schema]) -> list[tuple[dict[str, pa.DataType], list[int]]]:
    """The schemas in groups without conflicting types: column -> type, and the indices of the group's schemas."""
    groups: list[tuple[dict[str, pa.DataType], list[int]]] = [(TABLES[table].types(), [])]
    for k, schema in enumerate(schemas):
        types = dict(zip(schema.names, schema.types, strict=True))
        agreeing = (group for group in groups if all(group[0].get(c, t) == t for c, t in types.items()))
        if (group := next(agreeing, None)) is None:
            group = (TABLES[table].types(), list[int]())
            groups.append(group)
        group[0].update(types)
        group[1].append(k)
    return groups


def empty_table(types: Mapping[str, pa.DataType]) -> pa.Table:
    """A table without rows. ``Schema.empty_table`` would import pandas."""
    return pa.Table.from_batches([], pa.schema(list(types.items())))
