"""Landmarks: every agent walks to a landmark in its own copy of a grid and sees all but one coordinate.

Source: arXiv:2304.05632, Sec. V; there the environment is named, not specified. All of this is reconstructed (R): a
square grid; the full state is (x, y, gx, gy), agent and landmark anywhere but in one cell at the start; moves stay, up,
right, down, left, walls keep where one is; +1 on reaching the landmark, which ends the episode, else -``step_cost``;
with chance ``slip`` a uniformly drawn move is made instead; agent i's observation drops coordinate i mod 4.
"""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from envs.common.chains import alias_tables
from envs.common.picture import picture, side_by_side
from envs.faces.play import fresh_streams
from envs.grids.base import ACTIONS, STEPS, GridParameters, GridProblem
from envs.grids.observed import ObservedBlock
from orchestrator.core import draw_alias, draw_integer, kernel

if TYPE_CHECKING:  # imported only where a face is asked for
    from envs.faces.gym_agent import SingleFace


class LandmarksParameters(GridParameters):
    """Size of the grid, cost of a step, chance of a random move."""

    size: int = Field(default=5, ge=2, description="rows and columns of the grid")
    step_cost: float = Field(default=0.01, ge=0, description="cost of a step that does not reach the landmark")
    slip: float = Field(default=0.0, ge=0, le=1, description="chance that a uniformly drawn move is made instead")


class Landmarks(GridProblem):
    """N agents, each in its own copy of a grid with a landmark; four kinds of partial view.

    Full states are numbered ((x * size + y) * size + gx) * size + gy.
    """

    name = "landmarks"
    kind = "observed-mdp"
    version = 1
    Parameters = LandmarksParameters
    parameters: LandmarksParameters

    def __init__(self, parameters: LandmarksParameters, agents: int, instance: int) -> None:
        unseen = list(range(min(max(agents, 1), 4)))
        super().__init__(parameters, agents, instance, (parameters.size,) * 4, unseen)
        self.full_states = parameters.size**4
        self._check_memory(f"size={parameters.size}")

    @property
    def memory(self) -> float:
        """Bytes of all tables, of what the types see, and of the process."""
        columns = ACTIONS if self.parameters.slip else 1
        return super().memory + self.full_states * (ACTIONS * (24.0 * columns + 8.0) + 8.0 * self.types + 9.0)

    @cached_property
    def cells(self) -> np.ndarray:
        """int64 [F, 4]: (x, y, gx, gy) of every full state, counted from 0."""
        shape = (self.parameters.size,) * 4
        return np.stack(np.unravel_index(np.arange(self.full_states), shape), axis=1)

    @cached_property
    def chance(self) -> np.ndarray:
        """float64 [A, W]: chance that an action leads to each of its successors; W = 1 without slip, else 5."""
        slip = self.parameters.slip
        return (1 - slip) * np.eye(ACTIONS) + slip / ACTIONS if slip else np.ones((ACTIONS, 1))

    @cached_property
    def _process(self) -> ObservedBlock:
        """The process with one member; blocks share its arrays."""
        given, position = self.parameters, self.cells
        size, landmark = given.size, position[:, 2:]
        there = (position[:, :2] == landmark).all(axis=1)
        walked = np.empty((self.full_states, ACTIONS), np.int64)
        for action, step in enumerate(STEPS):
            x, y = np.clip(position[:, :2] + step, 0, size - 1).T
            walked[:, action] = ((x * size + y) * size + landmark[:, 0]) * size + landmark[:, 1]
        walked[there] = np.flatnonzero(there)[:, None]  # nothing happens after the end
        columns = self.chance.shape[1]
        successor = walked[:, :, None] if columns == 1 else np.repeat(walked[:, None, :], ACTIONS, axis=1)
        reached = sum(self.chance[:, w] * there[successor[:, :, w]] for w in range(columns))
        reward = np.asarray(reached - given.step_cost * (1 - reached))
        reward[there] = 0.0
        probability, alias = alias_tables(self.chance)
        return ObservedBlock(
            probability=np.tile(probability, (self.full_states, 1, 1)),
            alias=np.tile(alias, (self.full_states, 1, 1)),
            successor=np.ascontiguousarray(successor),
            terminal=there,
            reward=np.ascontiguousarray(reward)[None],
            reward_of=np.zeros(1, np.int64),
            noise=0.0,
            observed=np.stack([self._rows_of(seen) for seen in self.seen]),
            type_of=np.zeros(1, np.int64),
            starts=np.flatnonzero(~there),
            limit=self.limit,
            gamma=self.gamma,
        )

    def _rows_of(self, seen: np.ndarray) -> np.ndarray:
        """int64 [F]: the table row in which a type that sees these coordinates sees each full state."""
        row = np.zeros(self.full_states, np.int64)
        for coordinate in seen:
            row = row * self.parameters.size + self.cells[:, coordinate]
        return row

    def block(self, members: range) -> ObservedBlock:
        """The tables of exactly these members (consecutive ids in 0..N-1)."""
        self.check_members(members)
        own = {"reward_of": np.zeros(len(members), np.int64), "type_of": self.type_of[members.start : members.stop]}
        return ObservedBlock(**(vars(self._process) | own))

    def returns(self, tables: np.ndarray) -> np.ndarray:
        """Exact expected undiscounted return of an episode of each agent, float64 [N], averaged over all starts.

        Every agent acts greedily in its own table of ``tables`` [N, S, A].
        """
        process = self._process
        choices, seen = self.choices(tables), process.observed
        return np.array([self._return_of(choices[i][seen[self.type_of[i]]]) for i in range(self.agents)])

    @cached_property
    def best_return(self) -> float:
        """The same for a best policy that sees the full state and the clock."""
        return self._return_of(np.full(self.full_states, -1))

    def _return_of(self, choice: np.ndarray) -> float:
        process = self._process
        mean = expected_return(
            choice, self.chance, process.successor, process.terminal, process.reward[0], process.starts, self.limit
        )
        return float(mean)

    def play(self) -> "CopiesPlay":
        """Every agent's own episodes step by step."""
        return CopiesPlay(self, range(self.agents))

    def gym(self, agent: int = 0, render_mode: str | None = None) -> "SingleFace":
        """Agent ``agent``'s copy as a gymnasium environment whose observations are the rows of its table.

        A step pays +1 or -``step_cost`` by where it led; the tables' rewards are its mean.
        """
        if not 0 <= agent < self.agents:
            raise ValueError(f"agent must be in 0..{self.agents - 1}, got {agent}.")
        from envs.faces.gym_agent import SingleFace  # gymnasium is imported only where a face is asked for

        return SingleFace(CopiesPlay(self, range(agent, agent + 1)), render_mode)


@kernel
def expected_return(choice, chance, successor, terminal, reward, starts, limit):
    """Mean over ``starts`` of the undiscounted return of ``limit`` steps, by recursion backward in time.

    ``choice`` int64 [F] is the action in every full state, -1: the best one; ``chance`` [A, W], ``successor``
    [F, A, W], ``reward`` [F, A] mean rewards; nothing is earned after a ``terminal`` state.
    """
    states, actions, columns = successor.shape
    ahead, now = np.zeros(states), np.zeros(states)
    for _ in range(limit):
        for f in range(states):
            if terminal[f]:
                continue
            best = -np.inf
            for a in range(actions):
                if choice[f] >= 0 and choice[f] != a:
                    continue
                value = reward[f, a]
                for w in range(columns):
                    value += chance[a, w] * ahead[successor[f, a, w]]
                best = max(best, value)
            now[f] = best
        ahead, now = now, ahead
    total = 0.0
    for f in starts:
        total += ahead[f]
    return total / starts.shape[0]


class CopiesPlay:
    """Episodes of ``members``, each in its own copy; an agent whose episode is over stays where it is."""

    def __init__(self, problem: Landmarks, members: range) -> None:
        self.members, self.states, self.actions = members, problem.states, problem.actions
        self.problem, self._block = problem, problem.block(members)
        n = len(members)
        self.state = np.full(n, self._block.starts[0])  # full states
        self._steps, self._over = 0, np.ones(n, np.bool_)
        self._rng = np.zeros((n, 4), np.uint64)

    def start(self, generator: np.random.Generator) -> None:
        """Begin fresh episodes with streams seeded from ``generator``."""
        n, starts = len(self.members), self._block.starts
        self._rng = fresh_streams(generator, n)
        self.state = np.array([starts[draw_integer(len(starts), self._rng, i)] for i in range(n)])
        self._steps, self._over = 0, np.zeros(n, np.bool_)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Agents whose episode runs act. Returns rewards, which episodes ended, and which were cut short."""
        block, rewards = self._block, np.zeros(len(self.members))
        self._steps += 1
        for i in np.flatnonzero(~self._over):
            at = self.state[i], actions[i]
            column = draw_alias(block.probability[at], block.alias[at], self._rng, i)
            self.state[i] = block.successor[at][column]
            rewards[i] = 1.0 if block.terminal[self.state[i]] else -self.problem.parameters.step_cost
        ended = block.terminal[self.state]
        cut = ~ended & (self._steps >= block.limit)
        self._over = ended | cut
        return rewards, ended, cut

    def observe(self) -> np.ndarray:
        """The table row int64 [n] of each agent."""
        return self._block.observed[self._block.type_of, self.state]

    def picture(self) -> np.ndarray:
        """Every copy's grid, five in a row: uint8 [height, width, 3]."""
        size, boards = self.problem.parameters.size, []
        for member, (x, y, gx, gy) in zip(self.members, self.problem.cells[self.state].tolist()):
            boards.append(picture(size, size, [(x, y)], [(gx, gy)], first=member))
        return side_by_side(boards)
