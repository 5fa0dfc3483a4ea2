"""Navigation: goals, exact returns against full enumeration, joint dynamic programming and Monte Carlo."""

from functools import cache
from itertools import product

import numpy as np
import pytest

from envs.grids.navigation import Navigation, greedy_walks
from envs.grids.team_kernels import observe_team, step_team


def problem(agents=2, instance=0, **parameters):
    return Navigation(Navigation.Parameters(**parameters), agents, instance)


def all_starts(given):
    """Every state in which an episode begins."""
    size = given.parameters.size
    cells = [(x, y) for x in range(size) for y in range(size)]
    off = [[cell for cell in cells if cell != tuple(goal)] for goal in given.goals.tolist()]
    return np.array([[0, *(c for cell in placed for c in cell)] for placed in product(*off)])


def near_tables(given, spoil, seed=0):
    """Tables with the actions of shortest paths, a share ``spoil`` of the rows at random."""
    rng = np.random.default_rng(seed)
    size, goals = given.parameters.size, given.goals
    tables = rng.normal(size=(given.agents, given.states, 5))
    world = given.world()
    for x, y in product(range(size), repeat=2):
        rows = np.empty(given.agents, np.int64)
        observe_team(world, np.array([[0, *((x, y) * given.agents)]]), 0, rows)
        for agent, (gx, gy) in enumerate(goals.tolist()):
            action = 2 if gx > x else 4 if gx < x else 1 if gy < y else 3
            if rng.random() >= spoil:
                tables[agent, rows[agent], action] = 10
    return tables


def test_goals():
    """Distinct where there are cells enough; an agent's goal does not depend on the number of agents."""
    assert len({tuple(goal) for goal in problem(25).goals.tolist()}) == 25
    np.testing.assert_array_equal(problem(25).goals[:4], problem(4).goals)
    np.testing.assert_array_equal(problem(30).goals[25:], problem(30).goals[:5])
    assert len({problem(2, instance).goals.tobytes() for instance in range(6)}) > 3
    assert problem(30).goals.max() == 4
    assert problem(30).goals.min() == 0


def test_shapes():
    given = problem(6, size=3)
    assert (given.states, given.actions, given.types, given.dimension, given.width) == (27, 5, 4, 4, 13)
    assert given.type_of.tolist() == [0, 1, 2, 3, 0, 1]
    assert [seen.tolist() for seen in given.seen] == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert [c.shape for c in given.coordinates] == [(27, 3)] * 4
    assert (given.coordinates[0].min(), given.coordinates[0].max()) == (1, 3)
    assert given.kind == "team-grid"


def test_rows_and_coordinates_agree():
    given = problem(5, size=4)
    for state in all_starts(problem(1, size=4)):
        rows = np.empty(5, np.int64)
        observe_team(given.world(), np.array([[0, *(list(state[1:]) * 5)]]), 0, rows)
        for agent in range(5):
            whole = np.array([*state[1:], *given.goals[agent]])
            kind = given.type_of[agent]
            np.testing.assert_array_equal(given.coordinates[kind][rows[agent]], whole[given.seen[kind]] + 1)


@pytest.mark.parametrize(("agents", "spoil"), [(1, 0.3), (2, 0.0), (2, 0.4), (3, 0.3), (2, 1.0)])
def test_returns_by_enumeration(agents, spoil):
    """The mean over all joint starts, each played with the kernels."""
    given = problem(agents, size=3, step_cost=0.07, limit=6)
    tables, world = near_tables(given, spoil), given.world()
    state, total = all_starts(given), 0.0
    rows = np.empty(agents, np.int64)
    for i in range(len(state)):
        done = cut = False
        while not (done or cut):
            observe_team(world, state, i, rows)
            reward, done, cut = step_team(world, state, i, tables[np.arange(agents), rows].argmax(axis=1))
            total += reward
    np.testing.assert_allclose(given.returns(tables), np.full(agents, total / len(state)), atol=1e-13)


@pytest.mark.parametrize(("size", "limit", "step_cost"), [(2, 4, 0.1), (3, 3, 0.3), (3, 5, 0.01)])
def test_best_return_by_joint_dynamic_programming(size, limit, step_cost):
    given = problem(2, size=size, limit=limit, step_cost=step_cost)
    world, joint = given.world(), [np.array(actions) for actions in product(range(5), repeat=2)]

    @cache
    def value(state):
        best = -np.inf
        for actions in joint:
            after = np.array([state])
            reward, done, cut = step_team(world, after, 0, actions)
            best = max(best, reward + (0.0 if done or cut else value(tuple(after[0].tolist()))))
        return best

    starts = [tuple(state) for state in all_starts(given).tolist()]
    assert given.best_return == pytest.approx(sum(map(value, starts)) / len(starts), abs=1e-13)


def test_who_sees_its_cell_can_walk_straight():
    """Types 2 and 3 lack a coordinate of the goal, which never moves; 0 and 1 lack their own and cannot be optimal."""
    given = problem(4, size=4)
    walks = greedy_walks(given.choices(near_tables(given, 0.0)), 4, given.goals, 50)
    y, x = np.divmod(np.arange(16), 4)
    straight = np.abs(x - given.goals[:, :1]) + np.abs(y - given.goals[:, 1:])
    np.testing.assert_array_equal(walks[2:], straight[2:])
    assert (walks >= straight).all()
    assert (walks[:2] > straight[:2]).any(axis=1).all()
    assert given.returns(near_tables(given, 0.0))[0] < given.best_return


def test_returns_by_monte_carlo():
    """4000 episodes of the PettingZoo face, greedy in the tables: within 4 standard errors."""
    given = problem(2, size=3, limit=8)
    tables, env, returns = near_tables(given, 0.4), given.parallel(), []
    rows, _ = env.reset(seed=0)
    for _ in range(4000):
        total = 0.0
        while env.agents:
            actions = {name: tables[i, rows[name]].argmax() for i, name in enumerate(env.agents)}
            rows, rewards, _, _, _ = env.step(actions)
            assert rewards["agent_0"] == rewards["agent_1"]
            total += rewards["agent_0"]
        returns.append(total)
        rows, _ = env.reset()
    error = np.std(returns) / np.sqrt(len(returns))
    assert 0 < error < 0.02
    assert abs(np.mean(returns) - given.returns(tables)[0]) < 4 * error


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"size=300 with 10 agents needs .* bytes"):
        problem(10, size=300)
    with pytest.raises(ValueError, match="agents must be at least 1, got 0"):
        problem(0)
    with pytest.raises(ValueError, match=r"tables must have the shape \(2, 125, 5\)"):
        problem().returns(np.zeros((125, 5)))
    for bad in ({"size": 1}, {"step_cost": float("nan")}, {"limit": 0}, {"gamma": -0.1}, {"slip": 0.1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            Navigation.Parameters.model_validate(bad)
