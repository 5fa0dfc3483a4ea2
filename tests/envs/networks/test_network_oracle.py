"""The joint solve by hand, against plain numpy on small networks, its gradients by differences, its spans by force."""

import itertools

import numpy as np
import pytest

from envs.networks.kernels import softmax
from envs.networks.oracle import NetworkOracle, joint_states

LINE = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))


def drawn(n, seed=0, gamma=0.8):
    """Any transition at all, not the voter network's: chances that depend on the whole joint state."""
    rng = np.random.default_rng(seed)
    hops = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    oracle = NetworkOracle(rng.uniform(size=(n, 2**n, 2)), rng.uniform(size=n), gamma, hops)
    return oracle, softmax(rng.normal(size=(n, 2, 2))), rng.normal(size=(n, 2, 2))


def product(ones, bits):
    return np.prod(np.where(bits, ones, 1 - ones), axis=-1)


def plain(oracle, pi, reward):
    """Occupancy of joint states and joint Q [n, 2^n, 2^n], written out with numpy."""
    n, bits = oracle.agents, joint_states(oracle.agents)
    moves = np.array([[product(oracle.chance[range(n), s, a], bits) for a in bits] for s in range(2**n)])
    policy = np.array([[np.prod(pi[range(n), s, a]) for a in bits] for s in bits])
    chain = np.einsum("sa,sat->st", policy, moves)
    visits = np.linalg.solve(np.eye(2**n) - oracle.gamma * chain.T, oracle.start)
    own = np.array([reward[i][bits[:, i]][:, bits[:, i]] for i in range(n)])
    expected = np.einsum("sa,isa->is", policy, own)
    value = np.linalg.solve(np.eye(2**n) - oracle.gamma * chain, expected.T).T
    return (1 - oracle.gamma) * visits, own + oracle.gamma * np.einsum("sat,it->isa", moves, value), policy


def test_joint_states_count_agent_0_fastest():
    assert joint_states(3)[:5].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_one_agent_by_hand():
    """Action a leads to state a: under the even policy half of the time in state 1 from t = 1 on; Q by one line."""
    chance = np.array([[[0.0, 1.0], [0.0, 1.0]]])
    oracle = NetworkOracle(chance, np.zeros(1), 0.5, np.zeros((1, 1)))
    even, reward = np.full((1, 2, 2), 0.5), np.array([[[0.0, 0.0], [1.0, 1.0]]])
    np.testing.assert_allclose(oracle.occupancy(even), [[[0.375, 0.375], [0.125, 0.125]]], rtol=1e-15)
    # V(0) = .5, V(1) = 1.5: half a visit to state 1 at every later step, .5 + .25 + .125 ...
    np.testing.assert_allclose(oracle.q(even, reward), [[[0.25, 0.75], [1.25, 1.75]]], rtol=1e-15)
    # half a point more for action 1, times pi (1 - pi) and the visits 1.5 and .5
    half = [[[-0.1875, 0.1875], [-0.0625, 0.0625]]]
    np.testing.assert_allclose(oracle.gradient(even, reward), half, rtol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_occupancy_and_q_are_those_of_plain_numpy(n):
    oracle, pi, reward = drawn(n, seed=n)
    distribution, q, _ = plain(oracle, pi, reward)
    np.testing.assert_allclose(oracle.state_distribution(pi), distribution, rtol=0, atol=1e-13)
    np.testing.assert_allclose(oracle.q(pi, reward), q, rtol=0, atol=1e-12)
    x = oracle.occupancy(pi)
    np.testing.assert_allclose(x.sum(axis=(1, 2)), 1, rtol=1e-13)
    np.testing.assert_allclose(x[:, 1].sum(axis=1), distribution @ joint_states(n), rtol=1e-12)


def test_the_gradient_is_that_of_the_return():
    """For linear utilities F = (1/n) sum_i <lambda_i, r_i>; each part df_i / d theta_j by central differences."""
    oracle, _, reward = drawn(3)
    theta, step = np.random.default_rng(5).normal(size=(3, 2, 2)), 1e-3

    def returns(at):
        return (oracle.occupancy(softmax(at)) * reward).sum(axis=(1, 2)) / (1 - oracle.gamma)

    found = oracle.gradients(softmax(theta), oracle.q(softmax(theta), reward))
    for entry in np.ndindex(theta.shape):
        unit = np.zeros(theta.shape)
        unit[entry] = step
        one, two = returns(theta + unit) - returns(theta - unit), returns(theta + 2 * unit) - returns(theta - 2 * unit)
        np.testing.assert_allclose(found[(slice(None), *entry)], (8 * one - two) / (12 * step), rtol=0, atol=1e-9)
    np.testing.assert_allclose(oracle.gradient(softmax(theta), reward), found.mean(axis=0), rtol=0, atol=1e-14)


def test_a_truncated_gradient_leaves_out_who_is_far():
    oracle, pi, reward = drawn(3)
    parts = oracle.gradients(pi, oracle.q(pi, reward))
    near = LINE <= 1
    expected = np.einsum("ij,ijsa->jsa", near, parts) / 3
    np.testing.assert_allclose(oracle.gradient(pi, reward, 1), expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(oracle.gradient(pi, reward, 2), oracle.gradient(pi, reward))


@pytest.mark.parametrize("kappa", [0, 1, 2])
def test_spans_by_force(kappa):
    """Every pair of joint (state, action) that agree within kappa hops."""
    oracle, pi, reward = drawn(3)
    q, bits = oracle.q(pi, reward), joint_states(3)
    expected = np.zeros(3)
    for i in range(3):
        near = kappa >= LINE[i]
        places = list(itertools.product(range(8), range(8)))
        for (s, a), (t, b) in itertools.product(places, places):
            if (bits[s][near] == bits[t][near]).all() and (bits[a][near] == bits[b][near]).all():
                expected[i] = max(expected[i], q[i, s, a] - q[i, t, b])
    np.testing.assert_array_equal(oracle.q_span(q, kappa), expected)


def test_a_local_q_is_a_conditional_mean():
    """One cell written out: agent 0 knows itself and agent 1, agent 2 is averaged over."""
    oracle, pi, reward = drawn(3)
    distribution, q, policy = plain(oracle, pi, reward)
    weight = distribution[:, None] * policy
    local = oracle.local_q(pi, oracle.q(pi, reward), 1)
    cell = (np.array([[2], [6]]), np.array([1, 5]))  # s = (0, 1, *), a = (1, 0, *)
    expected = (weight[cell] * q[0][cell]).sum() / weight[cell].sum()
    np.testing.assert_allclose(local[0][cell], expected, rtol=1e-13)
    np.testing.assert_allclose(oracle.local_q(pi, q, 2), q, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_tower_identity(seed):
    """Occupancy-weighted local Q give each agent exactly the gradients of the utilities within kappa hops of it.

    However the agents influence each other: agent j's score is a function of what i sees of it.
    """
    oracle, pi, reward = drawn(4, seed)
    q = oracle.q(pi, reward)
    for kappa in range(4):
        local = oracle.heard(oracle.gradients(pi, oracle.local_q(pi, q, kappa)), kappa)
        np.testing.assert_allclose(local, oracle.gradient(pi, reward, kappa), rtol=0, atol=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="1 to 8 agents, got 9"):
        NetworkOracle(np.zeros((9, 512, 2)), np.zeros(9), 0.9, np.zeros((9, 9)))
    with pytest.raises(ValueError, match=r"chance must have shape \(2, 4, 2\), got \(2, 3, 2\)"):
        NetworkOracle(np.zeros((2, 3, 2)), np.zeros(2), 0.9, np.zeros((2, 2)))
    oracle, pi, reward = drawn(2)
    with pytest.raises(ValueError, match="kappa must be 0 or more hops, got -1"):
        oracle.q_span(oracle.q(pi, reward), -1)
