"""Opening a folder: ours, empty, missing, somebody else's, a newer one, on another filesystem."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyarrow import fs

from orchestrator.errors import UserError
from orchestrator.store import Store
from orchestrator.store.folder import Folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_create_writes_the_documented_marker_and_opens_again(tmp_path):
    Store.open(tmp_path / "a" / "b", create=True)
    assert json.loads((tmp_path / "a/b/store.json").read_text()) == {"format": 1, "what": "marl-orchestrator results"}
    assert Store.open(tmp_path / "a" / "b").query("SELECT * FROM runs").num_rows == 0


def test_a_folder_that_is_removed_under_a_writer_is_not_made_again(tmp_path, append, rows):
    """Tables without a marker would be no results folder, and the same command would be refused for ever."""
    store = Store.open(tmp_path / "r", create=True)
    append(store, rows(1, 0))
    shutil.rmtree(tmp_path / "r")
    for write in (lambda: append(store, rows(2, 0)), lambda: store.checkpoints.write("c", b"1")):
        with pytest.raises(UserError, match=r"/r was removed or moved while it was in use, so nothing more is written"):
            write()
    assert not (tmp_path / "r").exists()
    append(Store.open(tmp_path / "r", create=True), rows(2, 0))


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path):
    with pytest.raises(UserError, match="no results in"):
        Store.open(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("create", [True, False])
def test_a_foreign_folder_is_refused_and_left_alone(tmp_path, create):
    (tmp_path / "thesis.tex").write_text("chapter one")
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match=r"not a results folder.*runs, thesis\.tex"):
        Store.open(tmp_path, create=create)
    assert contents(tmp_path) == {"thesis.tex": b"chapter one"}


@pytest.mark.parametrize("marker", ["", "[]", "{}", '{"format": 1, "what": "another program"}'])
def test_a_foreign_marker_is_refused_and_left_alone(tmp_path, marker):
    (tmp_path / "store.json").write_text(marker)
    with pytest.raises(UserError, match=r"store\.json says something else"):
        Store.open(tmp_path, create=True)
    assert contents(tmp_path) == {"store.json": marker.encode()}


def test_a_newer_format_is_refused(tmp_path):
    (tmp_path / "store.json").write_text('{"format": 2, "what": "marl-orchestrator results"}')
    with pytest.raises(UserError, match=r"newer version .*format 2; this one reads up to 1"):
        Store.open(tmp_path)


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        Store.open(tmp_path / "file", create=True)


def test_hidden_files_do_not_make_a_folder_foreign(tmp_path):
    (tmp_path / ".DS_Store").write_text("")
    Store.open(tmp_path, create=True)


def test_many_may_create_the_same_store_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store.open(tmp_path / "r", create=True), range(32)))
    assert contents(tmp_path / "r").keys() == {"store.json"}
    assert len(stores) == 32


def test_an_unknown_kind_of_uri_is_an_error():
    with pytest.raises(UserError, match=r"nowhere://x cannot be reached: .*nowhere"):
        Store.open("nowhere://x")


def test_a_uri_and_a_path_name_the_same_store(tmp_path, append, rows):
    append(Store.open(f"file://{tmp_path}/r", create=True), rows(1, 0))
    assert Store.open(tmp_path / "r").finished(["0000000000000001"]) == {("0000000000000001", 0): "done"}
    assert Folder.at(f"file://{tmp_path}/r").local == tmp_path / "r"
    assert Folder.at("r").local == Path("r")  # as it was written


def test_a_filesystem_that_is_not_local(append, rows):
    fsspec = pytest.importorskip("fsspec")
    memory = fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem("memory", skip_instance_cache=True)))
    folder = Folder(memory, "/bucket/results", "memory://bucket/results")
    store = Store.on(folder, create=True)
    append(store, rows(1, 0), rows(2, 0))
    append(store, rows(2, 0), rows(3, 0))
    before = store.fingerprint("s")
    assert store.compact()["runs"] == (2, 1)
    again = Store.on(folder)
    assert again.fingerprint("s") == before
    assert folder.local is None
    assert again.query("SELECT count(*) AS n FROM summary").to_pylist() == [{"n": 3}]
    store.checkpoints.write("a", b"1")
    assert again.checkpoints.read("a") == b"1"
    again.checkpoints.delete("a")
    assert store.checkpoints.read("a") is None
