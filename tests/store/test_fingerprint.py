"""The fingerprint depends on the results and on nothing else."""

import hashlib
import itertools
import math
import struct
import tempfile
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import UserError
from orchestrator.store import Store


def test_it_is_the_documented_hash(store, append):
    """The docstring, followed by hand for one replicate."""
    run = {"replicate_id": "c-0", "cell_id": "c", "seed": 0, "status": "done", "cpu": "x", "alpha": 3, "loss_tail": 0.1}
    metrics = [{"replicate_id": "c-0", "round": t, "loss": loss} for t, loss in enumerate([0.5, math.nan, None])]
    members = [{"sweep": "s", "sweep_hash": "h", "case": "joint", "cell_id": "c"}]
    append(store, {"runs": [run], "metrics": metrics, "members": members})

    def sized(data: bytes) -> bytes:
        return struct.pack("<q", len(data)) + data

    def texts(name: str, *values: str) -> bytes:
        lengths = struct.pack(f"<{len(values)}q", *map(len, values))
        return sized(name.encode()) + b"\1" * len(values) + lengths + "".join(values).encode()

    expected = (
        (sized(b"members") + struct.pack("<q", 1) + texts("case", "joint") + texts("cell_id", "c"))
        + (sized(b"runs") + struct.pack("<q", 1) + texts("alpha", "3") + texts("cell_id", "c"))
        + (sized(b"loss_tail") + b"\1" + struct.pack("<d", 0.1) + texts("replicate_id", "c-0"))
        + (sized(b"seed") + b"\1" + struct.pack("<q", 0) + texts("status", "done"))
        + (sized(b"metrics") + struct.pack("<q", 3))
        + (sized(b"loss") + b"\1\1\0" + struct.pack("<3d", 0.5, math.nan, 0.0))
        + texts("replicate_id", "c-0", "c-0", "c-0")
        + (sized(b"round") + b"\1\1\1" + struct.pack("<3q", 0, 1, 2))
    )
    assert store.fingerprint("s") == hashlib.sha256(expected).hexdigest()


def test_an_unknown_sweep_names_the_known_ones(store, append, rows):
    append(store, rows(1, 0))
    with pytest.raises(UserError, match="No sweep is named it's: the results hold s"):
        store.fingerprint("it's")


def test_circumstances_and_other_sweeps_do_not_count(store, append, rows, tmp_path):
    append(store, rows(1, 0, alpha=1, versions="1", cpu="one", note="slow"))
    other = Store.open(tmp_path / "other", create=True)
    append(other, rows(1, 0, alpha=1.0, versions="2", cpu="two"))
    strange = rows(2, 0, alpha="auto", beta=2)
    strange["members"][0]["sweep"] = "t"
    append(other, strange)
    append(other, {"timings": [{"cell_id": f"{1:016x}", "attempt": "a", "nodes": 3}]})
    assert other.fingerprint("s") == store.fingerprint("s")


CHANGES = [
    ("runs", "status", "diverged"),
    ("runs", "rounds", 5),
    ("runs", "bytes_sent", 65),
    ("runs", "alpha", 0.25),
    ("runs", "alpha", None),
    ("runs", "loss_tail", math.nextafter(1 / 11, 1)),
    ("runs", "loss_final", -1 / 55),
    ("metrics", "loss", math.nextafter(1 / 11, 0)),
    ("metrics", "loss", None),
    ("metrics", "loss", math.nan),
    ("metrics", "window", 2),
    ("metrics", "round", 9),
    ("members", "case", "alone"),
]


@pytest.mark.parametrize(("name", "column", "value"), CHANGES)
def test_one_changed_value_changes_it(store, append, rows, tmp_path, name, column, value):
    append(store, rows(1, 0, alpha=0.5))
    changed = rows(1, 0, alpha=0.5)
    changed[name][0][column] = value
    other = Store.open(tmp_path / "other", create=True)
    append(other, changed)
    assert other.fingerprint("s") != store.fingerprint("s")


def test_the_sign_of_a_zero_counts_and_the_sign_of_a_nan_does_not(tmp_path, append, rows):
    def mark(value: float) -> str:
        store = Store.open(tempfile.mkdtemp(dir=tmp_path), create=True)
        part = rows(1, 0)
        part["metrics"][2]["loss"] = value
        append(store, part)
        return store.fingerprint("s")

    assert mark(0.0) != mark(-0.0)
    assert mark(math.nan) == mark(-math.nan)


@given(bit=st.integers(0, 63), record=st.integers(0, 4))
@settings(max_examples=10, deadline=None)
def test_any_one_bit_of_a_metric_changes_it(append, rows, bit, record):
    changed = rows(1, 0)
    row = changed["metrics"][record]
    (raw,) = struct.unpack("<Q", struct.pack("<d", row["loss"]))
    (row["loss"],) = struct.unpack("<d", struct.pack("<Q", raw ^ (1 << bit)))
    marks = set()
    for part in (rows(1, 0), changed):
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(folder, create=True)
            append(store, part)
            marks.add(store.fingerprint("s"))
    assert len(marks) == 2


PARAMETER = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.sampled_from(["seed", "3", "inf"]))


@st.composite
def layouts(draw):
    """Replicates with parameters, and two ways to append them: any order, any split, some of them twice."""
    parameters = st.dictionaries(st.sampled_from(["p", "q", "r"]), PARAMETER)
    replicates = [(cell, seed, draw(parameters)) for cell in range(draw(st.integers(1, 5))) for seed in (0, 1)]
    ways = []
    for _ in range(2):
        order = draw(st.permutations(replicates)) + draw(st.lists(st.sampled_from(replicates), max_size=4))
        cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1), max_size=4)))
        ways.append([order[start:stop] for start, stop in itertools.pairwise([0, *cuts, len(order)])])
    return ways


def written_at_once(part):
    """The time and the number of the write differ between two appends of one row; here they must not."""
    for row in part["members"] + part["runs"]:
        row |= {"written": datetime(1970, 1, 1), "write_number": 1}
    return part


@given(layouts())
@settings(max_examples=5, deadline=None)
def test_views_and_fingerprint_do_not_depend_on_the_layout(append, rows, ways):
    marks, shown = set(), []
    for batches in ways:
        with tempfile.TemporaryDirectory() as folder:
            store = Store.open(folder, create=True)
            for batch in batches:
                append(store, *(written_at_once(rows(cell, seed, **parameters)) for cell, seed, parameters in batch))
            for _ in range(2):
                marks.add(store.fingerprint("s"))
                found = {view: store.query(f"FROM {view} ORDER BY ALL") for view in ("members", "runs", "curves")}
                shown.append({view: (result.schema, str(result.to_pylist())) for view, result in found.items()})
                store.compact()
    assert len(marks) == 1
    assert all(views == shown[0] for views in shown)
