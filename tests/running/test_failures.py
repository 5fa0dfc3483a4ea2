"""One seed fails or diverges and says why and when; the others go on as if nothing had happened."""

import pdb
import pickle
import traceback

import pytest

from orchestrator.commands.run import _debugger
from orchestrator.fleet.inline import InlineFleet
from orchestrator.running.drive import run_task
from tests.tools.engine import numbers, rows, run, task

BOTH = pytest.mark.parametrize("hosts", [1, 2])

#: What goes wrong -> words in the error.
RAISING = {
    "block": "RuntimeError: agent 0 fell ill",
    "block start": "RuntimeError: no start",
    "state": "ValueError: the state 'x' has shape",
    "block class": "RuntimeError: no class",
    "start": "RuntimeError: no start",
    "round": "RuntimeError: the server fell ill",
    "measure": "RuntimeError: no eyes",
    "measure agents": "RuntimeError: no eyes",
    "metric name": "ValueError: measure() returned the metrics ['average']; at first ['mean']",
    "metric value": "ValueError: could not convert string to float",
    "no metrics": "TypeError: measure() must return a dict of metrics, not NoneType",
    "agent metrics": "ValueError: measure_agents() gave 'x' the shape (1,); it takes one number per agent",
    "not a call": "TypeError: a coordinator yields Call, Exchange or a tuple of them, not str",
    "unknown group": "'nobody'; the groups are agents",
    "unknown method": "AttributeError: a call names 'dance', which Patients lacks: known: hear, see, silent, walk.",
    "short reply": "ValueError: the reply 'x' has shape",
    "silent send": "ValueError: the method 'silent' of an Exchange must return rows to send",
    "no letters": "must return rows 'x' with a letter to each of up to 2 members along the second axis",
    "far": "hops is -1",
    "no dict": "TypeError: measure_agents() must return a dict of arrays, not NoneType",
    "not yielded": "TypeError: Trouble.measure_agents() returned a Call; a call must be yielded",
}


@BOTH
@pytest.mark.parametrize("what", RAISING)
def test_an_error_fails_its_seed_alone(what, hosts):
    well = numbers(run(task("trouble", (0, 1, 2), {"agents": True}, agents=2, rounds=6)))
    outcome = run(task("trouble", (0, 1, 2), {"agents": True}, agents=2, rounds=6, what=what, at=3), hosts)
    assert {r.seed: r.status for r in outcome.replicas} == {0: "done", 1: "failed", 2: "done"}
    assert RAISING[what] in outcome.replicas[1].error
    found = numbers(outcome)
    assert (found[0], found[2]) == (well[0], well[2])


def test_blocks_that_reply_in_different_shapes_fail_their_seed():
    outcome = run(task("trouble", (0, 1), agents=2, rounds=6, what="ragged"), 2)
    assert [r.status for r in outcome.replicas] == ["done", "failed"]
    assert "dimension" in outcome.replicas[1].error


def test_an_environment_that_does_not_exist_for_one_seed():
    of = task("trouble", (12, 13), agents=2, rounds=3, env__instance="seed")
    outcome = run(of)
    assert {r.seed: r.status for r in outcome.replicas} == {12: "done", 13: "failed"}
    assert "instance 13 does not exist" in outcome.replicas[1].error


@BOTH
@pytest.mark.parametrize("member", [0, 1])
def test_nan_is_divergence_at_its_round(member, hosts):
    of = task("trouble", (0, 1), {"every": 1}, agents=2, rounds=20, what="nan", at=4, member=member)
    outcome = run(of, hosts)
    well, ill = outcome.replicas
    assert (well.status, well.error) == ("done", "")
    assert (ill.status, ill.error) == ("diverged", "mean was not finite at round 4")
    assert (ill.coordinator.completed, ill.traffic.calls) == (4, 4)
    assert list(rows(outcome, 1)) == [0, 1, 2, 3, 4]
    assert str(rows(outcome, 1)[4]["mean"]) == "nan"


def test_overflow_is_divergence_at_the_measured_round():
    """x -> (x + u + 1) 1e200 overflows in its second round, 5; measured every third round, that is seen at 6."""
    every = task("trouble", (0, 1), {"every": 1}, agents=2, rounds=20, what="overflow", at=4)
    assert run(every).replicas[1].error == "mean was not finite at round 5"
    third = task("trouble", (0, 1), {"every": 3, "per_decade": 1}, agents=2, rounds=20, what="overflow", at=4)
    outcome = run(third)
    assert outcome.replicas[1].error == "mean was not finite at round 6"
    assert rows(outcome, 1)[6]["mean"] == float("inf")
    assert outcome.replicas[1].recorder.summary()["mean_final"] == float("inf")


@BOTH
def test_a_failed_seed_says_in_which_round(hosts):
    """``completed`` counts whole rounds: the one in which it failed is not among them."""
    outcome = run(task("trouble", (0, 1), agents=2, rounds=9, what="block", at=3), hosts)
    assert [r.coordinator.completed for r in outcome.replicas] == [9, 2]
    assert outcome.replicas[1].traffic.calls == 2


def test_nobody_left_ends_the_cell():
    outcome = run(task("trouble", (1,), agents=2, rounds=10**9, what="round", at=2))
    assert [r.status for r in outcome.replicas] == ["failed"]


@BOTH
@pytest.mark.parametrize(("what", "where"), [("block", "walk"), ("round", "round"), ("start", "start")])
def test_a_failure_is_passed_on_with_its_exception(what, where, hosts):
    """Once per seed, and its traceback ends in the user's own method."""
    failures = []
    of = task("trouble", (0, 1), agents=2, rounds=6, what=what, at=3)
    run_task(of, InlineFleet(hosts), on_failure=failures.append)
    (failure,) = failures
    assert isinstance(failure.cause, RuntimeError)
    assert traceback.extract_tb(failure.cause.__traceback__)[-1].name == where
    travelled = pickle.loads(pickle.dumps(failure))
    assert travelled == failure
    assert travelled.cause is None


def test_the_debugger_opens_where_the_first_failure_was(monkeypatch):
    opened = []
    monkeypatch.setattr(pdb, "post_mortem", opened.append)
    of = task("trouble", (0, 1), agents=2, rounds=6, what="block", at=3)
    with pytest.raises(KeyboardInterrupt):
        run_task(of, InlineFleet(), on_failure=_debugger)
    assert [traceback.extract_tb(frames)[-1].name for frames in opened] == ["walk"]
