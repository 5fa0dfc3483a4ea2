"""Blocker: tables and coordinates, the best return by search, exact returns by Monte Carlo."""

from itertools import permutations, product

import numpy as np
import pytest

from envs.grids.blocker import Blocker
from envs.grids.team_kernels import observe_team, start_team, step_team

JOINT = [np.array(actions) for actions in product(range(5), repeat=3)]


def problem(agents=3, **parameters):
    return Blocker(Blocker.Parameters(**parameters), agents, 0)


def search(world, start):
    """Fewest steps from ``start`` to the bottom row by breadth-first search; None if the limit comes first."""
    seen, edge = {tuple(start[1:])}, [start]
    for steps in range(1, world.limit + 1):
        ahead = []
        for state in edge:
            for actions in JOINT:
                after = np.array([state])
                _, done, _ = step_team(world, after, 0, actions)
                if done:
                    return steps
                if tuple(after[0, 1:]) not in seen:
                    seen.add(tuple(after[0, 1:]))
                    ahead.append(after[0])
        edge = ahead
    return None


def test_shapes():
    given = problem()
    assert (given.states, given.actions, given.types, given.dimension, given.width) == (7**3 * 16, 5, 3, 6, 9)
    assert [seen.tolist() for seen in given.seen] == [[0, 1, 2, 4, 5], [0, 1, 2, 3, 4], [0, 2, 3, 4, 5]]
    assert given.type_of.tolist() == [0, 1, 2]
    assert given.kind == "team-grid"
    assert len(given.starts) == 210
    assert {tuple(state[[1, 3, 5]]) for state in given.starts} == set(permutations(range(7), 3))


def test_starts_are_those_of_the_kernel():
    for columns in (3, 4, 7, 8):
        given = problem(columns=columns)
        state, rng = np.empty((1, 9), np.int64), np.ones((1, 4), np.uint64)
        starts = set(map(tuple, given.starts.tolist()))
        for _ in range(50):
            start_team(given.world(), state, rng, 0)
            assert tuple(state[0].tolist()) in starts


def test_rows_and_coordinates_agree():
    given = problem(columns=5, rows=3)
    rng, rows = np.random.default_rng(0), np.empty(3, np.int64)
    for _ in range(200):
        cells = rng.integers([5, 3] * 3)
        observe_team(given.world(), np.array([[0, *cells, 1, 3]]), 0, rows)
        for agent in range(3):
            np.testing.assert_array_equal(given.coordinates[agent][rows[agent]], cells[given.seen[agent]] + 1)
    assert given.coordinates[0].shape == (5**3 * 9, 5)


@pytest.mark.parametrize(
    ("columns", "rows", "limit"), [(3, 3, 50), (4, 3, 50), (3, 4, 50), (3, 3, 2), (4, 3, 1), (5, 3, 4)]
)
def test_best_return_by_search(columns, rows, limit):
    given = problem(columns=columns, rows=rows, limit=limit)
    fewest = [search(given.world(), start) for start in given.starts]
    expected = np.mean([-limit if steps is None else 2 - steps for steps in fewest])
    assert given.best_return == pytest.approx(expected, abs=1e-13)


def test_best_return_of_the_default():
    """Three rows down are three steps at least, and the team always gets one agent through unhindered."""
    assert problem().best_return == -1.0
    assert problem(limit=2).best_return == -2.0


def test_returns_by_monte_carlo():
    """3000 episodes of the PettingZoo face, greedy in random tables that lean downwards: within 4 standard errors."""
    given = problem(limit=10)
    tables = np.random.default_rng(0).normal(size=(3, given.states, 5)) + np.array([0, 0, 0.5, 1, 0])
    exact, env, returns = given.returns(tables), given.parallel(), []
    rows, _ = env.reset(seed=0)
    for _ in range(3000):
        total = 0.0
        while env.agents:
            actions = {name: tables[i, rows[name]].argmax() for i, name in enumerate(env.agents)}
            rows, rewards, _, _, _ = env.step(actions)
            total += rewards["agent_0"]
        returns.append(total)
        rows, _ = env.reset()
    error = np.std(returns) / np.sqrt(len(returns))
    assert 0 < error < 0.1
    assert exact.shape == (3,)
    assert abs(np.mean(returns) - exact[0]) < 4 * error
    assert (exact == exact[0]).all()
    assert exact[0] < given.best_return


def test_returns_by_hand():
    """Who always stays never gets through. All straight down on 3 x 3 from the left, middle and right column: the
    blockers stand below two of them or come there, and the agent that is left over walks to the bottom."""
    assert problem().returns(np.zeros((3, 5488, 5))).tolist() == [-50.0] * 3
    given = problem(columns=3, rows=3, limit=9)
    down = np.zeros((3, given.states, 5))
    down[:, :, 3] = 1
    # blockers start in columns 0 and 2, so only the agent of column 1 enters the third row, and the bottom one after
    assert given.returns(down).tolist() == [0.0] * 3


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="agents must be 3 for the blocker, got 4"):
        problem(4)
    with pytest.raises(ValueError, match=r"columns=30 and rows=9 make \d+ joint states"):
        problem(columns=30, rows=9)
    with pytest.raises(ValueError, match=r"tables must have the shape \(3, 5488, 5\)"):
        problem().returns(np.zeros((3, 5488, 4)))
    for bad in ({"columns": 2}, {"rows": 2}, {"limit": 0}, {"gamma": 1.0}, {"size": 5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            Blocker.Parameters.model_validate(bad)
