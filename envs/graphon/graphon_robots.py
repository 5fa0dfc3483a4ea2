"""Robots that idle, travel or work, and disturb the more those around them work: a team on a graphon.

Source: arXiv:2602.16196, its multi-robot coordination, with the numbers of the authors' code as read by us. g_i(s) is
the share, weighed by W, of the other agents around agent i that are in state s:

    g_i(s) = sum_{j != i} W(i, j) 1[s_j = s] / sum_{j != i} W(i, j).

Action 2 (work) succeeds with chance max(.1, .9 - .8 g_i(2)) and leads to transit otherwise; another action a leads to
state a with chance .9, and the agent stays otherwise. r_i = (10, 5, 20)[s] max(.4, 1 - 5 g_i(2)) - (0, 0, 5)[a], the
team's reward is the mean over agents; gamma = .95. g_i is that of the present states; agents move independently.

Reconstructed: that agents stand in the middles of the grid's cells and grids of other numbers of agents are as near to
a square as can be; the block graphon, which is ours, made for exact values; states at the start, independent and
uniform.
"""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from envs.common.cache import Cache
from envs.graphon import lumping as lumping
from envs.graphon.base import GraphonParameters, Neighbours, neighbours
from envs.graphon.kernels import ACTIONS, STATES, WORK, observe, step, tables
from orchestrator.core import Environment


class GraphonRobotsParameters(GraphonParameters):
    """The graphon and the discount; the rest is the source's."""

    gamma: float = Field(default=0.95, ge=0, lt=1, description="discount factor")

    def lumpable(self, agents: int) -> bool:
        """Whether the exact value of a policy is within reach."""
        operations = lumping.value_operations(self.sizes(agents), STATES)
        return self.graphon == "block" and operations <= lumping.MOST_OPERATIONS

    def solvable(self, agents: int) -> bool:
        """Whether the best joint policy is within reach, too."""
        operations = lumping.best_operations(self.sizes(agents), STATES, ACTIONS)
        return self.lumpable(agents) and operations <= lumping.MOST_OPERATIONS


class GraphonRobots(Environment):
    """n agents with states and actions 0 idle, 1 transit, 2 work. Raises ValueError where one has no neighbour."""

    name = "graphon-robots"
    kind = "graphon-mean-field"
    version = 2
    Parameters = GraphonRobotsParameters
    parameters: GraphonRobotsParameters
    states = STATES  #: S of an agent
    actions = ACTIONS  #: A of an agent
    gamma: float  #: discount

    def __init__(self, parameters: GraphonRobotsParameters, agents: int, instance: int) -> None:
        parameters.check(agents)
        super().__init__(parameters, agents, instance)
        self.gamma = parameters.gamma

    @property
    def memory(self) -> float:
        """Bytes of the neighbours, and of the exact chain where there is one, roughly."""
        chain = lumping.memory(self.parameters.sizes(self.agents), STATES, ACTIONS) if self.lumpable else 0.0
        return 24.0 * self.parameters.pairs(self.agents) + chain

    @cached_property
    def cache(self) -> Cache:
        """Results computed from this environment; all seeds of a cell share them."""
        return Cache()

    @property
    def lumpable(self) -> bool:
        """Whether ``lumping`` is small enough to compute."""
        return self.parameters.lumpable(self.agents)

    @staticmethod
    def model(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(s' | s, a) float64 [rows, S, A, S] and r [rows, S, A] of an agent, given ``shares`` g [rows, S]."""
        return tables(np.ascontiguousarray(shares[:, WORK]))

    def block(self, members: range) -> "Robots":
        """The robots ``members`` among all: what they see, do and are paid."""
        return Robots(members, neighbours(self.parameters, self.agents, members))

    @cached_property
    def lumping(self) -> lumping.BlockLumping:
        """The exact chain of the counts in each block. Raises ValueError where W is not constant on blocks."""
        p = self.parameters
        if p.graphon != "block":
            raise ValueError("the exact chain counts the robots in blocks. Only graphon=block has blocks.")
        sizes = p.sizes(self.agents)
        return lumping.BlockLumping(self.model, sizes, STATES, p.within, p.across, self.gamma)


class Robots:
    """m of the robots, with consecutive numbers; their streams ``rng`` are uint64 [m, 4], advanced in place."""

    def __init__(self, members: range, near: Neighbours) -> None:
        self.members, self.near = members, near

    def shown(self, draws: int, states: ArrayLike, rng: np.ndarray) -> np.ndarray:
        """Counts int64 [m, R, S] of ``draws`` neighbours' states in each of R episodes.

        Drawn afresh, with replacement and in proportion to W, from everyone's ``states`` int64 [N, R].
        """
        near = self.near
        return observe(draws, np.array(states), near.indptr, near.indices, near.reach, rng)

    def step(self, actions: np.ndarray, states: ArrayLike, rng: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Next states int64 [m, R] and rewards float64 [m, R] for ``actions`` int64 [m, R] in ``states`` [N, R]."""
        return step(self.members.start, actions, np.array(states), *self.near, rng)
