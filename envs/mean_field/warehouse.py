"""Warehouse: robots in five zones on a ring, and a controller who sends work to one of them but sees few robots.

Source: arXiv:2603.03759, its multi-robot control, with the numbers of the authors' code as read by us: s_g' is drawn
from softmax(.1 + 3 [a_g] + .5 [s_g]), s_l' from softmax(.1 + 3.5 [s_l] + 1.5 [where the move leads] + .3 [s_g]);
r_g = 1, r_l = 10 in the controller's zone, else 2 / (1 + distance on the ring), plus 0, .5, -.3 for staying, going up,
going down. At the start s_g is uniform and robots are spread as one draw of Dirichlet(.3) says. There n = 1000,
gamma = .95. Reconstructed: that the second action goes up and the third down.
"""

import numpy as np
from pydantic import Field

from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem, Sizes
from orchestrator.core import elementwise, exp, ordered_sum

ZONES = 5


class WarehouseParameters(MeanFieldParameters):
    """The discount; the rest is the source's."""

    gamma: float = Field(default=0.95, ge=0, lt=1, description="discount factor")

    @property
    def sizes(self) -> Sizes:
        return Sizes(ZONES, ZONES, ZONES, 3)


class Warehouse(MeanFieldProblem):
    """n robots; see ``MeanFieldProblem`` for what it offers."""

    name = "warehouse"
    version = 2
    Parameters = WarehouseParameters
    parameters: WarehouseParameters
    concentration = 0.3

    def fill(self) -> None:
        here = np.eye(ZONES)
        move = np.array([0, 1, -1])
        self.global_kernel = _softmax(0.1 + 3.0 * here[None, :, :] + 0.5 * here[:, None, :])
        leads = here[(np.arange(ZONES)[:, None] + move) % ZONES] * (move != 0)[None, :, None]
        self.local_kernel = _softmax(
            0.1 + 3.5 * here[:, None, None, :] + 1.5 * leads[:, None, :, :] + 0.3 * here[None, :, None, :]
        )
        self.global_reward = np.ones((ZONES, ZONES))
        apart = abs(np.arange(ZONES)[:, None] - np.arange(ZONES))
        ring = np.minimum(apart, ZONES - apart)
        near = np.where(ring == 0, 10.0, 2.0 / (1.0 + ring))
        self.local_reward = near[:, :, None] + np.array([0.0, 0.5, -0.3])


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = elementwise(exp, scores)
    return powers / ordered_sum(np.moveaxis(powers, -1, 0))[..., None]
