"""A small plug-in environment with three types of observation, episodes that end and episodes that are cut short."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from envs.common.chains import alias_tables
from envs.grids.observed import ObservedBlock
from orchestrator.core import Environment, Instance, Parameters


class RoomsParameters(Parameters):
    """Nothing but the instance."""

    optimum_known: ClassVar[bool] = False

    instance: Instance = Field(default=0, description="seed of the kernel and the rewards")


class Rooms(Environment):
    """Eight rooms (x, y, z), coordinates 1 or 2; agent i sees all but coordinate i mod 3 and learns four values a door.

    Two doors a room, three rooms behind each; room 7 ends an episode, the sixth step cuts it short.
    """

    name, kind = "rooms", "observed-mdp"
    Parameters = RoomsParameters
    types, dimension, states, actions, gamma = 3, 3, 4, 2, 0.9
    adjacency = ("shared", 0.0)
    best_return = 2.0

    def __init__(self, parameters: RoomsParameters, agents: int, instance: int):
        super().__init__(parameters, agents, instance)
        self.type_of = np.arange(agents) % 3
        cells = np.stack(np.unravel_index(np.arange(8), (2, 2, 2)), axis=1) + 1
        self.seen = [np.delete(np.arange(3), t) for t in range(3)]
        rows = np.stack(np.unravel_index(np.arange(4), (2, 2)), axis=1) + 1
        self.coordinates = [rows] * 3
        self.observed = np.stack([2 * cells[:, first] + cells[:, second] - 3 for first, second in self.seen])
        draw = np.random.default_rng(instance)
        self.chance = draw.dirichlet(np.ones(3), size=(8, 2))
        self.successor = draw.integers(8, size=(8, 2, 3))
        self.reward = draw.uniform(-1, 2, size=(2, 8, 2))

    def block(self, members: range) -> ObservedBlock:
        own = np.array(members)
        probability, alias = alias_tables(self.chance)
        return ObservedBlock(
            probability, alias, self.successor, np.arange(8) == 7, self.reward, own % 2, 0.2, self.observed, own % 3,
            np.array([0, 3, 5]), 6, self.gamma,
        )  # fmt: skip

    def returns(self, tables: np.ndarray) -> np.ndarray:
        """Something of every agent's own table."""
        return np.array([table.max() for table in tables])
