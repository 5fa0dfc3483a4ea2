"""Linear control: the update by hand, its exact fixed point, and the same bits however it is run."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.shared_representation.kernels import Learners, Method, greedy, q_steps, server_step
from algorithms.shared_representation.linear_q import LinearQAgents, LinearQParameters, action_features
from envs.linear.base import LinearBlock
from envs.linear.shared_subspace_mdp import SharedSubspaceMDP
from orchestrator.core.kernels import draw_integer, uniform
from orchestrator.core.streams import member_streams
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import Outcome, run_task

ALGORITHMS = ("joint-average-q", "independent-q", "fedq")
ENVIRONMENT = "shared-subspace-mdp"


def forced(target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Alias tables that always lead to ``target`` [m, S, A]: no column is ever kept, every alias is the target."""
    alias = np.repeat(target[..., None], target.shape[1], axis=-1)
    return np.zeros(alias.shape), alias


# One step by hand: two states, two actions, d = 2, r = 1, no randomness (epsilon 0, one certain successor) ----------

PHI = np.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [2.0, 0.0]]])  # [S, A, d]
BASIS = np.array([[0.6], [0.8]])  # so B^T phi = [[.6, .8], [1.4, 1.2]]


def agent_by_hand() -> LinearQAgents:
    """One agent in state 0 with w = .5 and eta = .5; (0, 1) leads to 1 and pays 2, (1, 0) leads to 0 and pays 1."""
    probability, alias = forced(np.array([[[0, 1], [0, 1]]]))
    reward = np.array([[[9.0, 2.0], [1.0, 9.0]]])
    table = LinearBlock(np.zeros(1, np.int64), probability, alias, reward, 0.0, PHI, 1.0, True)
    problem: Any = SimpleNamespace(states=2, features=2, rank=1, block=lambda members: table)
    agent = LinearQAgents("agents", range(1), LinearQParameters.model_validate({}), problem, seed=0)
    agent.start()
    agent.head, agent.gain, agent.position = np.array([[0.5]]), np.array([0.5]), np.array([0])
    return agent


def test_one_step_by_hand():
    """Q(0, .) = .3, .4: action 1. delta = 2 - .5 + max(.7, .6) - .4 = 1.8.

    eta = .5 + .5 * .1 * 1.8 = .59;  w = .5 + .1 * 1.8 * .8 = .644;  G = (0, 1) * 1.8 * .5 = (0, .9).
    """
    agent = agent_by_hand()
    reply = agent.learn_map(BASIS, alpha=0.1, gain_step=0.5, epsilon=0.0, steps=1)
    np.testing.assert_allclose(agent.gain, [0.59], rtol=1e-15)
    np.testing.assert_allclose(agent.head, [[0.644]], rtol=1e-15)
    np.testing.assert_allclose(reply["gradient"], [[[0.0], [0.9]]], rtol=1e-15)
    assert agent.position[0] == 1


def test_two_local_steps_by_hand():
    """The second step, from state 1 with w = .644: Q(1, .) = .9016, .7728: action 0. Q(0, .) = .3864, .5152.

    delta = 1 - .59 + .5152 - .9016 = .0236;  eta = .59 + .05 * .0236 = .59118;  w = .644 + .1 * .0236 * 1.4 = .647304.
    Its gradient is (1, 1) * .0236 * .644 = (.0151984, .0151984): the mean of both is (.0075992, .4575992).
    """
    agent = agent_by_hand()
    reply = agent.learn_map(BASIS, alpha=0.1, gain_step=0.5, epsilon=0.0, steps=2)
    np.testing.assert_allclose(agent.gain, [0.59118], rtol=1e-14)
    np.testing.assert_allclose(agent.head, [[0.647304]], rtol=1e-14)
    np.testing.assert_allclose(reply["gradient"], [[[0.0075992], [0.4575992]]], rtol=1e-12)
    assert agent.position[0] == 0


def test_heads_alone_learn_the_same_and_the_server_takes_one_step():
    """B + .5 * (0, .9) = (.6, 1.25), of norm sqrt(1.9225)."""
    together, alone = agent_by_hand(), agent_by_hand()
    sent = {"alpha": 0.1, "gain_step": 0.5, "epsilon": 0.0, "steps": 1}
    gradient = together.learn_map(BASIS, **sent)["gradient"]
    alone.learn_heads(action_features(PHI, BASIS), **sent)
    np.testing.assert_array_equal(alone.head, together.head)
    np.testing.assert_array_equal(alone.gain, together.gain)
    expected = np.array([[0.6], [1.25]]) / np.sqrt(1.9225)
    np.testing.assert_allclose(server_step(BASIS, 0.5, gradient, False), expected, rtol=1e-15)


# Acting -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=8))
def test_greedy_takes_the_lowest_index_of_a_tie(values: list[int]):
    choice, best = greedy(np.array(values, dtype=float)[:, None], np.ones(1))
    assert choice == values.index(max(values))
    assert best == max(values)


def test_exploration_is_uniform_over_all_actions():
    """Action a leads to state a; 0 is greedy. With epsilon = .3: shares .7 + .1, .1, .1 (five standard errors)."""
    n, epsilon = 20_000, 0.3
    probability, alias = forced(np.tile(np.arange(3), (1, 3, 1)))
    phi = np.tile(np.array([1.0, 0.0, 0.0])[:, None], (3, 1, 1))
    position = np.zeros(n, np.int64)
    env = LinearBlock(np.zeros(n, np.int64), probability, alias, np.zeros((1, 3, 3)), 0.0, phi, 1.0, True)
    learners = Learners(np.ones((n, 1)), np.zeros(n), position, member_streams(0, "agents", "steps", range(n)))
    q_steps(env, phi, 0.1, Method(1, 1.0, epsilon), learners, None)
    for action, share in enumerate((0.8, 0.1, 0.1)):
        assert abs((position == action).mean() - share) < 5 * np.sqrt(share * (1 - share) / n)


# The truth ----------------------------------------------------------------------------------------------------------


def explored(rng: np.ndarray) -> int:
    """The action that a member with the stream ``rng`` [1, 4] explores: the draw after the coin."""
    uniform(rng, 0)
    return draw_integer(3, rng, 0)


def expected_increments(gain_error: float) -> tuple[dict[str, np.ndarray], set[int]]:
    """Exact expectations over s' of one step's increments from the truth of a drawn problem, eta = J + gain_error.

    Returns gain [12, S], head [12, S, r] and map gradient [12, S, d, r] increments for 12 streams, every one of which
    explores, and the actions they took. There is an agent for every (stream, s, s'); its table forces s', and
    P(s' | s, a) weighs it.
    """
    parameters = SharedSubspaceMDP.Parameters(states=5, actions=3, features=6, rank=2)
    problem = SharedSubspaceMDP(parameters, agents=2, instance=3)
    transition, reward = problem.transition[1], problem.reward[1]
    states, streams = problem.states, 12
    shape = (streams, states, states)
    stream, s, s_next = (index.ravel() for index in np.indices(shape))
    rng = member_streams(1, "agents", "steps", range(streams))[stream].copy()
    head = np.tile(problem.heads[1], (len(s), 1))
    gain = np.full(len(s), problem.gains[1] + gain_error)
    gradient = np.zeros((len(s), problem.features, problem.rank))
    probability, alias = forced(np.broadcast_to(np.arange(states)[:, None, None], (states, states, 3)))
    action = np.array([explored(own) for own in rng[:, None].copy()])
    before = head.copy(), gain.copy()
    rewards = np.broadcast_to(reward, (states, *reward.shape)).copy()
    env = LinearBlock(s_next, probability, alias, rewards, 0.0, problem.phi, 1.0, True)
    features, learners = action_features(problem.phi, problem.basis), Learners(head, gain, s.copy(), rng)
    q_steps(env, features, 0.1, Method(1, 0.5, epsilon=1.0), learners, gradient)
    weight = transition[s, action, s_next]
    increments = {"head": head - before[0], "gain": gain - before[1], "map": gradient}
    means = {
        name: (rows * weight.reshape(-1, *[1] * (rows.ndim - 1))).reshape(*shape, *rows.shape[1:]).sum(axis=2)
        for name, rows in increments.items()
    }
    return means, set(action.tolist())


def test_the_truth_is_a_fixed_point_in_expectation():
    """After every state-action pair, greedy or not: E[delta | s, a] = 0 by the optimality equation."""
    means, actions = expected_increments(gain_error=0.0)
    assert actions == {0, 1, 2}
    for mean in means.values():
        np.testing.assert_allclose(mean, 0.0, atol=1e-14)


def test_a_gain_above_the_truth_falls_at_its_rate():
    """E[delta] = -.2, so eta moves by .5 * .1 * -.2 wherever the agent is."""
    means, _ = expected_increments(gain_error=0.2)
    np.testing.assert_allclose(means["gain"], -0.01, rtol=1e-12)
    assert np.abs(means["map"]).max() > 0.01


# Runs ---------------------------------------------------------------------------------------------------------------


def run(algorithm: str, hosts: int = 1, fuse: bool = True, **settings: Any) -> Outcome:
    small = {"agents": 4, "rounds": 60, "env.states": 5, "env.features": 6, "env.reward_noise": 0.1}
    cell = make_cell(algorithm, ENVIRONMENT, small | settings, {"every": 25})  # leaps of more than one round
    outcome = run_task(Task(cell, (0, 1)), InlineFleet(hosts), fuse=fuse)
    assert [replica.status for replica in outcome.replicas] == ["done", "done"], outcome.replicas[0].error
    assert outcome.replicas[0].recorder.names == cell.metrics()
    return outcome


def assert_same_bits(one: Outcome, other: Outcome) -> None:
    for a, b in zip(one.replicas, other.replicas, strict=True):
        assert a.recorder.rows() == b.recorder.rows()
        assert a.recorder.summary() == b.recorder.summary()
        assert a.traffic == b.traffic
        for name, value in a.coordinator.state().items():
            np.testing.assert_array_equal(value, b.coordinator.state()[name])


SCHEDULES = [
    {"local_steps": 1},
    {"local_steps": 3, "schedule": "power", "offset": 20.0, "alpha_exponent": 0.6},
]


@pytest.mark.parametrize("settings", SCHEDULES, ids=["constant", "power"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_leap_gives_the_bits_of_driven_rounds(algorithm: str, settings: dict[str, Any]):
    settings = {"env.processes": 2} | settings
    assert_same_bits(run(algorithm, 1, True, **settings), run(algorithm, 1, False, **settings))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_split_into_hosts_gives_the_same_bits(algorithm: str):
    whole = run(algorithm, local_steps=2)
    for hosts in (2, 3, 4):
        assert_same_bits(whole, run(algorithm, hosts=hosts, local_steps=2))


@pytest.mark.parametrize(
    ("algorithm", "numbers"),
    [("joint-average-q", 2 * 6 * 2), ("independent-q", 0), ("fedq", 2 * 6)],
)
def test_what_travels(algorithm: str, numbers: int):
    """Per round and agent: the map down and its gradient up (d r each), nothing, or theta both ways (d each)."""
    traffic = run(algorithm, local_steps=2).replicas[0].traffic
    assert traffic.bytes_sent == 60 * 4 * 8 * numbers
    assert traffic.agent_steps == 60 * 4 * 2


def test_joint_resolves_the_conflict_that_defeats_averaging():
    """Balanced heads cancel in the average theta: FedQ learns nothing, joint finds each agent's own policy."""
    learned = {
        algorithm: np.mean(
            [
                [replica.recorder.summary()[name] for name in ("gain_gap_tail", "theta_error_tail")]
                for replica in run(algorithm, rounds=6000).replicas
            ],
            axis=0,
        )
        for algorithm in ("joint-average-q", "fedq")
    }
    assert learned["joint-average-q"][0] < 0.1 * learned["fedq"][0]
    assert learned["joint-average-q"][1] < 0.25 * learned["fedq"][1]
