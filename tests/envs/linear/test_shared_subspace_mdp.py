"""The control problem: its optimal values, its exact gain gap and its blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.linear.shared_subspace_mdp import SharedSubspaceMDP


def problem(agents=4, instance=0, **parameters):
    return SharedSubspaceMDP(SharedSubspaceMDP.Parameters(**parameters), agents, instance)


@pytest.mark.parametrize("parameters", [{}, {"heads": "gaussian", "common_kernel": 0.4}, {"processes": 2}])
def test_optimality_equation(parameters):
    """J + Q* = r + P max_a' Q*, and Q* = Phi B* w*."""
    given = problem(**parameters)
    best = given.action_values.max(axis=2)
    ahead = np.einsum("psat,pt->psa", given.transition, best)
    gains = given.gains[: given.process_count, None, None]
    np.testing.assert_allclose(gains + given.action_values, given.reward + ahead, atol=1e-12)
    q = np.einsum("saf,fr,nr->nsa", given.phi, given.basis, given.heads)
    np.testing.assert_allclose(q, given.action_values[given.process_of], atol=1e-13)


def test_optimal_by_relative_value_iteration():
    """Value iteration that knows nothing of Q* finds the same gain and, up to a constant, the same values."""
    given = problem()
    for p in range(4):
        values = np.zeros(given.states)
        for _ in range(2000):
            swept = (given.reward[p] + given.transition[p] @ values).max(axis=1)
            gain, values = swept[0] - values[0], swept - swept[0]
        q = given.reward[p] + given.transition[p] @ values - gain
        assert gain == pytest.approx(given.gains[p], abs=1e-11)
        shift = q - given.action_values[p]
        np.testing.assert_allclose(shift, shift[0, 0], atol=1e-10)


def test_gain_gap_vanishes_at_the_truth_only():
    given = problem(8)
    errors = given.errors(given.basis, given.heads, given.gains)
    assert set(errors) == set(given.metrics)
    assert all(abs(error) < 1e-10 for error in errors.values())
    perturbed = given.theta + np.random.default_rng(3).normal(size=given.theta.shape)
    assert given.errors_theta(perturbed, given.gains)["gain_gap"] > 0.05
    assert given.errors(given.basis, -given.heads, given.gains)["gain_gap"] > 0.2
    for seed in range(20):
        wild = np.random.default_rng(seed).normal(size=given.theta.shape)
        assert given.errors_theta(wild)["gain_gap"] > -1e-12


def test_gain_gap_is_the_gain_of_the_greedy_policy():
    """Against a linear solve of mu P = mu for the policy that numpy's argmax picks."""
    given = problem(4)
    theta = np.random.default_rng(0).normal(size=given.theta.shape)
    gaps = []
    for i in range(4):
        choice = (given.phi @ theta[i]).argmax(axis=1)
        chain = given.transition[i, np.arange(given.states), choice]
        pay = given.reward[i, np.arange(given.states), choice]
        mu = np.linalg.solve(np.eye(given.states) - chain.T + 1, np.ones(given.states))
        gaps.append(given.gains[i] - mu @ pay)
    assert given.errors_theta(theta)["gain_gap"] == pytest.approx(np.mean(gaps), abs=1e-12)


def test_features_and_heads():
    """Columns centred over state-action pairs, longest row 1, heads +-2 sqrt(2) e_k."""
    given = problem()
    np.testing.assert_allclose(given.phi.mean(axis=(0, 1)), 0, atol=1e-16)
    assert np.linalg.norm(given.phi, axis=2).max() == pytest.approx(1, abs=1e-15)
    c = 2 * np.sqrt(2)
    np.testing.assert_allclose(given.heads, [[c, 0], [0, c], [-c, 0], [0, -c]], atol=1e-14)


@settings(max_examples=15, deadline=None)
@given(bounds=st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted), processes=st.sampled_from([0, 4]))
def test_a_slice_of_agents_is_a_slice_of_the_block(bounds, processes):
    given = problem(12, processes=processes)
    members = range(*bounds)
    part, full = given.block(members), given.block(range(12))
    rows = full.process[members.start : members.stop]
    for name in ("probability", "alias", "reward"):
        np.testing.assert_array_equal(getattr(part, name)[part.process], getattr(full, name)[rows])
    assert part.probability.shape[1:] == (15, 3, 15)
    assert part.phi.shape == (15, 3, 20)


def test_alias_tables_hold_the_kernels():
    given = problem(2)
    block = given.block(range(2))
    mass = block.probability.copy()
    for index in np.ndindex(2, 15, 3):
        np.add.at(mass[index], block.alias[index], 1 - block.probability[index])
    np.testing.assert_allclose(mass / 15, given.transition, atol=1e-15)


@pytest.mark.parametrize(
    ("agents", "parameters", "says"),
    [
        (1, {}, "rank must be at most the number of distinct processes (1)"),
        (3, {}, "multiple of rank (2), got 3"),
        (4, {"states": 5, "features": 15}, "features must be at most 14"),
        (4, {"rank": 21, "heads": "gaussian"}, "rank must be at most 20"),
    ],
)
def test_what_does_not_fit_is_named(agents, parameters, says):
    with pytest.raises(ValueError) as error:
        problem(agents, **parameters)
    assert says in str(error.value)
