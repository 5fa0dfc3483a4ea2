"""The plain call of other programs' readers: all rows and all columns, on disk and in a bucket, while others write."""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from orchestrator.store import Store, names
from orchestrator.store.schema import TABLES, WRITE_ORDER, conform, table


def polars() -> Any:
    return pytest.importorskip("polars", reason="polars is not installed: pip install -e '.[dev]'")


def polars_frame(folder: str) -> pd.DataFrame:
    return polars().read_parquet(folder).to_pandas()


def spark_like(folder: str) -> pd.DataFrame:
    """What Spark does with ``mergeSchema``: columns are united by name, and a type that differs ends it."""
    arrow: Any = pa
    dataset: Any = ds.dataset
    schemas = [pq.read_schema(path) for path in sorted(Path(folder).glob("*.parquet"))]
    return dataset(folder, schema=arrow.unify_schemas(schemas)).to_table().to_pandas()


READERS: dict[str, Callable[[str], pd.DataFrame]] = {
    "pandas": pd.read_parquet,
    "pyarrow": lambda folder: ds.dataset(folder).to_table().to_pandas(),
    "pyarrow.parquet": lambda folder: pq.read_table(folder).to_pandas(),
    "duckdb": lambda folder: duckdb.connect().sql(f"FROM '{folder}/*.parquet'").df(),
    "polars": polars_frame,
    "polars scan": lambda folder: polars().scan_parquet(f"{folder}/*.parquet").collect().to_pandas(),
    "spark": spark_like,
}
#: Replicates of several algorithms: their parameters differ, and some differ in the type of one.
KINDS = [{"alpha": 1, "k": 3}, {"alpha": 0.5, "mode": "x"}, {"alpha": "seed"}, {"flag": True}, {"flag": None, "k": 4}]


def fill(store: Store, append, rows, first: int = 0) -> None:
    for cell, parameters in enumerate(KINDS, first):
        part = rows(cell, 0, **parameters)
        for row in part["metrics"]:
            row[f"error_{cell % 3}"] = row["loss"]
        append(store, part)


def older(store: Store, name: str, rows: list[dict]) -> None:
    """Store rows as earlier versions did: only the columns that they have, under a name that says nothing."""
    built = conform(name, table(name, rows), datetime(2026, 1, 1))
    built = built.drop_columns([column for column in ("write_number",) if column in built.column_names])
    place = Path(store.location) / name
    place.mkdir(exist_ok=True)
    pq.write_table(built, place / f"{time.time_ns() // 1000:016d}-{uuid.uuid4().hex[:16]}.parquet")


def fill_as_before(store: Store, rows) -> None:
    for cell, parameters in enumerate(KINDS):
        for name, of_table in rows(cell, 0, **parameters).items():
            older(store, name, of_table)


def expected(store: Store, name: str) -> tuple[set[str], int]:
    found = store.query(f"FROM {name}")
    return set(found.column_names), found.num_rows


def every_reader_agrees(store: Store) -> None:
    for name in ("runs", "metrics", "members"):
        columns, count = expected(store, name)
        for reader, read in READERS.items():
            found = read(f"{store.location}/{name}")
            assert (reader, set(found.columns), len(found)) == (reader, columns, count)


def test_before_and_after_compaction(store, append, rows):
    fill(store, append, rows)
    every_reader_agrees(store)
    found = READERS["duckdb"](f"{store.location}/runs").sort_values("cell_id")
    assert found["alpha"].tolist()[:3] == ["1", "0.5", "seed"]
    mark = store.fingerprint("s")
    store.compact()
    every_reader_agrees(store)
    fill(store, append, rows, first=10)
    every_reader_agrees(store)
    assert store.fingerprint("s") != mark


@pytest.mark.parametrize("mend", ["compact", "write"])
def test_an_older_folder_is_mended_by_compact_and_by_the_next_write(store, append, rows, mend):
    fill_as_before(store, rows)
    mark, before = store.fingerprint("s"), store.query("FROM runs ORDER BY ALL")
    if mend == "compact":
        store.compact()
        every_reader_agrees(store)
    else:
        append(store, rows(0, 0, **KINDS[0]))  # the replicate is there twice, as after two drivers
        columns, _ = expected(store, "runs")
        for reader, read in READERS.items():
            found = read(f"{store.location}/runs")
            assert (reader, set(found.columns), len(found)) == (reader, columns, len(KINDS) + 1)
    assert store.fingerprint("s") == mark
    stamps = ["write_number", "written"]
    assert store.query("FROM runs ORDER BY ALL").drop_columns(stamps).equals(before.drop_columns(stamps))


def test_every_file_has_the_same_columns_and_types(store, append, rows):
    fill_as_before(store, rows)
    fill(store, append, rows, first=10)
    for name in ("runs", "metrics", "members"):
        files = sorted((Path(store.location) / name).glob("*.parquet"))
        assert files[0].name.startswith(names.COLUMNS)
        assert pq.read_metadata(files[0]).num_rows == 0
        (schema,) = {pq.read_schema(file) for file in files}
        assert not any(pa.types.is_null(field.type) for field in schema)


def test_columns_that_are_expected_cost_no_segment_its_name(store, append, rows):
    """A sweep tells its columns when it begins, so that what is stored later fits."""
    part = rows(1, 0, alpha=0.5, mode="x")
    store.expect({name: table(name, part[name]) for name in ("runs", "metrics")})
    append(store, rows(2, 0, alpha=0.5))
    kept = set(store.segments.paths("runs"))
    append(store, part)
    assert kept < set(store.segments.paths("runs"))
    assert store.query("SELECT mode FROM runs ORDER BY cell_id").to_pylist() == [{"mode": "x"}, {"mode": None}]


def test_two_who_add_columns_at_once_lose_none(store, append, rows, monkeypatch):
    """The other one comes between the look at the columns and each of the two writes."""
    other, replace, add = Store.open(store.location), store.segments.columns.replace, store.segments.add
    turns = iter([(0, {"theirs": 1}), (1, {"later": "x"})])

    def meanwhile(write):
        def written(*arguments):
            if arguments[0] == "runs" and (turn := next(turns, None)):
                append(other, rows(9, turn[0], **turn[1]))
            return write(*arguments)

        return written

    monkeypatch.setattr(store.segments.columns, "replace", meanwhile(replace))
    monkeypatch.setattr(store.segments, "add", meanwhile(add))
    append(store, rows(1, 0, ours=0.5))
    assert next(turns, None) is None
    columns, count = expected(store, "runs")
    assert {"ours", "theirs", "later"} <= columns
    assert count == 3
    (schema,) = {pq.read_schema(file) for file in (Path(store.location) / "runs").glob("*.parquet")}
    assert set(schema.names) == columns


def test_a_damaged_file_of_columns_holds_nothing_up(store, append, rows):
    append(store, rows(1, 0, alpha=0.5))
    (file,) = (Path(store.location) / "runs").glob(f"{names.COLUMNS}*")
    data = file.read_bytes()
    for damaged in (b"", data[:-1], data.replace(b"alpha", b"alphb")):
        file.write_bytes(damaged)
        assert store.query("SELECT alpha FROM runs").num_rows == 1
        append(Store.open(store.location), rows(1, 0, alpha=0.5))
        assert file.read_bytes() == data
    file.unlink()
    append(Store.open(store.location), rows(2, 0))
    Store.open(store.location).compact()
    every_reader_agrees(store)


@pytest.mark.parametrize("reader", READERS)
def test_while_a_writer_runs(store, append, rows, reader):
    """What was stored when the reader began is there, each row once, with all its columns."""
    fill(store, append, rows)
    stop, stored = threading.Event(), [len(KINDS)]

    def write() -> None:
        writer = Store.open(store.location)
        while not stop.is_set():
            append(writer, rows(100 + stored[0], 0, alpha=stored[0], k=1))
            stored[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(4):
            promised = stored[0]
            found = READERS[reader](f"{store.location}/runs")
            assert {"alpha", "k", "mode", "flag", *TABLES["runs"].columns} <= set(found.columns)
            assert len(found) == found["replicate_id"].nunique() >= promised
            while stored[0] < promised + 3:
                time.sleep(0.01)
    finally:
        stop.set()
        thread.join()
    store.compact()
    assert len(READERS[reader](f"{store.location}/runs")) == stored[0]


def test_our_own_readers_count_no_file_of_columns(store, append, rows):
    append(store, rows(1, 0))
    assert {name: len(store.segments.paths(name)) for name in WRITE_ORDER} == dict.fromkeys(WRITE_ORDER, 0) | {
        "metrics": 1, "members": 1, "runs": 1,
    }  # fmt: skip
    assert store.compact()["runs"] == (1, 1)
