"""Compaction: one segment per table instead of many, while others write, read and compact.

The rows are merged, written as a new segment under a unique name, and only then, after a moment in which readers that
have listed them can finish, the segments they came from are deleted. At every moment, and after a kill at any moment,
each row is in at least one segment; rows in two are duplicates, which no view shows. Whoever deletes a segment has
written one that holds all its rows, so two compactions at once cost time and nothing else. Rows that no view shows yet
(metrics whose runs are still to be written, older memberships and judgements) are kept.
"""

import time

import pyarrow as pa

from orchestrator.store import views
from orchestrator.store.folder import Folder
from orchestrator.store.schema import WRITE_ORDER
from orchestrator.store.segments import Parts, Paths, Segments

#: Old segments stay beside the merged ones for this many times what merging took, since reading takes about as long,
#: and for this many seconds at most: without it readers starve beside compactions that are repeated.
GRACE, LONGEST = 2.0, 5.0


def compact(folder: Folder, segments: Segments) -> dict[str, tuple[int, int]]:
    """Merge every table's segments; table → number of segments before and after."""
    for name in ("checkpoints", *WRITE_ORDER):
        folder.sweep_up(name)
    started = time.monotonic()
    old = {table: _merge(segments, table) for table in WRITE_ORDER}
    merged = [path for paths in old.values() if len(paths) > 1 for path in paths]
    if merged:
        time.sleep(min(GRACE * (time.monotonic() - started), LONGEST))
        segments.delete(merged)
    return {table: (len(paths), min(len(paths), 1)) for table, paths in old.items()}


def _merge(segments: Segments, table: str) -> list[str]:
    """Add a segment that holds all rows of the table's segments, if these are several; their paths."""

    def merged(parts: Parts, paths: Paths) -> tuple[list[str], pa.Table | None]:
        return paths[table], views.distinct_rows(table, parts[table]) if len(paths[table]) > 1 else None

    old, rows = segments.reading([table], merged)
    if rows is not None:
        segments.add(table, rows)
    return old
