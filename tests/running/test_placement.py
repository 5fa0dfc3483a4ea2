"""Promise 1: placement never changes a number. Promise 2, in one process: neither does losing it and going back.

Equality is of every recorded row, summary, count and final agent metric, bit for bit (``enginetools.numbers``).
"""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.fleet.base import HostsGone
from orchestrator.running.drive import run_task
from tests.tools.engine import Diary, Flaky, Resumed, numbers, rows, run, task

JOINT = ("joint-average-td", "shared-subspace-mrp")
PFED = ("pfedtd-rep", "shared-subspace-mrp")
SMALL = {"env__states": 6, "env__features": 3, "env__reward_noise": 0.1, "env__heads": "gaussian"}
#: What runs: worked coordinators with everything a family may use, and two algorithms with a fused path.
KINDS = {
    "market": ("market", {"kappa": 2, "enough": 15.0, "env__instance": "seed"}),
    "drift": ("drift", {}),
    "doubling": ("doubling", {"limit": 500.0, "payments": 3}),
    "gossip": ("gossip", {"shape": "ring", "kappa": 2}),
    "shelves": ("shelves", {}),
    "joint": (JOINT, SMALL),
    "pfedtd": (PFED, {**SMALL, "local_steps": 2, "radius": 0.5, "env__objective": "discounted"}),
}
kinds = st.sampled_from(sorted(KINDS))
agents_of = st.integers(2, 7)
RECORD = {"every": 5, "per_decade": 3, "agents": True}
ROUNDS = 23


@cache
def reference(kind: str, agents: int, seeds: tuple[int, ...] = (0, 1, 2, 3), rounds: int = ROUNDS) -> dict[int, str]:
    """All agents in one block, never fused, all seeds together."""
    return numbers(run(of_kind(kind, agents, seeds, rounds=rounds), fuse=False))


def of_kind(kind: str, agents: int, seeds=(0, 1, 2, 3), record=None, rounds: int = ROUNDS):
    what, given_settings = KINDS[kind]
    return task(what, seeds, record or RECORD, agents=agents, rounds=rounds, **given_settings)


@pytest.mark.parametrize("kind", ["market", "doubling"])
def test_the_kinds_that_stop_seeds_do(kind):
    """So that the properties below cover seeds that end at different rounds."""
    ended = {replica.coordinator.completed for replica in run(of_kind(kind, 4)).replicas}
    assert len(ended) > 1
    assert min(ended) < ROUNDS


@given(kind=kinds, agents=agents_of, agents_per_actor=st.integers(1, 7), fuse=st.booleans())
@settings(max_examples=60, deadline=None)
def test_packing_and_fusing_change_no_number(kind, agents, agents_per_actor, fuse):
    of = of_kind(kind, agents)
    found = numbers(run(of, of.hosts(agents_per_actor), fuse=fuse))
    assert found == reference(kind, agents)


@given(kind=kinds, agents=agents_of, seeds=st.lists(st.integers(0, 3), min_size=1, unique=True), fuse=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_seed_alone_is_the_seed_in_company(kind, agents, seeds, fuse):
    found = numbers(run(of_kind(kind, agents, tuple(seeds)), fuse=fuse))
    assert found == {seed: reference(kind, agents)[seed] for seed in seeds}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_seeds_in_two_portions(kind):
    parts = [numbers(run(of_kind(kind, 4, seeds))) for seeds in ((0, 1, 2, 3), (4, 5, 6, 7))]
    whole = reference(kind, 4, tuple(range(8)))
    assert parts[0] | parts[1] == whole
    if kind not in ("gossip", "shelves"):  # these draw nothing
        assert len(set(whole.values())) == 8


@given(kind=kinds, agents=agents_of, every=st.integers(1, 30), hosts=st.integers(1, 3), fuse=st.booleans())
@settings(max_examples=40, deadline=None)
def test_how_often_is_measured_changes_no_number(kind, agents, every, hosts, fuse):
    """Rows fall on the same rounds; all of them but the windows' means agree, whatever was measured between."""
    dense = run(of_kind(kind, agents, (0, 1), {"every": 1, "per_decade": 3}), fuse=False)
    sparse = run(of_kind(kind, agents, (0, 1), {"every": every, "per_decade": 3}), hosts, fuse=fuse)
    for seed in (0, 1):
        for t, row in rows(sparse, seed).items():
            expected = rows(dense, seed)[t]
            names = [name for name in row if name != "window" and not name.endswith("_window")]
            assert {name: repr(row[name]) for name in names} == {name: repr(expected[name]) for name in names}


@given(kind=kinds, agents=agents_of, hosts=st.tuples(st.integers(1, 7), st.integers(1, 7)), data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_snapshot_goes_on_elsewhere(kind, agents, hosts, data):
    """Saved at any round from any packing, packed to bytes, and taken up by any other packing, fused or not."""
    of = of_kind(kind, agents)
    diary = Diary()
    fuse = data.draw(st.booleans())
    kept = numbers(run(of, hosts[0], diary, fuse))
    assert kept == reference(kind, agents)
    at = data.draw(st.sampled_from(sorted(diary.packed)))
    outcome = run(of_kind(kind, agents), hosts[1], Resumed(diary.packed[at]), data.draw(st.booleans()))
    assert numbers(outcome) == reference(kind, agents)
    assert outcome.events == [f"cell {of.cell.id}: going on from its checkpoint"]


@given(
    kind=kinds,
    agents=agents_of,
    hosts=st.integers(1, 4),
    losses=st.lists(st.integers(1, 150), max_size=5, unique=True),
    picks=st.lists(st.booleans(), max_size=60),
    fuse=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_lost_hosts_change_no_number(kind, agents, hosts, losses, picks, fuse):
    """Hosts die in the middle of calls; the cell goes back to its newest snapshot, or to the start."""
    of = of_kind(kind, agents)
    outcome = run_task(of, Flaky(hosts, losses), Diary(picks), fuse)
    assert numbers(outcome) == reference(kind, agents)
    assert all(
        f"cell {of.cell.id}: lost call " in event and "replaying from round" in event for event in outcome.events
    )
    assert len(outcome.events) <= len(losses)


@pytest.mark.parametrize(("what", "status"), [("block", "failed"), ("nan", "diverged"), ("round", "failed")])
def test_ended_seeds_stay_ended_after_a_loss(what, status):
    """A seed that failed or diverged before the snapshot is not run again with the others."""
    of = task("trouble", (0, 1, 2), {"every": 1}, agents=3, rounds=12, what=what, at=3)
    expected = numbers(run(of))
    outcome = run_task(of, Flaky(2, [20]), Diary([False] * 6 + [True]))
    assert len(outcome.events) == 1
    assert "replaying from round 6" in outcome.events[0]
    assert numbers(outcome) == expected
    assert [replica.status for replica in outcome.replicas] == ["done", status, "done"]


def test_a_resumed_snapshot_knows_what_ended():
    of = task("trouble", (0, 1), {"every": 1}, agents=3, rounds=9, what="nan", at=3)
    diary = Diary()
    expected = numbers(run(of, 1, diary))
    assert numbers(run(of, 3, Resumed(diary.packed[5]))) == expected


def test_hosts_that_die_at_the_same_round_every_time_end_the_cell():
    """Something in that round kills them: no use in trying for ever."""
    of = task("drift", (0,), {"every": 5}, agents=3, rounds=20)
    with pytest.raises(HostsGone, match="died 10 times after round 3"):
        run_task(of, Flaky(2, range(9, 10_000)), Diary())


def test_losses_with_progress_between_them_end_nothing():
    of = task("drift", (0,), {"every": 1}, agents=3, rounds=60)
    outcome = run_task(of, Flaky(2, range(5, 1000, 6)), Diary())
    assert len(outcome.events) > 15
    assert numbers(outcome) == numbers(run(of))
