"""Environments of gymnasium and PettingZoo by name: their processes, and what is refused."""

import functools
import json
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple

from envs.wrapped.spaces import Finite
from orchestrator.errors import UserError
from orchestrator.planning.cells import make_cell
from orchestrator.planning.classes import algorithm_class, environment_class, suited
from orchestrator.planning.sweeps import checked
from orchestrator.planning.tasks import Task
from orchestrator.plugins import packages, registry
from orchestrator.running.versions import versions
from tests.tools import toys
from tests.tools.engine import numbers, run, task  # pyright: ignore[reportMissingImports]

LAKE, CLIFF = "gym:FrozenLake-v1", "gym:CliffWalking-v1"
assert toys.Stairs


def problem(reference: str, agents: int = 1, algorithm: str = "iql", instance: int = 0, **settings) -> Any:
    environment = suited(environment_class(reference), algorithm_class(algorithm))
    return environment(environment.Parameters(**settings), agents, instance)


def chances(process) -> np.ndarray:
    """[S, A, S + 1]; the last column is the end."""
    dense = np.zeros((*process.reward.shape, len(process.start) + 1))
    for index in np.ndindex(process.chance.shape):
        dense[index[0], index[1], process.successor[index]] += process.chance[index]
    return dense


def table_of(name: str, **keywords) -> tuple[np.ndarray, np.ndarray]:
    """Chances [S, A, S + 1] and rewards [S, A] of gymnasium's own table."""
    env: Any = gymnasium.make(name, **keywords).unwrapped
    table, (states, actions) = env.P, (env.observation_space.n, env.action_space.n)
    dense, reward = np.zeros((states, actions, states + 1)), np.zeros((states, actions))
    for s, a in np.ndindex(states, actions):
        for chance, to, paid, over in table[s][a]:
            dense[s, a, states if over else to] += chance
            reward[s, a] += chance * paid
    return dense, reward


@pytest.mark.parametrize(("name", "keywords"), [("FrozenLake-v1", {"success_rate": 0.6}), ("CliffWalking-v1", {})])
def test_a_table_is_taken_as_it_is(name, keywords):
    found, (dense, reward) = problem(f"gym:{name}", **keywords).process(0), table_of(name, **keywords)
    np.testing.assert_allclose(chances(found), dense, atol=1e-15)
    np.testing.assert_allclose(found.reward, reward, atol=1e-15)


def test_best_returns_by_hand():
    """CliffWalking: 13 steps at -1. The dry lake's goal pays 1; the slippery one: recursion on its own table."""
    assert problem(CLIFF).best_return == -13
    assert problem(LAKE, is_slippery=False).best_return == 1
    dense, reward = table_of("FrozenLake-v1")
    ahead = np.zeros(17)
    for _ in range(100):
        ahead[:16] = (reward + dense @ ahead).max(axis=1)
    assert problem(LAKE).best_return == pytest.approx(ahead[0], abs=1e-12)
    assert problem(LAKE, limit=6, is_slippery=False).best_return == 1
    assert problem(LAKE, limit=5, is_slippery=False).best_return == 0


def test_returns_are_those_of_the_greedy_policy():
    """Down twice, right, down, right twice reaches the lake's goal; zeros choose left for ever."""
    lake, tables = problem(LAKE, 2, is_slippery=False), np.zeros((2, 16, 4))
    for state, action in ((0, 1), (4, 1), (8, 2), (9, 1), (13, 2), (14, 2)):
        tables[1, state, action] = 1
    assert lake.returns(tables).tolist() == [0, 1]


def test_members_stay_in_their_own_copies():
    """Blocks lay the states of their processes one after the other; every member starts and ends in its own."""
    lake = problem(LAKE, 4, success_rate="0.3..0.9")
    whole, part = lake.block(range(4)), lake.block(range(2, 4))
    assert whole.start_of is not None
    assert whole.starts[whole.start_of, 0].tolist() == [0, 17, 34, 51]
    for m in range(4):
        slice_ = whole.successor[17 * m : 17 * (m + 1)]
        assert slice_.min() >= 17 * m
        assert slice_.max() < 17 * (m + 1)
    assert np.flatnonzero(whole.terminal).tolist() == [16, 33, 50, 67]
    np.testing.assert_array_equal(part.probability, whole.probability[34:])
    np.testing.assert_array_equal(part.successor, whole.successor[34:] - 34)


def test_a_range_is_drawn_for_each_environment_and_follows_the_instance():
    def rates(agents: int, instance: int, **more) -> list[float]:
        found = problem(LAKE, agents, instance=instance, success_rate="0.3..0.9", **more)
        return [chances(found.process(m))[0, 2, 1] for m in range(found.process_count)]

    four = rates(4, 0)
    assert all(0.3 <= rate <= 0.9 for rate in four)
    assert len(set(four)) == 4
    assert rates(8, 0)[:4] == four
    assert rates(4, 0, processes=2) == four[:2]
    assert rates(4, 1) != four
    assert problem(LAKE, 4, success_rate=0.5).process_count == 1


def test_a_process_without_a_table_is_counted():
    """Stairs: action 1 (number 0) always slides, action 2 climbs with chance 3/4; within five standard errors."""
    stairs = problem("gym:Stairs-v0", samples=20_000)
    found = stairs.process(0)
    dense = chances(found)
    assert stairs.coordinates_of[[0, 3]].tolist() == [[1, 1], [2, 2]]
    assert found.start.tolist() == [1, 0, 0, 0, 0, 0]
    assert np.flatnonzero(found.seen[:, 0]).tolist() == [0, 1, 2, 4]  # (5, 0), (5, 1), (6, 0), (7, 0)
    for s in (0, 1, 2, 4):
        assert dense[s, 0, 1] == 1
        up = {0: 2, 1: 2, 2: 4, 4: 6}[s]
        assert dense[s, 1, up] == pytest.approx(0.75, abs=0.06)
        assert dense[s, 1, up] + dense[s, 1, 1] == pytest.approx(1)
    assert found.reward[4, 1] == dense[4, 1, 6]
    assert "estimated from 20000 random steps" in stairs.warnings()[0]
    np.testing.assert_array_equal(problem("gym:Stairs-v0", samples=20_000).process(0).chance, found.chance)
    assert problem(LAKE).warnings() == []


def test_agents_of_a_joint_environment_meet_each_other_at_random():
    """Whatever one does, the other does the same half of the time; only the second pays for action 1."""
    meeting = problem("pettingzoo:tests.tools.toys:Meeting", 4, samples=20_000)
    assert (meeting.roles, meeting.process_count) == (2, 2)
    for role in (0, 1):
        found = meeting.process(role)
        np.testing.assert_allclose(chances(found)[0, :, 1], 0.5, atol=0.03)
        np.testing.assert_allclose(chances(found)[2, :, 3], 0.5, atol=0.06)
        cost = found.reward[0, 0] - found.reward[0, 1]
        assert cost == pytest.approx(0.5 * role, abs=0.05)
    assert meeting.process_of(range(4)).tolist() == [0, 1, 0, 1]


def test_evaluation_restarts_inside_the_chain():
    """Values solve the Bellman equation of the restarted chain; without slipping the lake's fixed point is known."""
    lake = problem(LAKE, algorithm="fedtd", is_slippery=False, epsilon=1e-9, gamma=0.5)
    assert lake.states == 11
    assert lake.solution.values[0, 0] == pytest.approx(0.5**5 / (1 - 0.5**6), abs=1e-6)
    dense, reward = table_of("FrozenLake-v1")
    kept = problem(LAKE, algorithm="fedtd").kept
    slippery = problem(LAKE, algorithm="fedtd", epsilon=1.0)
    chain = dense.mean(axis=1)
    transition = chain[np.ix_(kept, kept)] + chain[kept, 16:] * (kept == 0)
    expected = np.linalg.solve(np.eye(11) - 0.95 * transition, reward.mean(axis=1)[kept])
    np.testing.assert_allclose(slippery.solution.values[0], expected, atol=1e-12)
    np.testing.assert_allclose(slippery.stationary[0] @ transition, slippery.stationary[0], atol=1e-14)


def test_control_knows_the_optimal_gain():
    """CliffWalking pays -1 a step for ever; the dry lake 1 every 6 steps. The truth has no gap."""
    for reference, keywords, gain in ((CLIFF, {}, -1), (LAKE, {"is_slippery": False}, 1 / 6)):
        found = problem(reference, algorithm="independent-q", **keywords)
        assert found.solution.gains[0] == pytest.approx(gain, abs=1e-9)
        truth, paid, q = found.solution, found.reward[0], found.action_values[0]
        ahead = paid - truth.gains[0] + found.transition[0] @ q.max(axis=1)
        np.testing.assert_allclose(np.ptp(ahead - q), 0, atol=1e-8)
        errors = found.errors_theta(truth.theta, truth.gains)
        assert errors == pytest.approx(dict.fromkeys(errors, 0), abs=2e-6)


PAIRS = [("policy-reciprocity", "gym:Stairs-v0"), ("joint-average-td", LAKE), ("joint-average-q", LAKE)]


@pytest.mark.parametrize("pair", PAIRS)
def test_placement_changes_no_number(pair):
    """One block fused, one block by rounds, three blocks and four: the same bits; agents differ by a range."""
    keyword = {"env__success_rate": "0.3..0.9"} if pair[1] == LAKE else {"env__grip": "0.5..0.9", "env__samples": 3000}
    rank = {"env__rank": 2} if "average" in pair[0] else {}
    of = task(pair, (0, 1), {"every": 3, "per_decade": 2, "agents": True}, agents=4, rounds=7, **keyword, **rank)
    expected = numbers(driven := run(of, fuse=False))
    assert [replica.error for replica in driven.replicas] == ["", ""]
    assert expected[0] != expected[1]
    for hosts, fuse in ((1, True), (3, False), (4, False)):
        assert numbers(run(of, hosts, fuse=fuse)) == expected


WRONG = [
    ("gym:CartPole-v1", {}, "its observations are a Box; only discrete ones can be numbered"),
    ("gym:Nested-v0", {}, "one of its observations is array([5, 0]), which is not in Dict('step': Discrete(3))"),
    ("gym:Broken-v0", {"env.fault": "shape"}, "it paid the reward [1.0, 2.0]; a reward is one number"),
    ("gym:Broken-v0", {"env.fault": "nan"}, "it paid a reward of nan, which is not a number"),
    ("gym:Broken-v0", {"env.fault": "range"}, "one of its observations is 7, which is not in Discrete(2)"),
    ("gym:Broken-v0", {"env.fault": "index"}, "IndexError: list index out of range"),
    ("gym:FrozenLak-v1", {}, "gymnasium has no such environment here (Environment `FrozenLak` doesn't exist"),
    (LAKE, {"env.map_name": "9x9"}, "it cannot be made: KeyError: '9x9'."),
    (LAKE, {"env.map_nam": "8x8"}, "has no parameter 'env.map_nam': did you mean 'env.map_name'"),
    (LAKE, {"env.success_rate": "a lot"}, "it takes a number, or LOW..HIGH for one drawn for each environment"),
    (LAKE, {"env.success_rate": "0.9..0.3"}, "it takes a number, or LOW..HIGH for one drawn for each environment"),
    ("gym:Unseeded-v0", {}, "two runs with the same seed differ"),
    ("gym:Stairs-v0", {"env.samples": 3}, "which was reached; raise env.samples."),
    ("gym:Unreliable-v0", {}, "two runs with the same seed differ"),
    ("pettingzoo:subprocess:getoutput", {"env.cmd": "touch ran"}, "neither an environment nor a function of a module"),
    ("pettingzoo:subprocess:Popen", {"env.args": "touch ran"}, "neither an environment nor a function of a module"),
    ("gym:subprocess:Popen", {"env.args": "touch ran"}, "gymnasium has no such environment here"),
    ("pettingzoo:nowhere", {}, "pettingzoo:nowhere: it cannot be imported (No module named 'nowhere')."),
    ("pettingzoo:json", {}, "has no attribute 'parallel_env'"),
    (
        "pettingzoo:tests.tools.toys:Meeting",
        {"agents": 3, "env.samples": 500},
        "agents must be a multiple of 2, the agents that play together; got 3.",
    ),
    ("pettingzoo:tests.tools.toys:Meeting", {"env.spaces": 4}, "its agents have different observations or actions"),
    ("gim:FrozenLake-v1", {}, "Unknown environment 'gim:FrozenLake-v1'"),
]


@pytest.mark.parametrize(("reference", "settings", "sentence"), WRONG, ids=[sentence[:40] for *_, sentence in WRONG])
def test_what_cannot_be_wrapped_is_told(reference, settings, sentence):
    with pytest.raises(UserError) as told:
        _ = Task(make_cell("iql", reference, {"agents": 2, **settings}), (0,)).outlook
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


def test_the_linear_algorithms_refuse_what_does_not_come_back():
    with pytest.raises(UserError, match="some states cannot be reached from all others"):
        _ = Task(make_cell("fedtd", "gym:Forever-v0", {"agents": 2}), (0,)).outlook
    with pytest.raises(UserError, match="a keyword with a range makes them differ"):
        _ = Task(make_cell("fedtd", LAKE, {"agents": 2, "env.rank": 2}), (0,)).outlook
    with pytest.raises(UserError, match=r"subsample-q does not run on gym:FrozenLake-v1"):
        make_cell("subsample-q", LAKE, {"agents": 2})


def cell_of(reference: str = LAKE, **settings: Any):
    return make_cell("iql", reference, {"agents": 2, **settings})


WIDTHS = ["0.7..0.7", "0.6..0.8", 0.5]


def widths(**claim: object):
    """A sweep over ranges of a keyword."""
    return checked(
        {
            "name": "widths",
            "env": {"name": LAKE},
            "cases": {"alone": {"algorithm": "iql"}},
            "grid": {"env.success_rate": WIDTHS},
            "claims": [{"name": "a", "case": "alone", "metric": "return_tail", "law": "exponential", **claim}],
        },
        "widths",
    )


def test_claims_use_a_range_through_its_middle_and_its_width():
    """The range itself is a text: it has no order."""
    sweep = widths(versus="env.success_rate_width", expect=1, within=1, where={"env.success_rate_mean": 0.7})
    sweep.check()
    assert [row["env_success_rate"] for row in sweep.rows] == WIDTHS
    assert [row["env_success_rate_width"] for row in sweep.rows] == pytest.approx([0, 0.2, 0])
    assert [row["env_success_rate_mean"] for row in sweep.rows] == pytest.approx([0.7, 0.7, 0.5])
    assert list(sweep.varying) == ["env.success_rate"]
    with pytest.raises(UserError, match=r"unknown key 'env.success_rate_with'.*did you mean 'env.success_rate_width'"):
        widths(versus="env.success_rate_with", expect=1, within=1).check()


def test_an_edited_table_is_another_environment(monkeypatch):
    """Two more seeds after an edit of the rewards would otherwise join the cell of the old ones."""
    from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

    before, ranged = cell_of(LAKE, **{"env.samples": 7}), cell_of(LAKE, **{"env.success_rate": "0.3..0.9"})
    made = FrozenLakeEnv.__init__

    @functools.wraps(made)
    def edited(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.P = {
            s: {a: [(p, t, 50 * r, e) for p, t, r, e in to] for a, to in row.items()} for s, row in self.P.items()
        }

    registry._wrapped.cache_clear()
    monkeypatch.setattr(FrozenLakeEnv, "__init__", edited)
    after = cell_of(LAKE, **{"env.samples": 7})
    assert before.origin.startswith("process ")
    assert after.origin != before.origin
    assert after.id != before.id
    assert ranged.origin.startswith(f"gymnasium {gymnasium.__version__} ")
    with pytest.raises(
        UserError, match="gym:FrozenLake-v1 is not the environment here that the sweep was planned with"
    ):
        Task(pickle.loads(pickle.dumps(before)), (0,)).problem(0)  # as another process gets it
    registry._wrapped.cache_clear()


def test_an_edited_package_is_another_environment(tmp_path, monkeypatch):
    """A simulated environment is identified by the version and the source files of its package."""
    monkeypatch.syspath_prepend(tmp_path)
    source = "from tests.tools.toys import Meeting as Base\n\nclass Meeting(Base):\n    pass\n"
    (tmp_path / "own_meeting.py").write_text(source)
    first = cell_of("pettingzoo:own_meeting:Meeting")
    assert "own_meeting source" in first.origin
    assert first.packages >= {"own_meeting", "pettingzoo"}
    (tmp_path / "own_meeting.py").write_text(source + "    pay = 50\n")
    packages.code_of.cache_clear()
    packages.versions_of.cache_clear()
    registry._wrapped.cache_clear()
    assert cell_of("pettingzoo:own_meeting:Meeting").id != first.id


def test_versions_name_the_packages_that_make_numbers():
    assert json.loads(versions(cell_of()))["gymnasium"] == gymnasium.__version__
    assert "gymnasium" not in json.loads(versions(make_cell("iql", "digital", {"agents": 2})))


SPACES = [
    (Discrete(4, start=2), 3),
    (MultiDiscrete([3, 2], start=[5, 0]), np.array([6, 1])),
    (MultiDiscrete(np.array([[2, 3], [4, 2]])), np.array([[1, 2], [3, 0]])),
    (MultiBinary(3), np.array([1, 0, 1], np.int8)),
    (MultiBinary([2, 2]), np.array([[1, 0], [0, 1]], np.int8)),
    (Box(-1, 2, (2, 2), np.int32), np.array([[-1, 2], [0, 1]], np.int32)),
    (Tuple((Discrete(2), Dict(a=Discrete(3), b=Box(0, 1, (2,), np.uint8)))),
     (1, {"a": 2, "b": np.array([0, 1], np.uint8)})),
    (Dict(x=Tuple((Discrete(2), MultiBinary(2)))), {"x": (1, np.array([0, 1], np.int8))}),
]  # fmt: skip


@pytest.mark.parametrize(("space", "element"), SPACES, ids=[str(space)[:40] for space, _ in SPACES])
def test_discrete_spaces_are_numbered(space, element):
    finite = Finite(space, "observations")
    assert space.contains(element)
    assert repr(finite.element(finite.number(element))) == repr(element)
    everything = [finite.element(k) for k in range(finite.size)]
    assert all(space.contains(one) for one in everything)
    assert [finite.number(one) for one in everything] == list(range(finite.size))
    assert len(np.unique(finite.coordinates, axis=0)) == finite.size


@pytest.mark.parametrize("space", [Box(0, 1, (2,), np.float32), Dict(a=Box(0, 1, (1,), np.float64)), Text(3)])
def test_other_spaces_are_refused(space):
    with pytest.raises(ValueError, match="only discrete ones can be numbered"):
        Finite(space, "observations")


def test_keywords_reach_through_kwargs():
    """Of a class that hands ``**kwargs`` on, the base's keywords are parameters, with its defaults."""
    taller = problem("gym:Taller-v0", grip=1.0, height=5, bonus=0.5, samples=2000)
    assert taller.limit == 200
    assert len(taller.process(0).start) == 5 * 2
    assert taller.process(0).reward.max() == 0.5
    fields = environment_class("gym:Taller-v0").Parameters.model_fields
    assert (fields["grip"].default, fields["height"].default, fields["bonus"].default) == (0.75, 3, 1)


def test_pettingzoo_keywords_and_the_length_of_episodes():
    env = environment_class("pettingzoo:tests.tools.toys")
    assert {"num_actions", "max_cycles"} <= set(env.Parameters.model_fields)
    short = problem("pettingzoo:tests.tools.toys", 2, max_cycles=7, num_actions=3, samples=500)
    assert short.limit == 7
    assert short.process(0).reward.shape[1] == 3
    assert problem("pettingzoo:tests.tools.toys", 2, max_cycles=7, limit=5, samples=500).limit == 5


def test_a_fraction_where_the_default_is_a_whole_number():
    assert problem("gym:Taller-v0", bonus=0.25, samples=500).parameters.bonus == 0.25
    ranged = problem("gym:Taller-v0", 4, bonus="0.25..0.75", samples=500)
    paid = [ranged.process(k).reward.max() for k in range(4)]
    assert len(set(paid)) == 4
    assert all(0.25 <= value <= 0.75 for value in paid)
