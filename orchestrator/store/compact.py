"""Compaction: one segment per table instead of many, while others write, read and compact.

The rows are merged, written as a new segment under a unique name, and only then, after a moment in which readers that
have listed them can finish, the segments they came from are deleted. At every moment, and after a kill at any moment,
each row is in at least one segment; rows in two are duplicates, which no view shows. Whoever deletes a segment has
written one that holds all its rows, so two compactions at once cost time and nothing else. Rows that no view shows yet
(metrics whose runs are still to be written, older memberships and judgements) are kept.

Segments that lack columns of their table are merged in the same way as soon as somebody writes (``settle``). So all
files of a table have the same columns, and other programs read them without options.
"""

import time
from typing import NamedTuple

import pyarrow as pa

from orchestrator.store import names, views
from orchestrator.store.columns import Types, identity, types_of, united
from orchestrator.store.folder import Folder
from orchestrator.store.schema import WRITE_ORDER
from orchestrator.store.segments import Listing, Parts, Paths, Segments

#: Old segments stay beside the merged ones for this many times what merging took, since reading takes about as long,
#: and for this many seconds at most: without it readers starve beside compactions that are repeated.
GRACE, LONGEST = 2.0, 5.0
#: Looks at a table after which its files are left as they are: others change them over and over.
LOOKS = 20


class Agreed(NamedTuple):
    """The columns that all segments of a table have or are to have."""

    types: Types
    listing: Listing
    stale: list[str]  #: segments that lack some, or have another type


def compact(folder: Folder, segments: Segments) -> dict[str, tuple[int, int]]:
    """Merge every table's segments; table → number of segments before and after."""
    for name in ("", "checkpoints", *WRITE_ORDER):
        folder.sweep_up(name)
    started, before, merged = time.monotonic(), dict[str, int](), list[str]()
    for table in WRITE_ORDER:
        agreed = agree(segments, table)
        paths = agreed.listing.segments
        before[table] = len(paths)
        if len(paths) > 1 or agreed.stale:
            merged += _merge(segments, table, everything=True)
    _delete(segments, merged, started)
    return {table: (count, min(count, 1)) for table, count in before.items()}


def agree(segments: Segments, table: str, wanted: Types | None = None) -> Agreed:
    """Keep the columns of the table, and those that are wanted, in one file of columns.

    Nothing is written if it is there already, or if the table has no segment and no column is wanted.
    """
    looks = 0
    while True:
        looks += 1
        listing = segments.listing(table, sizes=False)
        known = segments.columns.known(table, listing.columns)
        stale = _stale(listing.segments, known)
        types = united(table, [known, wanted or {}, *segments.types(table, stale)])
        nothing = wanted is None and not listing.segments
        if nothing or looks == LOOKS or (types == known and len(listing.columns) == 1):
            return Agreed(types, listing, stale)
        segments.columns.replace(table, types, listing.columns)


def settle(segments: Segments, table: str) -> None:
    """Write segments anew that lack columns of the table. One listing tells whether there are any."""
    listing = segments.glance(table)
    types = segments.columns.known(table, listing.columns)
    if len(listing.columns) == 1 and not _stale(listing.segments, types):
        return
    for _ in range(LOOKS):
        if not agree(segments, table).stale:
            return
        started = time.monotonic()
        _delete(segments, _merge(segments, table, everything=False), started)


def _stale(paths: list[str], types: Types) -> list[str]:
    current = identity(types)
    return [path for path in paths if names.columns_of(path) != current]


def _merge(segments: Segments, table: str, everything: bool) -> list[str]:
    """Add a segment that holds all rows of the table's segments, or of those that are stale; their paths."""

    def chosen(paths: list[str]) -> list[str]:
        return paths if everything else _stale(paths, segments.columns.known(table, segments.glance(table).columns))

    def merged(parts: Parts, paths: Paths) -> tuple[list[str], pa.Table | None]:
        return paths[table], views.distinct_rows(table, parts[table]) if paths[table] else None

    old, rows = segments.reading([table], merged, chosen)
    if rows is None:
        return []
    # Columns that others added in the meantime are in these rows, or will be in the segments that they write anew.
    types = agree(segments, table, types_of(rows.schema)).types
    # The number of the newest: two who merge the same segments write the same file.
    path = segments.add(table, rows, names.largest(old), types)
    return [other for other in old if other != path]


def _delete(segments: Segments, merged: list[str], started: float) -> None:
    if merged:
        time.sleep(min(GRACE * (time.monotonic() - started), LONGEST))
        segments.delete(merged)
