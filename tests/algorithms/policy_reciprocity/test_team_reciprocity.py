"""Reciprocity in one joint environment: rounds in plain Python, however it is run, ends and cuts, what travels."""

from typing import Any

import numpy as np
import pytest

from algorithms.policy_reciprocity.parameters import PolicyReciprocityParameters
from algorithms.policy_reciprocity.reciprocity import PolicyReciprocity
from orchestrator.core.calls import Traffic
from orchestrator.core.declared import assign
from orchestrator.core.graphs import named_graph
from orchestrator.fleet.inline import InlineFleet
from tests.tools.reciprocity import Stepwise, everything, run, task
from tests.tools.team import BlockerByTheBook, NavigationByTheBook

AGENTS = {"navigation": 6, "blocker": 3}
BOOKS = {"navigation": NavigationByTheBook, "blocker": BlockerByTheBook}
EDGES = {"navigation": "0-1 1-2 2-5", "blocker": "0-2"}
environments = pytest.mark.parametrize("environment", AGENTS)

# The same in plain Python -------------------------------------------------------------------------------------------

CONSTANT_STEPS: dict[str, Any] = {"alpha": 0.3, "beta": 0.4}
BY_VISITS: dict[str, Any] = {"a": 0.6, "tau_1": 0.8, "b": 0.5, "tau_2": 0.3}
SAID: list[tuple[str, dict[str, Any]]] = [
    ("policy-reciprocity", {"kappa": 0.5, "local_steps": 4, **CONSTANT_STEPS}),
    ("policy-reciprocity", {"kappa": 0.3, "kappa_schedule": 0.5, "graph": "ring", "local_steps": 3, **BY_VISITS}),
    ("policy-reciprocity", {"kappa": 0.0, "graph": "0-1", "adjacency": "l0", "rho": 1, **BY_VISITS}),
    ("iql", {"local_steps": 4, "alpha": 0.4}),
    ("iql", {"a": 0.7, "tau_1": 0.8}),
]
#: Small enough for ends as well as cuts: four agents on 2 x 2, two on 3 x 3.
QUICK: dict[tuple[str, str], dict[str, Any]] = {
    ("policy-reciprocity", "navigation"): {"agents": 4, "env__size": 2},
    ("iql", "navigation"): {"agents": 2},
}


@environments
@pytest.mark.parametrize(("algorithm", "settings"), SAID, ids=range(len(SAID)))
def test_rounds_in_plain_python(environment: str, algorithm: str, settings: dict[str, Any]):
    """Every value, visit, cell and blocker after every round of two hundred joint steps, with ends and with cuts."""
    small = QUICK.get((algorithm, environment), {})
    n = small.get("agents", AGENTS[environment])
    graph = named_graph(settings.get("graph", "complete"), n)
    near = {i: sorted([i, *graph.neighbours(i).tolist()]) for i in range(n)}
    alone = {"kappa": 1.0, "beta": 0.0} if "alpha" in settings else {"kappa": 1.0, "b": 0.0, "tau_2": 0.0}
    ends = cuts = 0
    for seed in (3, 4):
        driven = Stepwise(task(algorithm, environment, seeds=(seed,), epsilon=0.5, **settings, **small))
        own: dict[str, Any] = {"local_steps": 1, "epsilon": 0.5} | (alone if algorithm == "iql" else {}) | settings
        book = BOOKS[environment](driven.coordinator.problem, n, seed, near, **own)
        for t in range(100 // own["local_steps"]):
            driven.round()
            book.round(t)
            np.testing.assert_allclose(driven.state["table"], book.q, rtol=1e-12, atol=1e-13)
            np.testing.assert_array_equal(driven.state["visits"], book.k)
            assert driven.stage.tolist() == book.stage
        ends, cuts = ends + book.ends, cuts + book.cuts
    assert ends > 0
    assert cuts > 0


# Special cases and placement, bit for bit ---------------------------------------------------------------------------


@environments
@pytest.mark.parametrize("exponent", [0.0, 0.5])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("graph", ["complete", "ring", "edges"])
def test_leap_and_every_packing_give_the_bits_of_rounds(environment, graph, steps, exponent):
    graph = EDGES[environment] if graph == "edges" else graph
    of = task("policy-reciprocity", environment, graph=graph, local_steps=steps, kappa_schedule=exponent, kappa=0.3)
    driven = run(of, 1, fuse=False)
    fused = run(of, 1, fuse=True)
    assert len(fused[1].asked) < len(driven[1].asked) / 2
    packings = (2, 3) if environment == "blocker" else (2, 4, 6)
    for ran in (fused, *(run(of, hosts) for hosts in packings)):
        assert everything(ran) == everything(driven)


@environments
def test_reciprocity_graph_and_schedule_change_the_numbers(environment):
    """Otherwise equal bits would say nothing."""
    changes: list[dict[str, Any]] = [{}, {"graph": "0-1"}, {"kappa": 1.0}, {"kappa_schedule": 0.5}, {"beta": 0.0}]
    given: dict[str, Any] = {"alpha": 0.3, "beta": 0.4, "kappa": 0.3}
    results = {everything(run(task("policy-reciprocity", environment, **given | change))) for change in changes}
    assert len(results) == len(changes)


@environments
@pytest.mark.parametrize("fuse", [True, False])
def test_without_reciprocity_it_is_independent_q_learning(environment, fuse):
    """Tables, visits and the stage agree to the last bit, and nothing travels either."""
    iql = run(task("iql", environment, alpha=0.4, local_steps=2), fuse=fuse)
    for graph in ("complete", "ring"):
        none = {"alpha": 0.4, "beta": 0.0, "graph": graph, "kappa": 0.3, "local_steps": 2}
        other = run(task("policy-reciprocity", environment, **none), fuse=fuse)
        states, twins = iql[1].states(), other[1].states()
        assert states.keys() == twins.keys()
        for where, state in states.items():
            for name, array in state.items():
                np.testing.assert_array_equal(array, twins[where][name])
        assert [r.traffic for r in other[0].replicas] == [r.traffic for r in iql[0].replicas]


@environments
@pytest.mark.parametrize("graph", ["complete", "ring"])
@pytest.mark.parametrize("how", ["rounds", "leap", "another packing"])
def test_a_state_taken_in_the_middle_of_an_episode_goes_on_to_the_same_bits(environment, graph, how):
    of = task("policy-reciprocity", environment, seeds=(2,), graph=graph, local_steps=3, kappa_schedule=0.5)
    whole = Stepwise(of)
    for _ in range(4):
        whole.round()
    assert whole.stage[0] > 0  # the episode's clock
    state, blocks = whole.coordinator.state(), whole.fleet.states()
    for _ in range(9):
        whole.round()
    resumed = Stepwise(of, 3 if how == "another packing" else 1)
    resumed.fleet = InlineFleet(3 if how == "another packing" else 1)
    resumed.fleet.load(of, blocks)
    resumed.coordinator.load(state)
    assign(resumed.coordinator, "completed", 4)
    if how == "leap":
        resumed.leap(9)
    else:
        for _ in range(9):
            resumed.round()
    for where, arrays in whole.fleet.states().items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(resumed.fleet.states()[where][name], array)
    for name, array in whole.coordinator.state().items():
        np.testing.assert_array_equal(resumed.coordinator.state()[name], array)


# Ends and cuts ------------------------------------------------------------------------------------------------------

STAY, UP, RIGHT, DOWN, LEFT = range(5)


def before_the_goal(clock: int, moves: bool, **settings: Any) -> tuple[Stepwise, tuple[int, int], int]:
    """One agent one cell above or below its goal, on a grid of 2 x 2 with a limit of 9 and gamma = .5.

    Its table is 1 for the greedy action and 8 everywhere in the other row of the grid. Also the row and action at hand.
    """
    given = {"agents": 1, "epsilon": 0.0, "alpha": 0.25, "env__size": 2, "env__limit": 9, "env__gamma": 0.5}
    driven = Stepwise(task("iql", "navigation", seeds=(0,), env__step_cost=0.125, **given, **settings))
    gx, gy = driven.coordinator.problem.goals[0].tolist()
    row, ahead = ((y * 2 + gx) * 2 + gy for y in (1 - gy, gy))  # all but its own x, which type 0 lacks
    action = (DOWN if gy == 1 else UP) if moves else STAY
    table = np.zeros((8, 5))
    table[row, action] = 1.0
    table[ahead] = 8.0
    driven.set("agents", table=table)
    driven.set("environment", state_now=[clock, gx, 1 - gy])
    return driven, (row, action), 2 * gy + gx


@pytest.mark.parametrize("how", ["round", "leap"])
@pytest.mark.parametrize("clock", [3, 8])
def test_after_the_end_nothing_is_expected(how: str, clock: int):
    """It arrives, with its last step or before: .75 * 1 + .25 * (1 - .125), whatever the row that it enters says."""
    driven, at, goal = before_the_goal(clock, moves=True)
    driven.leap(1) if how == "leap" else driven.round()
    assert driven.state["table"][0][at] == 0.75 + 0.25 * 0.875
    assert driven.state["visits"].sum() == 1
    clock, x, y = driven.stage.tolist()
    assert clock == 0  # a fresh episode,
    assert 2 * y + x != goal  # which never begins on the goal


@pytest.mark.parametrize("how", ["round", "leap"])
@pytest.mark.parametrize("clock", [3, 8])
def test_an_episode_that_is_cut_short_still_expects_what_comes_next(how: str, clock: int):
    """It stays: .75 * 1 + .25 * (-.125 + .5 * 1), the value ahead that of where it was cut, not of the fresh start."""
    driven, at, goal = before_the_goal(clock, moves=False)
    before = driven.stage.tolist()
    driven.leap(1) if how == "leap" else driven.round()
    assert driven.state["table"][0][at] == 0.75 + 0.25 * 0.375
    after = driven.stage.tolist()
    if clock == 8:
        assert after[0] == 0
        assert 2 * after[2] + after[1] != goal
    else:
        assert after == [4, *before[1:]]


def test_fresh_episodes_begin_anywhere():
    """The stage draws where they begin, so from seed to seed they differ; all seeds' first are alike in no way."""
    starts = set()
    for seed in range(12):
        driven = Stepwise(task("iql", "navigation", seeds=(seed,), agents=1, env__limit=1))
        first = driven.stage.tolist()
        driven.round()
        starts.add((*first, *driven.stage.tolist()))
        assert driven.stage[0] == 0
    assert len(starts) > 8


def test_a_round_goes_on_after_an_end():
    """Four steps of a round with a limit of one step: four episodes, of which every step learns."""
    driven = Stepwise(task("iql", "blocker", seeds=(0,), local_steps=4, env__limit=1, epsilon=1.0))
    for t in range(5):
        driven.round()
        assert driven.stage[0] == 0
        assert driven.state["visits"].sum() == 3 * 4 * (t + 1)
        assert driven.stage[[2, 4, 6]].tolist() == [0, 0, 0]  # the top row


# What travels -------------------------------------------------------------------------------------------------------

NAVIGATION, BLOCKER = 3**3 * 5 * 8, 3**5 * 5 * 8  # bytes of a table
TRAVELS: list[tuple[str, str, dict[str, Any], int, int, int]] = [
    # algorithm, environment, settings; then calls besides 3 a step, messages and bytes of a round
    ("iql", "navigation", {}, 1, 0, 0),
    ("iql", "blocker", {}, 1, 0, 0),
    ("policy-reciprocity", "navigation", {"beta": 0.0, "alpha": 0.3}, 1, 0, 0),
    # The sums of four and of three types come down, one table goes up.
    ("policy-reciprocity", "navigation", {}, 3, 6 + 6, 6 * 4 * NAVIGATION + 6 * NAVIGATION),
    ("policy-reciprocity", "blocker", {}, 3, 3 + 3, 3 * 3 * BLOCKER + 3 * BLOCKER),
    # A table an edge and direction, with the sender's type.
    ("policy-reciprocity", "navigation", {"graph": "ring"}, 2, 12, 12 * (NAVIGATION + 8)),
    ("policy-reciprocity", "blocker", {"graph": "ring"}, 2, 6, 6 * (BLOCKER + 8)),
    ("policy-reciprocity", "navigation", {"graph": "0-1 1-2 2-5"}, 2, 6, 6 * (NAVIGATION + 8)),
    ("qd-learning", "blocker", {"graph": "line"}, 2, 4, 4 * (BLOCKER + 8)),
    ("policy-reciprocity", "navigation", {"agents": 2}, 3, 2 + 2, 2 * 2 * NAVIGATION + 2 * NAVIGATION),  # two types
]


@pytest.mark.parametrize(("algorithm", "environment", "settings", "calls", "messages", "sent"), TRAVELS)
def test_tables_are_charged_and_what_the_agents_sense_is_not(algorithm, environment, settings, calls, messages, sent):
    """Rows, actions, rewards and ends pass between agents and stage at every step; they cost calls, nothing else."""
    n = settings.get("agents", AGENTS[environment])
    for steps in (1, 4):
        of = task(algorithm, environment, local_steps=steps, **settings)
        bound = of.coordinator(0).calls_per_round()
        assert bound == 3 + 3 * steps
        assert calls + 3 * steps <= bound
        for fuse in (True, False):
            for replica in run(of, fuse=fuse)[0].replicas:
                expected = Traffic(40 * (calls + 3 * steps), 40 * messages, 40 * sent, 40 * n * steps)
                assert replica.traffic == expected


def test_only_a_team_has_a_stage():
    team = PolicyReciprocity(
        PolicyReciprocityParameters.model_validate({}), task("iql", "blocker").coordinator(0).problem, 3, 1, 0
    )
    assert team.groups() == {"agents": 3, "environment": 1}
    assert set(team.blocks()) == {"agents", "environment"}
    alone = task("policy-reciprocity", "digital", env__coupling="private").coordinator(0)
    assert alone.groups() == {"agents": 6}


# Metrics ------------------------------------------------------------------------------------------------------------


def test_returns_of_navigation_by_hand():
    """One agent on 2 x 2, step cost .1, limit 4: from the three cells off the goal it takes 1, 1 and 2 steps."""
    given: dict[str, Any] = {"agents": 1, "env__size": 2, "env__limit": 4, "env__step_cost": 0.1}
    driven = Stepwise(task("policy-reciprocity", "navigation", seeds=(0,), **given))
    best = 1 - 0.1 * 4 / 3
    metrics = driven.measure()  # tables of 0: it stays where it is
    assert metrics["return"] == pytest.approx(-0.4)
    assert metrics["return_gap"] == pytest.approx(best + 0.4)
    gx, gy = driven.coordinator.problem.goals[0].tolist()
    table = np.zeros((8, 5))
    table[((1 - gy) * 2 + gx) * 2 + gy, DOWN if gy == 1 else UP] = 1  # from the other row to the goal's
    driven.set("agents", table=table)
    metrics = driven.measure()  # above or below the goal it arrives, else it stays beside it
    assert metrics["return"] == pytest.approx((0.9 - 0.4 - 0.4) / 3)
    assert metrics["return_gap"] == pytest.approx(best - 0.1 / 3)
    table[(gy * 2 + gx) * 2 + gy, RIGHT if gx == 1 else LEFT] = 1
    driven.set("agents", table=table)
    assert driven.measure()["return"] == pytest.approx(best)
    assert driven.measure()["return_gap"] == pytest.approx(0, abs=1e-15)
    assert driven.measure()["lambda_2"] == 1.0  # of one agent
    assert driven.measure_agents() == {"policy_mse": [0.0], "return": [pytest.approx(best)]}


def test_returns_of_the_blocker_by_hand():
    """Whoever stays loses a point at each of five steps; straight down, the agent in the middle is through in two."""
    driven = Stepwise(task("policy-reciprocity", "blocker", seeds=(0,), graph="line"))
    metrics = driven.measure()
    assert (metrics["return"], metrics["return_gap"]) == (-5.0, 5.0)
    assert metrics["lambda_2"] == pytest.approx(0.5)  # I - W has the eigenvalues 0, 1/2 and 7/6
    down = np.zeros((3, 243, 5))
    down[:, :, DOWN] = 1
    driven.set("agents", table=down)
    metrics = driven.measure()
    assert (metrics["return"], metrics["return_gap"]) == (0.0, 0.0)
    assert driven.measure_agents()["return"].tolist() == [0.0, 0.0, 0.0]


def test_disagreement_of_a_team_is_within_each_type():
    """Types 0 and 1 have two agents: 1 and 3 stand 1 from their mean 2, 5 and 9 stand 2 from 7; 2 and 3 have one."""
    driven = Stepwise(task("policy-reciprocity", "navigation", seeds=(0,), graph="ring"))
    level = np.array([1.0, 5.0, -4.0, 6.0, 3.0, 9.0])
    driven.set("agents", table=np.broadcast_to(level[:, None, None], (6, 27, 5)))
    metrics = driven.measure()
    assert metrics["consensus_error"] == pytest.approx(np.sqrt((1 + 4 + 1 + 4) / 6))
    assert metrics["sup_norm"] == 9.0
    assert metrics["policy_mse"] == 0.0  # every policy is uniform
    assert set(metrics) == {
        "consensus_error", "sup_norm", "policy_mse", "return", "return_gap", "lambda_2"
    }  # fmt: skip
    assert metrics["lambda_2"] == pytest.approx(1 / 3)  # (2 - 2 cos 60 degrees) / 3


def test_metrics_of_each_agent_by_their_definition():
    """pi = (e, 1, 1, 1, 1) / (e + 4) in every row of agent 0, uniform in those of agent 4, which is of its type."""
    driven = Stepwise(task("iql", "navigation", seeds=(0,)))
    table = np.zeros((6, 27, 5))
    table[0, :, LEFT] = 1
    driven.set("agents", table=table)
    off = np.array([np.e / (np.e + 4) - 0.2, *[1 / (np.e + 4) - 0.2] * 4]) / 2
    metrics = driven.measure_agents()
    assert metrics.keys() == {"policy_mse", "return"}
    np.testing.assert_allclose(metrics["policy_mse"], np.array([1, 0, 0, 0, 1, 0]) * (off**2).mean(), rtol=1e-12)
    assert metrics["return"].tolist() == pytest.approx([driven.measure()["return"]] * 6)
    assert driven.measure()["policy_mse"] == pytest.approx(metrics["policy_mse"].mean())
    assert "lambda_2" not in driven.measure()


@environments
def test_what_is_recorded_of_each_agent(environment):
    outcome, _ = run(task("policy-reciprocity", environment))
    for replica in outcome.replicas:
        last = replica.recorder.summary()
        assert replica.agents.keys() == {"policy_mse", "return"}
        assert replica.agents["return"].tolist() == pytest.approx([last["return_final"]] * AGENTS[environment])
        assert replica.agents["policy_mse"].mean() == pytest.approx(last["policy_mse_final"])


# What must come out -------------------------------------------------------------------------------------------------


@environments
@pytest.mark.parametrize("algorithm", ["policy-reciprocity", "iql"])
def test_teams_learn(environment, algorithm):
    """Half and more of the gap to the best return closes, for every seed.

    One agent navigates on 2 x 2: what agents do not see of larger grids, greedy policies cannot walk around.
    """
    small: dict[str, Any] = {"agents": 1, "env__size": 2} if environment == "navigation" else {}
    of = task(algorithm, environment, alpha=0.3, local_steps=20, rounds=400, epsilon=0.2, **small)
    for replica in run(of)[0].replicas:
        gaps = [row["return_gap"] for row in replica.recorder.rows()]
        assert min(gaps) >= -1e-12
        assert gaps[-1] < gaps[0] / 2
