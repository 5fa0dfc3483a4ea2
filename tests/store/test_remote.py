"""Results in a bucket, against a real S3 server on loopback; the server's log is what requests cost."""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from pyarrow import fs

from orchestrator import sweep
from orchestrator.errors import UserError
from orchestrator.store import Store, remote
from orchestrator.store.schema import TABLES
from tests.tools.faults.bucket import Server

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"
QUOTED = f"{KEY}:{SECRET.replace('/', '%2F').replace('+', '%2B')}"
EVERYTHING = [f"FROM {view} ORDER BY ALL" for view in ("runs", "metrics", "members", "summary", "curves")]
SWEEP = """
name: test/remote
env: {name: shared-subspace-mrp, states: 6, features: 3}
cases: {joint: {algorithm: joint-average-td}}
base: {rounds: 20}
grid: {agents: [2, 4]}
seeds: 0..1
placement: {agents_per_actor: auto}
claims:
  - {name: no error at all, case: joint, metric: theta_error_tail, versus: agents, law: value, expect: -1, within: 0.1}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """Nobody's keys, and no role of this machine's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def uri(address: str, bucket: str, keys: str = "") -> str:
    """The results folder of a bucket on a server."""
    return f"s3://{keys and keys + '@'}{bucket}/lab/results?endpoint_override={address}&scheme=http&region=us-east-1"


@pytest.fixture
def bucket(server, request) -> Iterator[str]:
    """The URI of a results folder in a new bucket."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name)[:50].strip("-")
    where = {"endpoint_override": server.address, "scheme": "http", "region": "us-east-1"}
    fs.S3FileSystem(**where, allow_bucket_creation=True).create_dir(name)
    yield uri(server.address, name)
    server.refused = lambda method, path: ""


def content(store: Store) -> list[list[dict]]:
    tables = [store.query(sql) for sql in EVERYTHING]
    return [
        rows.drop_columns(["written"]).to_pylist() if "written" in rows.column_names else rows.to_pylist()
        for rows in tables
    ]


def test_a_bucket_holds_what_a_folder_holds(bucket, tmp_path, append, rows):
    stores = [Store.open(place, create=True) for place in (tmp_path / "r", bucket)]
    for store in stores:
        append(store, rows(1, 0), rows(2, 0, alpha=0.5))
        append(store, rows(2, 0, alpha=0.5), rows(3, 0, status="failed"))
    here, there = stores
    before = content(here)
    assert content(there) == before
    assert there.fingerprint("s") == here.fingerprint("s")
    assert there.compact() == here.compact()
    again = Store.open(bucket)
    assert content(again) == content(there) == before
    assert again.finished([f"{2:016x}"]) == {(f"{2:016x}", 0): "done"}
    there.checkpoints.write("a", b"1")
    there.checkpoints.write("a", b"\x002")
    assert (again.checkpoints.names(), again.checkpoints.read("a")) == (["a"], b"\x002")
    again.checkpoints.delete("a")
    again.checkpoints.delete("a")
    assert (there.checkpoints.names(), there.checkpoints.read("a")) == ([], None)


def test_what_it_costs(server, bucket, append, rows):
    """An append is one PUT and three listings a table, and one PUT more where columns are new.

    A query lists each table twice and reads every segment once, asking for no size.
    """
    store = Store.open(bucket, create=True)
    since = len(server.requests)
    append(store, rows(1, 0))
    assert server.methods(since).count("PUT") == 6
    since = len(server.requests)
    append(store, rows(2, 0))
    assert sorted(server.methods(since)) == ["LIST"] * 9 + ["PUT"] * 3
    since = len(server.requests)
    store.query("FROM runs")
    assert sorted(server.methods(since)) == ["GET"] * 4 + ["LIST"] * 2  # a footer and its columns, of two segments
    since = len(server.requests)
    store.query("FROM runs")
    assert sorted(server.methods(since)) == ["GET"] * 2 + ["LIST"] * 2  # a footer is read once


def test_other_programs_read_a_bucket_with_a_plain_call(server, bucket, append, rows):
    """DuckDB needs its extension httpfs there, which is not at hand without a network."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    store = Store.open(bucket, create=True)
    for cell, parameters in enumerate([{"alpha": 1}, {"alpha": 0.5, "k": 3}, {"alpha": "seed"}]):
        append(store, rows(cell, 0, **parameters))
    place = f"{bucket.partition('?')[0]}/runs"
    uri = bucket.replace("?", "/runs?")
    there = {"aws_endpoint_url": f"http://{server.address}", "aws_region": "us-east-1", "aws_allow_http": "true"}
    for _ in range(2):
        for found in (
            pandas.read_parquet(uri),
            ds.dataset(uri).to_table().to_pandas(),
            polars.read_parquet(f"{place}/*.parquet", storage_options=there).to_pandas(),
        ):
            found = found.sort_values("cell_id")
            assert found["alpha"].tolist() == ["1", "0.5", "seed"]
            assert found["k"].tolist()[1] == 3
        store.compact()


def test_a_large_blob_is_sent_in_parts(bucket):
    store, data = Store.open(bucket, create=True), os.urandom(12_000_000)
    store.checkpoints.write("large", data)
    assert store.checkpoints.read("large") == data


def test_more_segments_than_a_listing_shows_at_once(server, bucket):
    store = Store.open(bucket, create=True)
    server.fill(bucket, [f"runs/{number:04d}.parquet" for number in range(2100)])
    since = len(server.requests)
    paths = store.segments.paths("runs")
    assert paths == [f"runs/{number:04d}.parquet" for number in range(2100)]
    assert server.methods(since) == ["LIST"] * 6
    assert not store.segments.vanished("runs", paths)
    store.segments.delete([paths[2050], "runs/another.parquet"])
    assert store.segments.vanished("runs", paths)


def test_writers_readers_and_compactions_at_once(bucket, append, rows):
    Store.open(bucket, create=True)
    promised: set[str] = set()

    def write(first: int) -> None:
        store = Store.open(bucket)
        for cell in range(first, first + 6):
            append(store, rows(cell, 0), rows(cell, 1))
            promised.add(f"{cell:016x}")

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, first) for first in (0, 100)]
        compactions = [pool.submit(Store.open(bucket).compact) for _ in range(2)]
        reader = Store.open(bucket)
        while not all(future.done() for future in writers + compactions):
            known = set(promised)
            counts = reader.query(
                "SELECT cell_id, seed, count(*) AS n FROM runs JOIN metrics USING (replicate_id) GROUP BY ALL"
            ).to_pylist()
            assert {row["n"] for row in counts} <= {5}
            assert {(cell, seed) for cell in known for seed in (0, 1)} <= {(r["cell_id"], r["seed"]) for r in counts}
        for future in writers + compactions:
            future.result()
    store = Store.open(bucket)
    mark = store.fingerprint("s")
    store.compact()
    assert {len(store.segments.paths(name)) for name in TABLES} == {0, 1}
    assert store.fingerprint("s") == mark
    assert store.query("SELECT count(*) AS n FROM summary").to_pylist() == [{"n": 24}]


def test_a_sweep_into_a_bucket(server, bucket, tmp_path, monkeypatch, call):
    """Endpoint and keys from the environment: the location is short, and no message holds more."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{server.address}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SWEEP)
    place = bucket.partition("?")[0]
    assert call("sweep", "small.yaml", "--backend", "inline", "--results", "here")[0] == 0
    assert call("sweep", "small.yaml", "--backend", "inline", "--results", place)[0] == 0
    expected = call("fingerprint", "test/remote", "--results", "here")
    assert call("fingerprint", "test/remote", "--results", place) == expected
    assert call("sweep", "small.yaml", "--backend", "inline", "--results", place)[0] == 0  # nothing is left to do
    sql = "SELECT cell_id, seed, theta_error_final FROM summary ORDER BY ALL"
    for words in (["query", sql], ["status"], ["claims"]):
        assert call(*words, "--results", place) == call(*words, "--results", "here")
    assert "Registered before the data." in call("claims", "--results", place)[1]
    Path("small.yaml").write_text(SWEEP.replace("within: 0.1", "within: 0.2"))
    assert call("sweep", "small.yaml", "--backend", "inline", "--results", place)[0] == 0
    assert "Changed once after 4 replicates" in call("claims", "--results", place)[1]
    assert call("compact", "--results", place)[1].splitlines()[-1] == "runs: 1 -> 1 files"
    code, out, _ = call("report", "test/remote", "--results", place)
    assert (code, Path(out.strip())) == (0, Path("reports/test/remote/index.html"))
    assert Path(out.strip()).is_file()


def test_a_sweep_on_ray_into_a_bucket(server, bucket, tmp_path, local_ray):
    """The trials, other processes, keep their checkpoints there, with the keys of the location."""
    (tmp_path / "small.yaml").write_text(SWEEP)
    place = bucket.replace("s3://", f"s3://{QUOTED}@")
    since = len(server.requests)
    there = sweep(tmp_path / "small.yaml", results=place, backend="ray")
    looks = [path.rpartition("/")[2] for method, path, _ in server.requests[since:] if method == "HEAD"]
    names = {name for name in looks if re.fullmatch("[0-9a-f]{16}-[0-9a-f]{8}", name)}
    assert len({name[:16] for name in names}) == 2  # cells
    assert all(looks.count(name) >= 2 for name in names)  # the trial looks for a checkpoint to go on from, the driver
    # for one to delete
    here = sweep(tmp_path / "small.yaml", results=tmp_path / "r", backend="inline")
    assert there.fingerprint("test/remote") == here.fingerprint("test/remote")


def refused(call: Callable, place: str) -> str:
    """What a query says of a folder that it cannot reach, within fifteen seconds and without the keys."""
    started = time.monotonic()
    code, out, err = call("query", "FROM runs", "--results", place)
    assert time.monotonic() - started < 15
    assert (code, out) == (2, "")
    assert SECRET not in err
    assert KEY not in err
    assert "endpoint_override" not in err
    return err


@pytest.mark.parametrize("words", [["query", "FROM runs"], ["sweep", "shared-representation/quickstart"]])
def test_a_missing_bucket(server, call, words):
    code, _, err = call(*words, "--results", uri(server.address, "no-such-bucket", QUOTED))
    assert code == 2
    assert err == (
        "The results folder s3://no-such-bucket/lab/results cannot be reached: there is no bucket no-such-bucket. "
        "Buckets are not made here: make it, or name another.\n"
    )


def test_an_empty_place_in_a_bucket(bucket, call):
    assert refused(call, bucket).startswith("There are no results in s3://")


@pytest.mark.parametrize("code", ["403 AccessDenied", "403 InvalidAccessKeyId", "403 SignatureDoesNotMatch"])
def test_keys_that_are_refused(server, bucket, call, code):
    server.refused = lambda method, path: code
    place = bucket.replace("s3://", f"s3://{QUOTED}@")
    said = refused(call, place)
    assert "access is denied. Check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws" in said


def test_keys_that_the_server_does_not_know(bucket, call, monkeypatch):
    from moto import settings

    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # from now on moto checks who asks
    assert "access is denied" in refused(call, bucket)


def test_no_keys_at_all(server, bucket, call, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    server.refused = lambda method, path: "403 AccessDenied"
    assert "access is denied. Check the credentials" in refused(call, bucket)


def test_rights_to_read_only(server, bucket, append, rows):
    store = Store.open(bucket, create=True)
    append(store, rows(1, 0))
    append(store, rows(2, 0))
    store.checkpoints.write("c", b"old")
    server.refused = lambda method, path: "403 AccessDenied" if method in ("PUT", "POST", "DELETE") else ""
    since = len(server.requests)
    for attempt in (lambda: append(store, rows(3, 0)), store.compact, lambda: store.checkpoints.write("c", b"new")):
        with pytest.raises(UserError, match=r"cannot be written: access is denied.*Finished results are intact"):
            attempt()
    assert "DELETE" not in server.methods(since)
    assert store.checkpoints.read("c") == b"old"
    assert len(store.finished([f"{cell:016x}" for cell in (1, 2, 3)])) == 2


def test_a_segment_that_may_not_be_read_is_not_called_damaged(server, bucket, append, rows):
    append(Store.open(bucket, create=True), rows(1, 0))
    server.refused = lambda method, path: "403 AccessDenied" if path.endswith(".parquet") else ""
    with pytest.raises(UserError, match=r"parquet cannot be read: access is denied"):
        Store.open(bucket).query("FROM runs")


def test_a_server_that_is_busy_for_a_moment(server, bucket, append, rows):
    store = Store.open(bucket, create=True)
    left = [2]

    def busy(method: str, path: str) -> str:
        left[0] -= 1
        return "503 SlowDown" if left[0] >= 0 else ""

    server.refused = busy
    append(store, rows(1, 0))
    assert left[0] < 0
    assert store.query("FROM runs").num_rows == 1


@contextmanager
def listening(backlog: int) -> Iterator[str]:
    """An address where nobody answers; with no backlog, where nobody even connects."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        waiting = [socket.socket() for _ in range(0 if backlog else 4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


def test_nobody_listens(call):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        said = refused(call, uri(address, "bucket", QUOTED))
    assert f"s3://bucket/lab/results cannot be reached: nothing answers at {address} (Could not connect" in said


@pytest.mark.parametrize("backlog", [0, 50], ids=["packets vanish", "no answer"])
def test_nobody_answers(call, monkeypatch, backlog):
    monkeypatch.setitem(remote.LOOK, "connect_timeout", 1.0)
    monkeypatch.setitem(remote.LOOK, "request_timeout", 1.0)
    with listening(backlog) as address:
        assert f"nothing answers at {address} (Timeout was reached)" in refused(call, uri(address, "bucket"))


def test_amazon_is_out_of_reach(call, monkeypatch):
    def unreachable(address: tuple[str, int], timeout: float):
        raise TimeoutError(f"{address} timed out after {timeout}")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert "s3://bucket/x cannot be reached: nothing answers at s3.eu-west-1.amazonaws" in refused(
        call, "s3://bucket/x"
    )


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (f"nowhere://{QUOTED}@x/y", "nowhere://x/y cannot be reached: nowhere:// is unknown. It is a path, or a URI"),
        (f"s3://{KEY}:{SECRET}@bucket/x", "s3://bucket/x cannot be reached: this is no URI. A blank is written %20"),
        ("s3://bucket/x?color=red&region=r", "s3://bucket/x cannot be reached: Unexpected query parameter"),
        ("s3://", "s3:// cannot be reached: it names no bucket"),
    ],
)
def test_a_location_that_means_nothing(call, place, said):
    assert said in refused(call, place)


@pytest.mark.parametrize(
    ("location", "title"),
    [
        ("results", "results"),
        ("mail@home/r", "mail@home/r"),
        ("file:///data/r", "file:///data/r"),
        (f"s3://{QUOTED}@b/r?scheme=http", "s3://b/r"),
        (f"s3://{KEY}:{SECRET}@b/r", "s3://b/r"),
        (f"s3://{KEY}@b/r", "s3://b/r"),
        ("s3://b/me@home/r", "s3://b/me@home/r"),
        ("s3://b/r?endpoint_override=http://k:s@h:1", "s3://b/r"),
        ("gs://anonymous@b/r", "gs://b/r"),
        ("abfs://container@account.dfs.core.windows.net/r", "abfs://container@account.dfs.core.windows.net/r"),
    ],
)
def test_messages_show_a_location_without_keys_and_query(location, title):
    assert remote.title(location) == title
