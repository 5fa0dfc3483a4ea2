"""Compiled joint steps of the team grids. ``TeamWorld.rule`` selects the grid, so that one compiled loop serves both.

A state is int64 [width]: the steps taken, then (x, y) of every agent; for the blocker also the columns of the left and
the right blocker. Every kernel takes a :class:`TeamWorld`, the states [n, width] and the row ``i`` of the one it works
on.
"""

from typing import NamedTuple

import numpy as np

from orchestrator.core import draw_integer, kernel

NAVIGATION, BLOCKER = 0, 1


class TeamWorld(NamedTuple):
    """A team grid, as the kernels take it."""

    rule: int  # NAVIGATION or BLOCKER
    rows: int
    columns: int
    goals: np.ndarray  # int64 [N, 2], (x, y) of each agent's goal; zeros for the blocker
    limit: int  # steps after which an episode is cut short
    step_cost: float  # navigation: what a step costs the team

    @property
    def width(self) -> int:
        """Length of a state."""
        return 1 + 2 * len(self.goals) + 2 * (self.rule == BLOCKER)


@kernel
def moved(x, y, action, rows, columns):
    """The cell that a move (stay, up, right, down, left) leads to; walls block."""
    if action == 1 and y > 0:
        return x, y - 1
    if action == 2 and x < columns - 1:
        return x + 1, y
    if action == 3 and y < rows - 1:
        return x, y + 1
    if action == 4 and x > 0:
        return x - 1, y
    return x, y


@kernel
def start_team(world, state, rng, i):
    """Write a fresh episode into ``state[i]``, drawn from stream ``i`` of ``rng`` uint64 [n, 4].

    Navigation: every agent in any cell but its goal. Blocker: agents in distinct cells of the top row, every placement
    equally likely; the blockers in the middle of their halves.
    """
    rows, columns, goals = world.rows, world.columns, world.goals
    agents = goals.shape[0]
    state[i, 0] = 0
    for j in range(agents):
        if world.rule == NAVIGATION:
            cell = draw_integer(rows * columns - 1, rng, i)
            if cell >= goals[j, 1] * columns + goals[j, 0]:
                cell += 1
            state[i, 1 + 2 * j], state[i, 2 + 2 * j] = cell % columns, cell // columns
        else:
            place = draw_integer(columns - j, rng, i)  # among the columns still free, from the left
            for x in range(columns):
                if not _taken(state, i, 0, j, x, 0):
                    if place == 0:
                        state[i, 1 + 2 * j] = x
                        break
                    place -= 1
            state[i, 2 + 2 * j] = 0
    if world.rule == BLOCKER:
        last = (columns - 1) // 2
        state[i, 1 + 2 * agents] = last // 2
        state[i, 2 + 2 * agents] = (last + 1 + columns - 1) // 2


@kernel
def step_team(world, state, i, actions):
    """One joint step of ``state[i]`` in place by ``actions`` int64 [N].

    Returns (team reward, whether the episode ended, whether it was cut short by the limit; never both).
    """
    state[i, 0] += 1
    if world.rule == NAVIGATION:
        reward, done = _step_navigation(world, state, i, actions)
    else:
        reward, done = _step_blocker(world, state, i, actions)
    return reward, done, not done and state[i, 0] >= world.limit


@kernel
def observe_team(world, state, i, out):
    """Write the table row of every agent in ``state[i]`` into ``out`` int64 [N].

    Navigation: own (x, y) and goal less coordinate j mod 4. Blocker: all agents' (x, y) less the row of the next agent.
    """
    rows, columns, goals = world.rows, world.columns, world.goals
    agents = goals.shape[0]
    for j in range(agents):
        row = 0
        if world.rule == NAVIGATION:
            for c in range(4):
                if c != j % 4:
                    row = row * columns + (state[i, 1 + 2 * j + c] if c < 2 else goals[j, c - 2])
        else:
            for c in range(2 * agents):
                if c != 2 * ((j + 1) % agents) + 1:
                    row = row * (columns if c % 2 == 0 else rows) + state[i, 1 + c]
        out[j] = row


@kernel
def _step_navigation(world, state, i, actions):
    """Every agent that has not arrived moves. The reward is the share of agents that arrive now, less the step cost."""
    goals = world.goals
    agents = goals.shape[0]
    arrived = there = 0
    for j in range(agents):
        x, y = state[i, 1 + 2 * j], state[i, 2 + 2 * j]
        if x == goals[j, 0] and y == goals[j, 1]:
            there += 1
            continue
        x, y = moved(x, y, actions[j], world.rows, world.columns)
        state[i, 1 + 2 * j], state[i, 2 + 2 * j] = x, y
        if x == goals[j, 0] and y == goals[j, 1]:
            arrived += 1
    return arrived / agents - world.step_cost, there + arrived == agents


@kernel
def _step_blocker(world, state, i, actions):
    """Agents move in order of their index: +1 if one gets through. Otherwise the blockers move: -1."""
    rows, columns, agents = world.rows, world.columns, world.goals.shape[0]
    third = rows - 2  # the blockers' row, above the bottom
    left, right = 1 + 2 * agents, 2 + 2 * agents
    for j in range(agents):
        x, y = moved(state[i, 1 + 2 * j], state[i, 2 + 2 * j], actions[j], rows, columns)
        blocked = y == third and (x == state[i, left] or x == state[i, right])
        if not (blocked or _taken(state, i, 0, j, x, y) or _taken(state, i, j + 1, agents, x, y)):
            state[i, 1 + 2 * j], state[i, 2 + 2 * j] = x, y
    for j in range(agents):
        if state[i, 2 + 2 * j] == rows - 1:
            return 1.0, True
    last = (columns - 1) // 2
    _follow(state, i, agents, left, third, 0, last)
    _follow(state, i, agents, right, third, last + 1, columns - 1)
    return -1.0, False


@kernel
def _follow(state, i, agents, slot, third, lowest, highest):
    """Move the blocker at ``state[i, slot]`` one cell towards the column of the nearest agent, within its half.

    Nearest by steps (the lower index of equals); like an agent, a blocker does not enter an agent's cell.
    """
    column = state[i, slot]
    nearest, target = -1, column
    for j in range(agents):
        away = abs(state[i, 1 + 2 * j] - column) + abs(state[i, 2 + 2 * j] - third)
        if nearest < 0 or away < nearest:
            nearest, target = away, state[i, 1 + 2 * j]
    to = column + (1 if target > column else -1 if target < column else 0)
    if lowest <= to <= highest and not _taken(state, i, 0, agents, to, third):
        state[i, slot] = to


@kernel
def _taken(state, i, first, end, x, y):
    """Whether one of the agents first..end-1 is in cell (x, y)."""
    for j in range(first, end):  # noqa: SIM110 - numba has no any() of a generator
        if state[i, 1 + 2 * j] == x and state[i, 2 + 2 * j] == y:
            return True
    return False
