"""Joint steps of the team grids by hand and where episodes begin."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from envs.grids.base import DOWN, LEFT, RIGHT, STAY, UP
from envs.grids.team_kernels import BLOCKER, NAVIGATION, TeamWorld, observe_team, start_team, step_team

TEAM = TeamWorld(NAVIGATION, 3, 3, np.array([[2, 0], [0, 2]]), 50, 0.25)
GRID = TeamWorld(BLOCKER, 4, 7, np.zeros((3, 2), np.int64), 50, 0.0)


def step(world, state, *actions):
    """(state after, reward, done, cut)."""
    after = np.array([state], np.int64)
    outcome = step_team(world, after, 0, np.array(actions))
    return after[0].tolist(), *outcome


def streams(count):
    return np.random.default_rng(0).integers(0, 2**64, size=(count, 4), dtype=np.uint64)


def fresh_states(world, count):
    state = np.full((count, world.width), -1)
    rng = streams(count)
    for i in range(count):
        start_team(world, state, rng, i)
    return state


@pytest.mark.parametrize(
    ("before", "actions", "after", "outcome"),
    [
        ([4, 0, 0, 1, 1], (RIGHT, DOWN), [5, 1, 0, 1, 2], (-0.25, False, False)),
        ([0, 0, 0, 2, 2], (UP, RIGHT), [1, 0, 0, 2, 2], (-0.25, False, False)),  # walls
        ([0, 0, 0, 0, 0], (LEFT, STAY), [1, 0, 0, 0, 0], (-0.25, False, False)),  # agents may share a cell
        ([0, 1, 0, 1, 1], (RIGHT, DOWN), [1, 2, 0, 1, 2], (0.25, False, False)),  # one arrives: 1/2 - 1/4
        ([0, 2, 0, 1, 1], (LEFT, LEFT), [1, 2, 0, 0, 1], (-0.25, False, False)),  # who has arrived stays
        ([0, 2, 0, 1, 2], (STAY, LEFT), [1, 2, 0, 0, 2], (0.25, True, False)),
        ([0, 1, 0, 1, 2], (RIGHT, LEFT), [1, 2, 0, 0, 2], (0.75, True, False)),  # both at once
        ([49, 0, 0, 1, 1], (RIGHT, STAY), [50, 1, 0, 1, 1], (-0.25, False, True)),  # the limit
        ([49, 1, 0, 0, 2], (RIGHT, STAY), [50, 2, 0, 0, 2], (0.25, True, False)),  # an end, not a cut
    ],
)
def test_navigation_by_hand(before, actions, after, outcome):
    assert step(TEAM, before, *actions) == (after, *outcome)


@pytest.mark.parametrize(
    ("before", "actions", "after", "outcome"),
    [
        # agents at columns 0, 3, 6 go down; the nearest to each blocker is 2 columns away, of equals the lower index
        ([0, 0, 0, 3, 0, 6, 0, 1, 5], (DOWN, DOWN, DOWN), [1, 0, 1, 3, 1, 6, 1, 0, 6], (-1, False, False)),
        # into each other: 0 is held up by 1, which has not moved yet; 1 then leaves; 2 may enter what 1 left
        ([0, 0, 0, 1, 0, 2, 0, 1, 5], (RIGHT, DOWN, LEFT), [1, 0, 0, 1, 1, 1, 0, 1, 4], (-1, False, False)),
        # 0 leaves first, so 1 enters its cell
        ([0, 1, 0, 0, 0, 6, 0, 1, 5], (RIGHT, RIGHT, STAY), [1, 2, 0, 1, 0, 6, 0, 1, 6], (-1, False, False)),
        # a blocker's cell is closed; it stays above its agent
        ([0, 1, 1, 4, 0, 6, 0, 1, 5], (DOWN, STAY, STAY), [1, 1, 1, 4, 0, 6, 0, 1, 4], (-1, False, False)),
        # past the blockers: agent 1 enters the third row; a blocker does not enter its cell
        ([0, 0, 0, 2, 1, 6, 0, 1, 5], (STAY, DOWN, STAY), [1, 0, 0, 2, 2, 6, 0, 1, 4], (-1, False, False)),
        # the bottom row ends it before the blockers move
        ([7, 0, 0, 2, 2, 6, 0, 1, 5], (RIGHT, DOWN, LEFT), [8, 1, 0, 2, 3, 5, 0, 1, 5], (1, True, False)),
        # a blocker stays in its half: the nearest agent of the left one is in column 5
        ([0, 5, 1, 6, 0, 6, 1, 3, 5], (STAY, STAY, STAY), [1, 5, 1, 6, 0, 6, 1, 3, 5], (-1, False, False)),
        # from the third row sideways into a blocker: stays put; the blocker is next to it and stays, too
        ([0, 2, 2, 0, 0, 6, 0, 1, 5], (LEFT, STAY, STAY), [1, 2, 2, 0, 0, 6, 0, 1, 4], (-1, False, False)),
        ([49, 0, 0, 3, 0, 6, 0, 1, 5], (STAY, STAY, STAY), [50, 0, 0, 3, 0, 6, 0, 0, 6], (-1, False, True)),
        ([49, 0, 2, 3, 0, 6, 0, 1, 5], (DOWN, STAY, STAY), [50, 0, 3, 3, 0, 6, 0, 1, 5], (1, True, False)),
    ],
)
def test_blocker_by_hand(before, actions, after, outcome):
    assert step(GRID, before, *actions) == (after, *outcome)


def test_rows_by_hand():
    """Mixed radix of what is seen: navigation (y, gx, gy) and (x, gx, gy), blocker without the next agent's row."""
    rows = np.empty(2, np.int64)
    observe_team(TEAM, np.array([[0, 1, 2, 2, 1]]), 0, rows)
    assert rows.tolist() == [2 * 9 + 2 * 3 + 0, 2 * 9 + 0 * 3 + 2]
    rows = np.empty(3, np.int64)
    observe_team(GRID, np.array([[9, 6, 3, 5, 2, 4, 1, 0, 4]]), 0, rows)
    x0, y0, x1, y1, x2, y2 = 6, 3, 5, 2, 4, 1
    assert rows.tolist() == [
        (((x0 * 4 + y0) * 7 + x1) * 7 + x2) * 4 + y2,
        (((x0 * 4 + y0) * 7 + x1) * 4 + y1) * 7 + x2,
        (((x0 * 7) + x1) * 4 + y1) * 28 + x2 * 4 + y2,
    ]


def test_teams_start_anywhere_but_on_their_goals():
    state = fresh_states(TEAM, 8000)
    assert not state[:, 0].any()
    for agent, (x, y) in enumerate(TEAM.goals.tolist()):
        counts = Counter(map(tuple, state[:, 1 + 2 * agent : 3 + 2 * agent].tolist()))
        assert set(counts) == {(a, b) for a in range(3) for b in range(3)} - {(x, y)}
        assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_every_placement_of_the_blocker_is_equally_likely():
    state = fresh_states(GRID, 21_000)
    assert not state[:, [0, 2, 4, 6]].any()
    assert (state[:, 7:] == [1, 5]).all()
    counts = Counter(map(tuple, state[:, [1, 3, 5]].tolist()))
    assert set(counts) == set(permutations(range(7), 3))
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize(("columns", "middles"), [(3, [0, 2]), (6, [1, 4]), (8, [1, 5]), (9, [2, 6])])
def test_blockers_start_in_the_middle_of_their_halves(columns, middles):
    world = TeamWorld(BLOCKER, 4, columns, np.zeros((3, 2), np.int64), 50, 0.0)
    assert fresh_states(world, 1)[0, 7:].tolist() == middles


@pytest.mark.parametrize("world", [TEAM, GRID], ids=["navigation", "blocker"])
def test_what_always_holds(world):
    """Random play: cells on the grid, the clock counts, the blocker's agents and blockers never share a cell."""
    rng, state = np.random.default_rng(1), fresh_states(world, 40)
    agents = len(world.goals)
    for i in range(len(state)):
        for clock in range(1, 51):
            before = state[i].copy()
            _, done, cut = step_team(world, state, i, rng.integers(5, size=agents))
            cells = state[i, 1 : 1 + 2 * agents].reshape(-1, 2)
            assert state[i, 0] == clock
            assert (np.abs(state[i, 1:] - before[1:]).reshape(-1, 2)[:agents].sum(axis=1) <= 1).all()
            assert (cells >= 0).all()
            assert (cells < [world.columns, world.rows]).all()
            assert cut == (clock == 50 and not done)
            if world is GRID:
                left, right = state[i, 7:].tolist()
                assert 0 <= left <= 3 < right <= 6
                assert (np.abs(state[i, 7:] - before[7:]) <= 1).all()
                assert len({*map(tuple, cells.tolist()), (left, 2), (right, 2)}) == 5
            if done:
                break
