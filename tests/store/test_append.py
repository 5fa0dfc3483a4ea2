"""Writing: order, what a failure leaves behind, what is finished, checkpoints."""

import contextlib
import errno
import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.errors import UserError
from orchestrator.store import Store
from orchestrator.store.schema import TABLES, table


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_segments_are_plain_parquet_with_the_documented_columns(store, append, rows):
    append(store, rows(1, 0))
    (segment,) = (Path(store.location) / "metrics").glob("00*.parquet")
    content = pq.read_table(segment)
    assert content.column_names == [*TABLES["metrics"].columns, "loss"]
    assert content["loss"].to_pylist() == [1 / 11 / (t + 1) for t in range(5)]


def test_runs_are_written_last(store, append, rows, monkeypatch):
    written = []
    monkeypatch.setattr(store.segments, "add", lambda name, *_: written.append(name))
    append(store, rows(1, 0), {"agents": [{"replicate_id": "x", "agent": 0}], "timings": [{"cell_id": "x"}]})
    assert written == ["metrics", "agents", "timings", "members", "runs"]


def test_an_unknown_table_is_refused_before_anything_is_written(store, rows):
    with pytest.raises(ValueError, match="no table is named extra"):
        store.append({"runs": table("runs", rows(1, 0)["runs"]), "extra": table("timings", [])})
    assert files(Path(store.location)).keys() == {"store.json"}


def test_finished_tells_every_seed_of_the_cells_asked_for(store, append, rows):
    append(store, rows(1, 0), rows(1, 1, status="failed"), rows(2, 0, status="diverged"), rows(3, 0))
    one, two = f"{1:016x}", f"{2:016x}"
    assert store.finished([one, two, "absent"]) == {(one, 0): "done", (one, 1): "failed", (two, 0): "diverged"}


def test_a_replicate_without_its_metrics_is_not_finished(store, append, rows):
    append(store, rows(1, 0))
    append(store, rows(1, 1))
    first, _ = sorted((Path(store.location) / "metrics").glob("00*.parquet"))
    first.unlink()
    assert store.finished([f"{1:016x}"]) == {(f"{1:016x}", 1): "done"}


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "read-only"), (errno.EIO, "error")],
)
def test_a_refusal_of_the_disk_leaves_everything_as_it_was(store, append, rows, monkeypatch, code, sentence):
    append(store, rows(1, 0))
    store.checkpoints.write("c", b"old")
    before = files(Path(store.location))

    def refuse(_):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(UserError, match=f"cannot be written: .*{sentence}.*Finished results are intact"):
            append(store, rows(2, 0))
        with pytest.raises(UserError, match=sentence):
            store.checkpoints.write("c", b"new")
    assert files(Path(store.location)) == before
    append(store, rows(2, 0))
    assert len(store.finished([f"{1:016x}", f"{2:016x}"])) == 2


def test_a_full_disk(mounted, append, rows):
    folder = mounted("size=256k") / "results"
    store = Store.open(folder, create=True)
    append(store, rows(1, 0))
    before = store.query("SELECT * EXCLUDE (written) FROM runs")
    filler = folder.parent / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(UserError, match="the disk is full"):
        append(store, rows(2, 0))
    assert not list(folder.rglob(".tmp-*"))
    assert store.query("SELECT * EXCLUDE (written) FROM runs").equals(before)
    filler.unlink()
    append(store, rows(2, 0))
    assert len(store.finished([f"{1:016x}", f"{2:016x}"])) == 2


def test_a_read_only_folder_can_be_read_and_not_written(mounted, append, rows):
    folder = mounted("size=1m")
    append(Store.open(folder / "results", create=True), rows(1, 0))
    append(Store.open(folder / "results"), rows(2, 0))
    before = files(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    store = Store.open(folder / "results", create=True)
    assert len(store.finished([f"{1:016x}", f"{2:016x}"])) == 2
    for attempt in (
        lambda: append(store, rows(3, 0)),
        store.compact,
        lambda: store.checkpoints.write("a", b""),
        lambda: Store.open(folder / "new", create=True),
    ):
        with pytest.raises(UserError, match="read-only or belongs to somebody else"):
            attempt()
    assert files(folder) == before


def test_a_checkpoint_is_replaced_read_and_deleted(store):
    assert store.checkpoints.read("cell-0") is None
    store.checkpoints.write("cell-0", b"one")
    store.checkpoints.write("cell-0", b"\x00two")
    assert store.checkpoints.read("cell-0") == b"\x00two"
    store.checkpoints.delete("cell-0")
    store.checkpoints.delete("cell-0")
    assert store.checkpoints.read("cell-0") is None


@pytest.mark.parametrize("name", ["", "../store.json", "a/b", ".hidden"])
def test_a_checkpoint_cannot_leave_its_folder(store, name):
    with pytest.raises(ValueError, match="checkpoint name"):
        store.checkpoints.write(name, b"")
