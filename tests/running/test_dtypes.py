"""Arrays keep their dtype on every way, are charged by their bytes, and any other dtype is refused in one sentence."""

import re

import numpy as np
import pytest

from orchestrator.fleet.inline import InlineFleet
from orchestrator.running.checkpoint import pack, unpack
from orchestrator.running.drive import run_task
from tests.tools.engine import Diary, Flaky, Resumed, numbers, run, task

BYTES = {"float64": 8, "float32": 4, "int64": 8, "int32": 4, "uint64": 8, "uint32": 4, "uint8": 1, "bool": 1}
KEPT = "use float64, float32, int64, int32, uint64, uint32, uint8 or bool"
RECORD = {"every": 2, "per_decade": 2}


@pytest.mark.parametrize("dtype", BYTES)
def test_a_round_is_charged_by_its_bytes(dtype):
    """Three agents on a line. Sent: 4 shared numbers to each and one of its own. Replied: 2 and 3 numbers each.

    Exchanged: 2 numbers along 4 directed edges, and one number replied by each.
    """
    traffic = run(task("typed", agents=3, rounds=5, dtype=dtype)).replicas[0].traffic
    assert traffic.calls == 5 * 2
    assert traffic.messages == 5 * (3 + 3 + 4 + 3)
    assert traffic.bytes_sent == 5 * BYTES[dtype] * (3 * 4 + 3 + 3 * 5 + 4 * 2 + 3)


@pytest.mark.parametrize("dtype", BYTES)
def test_the_dtype_is_the_same_in_any_blocks_and_after_any_snapshot(dtype):
    """The coordinator and the blocks compare dtypes themselves, in every round."""
    of, diary = task("typed", (0, 1), RECORD, agents=3, rounds=8, dtype=dtype), Diary()
    outcome = run(of, 1, diary)
    assert [replica.error for replica in outcome.replicas] == ["", ""]
    expected = numbers(outcome)
    most = 3.0 if dtype == "bool" else 5.0  # the largest in reach on the line of 1, 1, 2: 1, 2, 2
    assert outcome.replicas[1].recorder.rows()[-1]["most"] == most
    for hosts in (2, 3):
        assert numbers(run(of, hosts)) == expected
        assert numbers(run(of, hosts, Resumed(diary.packed[5]))) == expected
        assert numbers(run_task(of, Flaky(hosts, [7, 20]), Diary())) == expected


def test_states_of_blocks_keep_their_dtype():
    fleet = InlineFleet(2)
    fleet.load(task("typed", agents=3, dtype="uint8"), None)
    state = fleet.states()[0, "agents"]
    assert {name: (array.dtype.name, array.shape) for name, array in state.items()} == {
        "rng": ("uint64", (3, 4)),
        "x": ("uint8", (3, 2)),
        "weights first": ("uint8", (3, 3)),
    }


def test_a_snapshot_is_packed_whole():
    tree = {
        "arrays": [np.ones(3, dtype=name) for name in BYTES],
        "scalars": (np.float32(0.1), np.uint8(7), np.True_, np.float64("nan")),
        "rest": {"words": "word", "none": None, "numbers": [1, 0.1, True], 3: ((), [])},
    }
    again = unpack(pack(tree))
    assert repr(again) == repr(tree)
    assert [array.dtype.name for array in again["arrays"]] == list(BYTES)
    assert [type(value) for value in again["scalars"]] == [type(value) for value in tree["scalars"]]


@pytest.mark.parametrize("other", ["complex128", "float16", "object", "str", "int16", "datetime64[s]", ">f8"])
@pytest.mark.parametrize(
    ("wrong", "title"),
    [
        ("reply", "TypeError: the reply 'x'"),
        ("shared", "TypeError: shared 'step'"),
        ("scattered", "TypeError: scattered 'own'"),
        ("exchanged", "TypeError: the reply 'x'"),
        ("state", "TypeError: the state 'x' of Counters"),
        ("late state", "TypeError: the state 'x' of Counters"),
    ],
)
def test_other_dtypes_are_refused_by_name(wrong, title, other):
    dtype = r"<U\d+" if other == "str" else re.escape(other)
    settings = {"agents": 2, "rounds": 4, "dtype": "float64", "wrong": wrong, "other": other}
    (replica,) = run(task("typed", **settings), 1, Diary()).replicas
    assert replica.status == "failed"
    assert re.fullmatch(f"{title} has the dtype {dtype}; {KEPT}", replica.error.splitlines()[0])


#: What else goes wrong -> the sentence, in two blocks.
REFUSED = {
    "list": "TypeError: the method 'add' returned a list; return a dict of arrays or nothing",
    "mixed": "ValueError: the reply 'x' has the dtype int32 in one block, float32 in another",
    "names": "ValueError: the reply of one block has the arrays ['y'], of another ['weights', 'x']",
    "mixed state": "ValueError: the state 'x' has the dtype int32 in one block, float32 in another",
    "shadow": "AttributeError: state is a method of Counters; give the attribute another name",
    "coordinator": "TypeError: the state 'last' of Typed holds a set; a state is made of arrays, numbers, strings, "
    "None, lists, tuples and dicts",
    "key": "TypeError: the state 'last' of Typed has a tuple as a key; keys are strings or whole numbers",
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_joined_or_kept_fails_its_seed_with_a_sentence(wrong):
    of = task("typed", (0,), {"every": 9}, agents=2, rounds=4, wrong=wrong, other="int32")
    (replica,) = run(of, 2, Diary()).replicas
    assert replica.status == "failed"
    assert replica.error.splitlines()[0] == REFUSED[wrong]


def test_a_list_that_is_scattered_costs_what_its_array_costs():
    from orchestrator.core import Call
    from tests.tools.engine import say

    for amount in ([1.0, 2.0], np.array([1.0, 2.0])):
        call = Call("receive", shared={"bonus": np.zeros(1)}, scattered={"amount": amount})
        (_,), replica = say(task("shelves", agents=2), InlineFleet(1), call)
        assert (replica.traffic.messages, replica.traffic.bytes_sent) == (2, 2 * (8 + 8))
