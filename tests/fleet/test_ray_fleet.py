"""One Ray actor a block: the numbers of an inline run, through kill -9, restarts and retries."""

import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.exceptions import OutOfMemoryError

from orchestrator.fleet.base import HostsGone, Request
from orchestrator.fleet.hosts import Answers, Ask, Died, HostProcess, ProcessId, Stale
from orchestrator.fleet.inline import InlineFleet
from orchestrator.fleet.ray import RayChannel, RayFleet
from orchestrator.running.drive import run_task
from tests.tools.engine import Diary, Resumed, numbers, run, task

pytestmark = pytest.mark.usefixtures("watchdog")

RECORD = {"every": 3, "per_decade": 3, "agents": True}
JOINT = ("joint-average-td", "shared-subspace-mrp")
SMALL = {"env__states": 6, "env__features": 3, "env__reward_noise": 0.1, "env__heads": "gaussian"}


@pytest.fixture(scope="module")
def fleet(local_ray: None) -> Iterator[RayFleet]:
    """One fleet for all tests here, resized as they need: its actors are generic."""
    found = RayFleet(1)
    yield found
    found.close()


@pytest.mark.parametrize("per_actor", [1, 3])
@pytest.mark.parametrize(
    ("what", "given_settings"),
    [
        (JOINT, SMALL),
        ("market", {"kappa": 2, "enough": 15.0, "env__instance": "seed"}),
        ("shelves", {}),
        ("doubling", {"limit": 500.0}),
        ("drift", {}),
        ("lonely", {}),
        ("typed", {"dtype": "float32"}),
        ("typed", {"dtype": "bool"}),
    ],
    ids=["joint", "market", "shelves", "doubling", "drift", "lonely", "float32", "bool"],
)
def test_ray_equals_inline(fleet: RayFleet, what, given_settings, per_actor):
    of = task(what, (0, 1, 2), RECORD, agents=4, rounds=14, **given_settings)
    fleet.resize(of.hosts(per_actor))
    assert fleet.count == {1: 4, 3: 2}[per_actor]
    assert numbers(run_task(of, fleet)) == numbers(run(of))


@given(
    agents=st.integers(2, 5),
    per_actor=st.integers(1, 5),
    seeds=st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True),
    every=st.integers(1, 9),
    backend=st.sampled_from(["ray", "ray", "inline"]),
    fuse=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_placement_changes_no_number(fleet: RayFleet, agents, per_actor, seeds, every, backend, fuse):
    """Promise 1 in one sentence: any packing, backend, company of seeds, cadence and fusing give the same rows."""
    record = {"every": every, "per_decade": 3}
    of = task(JOINT, tuple(seeds), record, agents=agents, rounds=12, **SMALL)
    where: Any = fleet if backend == "ray" else InlineFleet(of.hosts(per_actor))
    if backend == "ray":
        fleet.resize(of.hosts(per_actor))
    alone = {
        seed: numbers(run(task(JOINT, (seed,), record, agents=agents, rounds=12, **SMALL)))[seed] for seed in seeds
    }
    assert numbers(run_task(of, where, fuse=fuse)) == alone


@pytest.mark.parametrize("what", ["block", "round", "block start", "silent send", "ragged", "nan", "measure"])
def test_failures_are_the_same_on_ray(fleet: RayFleet, what):
    of = task("trouble", (0, 1), RECORD, agents=3, rounds=8, what=what, member=1)
    fleet.resize(3)
    on_ray, inline = run_task(of, fleet), run(of, 3)
    assert numbers(on_ray) == numbers(inline)
    assert [r.error.splitlines()[:1] for r in on_ray.replicas] == [r.error.splitlines()[:1] for r in inline.replicas]


@pytest.mark.parametrize(
    "wrong", ["reply", "shared", "scattered", "exchanged", "state", "late state", "mixed", "shadow"]
)
def test_refused_dtypes_are_the_same_on_ray(fleet: RayFleet, wrong):
    of = task("typed", (0, 1), {"every": 9}, agents=2, rounds=4, wrong=wrong, other="int16")
    fleet.resize(2)
    on_ray, inline = run_task(of, fleet, Diary()), run(of, 2, Diary())
    assert [r.status for r in on_ray.replicas] == ["failed", "failed"]
    assert [r.error.splitlines()[0] for r in on_ray.replicas] == [r.error.splitlines()[0] for r in inline.replicas]


def test_what_other_processes_compile_is_startup(fleet: RayFleet):
    """Half a second in each of two hosts at once and in the coordinator; no bound from above, which would be timed."""
    of = task("sleepy", agents=2, rounds=2, compiling=0.5, step=0.2)
    fleet.resize(2)
    spent = run_task(of, fleet).seconds
    assert spent.startup >= 1.0
    assert spent.agents >= 0.4
    assert spent.total >= spent.startup + spent.agents


def test_a_snapshot_moves_between_ray_and_inline(fleet: RayFleet):
    of = task("market", (0, 1), RECORD, agents=4, rounds=14)
    expected = numbers(run(of))
    fleet.resize(2)
    diary = Diary()
    assert numbers(run_task(of, fleet, diary)) == expected
    assert numbers(run(of, 1, Resumed(diary.packed[6]))) == expected
    fleet.resize(4)
    assert numbers(run_task(of, fleet, Resumed(diary.packed[9]))) == expected


class _Assassin(threading.Thread):
    """Kills host processes of a fleet at random moments; only processes that the fleet itself named."""

    def __init__(self, fleet: RayFleet, seed: int, kills: int, at_once: int):
        super().__init__(daemon=True)
        self._fleet, self._random, self._kills, self._at_once = fleet, random.Random(seed), kills, at_once
        self._stopped = threading.Event()
        self.killed: list[int] = []

    def run(self) -> None:
        while self._kills and not self._stopped.wait(0.01):
            alive = [pid for _, pid in list(self._fleet._processes) if pid not in self.killed and _is_host(pid)]
            if alive and not self._stopped.wait(self._random.uniform(0.2, 0.9)):
                victims = self._random.sample(alive, min(self._at_once, len(alive)))
                self.killed += [pid for pid in victims if _is_host(pid) and _kill(pid)]
                self._kills -= 1

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _is_host(pid: int) -> bool:
    """Whether it still is what the fleet was told: a number may have passed on to another process."""
    try:
        return "HostProcess" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def slow(*values: int):
    """Another draw of the same."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(("seed", "kills", "at_once"), [(0, 2, 1), slow(1, 1, 2), slow(2, 1, 3)])
def test_killed_hosts_change_no_number(fleet: RayFleet, seed, kills, at_once):
    of = task("trouble", (0, 1), {"every": 5}, agents=3, rounds=100, pause=0.01)
    expected = numbers(run(task("trouble", (0, 1), {"every": 5}, agents=3, rounds=100)))
    fleet.resize(3)
    assassin = _Assassin(fleet, seed, kills, at_once)
    assassin.start()
    outcome = run_task(of, fleet, _Often())
    assassin.stop()
    assert numbers(outcome) == expected
    assert assassin.killed, "the run was over before anybody was killed"
    named = {int(pid) for pid in re.findall(r"\(process (\d+)\)", " ".join(outcome.events))}
    assert named  # one that died while others were coming back is waited for, not lost
    assert named <= set(assassin.killed)
    assert all("lost agents " in event and "; replaying from round " in event for event in outcome.events)


class _Often(Diary):
    """Snapshots every few measurements."""

    def __init__(self) -> None:
        super().__init__([k % 3 == 2 for k in range(10_000)])


@pytest.mark.parametrize("dying", ["walking", "starting"])
def test_hosts_whose_members_kill_them(fleet: RayFleet, tmp_path, dying):
    """Processes end in the first call, or while they build their blocks: three times in all, and then they stay."""
    settings = {"agents": 2, "rounds": 6, "marker": str(tmp_path / "death"), "dying": dying}
    fleet.resize(2)
    outcome = run_task(task("trouble", (0,), None, deaths=3, **settings), fleet)
    assert numbers(outcome) == numbers(run(task("trouble", (0,), None, **settings)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["death.0", "death.1", "death.2"]
    assert (2 <= len(outcome.events) <= 3) if dying == "walking" else outcome.events == []


def test_hosts_killed_between_cells(fleet: RayFleet):
    """The next load waits for their successors."""
    of = task("drift", (0, 1), RECORD, agents=3, rounds=10)
    expected = numbers(run(of))
    fleet.resize(3)
    assert numbers(run_task(of, fleet)) == expected
    for first, last in ((1, 2), (0, 3)):
        assert all(_is_host(pid) and _kill(pid) for _, pid in fleet._processes[first:last])
        assert numbers(run_task(of, fleet)) == expected


def test_an_actor_that_is_gone_for_good_is_no_endless_wait(local_ray: None):
    import ray

    of = task("drift", (0,), RECORD, agents=2, rounds=10)
    own = RayFleet(2)
    own.load(of, None)
    ray.kill(own._hosts[1], no_restart=True)
    began = time.monotonic()
    with pytest.raises(HostsGone, match="did not come back"):
        run_task(of, own)
    assert time.monotonic() - began < 60
    own.close()


def _walk(epoch: int, number: int) -> tuple[int, int, list[Ask]]:
    return epoch, number, [Ask(0, "agents", "walk", {"now": number})]


def _x(answers: Answers) -> np.ndarray:
    (reply,) = answers.replies
    assert isinstance(reply, dict)
    return reply["x"]


def test_a_call_asked_twice_is_done_once():
    """The reply to a retry is the first reply; another number steps again."""
    host, of = HostProcess(lambda: ProcessId("here", 1)), task("trouble", (0,), agents=2)
    host.load(1, of, 0, 1, None)
    first = host.call(*_walk(1, 1))
    state = host.states(1)[0, "agents"]["x"].tolist()
    again = host.call(*_walk(1, 1))
    assert again is first
    assert host.states(1)[0, "agents"]["x"].tolist() == state == _x(first).tolist()
    second = host.call(*_walk(1, 2))
    assert (_x(second) > _x(first)).all()
    with pytest.raises(Stale, match="call 1 came after call 2"):
        host.call(*_walk(1, 1))


def test_a_load_that_comes_twice_takes_nothing_back():
    """Its second copy arrives after calls were done: the host must not return to where the epoch began."""
    host, of = HostProcess(lambda: ProcessId("here", 1)), task("trouble", (0,), agents=2)
    host.load(1, of, 0, 1, None)
    host.call(*_walk(1, 1))
    state = host.states(1)[0, "agents"]["x"].tolist()
    for epoch in (0, 1):
        with pytest.raises(Stale, match="in epoch 1 already"):
            host.load(epoch, of, 0, 1, None)
    assert host.states(1)[0, "agents"]["x"].tolist() == state


def test_an_older_epoch_is_refused_and_caches_nothing():
    host, of = HostProcess(lambda: ProcessId("here", 1)), task("trouble", (0,), agents=2)
    with pytest.raises(Stale, match="epoch -1, not 1"):  # a new process that took a dead one's place
        host.call(*_walk(1, 1))
    host.load(1, of, 0, 1, None)
    old = _x(host.call(*_walk(1, 1))).tolist()
    snapshot = host.states(1)
    host.call(*_walk(1, 2))
    host.load(2, of, 0, 1, snapshot)
    for ask in (lambda: host.call(*_walk(1, 2)), lambda: host.states(1), lambda: host.call(*_walk(3, 1))):
        with pytest.raises(Stale, match="in epoch 2"):
            ask()
    assert host.states(2)[0, "agents"]["x"].tolist() == old
    replayed = _x(host.call(*_walk(2, 1)))  # same number as the old epoch's first call: not its reply
    assert (replayed > old).all()


def test_requests_carry_only_a_host_s_own_rows(fleet: RayFleet):
    of = task("shelves", (0,), agents=4)
    fleet.resize(4)
    fleet.load(of, None)
    asked: list[range] = []

    def part(members: range) -> dict:
        asked.append(members)
        return {"change": np.array([[float(j), 0.0] for j in members])}

    (reply,) = fleet.call([Request(0, "shelves", "move", {}, part)])
    assert isinstance(reply, dict)
    assert reply["boxes"].tolist() == [10.0 * j + j for j in range(9)]
    assert not reply["boxes"].flags.writeable
    assert asked == [range(3), range(3, 6), range(6, 9)]  # nine shelves over four hosts: the last one has none


def test_an_actor_that_ray_ends_for_want_of_memory_has_died(monkeypatch):
    """Its error is no ``RayActorError``."""

    def get(refs, timeout):
        raise OutOfMemoryError("1 worker(s) were killed due to the node running low on memory.")

    monkeypatch.setattr("ray.get", get)
    with pytest.raises(Died, match="running low on memory"):
        RayChannel(None, HostProcess).gather([])
