"""A results folder: append finished replicates, ask what is finished, query, keep checkpoints.

Many processes may append, read and compact at once. A segment appears whole or not at all; ``runs`` is written last
and listed first, so whoever sees a replicate in ``runs`` finds all its other rows.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
from pyarrow import fs

from orchestrator.errors import UserError
from orchestrator.store import views
from orchestrator.store.columns import types_of
from orchestrator.store.compact import agree, compact, settle
from orchestrator.store.fingerprint import fingerprint
from orchestrator.store.folder import Folder
from orchestrator.store.names import largest
from orchestrator.store.schema import INT, TABLES, TIME, WRITE_ORDER, conform, stamped
from orchestrator.store.seal import opened, sealed
from orchestrator.store.segments import Parts, Paths, Segments
from orchestrator.store.verify import Verified, verify

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("orchestrator")

MARKER, WHAT, FORMAT = "store.json", "marl-orchestrator results", 1

T = TypeVar("T")
#: The rows of one reading statement.
Ask = Callable[[str], pa.Table]


class Checkpoints:
    """Named byte blobs beside the tables, replaced atomically, each with a digest at its end."""

    def __init__(self, folder: Folder):
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        """Store or replace the blob ``name`` (letters, digits, ``.``, ``_``, ``-``; not hidden)."""
        self._folder.write(self._path(name), sealed(data))

    def read(self, name: str) -> bytes | None:
        """The blob, or None if there is none. One that is damaged is none, with a warning."""
        data = self._folder.read(self._path(name))
        content = None if data is None else opened(data)
        if data is not None and content is None:
            log.warning("%s is damaged or of an older version: it is ignored.", self._folder.shown(self._path(name)))
        return content

    def names(self) -> list[str]:
        """Names of all blobs."""
        return self._folder.names("checkpoints")

    def delete(self, name: str) -> None:
        """Remove the blob; it may be gone already."""
        self._folder.delete(self._path(name))

    def _path(self, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise ValueError(f"checkpoint name {name!r}: letters, digits, '.', '_' and '-' only")
        return f"checkpoints/{name}"


class Store:
    """Tables of results in one folder on any filesystem that pyarrow knows; made by ``Store.open``."""

    def __init__(self, folder: Folder):
        self.folder = folder
        self.segments = Segments(folder)
        self.checkpoints = Checkpoints(folder)

    @classmethod
    def open(cls, location: str | Path, create: bool = False) -> "Store":
        """Open the results folder at a local path or URI; with ``create``, make it if it is missing or empty.

        Raises UserError if it is missing, is not ours, was written by a newer version, or cannot be read or written.
        """
        return cls.on(Folder.at(location), create)

    @classmethod
    def on(cls, folder: Folder, create: bool = False) -> "Store":
        """``open`` for a folder on a filesystem object."""
        where = folder.title
        if folder.kind() == fs.FileType.File:
            raise UserError(f"{where} is a file; results are kept in a folder.")
        marker = folder.read(MARKER)
        names = folder.names() if marker is None else []
        if names:  # somebody else's, or created at this moment by one who wrote the marker first
            marker = folder.read(MARKER)
        if marker is not None:
            _check_marker(where, marker)
        elif names:
            raise UserError(
                f"{where} is not a results folder of marl-orchestrator: it has no {MARKER} but holds "
                f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}. Name an empty or a new folder."
            )
        elif create:
            folder.write(MARKER, json.dumps({"format": FORMAT, "what": WHAT}).encode())
        else:
            raise UserError(
                f"There are no results in {where}: run something first, or name the folder that has them (--results)."
            )
        return cls(folder)

    @property
    def location(self) -> str:
        """The folder as it was named to ``open``, maybe with keys; messages show ``folder.title``."""
        return self.folder.location

    def append(self, tables: Mapping[str, pa.Table]) -> None:
        """Store new rows: one segment per table, runs last. ``written`` and ``write_number`` are equal in all tables.

        A replicate's rows of all tables belong into one call, and so do all members of a sweep and all claims of a
        sweep with their points, since a later call replaces the earlier membership or judgement. Raises UserError if
        the folder cannot be written; what was finished before stays.
        """
        if unknown := sorted(tables.keys() - TABLES.keys()):
            raise ValueError(f"no table is named {', '.join(unknown)}; there are {', '.join(TABLES)}")
        given = {name: conform(name, tables[name]) for name in WRITE_ORDER if name in tables and tables[name].num_rows}
        if not given:
            return
        with ThreadPoolExecutor(len(given)) as pool:
            wanted = [types_of(rows.schema) for rows in given.values()]
            agreed = list(pool.map(partial(agree, self.segments), given, wanted))
            now, number = (
                datetime.now(UTC).replace(tzinfo=None),
                1 + max(largest(one.listing.segments) for one in agreed),
            )
            for (name, rows), one in zip(given.items(), agreed, strict=True):
                rows = stamped(stamped(rows, "written", pa.scalar(now, TIME)), "write_number", pa.scalar(number, INT))
                self.segments.add(name, rows, number, one.types)
            list(pool.map(self._settle, given))

    def expect(self, tables: Mapping[str, pa.Table]) -> None:
        """Give the tables the columns that these rows have; the rows themselves are not stored.

        Whoever knows the columns before the rows come spares the segments from being written anew for each of them.
        """
        for name, rows in tables.items():
            agree(self.segments, name, types_of(conform(name, rows).schema))
            self._settle(name)

    def finished(self, cell_ids: Iterable[str]) -> dict[tuple[str, int], str]:
        """Status (done, diverged, failed) of every stored (cell_id, seed) of these cells.

        A replicate that is done but whose metrics are gone, because somebody took a damaged segment away, is not
        finished: it will be computed again.
        """
        wanted = set(cell_ids)
        sql = """SELECT cell_id, seed, status FROM runs
            WHERE status <> 'done' OR replicate_id IN (SELECT replicate_id FROM metrics)"""
        rows = self._on_views(views.named(sql), lambda db: db.sql(sql).fetchall())
        return {(cell_id, seed): status for cell_id, seed, status in rows if cell_id in wanted}

    def query(self, sql: str) -> pa.Table:
        """The result of one SQL statement that reads, in DuckDB's dialect, over the views.

        The views: members, runs, metrics, agents, timings, claims, claim_points as ``TABLES`` documents them, without
        duplicates; summary (runs of each sweep's cells), curves (metrics ⨝ summary) and the table macro
        ``first_crossing(metric_column, level)`` (summary and ``first_round``, the first recorded round at which the
        metric is at most the level, null if it never is). ``case`` and ``window`` are words of SQL and need double
        quotes. No statement can change results, write a file or read any other. Raises UserError with DuckDB's message.
        """
        import duckdb

        def answer(db: "duckdb.DuckDBPyConnection") -> pa.Table:
            return views.run(db, sql)

        names = views.named(sql)
        try:
            try:
                return self._on_views(names, answer)
            except duckdb.CatalogException:  # the message says which views there are, so all have to be there
                return self._on_views(names, answer, all_views=True)
        except duckdb.Error as error:
            raise UserError(views.explained(error, sql)) from error

    def reading(self, names: Sequence[str], work: Callable[[Ask], T]) -> T:
        """``work`` with a function that answers statements over the views ``names``, as ``query`` does.

        All statements see the same rows, and DuckDB is started once for all of them. ``work`` must only read: it is
        repeated if a compaction takes a segment away.
        """
        return self._on_views(names, lambda db: work(lambda sql: views.run(db, sql)))

    def compact(self) -> dict[str, tuple[int, int]]:
        """Merge each table's segments into one; table → number of segments before and after."""
        return compact(self.folder, self.segments)

    def verify(self) -> Verified:
        """Compare every byte of the tables and checkpoints with its digest."""
        return verify(self.folder, self.segments)

    def fingerprint(self, sweep: str) -> str:
        """SHA-256 over the results of a sweep (see ``fingerprint.fingerprint``)."""
        names = ("members", "runs", "metrics")
        self.segments.check_footers(names)
        return self._on_views(names, lambda db: fingerprint(db, sweep))

    def _settle(self, table: str) -> None:
        try:
            settle(self.segments, table)
        except (
            UserError
        ) as error:  # the rows are stored; what stands in the way is somebody else's or was damaged before
            log.warning("Some files of %s keep the columns that they have. %s", self.folder.shown(table), error)

    def _on_views(
        self, names: Sequence[str], work: "Callable[[duckdb.DuckDBPyConnection], T]", all_views: bool = False
    ) -> T:
        """``work`` on a DuckDB with these views, or with all of them, of which the others are empty."""

        def connected(parts: Parts, _: Paths) -> T:
            with views.connect(parts, () if all_views else names) as connection:
                return work(connection)

        return self.segments.reading(views.needed(names), connected)


def _check_marker(where: str, marker: bytes) -> None:
    try:
        content = json.loads(marker)
        what, version = content["what"], int(content["format"])
    except (ValueError, TypeError, KeyError):
        what, version = None, 0
    if what != WHAT:
        raise UserError(f"{where} is not a results folder of marl-orchestrator: its {MARKER} says something else.")
    if version > FORMAT:
        raise UserError(
            f"{where} was written by a newer version of marl-orchestrator (format {version}; this one reads up to "
            f"{FORMAT}). Install the newer version, or name another folder."
        )


def existing(results: str | Path) -> Store | None:
    """The store if there is one: planning must not create it."""
    from pyarrow import fs

    from orchestrator.store.folder import Folder

    folder = Folder.at(results)
    if folder.kind() == fs.FileType.NotFound or (folder.kind() == fs.FileType.Directory and not folder.names()):
        return None
    return Store.open(results)
