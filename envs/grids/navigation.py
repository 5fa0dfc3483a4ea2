"""Navigation: a team of agents on one grid, each with its own fixed goal and a partial view.

Source: arXiv:2304.05632, Sec. V; there the environment is named, not specified. All of this is reconstructed (R): a
square grid; goals drawn once for the problem, distinct where there are cells enough; every agent starts anywhere but on
its goal; moves stay, up, right, down, left, walls keep where one is, agents may share a cell; agent i sees its own
(x, y) and goal (gx, gy) less coordinate i mod 4; a step pays the team the share of it that newly arrived, less
``step_cost``; who has arrived stays, and the episode ends when all have.
"""

from functools import cached_property

import numpy as np
from pydantic import Field

from envs.common.instances import PROCESS, stream
from envs.grids.base import GridParameters
from envs.grids.team import TeamProblem
from envs.grids.team_kernels import NAVIGATION, TeamWorld, moved
from orchestrator.core import kernel


class NavigationParameters(GridParameters):
    """Size of the grid and cost of a step."""

    size: int = Field(default=5, ge=2, description="rows and columns of the grid")
    step_cost: float = Field(default=0.01, ge=0, description="cost of a step for the team")


class Navigation(TeamProblem):
    """N agents that must all reach goals of their own; each sees its position and goal less one coordinate.

    Every agent's table has a row for all size^3 combinations of what its type sees, although its goal never moves.
    """

    name = "navigation"
    version = 1
    Parameters = NavigationParameters
    parameters: NavigationParameters

    def __init__(self, parameters: NavigationParameters, agents: int, instance: int) -> None:
        unseen = list(range(min(max(agents, 1), 4)))
        super().__init__(parameters, agents, instance, (parameters.size,) * 4, unseen)
        self._check_memory(f"size={parameters.size}")

    @cached_property
    def goals(self) -> np.ndarray:
        """int64 [N, 2], (x, y) of each agent's goal; the first goals are the same whatever the number of agents."""
        size = self.parameters.size
        cells = stream(self.instance, PROCESS).permutation(size * size)
        own = cells[np.arange(self.agents) % len(cells)]
        return np.stack([own % size, own // size], axis=1).astype(np.int64)

    def world(self) -> TeamWorld:
        """The grid and its goals for the kernels."""
        size = self.parameters.size
        return TeamWorld(NAVIGATION, size, size, self.goals, self.limit, self.parameters.step_cost)

    def returns(self, tables: np.ndarray) -> np.ndarray:
        """Exact expected undiscounted return of an episode, float64 [N] (the same for all), averaged over all starts.

        Every agent acts greedily in its own table of ``tables`` [N, S, A].
        """
        walks = greedy_walks(self.choices(tables), self.parameters.size, self.goals, self.limit)
        return np.full(self.agents, self._return_of(walks))

    @cached_property
    def best_return(self) -> float:
        """The same where all take shortest paths. Agents may share cells, so no joint policy does better."""
        size = self.parameters.size
        y, x = np.divmod(np.arange(size * size), size)
        walks = np.abs(x - self.goals[:, :1]) + np.abs(y - self.goals[:, 1:])
        return self._return_of(np.minimum(walks, self.limit + 1))

    def _return_of(self, walks: np.ndarray) -> float:
        """Mean return if agent j, started in cell c, takes ``walks[j, c]`` steps (limit + 1: it does not arrive)."""
        return float(team_return(walks, self.limit, self.parameters.step_cost))


@kernel
def greedy_walks(choice, size, goals, limit):
    """Steps int64 [N, cells] that each agent takes from each cell to its goal by ``choice`` [N, S].

    0 on the goal, limit + 1 where ``limit`` steps do not get there.
    """
    agents = goals.shape[0]
    walks = np.empty((agents, size * size), np.int64)
    values = np.empty(4, np.int64)
    for j in range(agents):
        for cell in range(size * size):
            x, y = cell % size, cell // size
            steps = 0
            while steps <= limit and (x != goals[j, 0] or y != goals[j, 1]):
                values[0], values[1], values[2], values[3] = x, y, goals[j, 0], goals[j, 1]
                row = 0
                for c in range(4):
                    if c != j % 4:
                        row = row * size + values[c]
                x, y = moved(x, y, choice[j, row], size, size)
                steps += 1
            walks[j, cell] = min(steps, limit + 1)
    return walks


@kernel
def team_return(walks, limit, step_cost):
    """E[share of agents that arrive] - step_cost E[length], starts independent and uniform off the goal.

    The length of an episode is min(limit, max_j T_j) with T_j the steps of agent j, so its mean is the sum over
    t < limit of 1 - prod_j P(T_j <= t).
    """
    agents, cells = walks.shape
    by_then = np.ones(limit + 1)  # prod_j P(T_j <= t)
    share = 0.0
    for j in range(agents):
        counts = np.zeros(limit + 2, np.int64)
        for cell in range(cells):
            counts[walks[j, cell]] += 1
        arrived = 0  # cells off the goal from which agent j arrives within t steps; only the goal itself takes 0
        for t in range(limit + 1):
            if t > 0:
                arrived += counts[t]
            by_then[t] *= arrived / (cells - 1)
        share += arrived / (cells - 1)
    length = 0.0
    for t in range(limit):
        length += 1.0 - by_then[t]
    return share / agents - step_cost * length
