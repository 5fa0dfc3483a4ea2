"""Compaction alone, killed, and against writers, readers and other compactions in real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.store import Store
from orchestrator.store.folder import ABANDONED
from orchestrator.store.schema import TABLES

ROOT = Path(__file__).parents[2]
CONTENT = """SELECT cell_id, seed, loss_tail, list(loss ORDER BY round)
    FROM metrics JOIN runs USING (replicate_id) GROUP BY ALL ORDER BY ALL"""
COUNTS = "SELECT cell_id, seed, count(*) AS n FROM runs JOIN metrics USING (replicate_id) GROUP BY ALL"


def content(store: Store) -> list[dict]:
    return store.query(CONTENT).to_pylist()


def segments(store: Store) -> dict[str, list[Path]]:
    return {name: sorted((Path(store.location) / name).glob("00*.parquet")) for name in TABLES}


def test_one_sorted_segment_without_duplicates_remains(store, append, rows):
    for cell in (3, 1, 2, 1):
        append(store, rows(cell, 1), rows(cell, 0))
    before = content(store)
    assert store.compact() == {
        "registrations": (0, 0),
        "claim_points": (0, 0),
        "claims": (0, 0),
        "metrics": (4, 1),
        "agents": (0, 0),
        "timings": (0, 0),
        "members": (4, 1),
        "runs": (4, 1),
    }
    (segment,) = segments(store)["metrics"]
    keys = list(zip(*pq.read_table(segment, columns=["replicate_id", "round"]).to_pydict().values(), strict=True))
    assert keys == [(f"{cell:016x}-{seed}", t) for cell in (1, 2, 3) for seed in (0, 1) for t in range(5)]
    assert content(store) == before
    assert store.compact()["metrics"] == (1, 1)
    assert segments(store)["metrics"] == [segment]


def test_rows_that_no_view_shows_yet_are_kept(store, append, rows):
    first, second = rows(1, 0), rows(2, 0)
    runs = [first.pop("runs"), second.pop("runs")]
    append(store, first)
    append(store, second)
    store.compact()
    append(store, {"runs": runs[0] + runs[1]})
    assert store.query("FROM metrics").num_rows == 10


@pytest.mark.parametrize("deleted", range(8))
def test_killed_at_any_moment_nothing_is_lost_or_doubled(store, append, rows, monkeypatch, deleted):
    for cell in range(4):
        append(store, rows(cell, 0), rows(cell, 1))
    before, mark = content(store), store.fingerprint("s")
    left = [deleted]

    def delete(paths):
        for path in paths:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            (Path(store.location) / path).unlink()

    with monkeypatch.context() as patch:
        patch.setattr(store.segments, "delete", delete)
        with pytest.raises(KeyboardInterrupt):
            store.compact()
    assert content(store) == before
    assert store.fingerprint("s") == mark
    store.compact()
    assert {len(paths) for paths in segments(store).values()} == {0, 1}
    assert content(store) == before


def test_a_reader_whose_segments_vanish_lists_again(store, append, rows, monkeypatch):
    append(store, rows(1, 0))
    append(store, rows(2, 0))
    before = content(store)
    parts, moments = store.segments.parts, []

    def compacted_after_listing(table, paths):
        found = parts(table, paths)
        if not moments:
            moments.append(table)
            Store.open(store.location).compact()
        return found

    monkeypatch.setattr(store.segments, "parts", compacted_after_listing)
    assert content(store) == before
    assert moments == ["runs"]


def test_a_listing_made_while_segments_are_replaced_is_made_again(store, append, rows, monkeypatch):
    """The operating system may show neither the merged segment, added behind the reader, nor the old, just deleted."""
    append(store, rows(1, 0))
    names, answers = store.folder.names, [[]]
    monkeypatch.setattr(store.folder, "names", lambda name, sizes=True: answers.pop() if answers else names(name))
    assert store.query("SELECT count(*) AS n FROM runs").to_pylist() == [{"n": 1}]


def test_runs_are_listed_before_what_they_stand_for(store, append, rows, monkeypatch):
    """Else a replicate stored in between would show in runs and miss its metrics."""
    paths, listed = store.segments.paths, []

    def appended_after_first_listing(table):
        listed.append(table)
        found = paths(table)
        if len(listed) == 1:
            append(Store.open(store.location), rows(1, 0))
        return found

    monkeypatch.setattr(store.segments, "paths", appended_after_first_listing)
    assert store.query("FROM runs LEFT JOIN metrics USING (replicate_id) WHERE metrics.round IS NULL").num_rows == 0
    assert listed == ["runs", "metrics"]


def test_temporary_files_of_killed_writers_are_cleared_once_they_are_old(store, append, rows):
    append(store, rows(1, 0))
    old, new = (Path(store.location) / "runs" / name for name in (".tmp-old", ".tmp-new"))
    old.write_bytes(b"")
    new.write_bytes(b"")
    os.utime(old, (0, time.time() - ABANDONED - 60))
    store.compact()
    assert (old.exists(), new.exists()) == (False, True)


def test_writers_readers_and_compactions_at_once_with_kills(tmp_path, append, rows):
    location = tmp_path / "results"
    store = Store.open(location, create=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def start(action: str, number: int) -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.tools.store_worker", action, str(location), str(number)]
        return subprocess.Popen(command, env=environment)

    def acknowledged() -> set[str]:
        cells = (path.read_text().split("\n")[:-1] for path in tmp_path.glob("results-acknowledged-*"))
        return {f"{int(cell):016x}" for lines in cells for cell in lines}

    def look() -> set[str]:
        promised = acknowledged()
        counts = {(row["cell_id"], row["seed"]): row["n"] for row in store.query(COUNTS).to_pylist()}
        assert set(counts.values()) <= {5}
        assert {(cell, seed) for cell in promised for seed in (0, 1)} <= counts.keys()
        return promised

    workers = [start("append", 0), start("append", 10**6), start("compact", 0), start("compact", 1)]
    try:
        for round_ in range(1, 4):
            while len(look()) < 5 * round_:
                assert all(worker.poll() is None for worker in workers)
            for index, args in ((0, ("append", round_ * 1000)), (2, ("compact", 0))):
                workers[index].send_signal(signal.SIGKILL)
                workers[index].wait()
                workers[index] = start(*args)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()

    promised, mark = look(), store.fingerprint("s")
    assert len(promised) >= 15
    store.compact()
    assert {len(paths) for paths in segments(store).values()} == {0, 1}
    assert look() == promised

    def cells(view: str) -> list[str]:
        return store.query(f"SELECT DISTINCT cell_id FROM {view} ORDER BY cell_id")["cell_id"].to_pylist()

    # A killed writer may have stored the members of a cell whose runs it did not come to.
    alone = Store.open(tmp_path / "alone", create=True)
    append(alone, *({"members": rows(int(cell, 16), 0)["members"]} for cell in cells("members")))
    append(alone, *(rows(int(cell, 16), seed) for cell in cells("runs") for seed in (0, 1)))
    assert content(store) == content(alone)
    assert store.fingerprint("s") == mark == alone.fingerprint("s")
