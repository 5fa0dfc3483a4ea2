"""Voter network: closed forms against the joint solve and differences, decay and truncation figures, bad input."""

import numpy as np
import pytest
from pydantic import ValidationError

from algorithms.general_utilities.utilities import NAMES, shadow_rewards, values
from envs.networks.kernels import inverse_dominant, softmax, solve_dominant
from envs.networks.oracle import NetworkOracle, joint_states
from envs.networks.voter_network import VoterNetwork, decay_rate

SHAPES = [
    ("line", 1, {}),
    ("line", 4, {"beta": 0.0}),
    ("line", 5, {"beta": 0.9, "start": 0.0}),
    ("ring", 5, {"beta": 0.7, "gamma": 0.6}),
    ("tree", 6, {"beta": 0.3, "start": 1.0}),
    ("grid", 6, {"beta": 0.8, "gamma": 0.95}),
    ("complete", 4, {"gamma": 0.0}),
    ("0-1 1-2 1-3", 4, {"start": 0.2}),
]
#: beta -> slope of ln max_i span_i over kappa = 0..6, and relative errors of the truncated gradient at kappa = 0..3, of
#: the first 8 agents' policies that numpy's generator of seed 1 draws; start .5, gamma .9, entropy of the states.
FIGURES = {
    0.1: (-3.00, None),
    0.3: (-1.94, (0.25, 0.026, 0.0051, 7e-4)),
    0.5: (-1.44, None),
    0.7: (-1.09, (0.46, 0.117, 0.055, 0.018)),
    0.9: (-0.82, (0.58, 0.22, 0.125, 0.062)),
}


def problem(agents=8, **parameters):
    return VoterNetwork(VoterNetwork.Parameters(**parameters), agents, 0)


def policies(agents=8, seed=0):
    return softmax(np.random.default_rng(seed).normal(size=(agents, 2, 2)))


def shadow(given, pi, *names):
    return shadow_rewards(names, range(given.agents), given.occupancy(pi), given.gamma, given.reward)


def utility(given, theta, names):
    return values(names, range(given.agents), given.occupancy(softmax(theta)), given.gamma, given.reward).mean()


def slope(given, pi, reward):
    spans = [given.q_span(pi, reward, kappa).max() for kappa in range(7)]
    return np.polyfit(range(7), np.log(spans), 1)[0]


def truncation_errors(given, pi, reward):
    whole = given.gradient(pi, reward)
    off = [given.truncated_gradient(pi, reward, kappa) - whole for kappa in range(4)]
    return np.array([np.linalg.norm(one) for one in off]) / np.linalg.norm(whole)


def test_chances_by_hand():
    """Line of three, beta .5: agent 1 follows the mean of 0 and 2, agent 0 only 1."""
    found = problem(3).chances(np.array([[1, 0, 0], [0, 1, 1]]))
    np.testing.assert_allclose(found[0], [[0.15, 0.45], [0.55, 0.85]], rtol=1e-15)
    np.testing.assert_allclose(found[1], [[0.30, 0.60], [0.40, 0.70]], rtol=1e-15)


@pytest.mark.parametrize(("graph", "agents", "parameters"), SHAPES)
def test_closed_forms_are_the_joint_solve(graph, agents, parameters):
    """Occupancy, Q at every joint state and action, spans and all gradients, to 1e-12, for all utilities at once."""
    given = problem(agents, graph=graph, **parameters)
    oracle, bits = NetworkOracle.of(given), joint_states(agents)
    pi = policies(agents, seed=agents)
    np.testing.assert_allclose(given.occupancy(pi), oracle.occupancy(pi), rtol=0, atol=1e-12)
    for first in range(0, len(NAMES), 3):
        reward = shadow(given, pi, *NAMES[first : first + 3])
        joint, affine = oracle.q(pi, reward), given.shadow_q(pi, reward)
        for i in range(agents):
            own = reward[i][bits[:, i]][:, bits[:, i]] + affine.constant[i]
            found = own + (bits @ affine.on_state[i])[:, None] + (bits @ affine.on_action[i])[None, :]
            np.testing.assert_allclose(found, joint[i], rtol=0, atol=1e-12)
        np.testing.assert_allclose(given.gradient(pi, reward), oracle.gradient(pi, reward), rtol=0, atol=1e-12)
        for kappa in range(4):
            np.testing.assert_allclose(given.q_span(pi, reward, kappa), oracle.q_span(joint, kappa), rtol=0, atol=1e-12)
            np.testing.assert_allclose(
                given.truncated_gradient(pi, reward, kappa), oracle.gradient(pi, reward, kappa), rtol=0, atol=1e-12
            )


def test_the_joint_solve_of_eight():
    given = problem(beta=0.7)
    oracle, pi = NetworkOracle.of(given), policies()
    reward = shadow(given, pi, "state-entropy")
    joint = oracle.q(pi, reward)
    np.testing.assert_allclose(given.gradient(pi, reward), oracle.gradient(pi, reward), rtol=0, atol=1e-12)
    for kappa in (0, 3, 7):
        np.testing.assert_allclose(given.q_span(pi, reward, kappa), oracle.q_span(joint, kappa), rtol=0, atol=1e-12)
    local = oracle.heard(oracle.gradients(pi, oracle.local_q(pi, joint, 2)), 2)  # the tower identity
    np.testing.assert_allclose(local, given.truncated_gradient(pi, reward, 2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("names", [(name,) for name in NAMES] + [("entropy", "l2", "kl", "risk")], ids="+".join)
@pytest.mark.parametrize("graph", ["line", "grid"])
def test_the_gradient_is_that_of_the_utility(graph, names):
    """Differences of F = mean_i f_i at the exact occupancies, fourth order, to 1e-8."""
    given, step = problem(6, graph=graph, beta=0.6, start=0.3), 2e-3
    theta = np.random.default_rng(2).normal(size=(6, 2, 2))
    found = given.gradient(softmax(theta), shadow(given, softmax(theta), *names))
    for entry in np.ndindex(theta.shape):
        unit = np.zeros(theta.shape)
        unit[entry] = step
        at = [utility(given, theta + k * unit, names) for k in (-2, -1, 1, 2)]
        assert abs((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step) - found[entry]) < 1e-8


@pytest.mark.parametrize("kappa", [0, 1, 2, 4])
def test_a_truncated_gradient_is_that_of_the_utilities_within_reach(kappa):
    """Tower identity by differences: agent j climbs (1/n) sum of f_i over the agents i within kappa hops of j."""
    given, step = problem(5, graph="tree", beta=0.8), 2e-3
    theta = np.random.default_rng(3).normal(size=(5, 2, 2))
    pi = softmax(theta)
    found = given.truncated_gradient(pi, shadow(given, pi, "entropy", "l2"), kappa)
    for j, s, a in np.ndindex(theta.shape):
        unit = np.zeros(theta.shape)
        unit[j, s, a] = step
        at = [
            values(("entropy", "l2"), range(5), given.occupancy(softmax(theta + k * unit)), given.gamma, given.reward)
            for k in (-2, -1, 1, 2)
        ]
        part = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step)
        assert abs(part[given.hops[j] <= kappa].sum() / 5 - found[j, s, a]) < 1e-9


@pytest.mark.parametrize("beta", FIGURES)
def test_figures_of_one_policy(beta):
    """Slopes to the figures' last digit, errors to theirs."""
    given, pi = problem(beta=beta, start=0.5), policies(seed=1)
    reward = shadow(given, pi, "state-entropy")
    expected, errors = FIGURES[beta]
    assert slope(given, pi, reward) == pytest.approx(expected, abs=0.0065)
    if errors:
        np.testing.assert_allclose(truncation_errors(given, pi, reward), errors, rtol=0.02, atol=5e-5)


@pytest.mark.parametrize("beta", FIGURES)
def test_figures_over_policies(beta):
    """Means of 100 policies: slopes within .05 (.06 at beta .9), errors up to 70 % above the one policy's."""
    given = problem(beta=beta, start=0.5)
    slopes, errors = [], []
    for seed in range(100):
        pi = policies(seed=seed)
        reward = shadow(given, pi, "state-entropy")
        slopes.append(slope(given, pi, reward))
        errors.append(truncation_errors(given, pi, reward))
    expected, single = FIGURES[beta]
    assert np.mean(slopes) == pytest.approx(expected, abs=0.05 if beta < 0.9 else 0.06)
    if single:
        ratio = np.mean(errors, axis=0) / single
        assert (ratio > 0.9).all()
        assert (ratio < 1.7).all()
    assert (np.diff(np.mean(errors, axis=0)) < 0).all()


@pytest.mark.parametrize(("beta", "rate"), [(0.1, 0.054), (0.3, 0.158), (0.5, 0.265), (0.7, 0.381), (0.9, 0.527)])
def test_decay_on_the_infinite_line(beta, rate):
    """Its rate, and that on a long line of agents alike Q's dependence falls by exactly that much a hop."""
    assert decay_rate(beta, 0.9, 0.2) == pytest.approx(rate, abs=5e-4)
    given, even = problem(101, beta=beta), np.full((101, 2, 2), 0.5)
    reward = np.tile([[0.0, 0.0], [1.0, 1.0]], (101, 1, 1))
    middle = given.shadow_q(even, reward).on_action[50]
    np.testing.assert_allclose(middle[55:75] / middle[54:74], decay_rate(beta, 0.9, 0.2), rtol=1e-7)


def test_nothing_travels_without_coupling_or_future():
    assert decay_rate(0.0, 0.9, 0.2) == decay_rate(0.5, 0.0, 0.2) == 0.0


@pytest.mark.parametrize("graph", ["line", "grid", "tree"])
def test_many_agents(graph):
    """512 of them: the occupancy satisfies its own balance, Q its Bellman equation in a few joint states."""
    given, pi = problem(512, graph=graph, beta=0.8, start=0.5), policies(512)
    x, reward = given.occupancy(pi), np.random.default_rng(1).normal(size=(512, 2, 2))
    ones = x[:, 1].sum(axis=1)
    mixed = np.array([ones[given.graph.neighbours(i)].mean() for i in range(512)])
    ahead = 0.2 * (0.1 + 0.6 * x[:, :, 1].sum(axis=1) + 0.2 * ones) + 0.8 * mixed
    np.testing.assert_allclose(ones, 0.1 * 0.5 + 0.9 * ahead, rtol=1e-12)
    affine, rng = given.shadow_q(pi, reward), np.random.default_rng(2)

    def q(state, action):  # rewards and actions may be expectations: Q is affine in them
        return reward[:, 0, 0] + affine.constant + affine.on_state @ state + affine.on_action @ action

    state, action = rng.integers(2, size=(2, 512))
    index = np.arange(512)
    chance = given.chances(state[None])[index, 0, action]
    own = [np.einsum("ia,ia->i", pi[:, s], reward[:, s]) for s in (0, 1)]
    then = affine.constant + affine.on_state @ chance
    then += affine.on_action @ ((1 - chance) * pi[:, 0, 1] + chance * pi[:, 1, 1])
    then += (1 - chance) * own[0] + chance * own[1]
    np.testing.assert_allclose(q(state, action) - reward[:, 0, 0], 0.9 * then, rtol=0, atol=1e-11)
    far = given.truncated_gradient(pi, reward, given.diameter)
    np.testing.assert_allclose(far, given.gradient(pi, reward), rtol=0, atol=1e-15)


def test_decay_is_not_lost_in_rounding():
    """On a line of 300 agents with little coupling, the span 200 hops away is what a ratio a hop makes it: 1e-250."""
    given, even = problem(301, beta=0.1), np.full((301, 2, 2), 0.5)
    reward = np.tile([[0.0, 0.0], [1.0, 1.0]], (301, 1, 1))
    near, far = (given.q_span(even, reward, kappa)[150] for kappa in (40, 140))
    assert np.log(far / near) == pytest.approx(100 * np.log(decay_rate(0.1, 0.9, 0.2)), rel=1e-9)


def test_linear_systems():
    rng = np.random.default_rng(0)
    matrix = -rng.uniform(size=(30, 30)) * (rng.uniform(size=(30, 30)) < 0.3)
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
    vector = rng.normal(size=30)
    np.testing.assert_allclose(matrix @ solve_dominant(matrix, vector), vector, rtol=0, atol=1e-13)
    np.testing.assert_allclose(matrix.T @ solve_dominant(matrix.T.copy(), vector), vector, rtol=0, atol=1e-13)
    np.testing.assert_allclose(matrix @ inverse_dominant(matrix), np.eye(30), rtol=0, atol=1e-13)


def test_softmax_by_hand():
    theta = np.log([[[1.0, 3.0], [2.0, 2.0]]]) + 1000
    np.testing.assert_allclose(softmax(theta), [[[0.25, 0.75], [0.5, 0.5]]], rtol=1e-12)


def test_even_policies_from_an_even_start_are_at_the_optimum_of_entropy():
    """.1 + .6 / 2 + .2 / 2 = .5: nothing is left to learn there, which is why agents start at 0 unless told."""
    even = np.full((8, 2, 2), 0.5)
    np.testing.assert_allclose(problem(start=0.5).occupancy(even), 0.25, rtol=1e-14)
    assert problem().occupancy(even)[0, 0, 0] > 0.28
    given = problem(start=0.5)
    np.testing.assert_allclose(given.gradient(even, shadow(given, even, "state-entropy")), 0, rtol=0, atol=1e-15)


def test_hops():
    assert problem(4, graph="ring").hops.tolist() == [[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1], [1, 2, 1, 0]]
    assert [problem(n).diameter for n in (1, 2, 8)] == [0, 1, 7]


@pytest.mark.parametrize(
    "parameters", [{"beta": 1.0}, {"beta": -0.1}, {"gamma": 1.0}, {"start": 1.5}, {"graph": "star"}]
)
def test_what_makes_no_network_is_refused(parameters):
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        problem(**parameters)


def test_a_graph_in_parts_is_refused():
    with pytest.raises(ValueError, match="graph must be connected; no path leads from agent 0 to agent 2"):
        problem(4, graph="0-1 2-3")
    with pytest.raises(ValueError, match="agents must be at least 1, got 0"):
        problem(0)


def test_arrays_that_do_not_fit_are_refused():
    given, pi = problem(3), policies(3)
    with pytest.raises(ValueError, match=r"pi must have shape \(3, 2, 2\), got \(4, 2, 2\)"):
        given.occupancy(policies(4))
    with pytest.raises(ValueError, match=r"reward must have shape"):
        given.gradient(pi, np.zeros((3, 2)))
    with pytest.raises(ValueError, match="kappa must be 0 or more hops, got -1"):
        given.truncated_gradient(pi, np.zeros((3, 2, 2)), -1)
