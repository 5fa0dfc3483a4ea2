"""Landmarks: the process by hand, exact returns against Monte Carlo and brute force, what blocks hold."""

from functools import cache

import numpy as np
import pytest

from envs.grids.base import DOWN, LEFT, MOST_BYTES, RIGHT, STAY, STEPS, UP
from envs.grids.landmarks import CopiesPlay, Landmarks


def problem(agents=2, **parameters):
    return Landmarks(Landmarks.Parameters(**parameters), agents, 0)


def number(x, y, gx, gy, size=5):
    return ((x * size + y) * size + gx) * size + gy


def plain_moves(state, action, size, slip):
    """[(chance, state after)] written out from the rules."""
    x, y, gx, gy = state
    outcomes = []
    for move, (right, down) in enumerate(STEPS):
        chance = (1 - slip) * (move == action) + slip / 5
        cell = min(max(x + right, 0), size - 1), min(max(y + down, 0), size - 1)
        outcomes.append((chance, (*cell, gx, gy)))
    return outcomes


def plain_return(size, slip, step_cost, limit, act=None):
    """Mean return over all starts by plain recursion; ``act(state)`` None: the best action."""

    @cache
    def value(state, left):
        if left == 0 or state[:2] == state[2:]:
            return 0.0
        options = range(5) if act is None else [act(state)]
        return max(
            sum(
                p * ((1.0 if s[:2] == s[2:] else -step_cost) + value(s, left - 1))
                for p, s in plain_moves(state, a, size, slip)
                if p
            )
            for a in options
        )

    cells = range(size)
    starts = [(a, b, c, d) for a in cells for b in cells for c in cells for d in cells if (a, b) != (c, d)]
    return sum(value(state, limit) for state in starts) / len(starts)


def test_single_steps_by_hand():
    block = problem().block(range(2))
    moves = {STAY: (0, 2), UP: (0, 1), RIGHT: (1, 2), DOWN: (0, 3), LEFT: (0, 2)}  # a wall on the left
    for action, (x, y) in moves.items():
        assert block.successor[number(0, 2, 4, 4), action].tolist() == [number(x, y, 4, 4)]
        assert block.reward[0, number(0, 2, 4, 4), action] == -0.01
    assert block.successor[number(3, 4, 4, 4), RIGHT].tolist() == [number(4, 4, 4, 4)]
    assert block.reward[0, number(3, 4, 4, 4)].tolist() == [-0.01, -0.01, 1.0, -0.01, -0.01]
    there = number(4, 4, 4, 4)
    assert block.terminal[there]
    assert block.terminal.sum() == 25
    assert (block.successor[there] == there).all()
    assert not block.reward[0, there].any()
    assert len(block.starts) == 600
    assert not block.terminal[block.starts].any()


def test_slip_by_hand():
    """Chance 0.2 of a uniform move: from next to the landmark the right move arrives with 0.84, any other with 0.04."""
    block = problem(slip=0.2).block(range(2))
    f = number(3, 4, 4, 4)
    np.testing.assert_allclose(block.reward[0, f], np.where(np.arange(5) == RIGHT, 0.84 * 1.01, 0.04 * 1.01) - 0.01)
    assert block.successor[f, STAY].tolist() == [f, number(3, 3, 4, 4), number(4, 4, 4, 4), f, number(2, 4, 4, 4)]
    mass = block.probability[f, RIGHT].copy()
    np.add.at(mass, block.alias[f, RIGHT], 1 - block.probability[f, RIGHT])
    np.testing.assert_allclose(mass / 5, [0.04, 0.04, 0.84, 0.04, 0.04], atol=1e-15)


def test_what_types_see():
    given = problem(6, size=3)
    assert given.type_of.tolist() == [0, 1, 2, 3, 0, 1]
    assert [seen.tolist() for seen in given.seen] == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert (given.types, given.dimension, given.states, given.actions) == (4, 4, 27, 5)
    observed = given.block(range(6)).observed
    for kind, (seen, coordinates) in enumerate(zip(given.seen, given.coordinates)):
        assert coordinates.shape == (27, 3)
        np.testing.assert_array_equal(coordinates[observed[kind]], given.cells[:, seen] + 1)
    assert observed[:, number(2, 1, 0, 2, 3)].tolist() == [9 + 0 + 2, 18 + 0 + 2, 18 + 3 + 2, 18 + 3 + 0]
    assert problem(2).types == 2


@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_best_return_by_brute_force(slip):
    given = problem(size=3, slip=slip, step_cost=0.1, limit=5)
    assert given.best_return == pytest.approx(plain_return(3, slip, 0.1, 5), abs=1e-13)


def test_best_return_is_that_of_shortest_paths():
    """Mean of 1 - 0.01 (d - 1) over pairs of cells; E d = 2 (5^2 - 1) / 15 * 25 / 24 for two distinct ones."""
    assert problem().best_return == pytest.approx(1.01 - 0.01 * (2 * 24 / 15) * 25 / 24, abs=1e-13)


@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_returns_by_brute_force(slip):
    given = problem(4, size=3, slip=slip, step_cost=0.1, limit=7)
    tables = np.random.default_rng(0).normal(size=(4, 27, 5))
    observed = given.block(range(4)).observed
    for agent, exact in enumerate(given.returns(tables)):
        best = tables[agent].argmax(axis=1)
        expected = plain_return(
            3, slip, 0.1, 7, lambda s, row=observed[agent], best=best: int(best[row[number(*s, size=3)]])
        )
        assert exact == pytest.approx(expected, abs=1e-13)
        assert exact < given.best_return


def test_returns_by_monte_carlo():
    """3000 episodes of an agent's face, greedy in its table: within 4 standard errors."""
    given = problem(3, size=3, slip=0.4, limit=12)
    tables = np.random.default_rng(1).normal(size=(3, 27, 5))
    for agent in (0, 2):
        env, returns = given.gym(agent), []
        row, _ = env.reset(seed=agent)
        for _ in range(3000):
            total, over = 0.0, False
            while not over:
                row, reward, terminated, truncated, _ = env.step(tables[agent, row].argmax())
                total, over = total + float(reward), terminated or truncated
            returns.append(total)
            row, _ = env.reset()
        error = np.std(returns) / np.sqrt(len(returns))
        assert abs(np.mean(returns) - given.returns(tables)[agent]) < 4 * error
        assert 0 < error < 0.02


def test_samples_agree_with_the_tables():
    """Successors and mean rewards of steps of the face, state by state."""
    given = problem(size=2, slip=0.5)
    block, play = given.block(range(1)), given.gym(0).play
    assert isinstance(play, CopiesPlay)
    rng, counts = np.random.default_rng(0), np.zeros((16, 5, 16))
    paid = np.zeros((16, 5))
    play.start(rng)
    for action in rng.integers(5, size=40_000):
        before = play.state[0]
        rewards, ended, cut = play.step(np.array([action]))
        counts[before, action, play.state[0]] += 1
        paid[before, action] += rewards[0]
        if ended[0] or cut[0]:
            play.start(rng)
    visits = counts.sum(axis=2)[block.starts]
    expected = np.zeros((16, 5, 16))
    for w in range(5):
        np.add.at(expected, (*np.indices((16, 5)), block.successor[:, :, w]), given.chance[:, w])
    assert visits.min() > 300
    error = 5 * np.sqrt(0.25 / visits)
    assert (np.abs(counts[block.starts] / visits[..., None] - expected[block.starts]) < error[..., None]).all()
    assert not counts[expected == 0].any()
    assert (np.abs(paid[block.starts] / visits - block.reward[0, block.starts]) < 1.01 * error).all()


def test_a_slice_of_agents_is_a_slice_of_the_block():
    given = problem(7, size=3)
    part, full = given.block(range(2, 5)), given.block(range(7))
    assert part.type_of.tolist() == full.type_of[2:5].tolist() == [2, 3, 0]
    assert len(part.reward_of) == 3
    np.testing.assert_array_equal(part.successor, full.successor)
    assert full.successor.shape == full.alias.shape == full.probability.shape == (81, 5, 1)
    assert (full.limit, full.gamma, full.noise) == (50, 0.99, 0)
    for name in ("probability", "reward"):
        assert getattr(full, name).dtype == np.float64
    for name in ("alias", "successor", "reward_of", "observed", "type_of", "starts"):
        assert getattr(full, name).dtype == np.int64
        assert getattr(full, name).flags.c_contiguous
    held = sum(array.nbytes for array in vars(full).values() if isinstance(array, np.ndarray))
    assert held < given.memory < held + 8 * 7 * 27 * 5 + 8 * 4 * 27 * 3 + 1000


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"size=200 with 2 agents needs .*e\+1.* bytes .* at most 4e\+09"):
        problem(size=200)
    assert problem(size=60).memory < MOST_BYTES
    with pytest.raises(ValueError, match="agents must be at least 1, got 0"):
        problem(0)
    with pytest.raises(ValueError, match=r"members must be consecutive agents in 0\.\.1"):
        problem().block(range(1, 3))
    with pytest.raises(ValueError, match=r"tables must have the shape \(2, 125, 5\)"):
        problem().returns(np.zeros((2, 5, 125)))
    with pytest.raises(ValueError, match=r"agent must be in 0\.\.1, got 2"):
        problem().gym(2)
    for bad in ({"size": 1}, {"slip": 1.5}, {"limit": 0}, {"gamma": 1}, {"step_cost": -1}, {"length": 5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            Landmarks.Parameters.model_validate(bad)


def test_ties_and_optimum():
    """Equal values: the lowest action, staying, so that no agent arrives."""
    assert problem().returns(np.zeros((2, 125, 5))) == pytest.approx([-0.5, -0.5], abs=1e-13)
    assert Landmarks.Parameters.optimum_known is False
    assert "optimum_known" not in Landmarks.Parameters.model_fields
