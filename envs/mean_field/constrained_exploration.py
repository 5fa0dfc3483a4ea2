"""Constrained exploration: robots explore a grid, and a global agent moves the box inside which they should stay.

Source: a task of arXiv:2412.00661, of which an M x M grid and a d x d box set by s_g are known. RECONSTRUCTED is all
else. s_g is the place of the box; a_g leaves it or moves it up, right, down or left by one cell, which works with
chance ``hit``, else the box stays. A local agent stays or goes up, right, down or left too, with chance ``slip`` as one
of the four other actions says, all alike. Walls keep box and robots where they are. r_l is the value of the robot's
cell inside the box and -``penalty`` outside, r_g = 0. The values are drawn once from the instance's seed, uniform in
[0, 1]: the box had best lie where cells are worth much, and where the robots are that it should hold.
"""

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from envs.common.instances import PROCESS, stream
from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem, Sizes
from orchestrator.core import Instance, ordered_sum

#: Row and column of a step: stay, up, right, down, left.
STEPS = ((0, 0), (-1, 0), (0, 1), (1, 0), (0, -1))


class ConstrainedExplorationParameters(MeanFieldParameters):
    """How large grid and box are, who moves how reliably, and what being outside costs."""

    instance: Instance = Field(default=0, description="seed of the cells' values; 'seed' follows the replicate's seed")
    side: int = Field(default=3, ge=2, le=5, description="rows and columns M of the grid")
    box: int = Field(default=2, ge=1, le=5, description="rows and columns d of the box, at most side")
    hit: float = Field(default=0.9, gt=0, le=1, description="chance that the box moves as the global agent wants")
    slip: float = Field(default=0.1, ge=0, le=1, description="chance that a robot does another action than its own")
    penalty: float = Field(default=1.0, ge=0, description="what a robot outside the box loses in a step")

    @model_validator(mode="after")
    def _box_fits(self) -> Self:
        if self.box > self.side:
            raise ValueError(f"env.box is {self.box}; it goes up to env.side, {self.side}")
        return self

    @property
    def sizes(self) -> Sizes:
        return Sizes((self.side - self.box + 1) ** 2, len(STEPS), self.side**2, len(STEPS))


class ConstrainedExploration(MeanFieldProblem):
    """n robots; cells and places of the box are numbered row by row. See ``MeanFieldProblem`` for what it offers."""

    name = "constrained-exploration"
    version = 2
    Parameters = ConstrainedExplorationParameters
    parameters: ConstrainedExplorationParameters
    values: np.ndarray  #: of the cells, float64 [S]

    def fill(self) -> None:
        p, actions = self.parameters, len(STEPS)
        self.values = stream(self.instance, PROCESS).random(self.local_states)
        stay = np.eye(self.global_states)
        self.global_kernel = p.hit * _moved(p.side - p.box + 1) + (1 - p.hit) * stay[:, None, :]
        done = np.where(np.eye(actions) > 0, 1 - p.slip, p.slip / (actions - 1))
        moved = ordered_sum(_moved(p.side).transpose(1, 0, 2)[:, :, None] * done.T[:, None, :, None])
        self.local_kernel = np.repeat(moved[:, None], self.global_states, axis=1)
        self.global_reward = np.zeros((self.global_states, self.global_actions))
        paid = np.where(self.inside, self.values[:, None], -p.penalty)
        self.local_reward = np.repeat(paid[:, :, None], actions, axis=2)

    @property
    def inside(self) -> np.ndarray:
        """Whether a cell is in the box at each of its places, bool [S, G]."""
        p = self.parameters
        row, column = np.divmod(np.arange(self.local_states)[:, None], p.side)
        top, left = np.divmod(np.arange(self.global_states), p.side - p.box + 1)
        return (top <= row) & (row < top + p.box) & (left <= column) & (column < left + p.box)


def _moved(side: int) -> np.ndarray:
    """Where each action leads on a square of so many rows, as rows with a single 1, float64 [side^2, 5, side^2]."""
    row, column = np.divmod(np.arange(side**2)[:, None], side)
    down, right = np.array(STEPS).T
    reached = np.clip(row + down, 0, side - 1) * side + np.clip(column + right, 0, side - 1)
    return np.eye(side**2)[reached]
