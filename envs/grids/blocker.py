"""Blocker: three agents try to get one of them past two scripted blockers.

Source: arXiv:2304.05632, Sec. V, after Sallans and Hinton (2004). Known: a 7 x 4 grid, three agents that start in the
top row, two blockers on the third row, +1 when any agent enters the bottom row and -1 for any other step.
Reconstructed (R): the agents start in distinct cells, every placement equally likely; moves stay, up, right, down,
left, the lower index first, and a move into an occupied cell stays put; each blocker covers its half of the columns
(the middle one belongs to the left), starts in its middle, moves after the agents, one cell towards the column of the
agent nearest to it in steps, the lower index of equals; agent i sees the joint position less the row of agent
(i + 1) mod 3, and never the blockers.
"""

from functools import cached_property
from itertools import permutations

import numpy as np
from pydantic import Field

from envs.grids.base import ACTIONS, GridParameters
from envs.grids.team import TeamProblem
from envs.grids.team_kernels import BLOCKER, TeamWorld, observe_team, step_team
from orchestrator.core import kernel

AGENTS = 3
MOST_JOINT_STATES = 2_000_000


class BlockerParameters(GridParameters):
    """Size of the grid."""

    columns: int = Field(default=7, ge=3, description="columns of the grid")
    rows: int = Field(default=4, ge=3, description="rows of the grid; the blockers guard the last but one")


class Blocker(TeamProblem):
    """Three agents, two scripted blockers, one reward; each agent sees the joint position less one coordinate.

    Everything but the start is deterministic, so that the best return follows from the fewest steps to get through.
    """

    name = "blocker"
    version = 1
    Parameters = BlockerParameters
    parameters: BlockerParameters

    def __init__(self, parameters: BlockerParameters, agents: int, instance: int) -> None:
        if agents != AGENTS:
            raise ValueError(f"agents must be {AGENTS} for the blocker, got {agents}.")
        unseen = [2 * ((agent + 1) % AGENTS) + 1 for agent in range(AGENTS)]
        super().__init__(parameters, agents, instance, (parameters.columns, parameters.rows) * AGENTS, unseen)
        if self._joint_states > MOST_JOINT_STATES:
            raise ValueError(
                f"columns={parameters.columns} and rows={parameters.rows} make {self._joint_states} joint states, over"
                f" which the best return is computed; at most {MOST_JOINT_STATES} are accepted."
            )
        self._check_memory(f"columns={parameters.columns} and rows={parameters.rows}")

    @property
    def _joint_states(self) -> int:
        """Positions of the agents above the bottom row and of the blockers in their halves."""
        columns, rows = self.parameters.columns, self.parameters.rows
        return (columns * (rows - 1)) ** AGENTS * ((columns + 1) // 2) * (columns // 2)

    @property
    def memory(self) -> float:
        """Bytes of all tables, of what the types see, and of the fewest steps from every joint state."""
        return super().memory + 2.0 * self._joint_states

    def world(self) -> TeamWorld:
        """The grid for the kernels."""
        given = self.parameters
        return TeamWorld(BLOCKER, given.rows, given.columns, np.zeros((AGENTS, 2), np.int64), self.limit, 0.0)

    @cached_property
    def starts(self) -> np.ndarray:
        """int64 [k, width], every state in which an episode begins; all are equally likely."""
        columns = self.parameters.columns
        last = (columns - 1) // 2
        middles = [last // 2, (last + columns) // 2]
        return np.array([[0, a, 0, b, 0, c, 0, *middles] for a, b, c in permutations(range(columns), AGENTS)])

    def returns(self, tables: np.ndarray) -> np.ndarray:
        """Exact expected undiscounted return of an episode, float64 [3] (the same for all), averaged over all starts.

        Every agent acts greedily in its own table of ``tables`` [3, S, A].
        """
        return np.full(AGENTS, greedy_return(self.world(), self.starts.copy(), self.choices(tables)))

    @cached_property
    def best_return(self) -> float:
        """The same for the best joint policy that sees everything: 2 - T, T the fewest steps to get through."""
        fewest = fewest_steps(self.world(), self.starts)
        return float(np.where(fewest > 0, 2.0 - fewest, -float(self.limit)).mean())


@kernel
def greedy_return(world, state, choice):
    """Mean return of the episodes that begin in ``state`` [k, width] (overwritten) under ``choice`` int64 [N, S]."""
    seen, actions = np.empty(choice.shape[0], np.int64), np.empty(choice.shape[0], np.int64)
    total = 0.0
    for i in range(state.shape[0]):
        done = cut = False
        while not (done or cut):
            observe_team(world, state, i, seen)
            for j in range(seen.shape[0]):
                actions[j] = choice[j, seen[j]]
            reward, done, cut = step_team(world, state, i, actions)
            total += reward
    return total / state.shape[0]


@kernel
def _write(code, rows, columns, state):
    """Unpack a joint state: every agent's cell above the bottom row, then the blockers' columns."""
    half = (columns + 1) // 2
    state[0, 8], code = half + code % (columns // 2), code // (columns // 2)
    state[0, 7], code = code % half, code // half
    for j in range(AGENTS - 1, -1, -1):
        cell = code % (columns * (rows - 1))
        code //= columns * (rows - 1)
        state[0, 1 + 2 * j], state[0, 2 + 2 * j] = cell % columns, cell // columns
    state[0, 0] = 0


@kernel
def _read(rows, columns, state, i):
    """The inverse of :func:`_write`."""
    code = 0
    for j in range(AGENTS):
        code = code * columns * (rows - 1) + state[i, 2 + 2 * j] * columns + state[i, 1 + 2 * j]
    half = (columns + 1) // 2
    return (code * half + state[i, 7]) * (columns // 2) + state[i, 8] - half


@kernel
def fewest_steps(world, starts):
    """Fewest steps int64 [k] in which a team that sees everything gets through from each of ``starts`` [k, width].

    0 where ``limit`` steps do not suffice. Sweep k marks the joint states from which some joint action leads to one
    marked in sweep k - 1; it stops when all starts are marked, or nothing new is.
    """
    rows, columns = world.rows, world.columns
    half = (columns + 1) // 2
    count = (columns * (rows - 1)) ** AGENTS * half * (columns // 2)
    fewest = np.zeros(count, np.int16)
    state, actions = np.empty((1, starts.shape[1]), np.int64), np.empty(AGENTS, np.int64)
    steps = np.zeros(starts.shape[0], np.int64)
    for k in range(1, world.limit + 1):
        marked = 0
        for code in range(count):
            if fewest[code] > 0:
                continue
            _write(code, rows, columns, state)
            nearest = rows - 1 - max(state[0, 2], state[0, 4], state[0, 6])
            if nearest > k:  # even without blockers no agent gets down in k steps
                continue
            for joint in range(ACTIONS**AGENTS):
                if joint > 0:
                    _write(code, rows, columns, state)
                actions[0], actions[1], actions[2] = joint // 25, joint // 5 % 5, joint % 5
                _, done, _ = step_team(world, state, 0, actions)
                if done or (k > 1 and fewest[_read(rows, columns, state, 0)] == k - 1):
                    fewest[code] = k
                    marked += 1
                    break
        missing = 0
        for i in range(starts.shape[0]):
            steps[i] = fewest[_read(rows, columns, starts, i)]
            missing += steps[i] == 0
        if marked == 0 or missing == 0:
            break
    return steps
