"""Graphons: agents at positions that weigh each other by W(position, position), and what an agent draws of the others.

``radial``: agents in the middles of the cells of a near-square grid on the unit square, row by row, and W = 1 within a
distance, 0 beyond. ``block``: agents in consecutive blocks as equal as can be, one W inside a block and one across.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from orchestrator.core import Parameters, kernel, uniform

#: A distance this little beyond the radius, relatively, is rounding.
ROUNDING = 1e-9


class GraphonParameters(Parameters):
    """Where agents are and how they weigh each other."""

    graphon: Literal["radial", "block"] = Field(
        default="radial", description="radial: W = 1 within a distance; block: one W inside blocks and one across"
    )
    radius: float = Field(default=0.3, gt=0, description="radial: distance in the unit square up to which W = 1")
    blocks: int = Field(default=2, ge=1, description="block: consecutive blocks of agents, as equal as can be")
    within: float = Field(default=1.0, ge=0, description="block: W between agents of one block")
    across: float = Field(default=0.2, ge=0, description="block: W between agents of different blocks")

    def sizes(self, agents: int) -> np.ndarray:
        """Agents in each block, int64 [B]: the first ones have one more where they cannot be equal."""
        least, more = divmod(agents, self.blocks)
        return np.array([least + (b < more) for b in range(self.blocks)], np.int64)

    def grid(self, agents: int) -> tuple[int, int]:
        """Columns and rows of the grid; the last row may be shorter."""
        columns = math.isqrt(max(agents - 1, 0)) + 1
        return columns, -(-agents // columns)

    def check(self, agents: int) -> None:
        """Raises ValueError where an agent would have no neighbour, with what would give it one."""
        if agents < 2:
            raise ValueError(f"agents must be at least 2, for each to have a neighbour, got {agents}.")
        if self.graphon == "block":
            self._check_blocks(agents)
            return
        columns, rows = self.grid(agents)
        # The nearest is beside an agent, except for one that is alone in the last row.
        nearest = 1 / rows if agents % columns == 1 and rows > 1 else 1 / columns
        if nearest > self.radius * (1 + ROUNDING):
            raise ValueError(
                f"radius is {self.radius:g}: on the {columns} x {rows} grid of {agents} agents some have no neighbour "
                f"within it; {math.ceil(1000 * nearest) / 1000:g} would do."
            )

    def _check_blocks(self, agents: int) -> None:
        if self.blocks > agents:
            raise ValueError(f"blocks is {self.blocks}; {agents} agents make 1 to {agents} blocks.")
        alone = self.across == 0 or self.blocks == 1
        if alone and (self.within == 0 or int(self.sizes(agents).min()) < 2):
            raise ValueError(
                f"within is {self.within:g} and across {self.across:g}: with {agents} agents in {self.blocks} blocks "
                f"some have no neighbour of positive weight."
            )

    def pairs(self, agents: int) -> float:
        """Pairs (i, j) with W > 0, roughly."""
        share = min(1.0, math.pi * self.radius * self.radius) if self.graphon == "radial" else 1.0
        return share * agents**2


class Neighbours(NamedTuple):
    """The neighbours of some agents, one after the other in the order of their numbers: CSR with W > 0 alone."""

    indptr: np.ndarray  #: int64 [rows + 1]
    indices: np.ndarray  #: int64, numbers of the neighbours
    weights: np.ndarray  #: float64, W
    reach: np.ndarray  #: float64, sum of W up to and with this neighbour


def neighbours(parameters: GraphonParameters, agents: int, members: range) -> Neighbours:
    """The neighbours of each of ``members`` and their weights; an agent is not a neighbour of itself."""
    weigh = _radial(parameters, agents) if parameters.graphon == "radial" else _blocks(parameters, agents)
    indices, weights, reach = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0)]
    for i in members:
        all_weights = weigh(i)
        all_weights[i] = 0.0
        near = np.flatnonzero(all_weights > 0.0)
        indices.append(near)
        weights.append(all_weights[near])
        reach.append(np.cumsum(all_weights[near]))  # one after the other, in the order of their numbers
    indptr = np.cumsum([len(near) for near in indices])
    return Neighbours(indptr, np.concatenate(indices), np.concatenate(weights), np.concatenate(reach))


def _radial(parameters: GraphonParameters, agents: int) -> Callable[[int], np.ndarray]:
    """W float64 [n] between an agent and all others on the grid: 1 within the radius."""
    columns, rows = parameters.grid(agents)
    width, height, radius = 1.0 / columns, 1.0 / rows, parameters.radius * (1 + ROUNDING)
    down, right = np.divmod(np.arange(agents), columns)

    def weigh(i: int) -> np.ndarray:
        x, y = (right[i] - right) * width, (down[i] - down) * height
        return np.where(x * x + y * y <= radius * radius, 1.0, 0.0)

    return weigh


def _blocks(parameters: GraphonParameters, agents: int) -> Callable[[int], np.ndarray]:
    """W float64 [n] between an agent and all others in consecutive blocks."""
    block = np.repeat(np.arange(parameters.blocks), parameters.sizes(agents))
    return lambda i: np.where(block == block[i], parameters.within, parameters.across)


@kernel
def share_in(state, states, indptr, indices, weights, reach, row, column):
    """W-weighted share of the neighbours of agent ``row`` that are in ``state``, added in the order of their numbers.

    ``states`` int64 [n, R] are all agents' states in R episodes; ``column`` is the episode.
    """
    there = 0.0
    for at in range(indptr[row], indptr[row + 1]):
        if states[indices[at], column] == state:
            there += weights[at]
    return there / reach[indptr[row + 1] - 1]


@kernel
def draw_neighbour(indptr, indices, reach, row, rng, i):
    """A neighbour of agent ``row`` with chance in proportion to W, from stream ``i`` of ``rng``; indices' entry."""
    first, last = indptr[row], indptr[row + 1] - 1
    target = uniform(rng, i) * reach[last]
    while first < last:  # the first whose reach is beyond
        middle = (first + last) // 2
        if reach[middle] > target:
            last = middle
        else:
            first = middle + 1
    return indices[first]
