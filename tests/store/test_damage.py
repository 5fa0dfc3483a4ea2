"""Damaged and foreign files among the segments are named, left alone, and nothing else is lost."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.errors import UserError
from orchestrator.store import Store


@pytest.fixture
def segment(store, append, rows) -> Path:
    """A runs segment beside another one."""
    append(store, rows(1, 0))
    (path,) = (Path(store.location) / "runs").glob("00*.parquet")
    append(store, *(rows(cell, seed) for cell in range(2, 40) for seed in range(8)))
    return path


@pytest.mark.parametrize("read", ["query", "finished", "compact", "fingerprint"])
@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_truncated_segment(store, segment, read, keep):
    segment.write_bytes(segment.read_bytes()[:keep])
    before = {path: path.read_bytes() for path in segment.parent.iterdir()}
    arguments = {"query": ["FROM runs"], "finished": [["x"]], "compact": [], "fingerprint": ["s"]}[read]
    fresh = Store.open(store.location)
    with pytest.raises(UserError, match=f"runs/{segment.name} is truncated or not a parquet file"):
        getattr(fresh, read)(*arguments)
    assert {path: path.read_bytes() for path in segment.parent.iterdir()} == before
    segment.unlink()
    assert fresh.query("SELECT count(*) AS n FROM runs").to_pylist() == [{"n": 38 * 8}]


def test_a_segment_damaged_in_the_middle(store, segment):
    data = bytearray(segment.read_bytes())
    data[4:400] = bytes(396)
    segment.write_bytes(data)
    with pytest.raises(UserError, match=f"runs/{segment.name} is truncated"):
        Store.open(store.location).query("FROM runs")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"price": [1.0]}, "column replicate_id should be string, not missing"),
        ({"replicate_id": [7]}, "column replicate_id should be string, not int64"),
        ({"replicate_id": ["a"], "seed": ["b"]}, "column seed should be int64, not string"),
    ],
)
def test_a_foreign_parquet_file(store, segment, columns, said):
    foreign = segment.parent / "prices.parquet"
    pq.write_table(pa.table(columns), foreign)
    with pytest.raises(UserError, match=rf"runs/prices\.parquet is not a segment of table runs: {said}"):
        store.query("FROM summary")
    assert pq.read_table(foreign).to_pydict() == columns


@pytest.mark.parametrize("name", [".tmp-1.parquet", "_x.parquet", "tmp1.parquet", "notes.txt"])
def test_temporary_hidden_and_other_files_are_ignored(store, segment, name):
    (segment.parent / name).write_bytes(b"PAR1 half a fi")
    assert store.query("SELECT count(*) AS n FROM runs").to_pylist() == [{"n": 1 + 38 * 8}]
    store.compact()
    assert (segment.parent / name).exists()


def test_a_flipped_bit_of_the_data_is_noticed_or_changes_nothing(store, append, rows):
    append(store, rows(1, 0))
    (segment,) = (Path(store.location) / "metrics").glob("00*.parquet")
    data, content = segment.read_bytes(), store.query("FROM metrics ORDER BY round")
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    said = []
    for where in range(4, footer, 31):
        segment.write_bytes(data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :])
        try:
            assert store.query("FROM metrics ORDER BY round").equals(content)
        except UserError as error:
            said.append(str(error))
    assert len(said) > 5
    assert all(f"metrics/{segment.name} is truncated or not a parquet file" in sentence for sentence in said)


def test_a_flipped_bit_of_a_footer_is_noticed(store, append, rows):
    """A column's name is in the footer alone, and no checksum of parquet's covers that."""
    append(store, rows(1, 0, alpha=0.5))
    (segment,) = (Path(store.location) / "runs").glob("00*.parquet")
    append(store, rows(2, 0, alpha=0.5))
    data = segment.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    names = [where for where in range(len(data)) if data[where:].startswith(b"alpha")]
    assert names
    for where in [*names, *range(start, len(data), 97)]:
        segment.write_bytes(data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :])
        for read in (lambda: store.query("FROM runs"), lambda: store.fingerprint("s"), store.compact):
            with pytest.raises(UserError, match=rf"runs/{segment.name} is (damaged|truncated)") as caught:
                read()
            assert str(caught.value).count("\n") == 0
    segment.write_bytes(data)
    assert store.query("FROM runs").num_rows == 2
