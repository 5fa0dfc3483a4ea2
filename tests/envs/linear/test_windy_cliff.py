"""Windy cliff: the grid by hand, values by linear solve and by Monte Carlo, the shared basis."""

import numpy as np
import pytest

from envs.linear.windy_cliff import DOWN, LEFT, RIGHT, UP, WindyCliff


def problem(agents=8, instance=0, **parameters):
    return WindyCliff(WindyCliff.Parameters(**parameters), agents, instance)


def test_the_grid_by_hand():
    """4 x 4, cells row by row: walls, wind, and the way back to the start (cell 12)."""
    given = problem()
    grid, gust = given.grids(np.array([0]))[0], given.wind[0] / 3
    expected = np.zeros(16)
    expected[[6, 9]] = 1 - gust, gust
    np.testing.assert_allclose(grid[5, RIGHT], expected, atol=1e-15)
    assert grid[5, DOWN, 9] == pytest.approx(1)
    assert grid[0, UP, 0] == grid[0, LEFT, 0] == pytest.approx(1 - gust)
    assert grid[0, UP, 4] == pytest.approx(gust)
    assert grid[12, DOWN, 12] == pytest.approx(1)
    assert grid[12, RIGHT, 13] == pytest.approx(1 - gust)
    np.testing.assert_allclose(grid[13:, :, 12], 1)
    np.testing.assert_array_equal(given.cell_reward, [-1.0] * 13 + [-100, -100, 100])


def test_winds_differ_and_belong_to_the_process():
    given = problem(64)
    assert ((given.wind > 0) & (given.wind < 1)).all()
    assert given.wind.std() == pytest.approx(12**-0.5, abs=0.06)
    np.testing.assert_array_equal(problem(4).wind, given.wind[:4])
    np.testing.assert_array_equal(problem(8, processes=4).wind, np.tile(given.wind[:4], 2))


def test_values_and_stationary_distributions_by_linear_solve():
    given = problem()
    np.testing.assert_allclose(given.transition.sum(axis=2), 1, atol=1e-14)
    for p in range(8):
        expected = np.linalg.solve(np.eye(16) - 0.95 * given.transition[p], given.reward[p])
        np.testing.assert_allclose(given.values[p], expected, atol=1e-10)
        np.testing.assert_allclose(given.A[p] @ given.theta[p], given.b[p], atol=1e-11)
    np.testing.assert_allclose(
        np.einsum("ps,pst->pt", given.stationary, given.transition), given.stationary, atol=1e-15
    )


def test_the_policy_is_epsilon_greedy_on_optimal_values():
    """Policy evaluation of the greedy actions satisfies the optimality equation; the rest is spread evenly."""
    given = problem(epsilon=0.2)
    for agent in range(8):
        policy, grid = given.policy(agent), given.grids(np.array([agent]))[0]
        np.testing.assert_allclose(np.sort(policy, axis=1), np.tile([0.05, 0.05, 0.05, 0.85], (16, 1)))
        greedy = grid[np.arange(16), policy.argmax(axis=1)]
        values = np.linalg.solve(np.eye(16) - 0.95 * greedy, given.cell_reward)
        np.testing.assert_allclose(values, given.cell_reward + 0.95 * (grid @ values).max(axis=1), atol=1e-9)
        np.testing.assert_allclose(np.einsum("sa,sat->st", policy, grid), given.transition[agent], atol=1e-15)


def test_values_by_monte_carlo():
    """Discounted returns of 1500 paths of 150 steps through the face, acting by the policy: within 4 errors."""
    given = problem(2)
    env, policy = given.gym(1, horizon=150), np.cumsum(given.policy(1), axis=1)
    returns = []
    state, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(1500):
        assert state == given.start
        total, discount, truncated = 0.0, 1.0, False
        while not truncated:
            action = int((policy[state] <= rng.random()).sum())
            state, reward, _, truncated, _ = env.step(min(action, 3))
            total, discount = total + discount * float(reward), discount * 0.95
        returns.append(total)
        state, _ = env.reset()
    error = np.std(returns) / np.sqrt(len(returns))
    assert abs(np.mean(returns) - given.values[1, given.start]) < 4 * error + 0.95**150 * 2000
    assert error < 5


def test_basis_is_the_best_subspace():
    """No rank-2 subspace is nearer to the stacked values: what is left are the dropped singular values."""
    given = problem(16)
    left = given.theta - given.theta @ given.basis @ given.basis.T
    singular = np.linalg.svd(given.theta)[1]
    assert np.sum(left**2) == pytest.approx(np.sum(singular[2:] ** 2), rel=1e-9)
    assert given.errors(given.basis, given.heads)["subspace_error"] < 1e-28
    assert given.errors_theta(given.theta)["theta_error"] == 0
    np.testing.assert_allclose(given.basis.T @ given.basis, np.eye(2), atol=1e-14)
    full = problem(16, rank=16, reward_scale=0.01)
    assert full.errors(full.basis, full.heads)["value_error"] < 1e-20


def test_heads_are_td_optimal_for_the_basis():
    """The head's expected update vanishes at the truth although the values leave the subspace."""
    given = problem(8, reward_scale=0.01)
    update = given.expected_update(given.basis, given.heads)
    assert np.abs(update["heads"]).max() < 1e-13
    errors = given.errors(given.basis, given.heads)
    assert errors["value_error"] == pytest.approx(errors["value_error_best_head"], rel=1e-9)
    assert 0 < errors["value_error"] < 0.01


def test_a_slice_of_agents_is_a_slice_of_the_block():
    for processes in (0, 4):
        given = problem(8, processes=processes, instance=2)
        part, full = given.block(range(3, 7)), given.block(range(8))
        for name in ("probability", "alias", "reward"):
            np.testing.assert_array_equal(getattr(part, name)[part.process], getattr(full, name)[full.process[3:7]])
        assert (full.average, full.gamma) == (False, 0.95)


def test_reward_scale_scales_values():
    np.testing.assert_allclose(problem(reward_scale=0.01).values, problem().values / 100, rtol=1e-9)


def test_what_does_not_fit_is_named():
    with pytest.raises(
        ValueError, match=r"rank must be at most 4 \(the lesser of cells and distinct processes\), got 5"
    ):
        problem(4, rank=5)
