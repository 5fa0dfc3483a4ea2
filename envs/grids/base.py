"""Base of the grid environments: moves, observations of each type, size limits, faces.

A global state is a tuple of coordinates; an agent of type t sees all but one of them, and the row of its table is the
number of the seen ones in mixed radix, the first the most significant. Cells are (x, y) = (column, row), y = 0 on top.
"""

import math
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from envs.faces.play import Play
from orchestrator.core import Environment, Instance, Parameters, kernel

if TYPE_CHECKING:  # imported only where a face is asked for
    from envs.faces.pettingzoo import ParallelFace
    from envs.faces.rllib import RLlibFace

STEPS = ((0, 0), (0, -1), (1, 0), (0, 1), (-1, 0))  # stay, up, right, down, left as (x, y)
STAY, UP, RIGHT, DOWN, LEFT = range(5)
ACTIONS = len(STEPS)
MOST_BYTES = 4e9  # tables of all agents and the process


class GridParameters(Parameters):
    """Parameters of every grid environment."""

    optimum_known: ClassVar[bool] = False  # the best values of an agent that sees only a part are not known

    instance: Instance = Field(
        default=0, description="seed of whatever is drawn once for the problem; 'seed' follows the replicate's seed"
    )
    gamma: float = Field(default=0.99, ge=0, lt=1, description="discount factor of the learners")
    limit: int = Field(default=50, ge=1, description="steps after which an episode is cut short")


@kernel
def greedy_choice(table):
    """The best action int64 [S] of every row of ``table`` [S, A]; the lowest index wins a tie."""
    choice = np.zeros(table.shape[0], np.int64)
    for s in range(table.shape[0]):
        for a in range(1, table.shape[1]):
            if table[s, a] > table[s, choice[s]]:
                choice[s] = a
    return choice


class GridProblem(Environment):
    """Base of the grid environments.

    ``sizes`` are the numbers of values of the coordinates of the global state, ``unseen`` [T] the coordinate that each
    observation type lacks; agent i is of type i mod T. Types must have tables of the same length.
    """

    parameters: GridParameters
    gamma: float  #: discount of the learners
    limit: int  #: steps after which an episode is cut short; 0: never
    states: int  #: rows S of an agent's table
    actions = ACTIONS  #: A in every state
    dimension: int  #: coordinates of a full state
    types: int  #: observation types T
    type_of: np.ndarray  #: int64 [N], observation type of each agent
    seen: list[np.ndarray]  #: for every type the coordinates that it sees, int64
    adjacency = ("shared", 0.0)  #: metric and level of adjacent states: all that agree in what both agents see

    def __init__(
        self, parameters: GridParameters, agents: int, instance: int, sizes: tuple[int, ...], unseen: list[int]
    ) -> None:
        super().__init__(parameters, agents, instance)
        self.gamma, self.limit = parameters.gamma, parameters.limit
        self.dimension, self.types = len(sizes), len(unseen)
        self.seen = [np.delete(np.arange(len(sizes)), coordinate) for coordinate in unseen]
        self._seen_sizes = [tuple(sizes[c] for c in seen.tolist()) for seen in self.seen]
        self.states = math.prod(self._seen_sizes[0])
        self.type_of = np.arange(agents) % self.types

    def _check_memory(self, fields: str) -> None:
        """ValueError if tables and process take more than MOST_BYTES; ``fields`` names the parameters responsible."""
        if self.memory > MOST_BYTES:
            raise ValueError(
                f"{fields} with {self.agents} agents needs {self.memory:.2g} bytes for tables and process; at most"
                f" {MOST_BYTES:.0e} bytes are accepted."
            )

    @property
    def memory(self) -> float:
        """Bytes of the tables of all agents, of what the types see, and of the process."""
        seen = 8.0 * self.types * self.states * (self.dimension - 1)
        return 8.0 * self.agents * self.states * self.actions + seen

    @cached_property
    def coordinates(self) -> list[np.ndarray]:
        """For every type int64 [S, d_t]: the values of the seen coordinates in each table row, counted from 1."""
        rows = np.arange(self.states)
        return [np.stack(np.unravel_index(rows, sizes), axis=1) + 1 for sizes in self._seen_sizes]

    def choices(self, tables: np.ndarray) -> np.ndarray:
        """Greedy actions int64 [N, S] of ``tables`` [N, S, A]; the lowest action wins a tie."""
        shape = (self.agents, self.states, self.actions)
        if np.shape(tables) != shape:
            raise ValueError(f"tables must have the shape {shape} (agents, states, actions), got {np.shape(tables)}.")
        return np.stack([greedy_choice(np.array(table, np.float64, order="C")) for table in tables])

    def portrait(self) -> np.ndarray:
        """What the report shows: an episode's start, uint8 [height, width, 3]."""
        play = self.play()
        play.start(np.random.default_rng(np.random.SeedSequence(0)))
        return play.picture()

    # Faces -----------------------------------------------------------------------------------------------------------

    def play(self) -> Play:
        """All agents' episodes step by step, as the faces need them."""
        raise NotImplementedError

    def parallel(self, render_mode: str | None = None) -> "ParallelFace":
        """The agents as a PettingZoo ``ParallelEnv``; ``render_mode`` None or ``rgb_array``. Needs PettingZoo."""
        from envs.faces.pettingzoo import ParallelFace  # PettingZoo is imported only where this face is asked for

        return ParallelFace(self.name, self.play(), render_mode)

    def rllib(self, render_mode: str | None = None) -> "RLlibFace":
        """The agents as an RLlib ``MultiAgentEnv``; ``render_mode`` None or ``rgb_array``. Needs ray[rllib]."""
        from envs.faces.rllib import RLlibFace  # RLlib is imported only where this face is asked for

        return RLlibFace(self.play(), render_mode)
