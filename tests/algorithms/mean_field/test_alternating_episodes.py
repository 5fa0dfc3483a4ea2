"""ALTERNATING-MARL: values judged by episodes, placement, interruption, what is refused."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from algorithms.mean_field import gaps
from algorithms.mean_field.alternating_marl import AlternatingMARL
from algorithms.mean_field.local_learning import induced_response
from orchestrator.errors import UserError
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.checkpoint import Keeper, pack, unpack
from tests.tools.alternating import every, fresh, policy_of, run, summary, talked, task

# Values judged by episodes.


@pytest.fixture
def slow(monkeypatch):
    """Exact values out of reach."""
    monkeypatch.setattr(AlternatingMARL, "exact_is_cheap", property(lambda self: False))


JUDGED: dict[str, Any] = {"agents": 5, "k": 3, "rollouts": 400, "steps": 20, "env__gamma": 0.5, "env__persistence": 0.3}


@pytest.mark.usefixtures("slow")
def test_judges_by_episodes_agree_on_what_is_clear():
    of = task(**JUDGED)
    made: Any = of.coordinator(0)
    made.start()
    rng = np.random.default_rng(1)
    pairs = [(policy_of(rng, 3), each) for each in every(2, 2, 2)[::3]]
    exact = [gaps.team_value(made.problem, policy, local, 3) for policy, local in pairs]
    talks = [lambda pair=pair: made.value(*pair) for pair in pairs]
    simulated = talked(made, of, *talks, *talks)
    assert simulated[: len(pairs)] == simulated[len(pairs) :]  # common random numbers
    assert simulated[: len(pairs)] == talked(made, of, *talks, hosts=3)
    off = np.array(simulated[: len(pairs)]) - exact
    assert 0 < abs(off).max() < 0.1
    clear = [(i, j) for i, j in itertools.permutations(range(len(pairs)), 2) if exact[i] > exact[j] + 0.1]
    assert len(clear) >= 5
    assert all(simulated[i] > simulated[j] for i, j in clear)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("learner", ["team", "selfish"])
def test_judged_by_episodes_it_ends_near_where_exact_values_lead(learner, monkeypatch):
    settings = JUDGED | {"rounds": 5000, "env__instance": 1, "local_learner": learner, "eta": 1e-3}
    found = summary(**settings)
    monkeypatch.undo()
    exact = summary(**settings)
    assert exact["return_final"] > fresh(**JUDGED).problem.gamma  # it is worth something
    assert found["return_final"] == pytest.approx(exact["return_final"], abs=0.02)
    assert found["return_simulated_final"] == pytest.approx(found["return_final"], abs=0.1)


@pytest.mark.usefixtures("slow")
def test_who_is_paid_alone_learns_from_what_was_seen_of_the_global_agent():
    of = task(**JUDGED)
    made: Any = of.coordinator(0)
    made.start()
    made.policy = policy_of(np.random.default_rng(2), 3)
    ((_, moves),) = talked(made, of, lambda: made.played(made.policy, "judge", local=made.local))
    assert moves.sum() == pytest.approx(400 * (1 - 0.5**20) / 0.5)
    (found,) = talked(made, of, made.selfish)
    np.testing.assert_array_equal(found, induced_response(made.problem, moves))


# Placement and interruption.


@pytest.mark.parametrize("samples", ["inf", 2])
@pytest.mark.parametrize("hosts", [2, 3, 5])
def test_shards_give_the_numbers_of_one_table(samples, hosts):
    settings: dict[str, Any] = {"agents": 5, "k": 3, "rounds": 60, "samples": samples, "sweeps": 9, "rollouts": 3}
    settings |= {"steps": 5, "alternations": 3, "eta": -math.inf, "env__gamma": 0.4}
    assert summary(hosts, **settings) == summary(1, **settings)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("learner", ["team", "selfish", "k-chain"])
def test_judging_by_episodes_knows_no_placement(learner):
    settings: dict[str, Any] = {"agents": 5, "k": 3, "rounds": 20, "samples": 2, "sweeps": 4, "rollouts": 3, "steps": 4}
    settings["env__gamma"] = 0.4
    found = [summary(hosts, local_learner=learner, **settings) for hosts in (1, 2, 5)]
    assert found[0]["turns_final"] >= 2
    assert found[0] == found[1] == found[2]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("learner", ["team", "selfish", "k-chain"])
def test_no_turn_says_more_than_announced(learner):
    """Two local states, three global ones, two actions: 64 local policies are tried."""
    settings: dict[str, Any] = {"agents": 3, "k": 1, "rounds": 30, "samples": 2, "sweeps": 4, "rollouts": 2, "steps": 3}
    settings |= {"local_learner": learner, "eta": -math.inf, "env__gamma": 0.3, "env__global_states": 3}
    replica = run(**settings)
    announced = task(**settings).coordinator(0).calls_per_round()
    assert 0.3 * announced < replica.traffic.calls / 30 <= announced


class Noted(Keeper):
    """Packs what there is after every round."""

    due = True  # pyright: ignore[reportAssignmentType, reportIncompatibleVariableOverride]

    def __init__(self) -> None:
        super().__init__()
        self.packed: dict[int, bytes] = {}

    def keep(self, take: Callable) -> None:
        taken = take()
        self.packed[taken["round"]] = pack(taken)


class Found(Keeper):
    """Hands out what another packed."""

    due = False  # pyright: ignore[reportAssignmentType, reportIncompatibleVariableOverride]

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def resume(self) -> dict[str, Any] | None:
        self.snapshot = unpack(self._data)
        return self.snapshot


def test_all_that_a_later_round_asks_for_is_kept():
    """Whatever ``start`` sets is other than at the start, and goes over."""
    made, other = fresh(agents=3, k=2), fresh(agents=3, k=2)
    begun = set(vars(made)) - set(vars(task(agents=3, k=2).coordinator(0)))
    assert {"policy", "local", "team", "phase", "swept", "changed", "turns", "accepted", "cycles", "pairs"} < begun
    for name in begun:
        value = getattr(made, name)
        new = {"phase": "respond", "changed": True, "pairs": np.array([5, 6])}.get(name, 3.0)
        setattr(made, name, value + 3.0 if isinstance(value, np.ndarray) and len(value) else new)
    other.load(made.state())
    for name in begun:
        np.testing.assert_array_equal(getattr(other, name), getattr(made, name), err_msg=name)


@pytest.mark.parametrize("judge", ["exact", "episodes"])
def test_a_run_goes_on_from_the_middle_of_any_phase(judge, monkeypatch):
    if judge == "episodes":
        monkeypatch.setattr(AlternatingMARL, "exact_is_cheap", property(lambda self: False))
    settings: dict[str, Any] = {"agents": 4, "k": 2, "rounds": 19, "samples": 2, "sweeps": 4, "rollouts": 3, "steps": 4}
    settings |= {"record": {"every": 1}, "alternations": 3, "eta": -math.inf, "env__gamma": 0.4}
    notes = Noted()
    whole = run(2, notes, **settings)
    expected = repr((whole.recorder.rows(), whole.traffic, whole.coordinator.state(), whole.status))
    phases = [unpack(notes.packed[t])["replicas"][0]["coordinator"]["phase"] for t in range(19)]
    assert [phases.index(phase) for phase in ("learn", "respond", "finish")] == [0, 4, 15]
    for at in (2, 4, 7, 9, 15, 17):
        again = run(3, Found(notes.packed[at]), **settings)
        assert repr((again.recorder.rows(), again.traffic, again.coordinator.state(), again.status)) == expected


# What is announced and what is refused.


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"eta": -1}, "eta is -1.0; it must be 0 or more, or -inf to accept every new policy."),
        ({"eta": math.nan}, "eta is nan; it must be 0 or more, or -inf"),
        ({"agents": 4, "k": 5}, "k is 5; of 4 local agents the global one can see 1 to 4"),
        ({"alternations": 0}, "alternations is 0; it should be greater than or equal to 1"),
        ({"sweeps": 0}, "sweeps is 0; it should be greater than or equal to 1"),
        ({"local_learner": "best"}, "local_learner is 'best'; it should be 'team', 'selfish' or 'k-chain'"),
        (
            {"agents": 2000, "rollouts": 0},
            "rollouts is 0; with 2000 agents policies are judged by simulated episodes, so give some.",
        ),
        (
            {"agents": 2000, "k": 1500, "samples": 1, "local_learner": "k-chain"},
            "k is 1500; local_learner k-chain solves the chain of k agents, which is too large.",
        ),
    ],
)
def test_what_is_refused(settings, words):
    with pytest.raises(UserError) as refused:
        _ = Task(make_cell("alternating-marl", "random-population", {"agents": 9, "k": 3} | settings), (0,)).outlook
    assert words in str(refused.value)


def test_the_squeeze_has_nothing_to_alternate_on():
    with pytest.raises(UserError, match="it needs an environment of kind mean-field"):
        make_cell("alternating-marl", "gaussian-squeeze", {"agents": 4})


def test_metrics_depend_on_what_can_be_had():
    every_ = set(AlternatingMARL.metrics) - {"return_simulated"}
    assert set(task(agents=5, k=3).cell.metrics()) == every_
    assert set(task(agents=5, k=4).cell.metrics()) == every_ - {"gap_best_k"}
    assert set(task(agents=1, k=1).cell.metrics()) == every_ - {"gap_local_single"}
    local = {"gap_local_shared", "gap_local_single", "welfare_gap"}
    many = task(agents=5, k=2, env__states=3, env__global_states=3).cell.metrics()
    assert set(many) == every_ - local - {"gap_best_k"}
    far = task(agents=2000, k=3, rollouts=1).cell.metrics()
    exact = {"gap_full_sup", "gap_full_mean", "gap_best_k", "return"}
    assert set(far) == every_ - exact - local | {"return_simulated"}


def test_too_few_rounds_are_said():
    shape = {"agents": 5, "k": 3, "samples": 2, "sweeps": 9, "alternations": 2}
    assert fresh(rounds=30, **shape).warnings() == []
    assert fresh(rounds=29, **shape).warnings() == ["rounds is 29; 2 turns and the last one may take 30."]
    assert fresh(rounds=1, **shape | {"samples": "inf"}).warnings() == []
