"""Base of the team grids: one joint environment, one reward for all."""

import numpy as np
from numpy.typing import ArrayLike

from envs.common.picture import picture
from envs.faces.play import fresh_streams
from envs.grids.base import GridProblem
from envs.grids.team_kernels import BLOCKER, TeamWorld, observe_team, start_team, step_team


class TeamProblem(GridProblem):
    """A joint environment with a team reward; its dynamics are the kernels of ``team_kernels``."""

    kind = "team-grid"

    def world(self) -> TeamWorld:
        """The grid, as the kernels take it."""
        raise NotImplementedError

    @property
    def width(self) -> int:
        """Length of a state."""
        return self.world().width

    def play(self) -> "TeamPlay":
        """The team's episodes step by step."""
        return TeamPlay(self)


class TeamPlay:
    """One team's episodes; all agents end together."""

    def __init__(self, problem: TeamProblem) -> None:
        self.members, self.states, self.actions = range(problem.agents), problem.states, problem.actions
        self.world = problem.world()
        self.state = np.zeros((1, self.world.width), np.int64)
        self._over = True

    def start(self, generator: np.random.Generator) -> None:
        """Begin a fresh episode with a stream seeded from ``generator``."""
        start_team(self.world, self.state, fresh_streams(generator, 1), 0)
        self._over = False

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One joint step: every agent gets the reward and the end of the team. After the end nothing moves."""
        reward, done, cut = 0.0, True, False
        if not self._over:
            reward, done, cut = step_team(self.world, self.state, 0, actions)
            self._over = done or cut
        n = len(self.members)
        return np.full(n, reward), np.full(n, done), np.full(n, cut)

    def observe(self) -> np.ndarray:
        """The table row int64 [N] of each agent."""
        rows = np.empty(len(self.members), np.int64)
        observe_team(self.world, self.state, 0, rows)
        return rows

    def picture(self) -> np.ndarray:
        """The present state, uint8 [height, width, 3]."""
        world, n = self.world, len(self.members)
        agents = _cells(self.state[0, 1 : 1 + 2 * n])
        if world.rule != BLOCKER:
            return picture(world.rows, world.columns, agents, _cells(world.goals))
        blockers = [(int(x), world.rows - 2) for x in self.state[0, 1 + 2 * n :]]
        return picture(world.rows, world.columns, agents, blockers=blockers)


def _cells(coordinates: ArrayLike) -> list[tuple[int, int]]:
    """(x, y) pairs of an array that holds x, y, x, y …"""
    return [(int(x), int(y)) for x, y in np.reshape(coordinates, (-1, 2))]
