"""Federated optimisation: a server sets the step size of clients that it can see only some of.

Source: arXiv:2603.03759 names federated optimisation among its simulations; RECONSTRUCTED is all of it. Client i's
loss is (w - w_i*)^2 / 2, its state the distance x = |w - w_i*| on a grid of ``levels`` values from 0 to 1. s_g is the
step size alpha in force, one of ``steps`` in geometric progression from .1 to .9; a_g is the next one, which comes into
force with chance ``hit``, else the present one stays. A client that takes part (1) makes a noisy gradient step,
w <- w - alpha (w - w_i* + noise z) with z normal: its new distance is |(1 - alpha) x + alpha noise z|, rounded to the
grid (the cells' exact chances; what is beyond 1 counts as 1). One that sits out (0) drifts a level away with chance
``drift``. r_l = -x^2 / 2, less ``cost`` for taking part; r_g = 0.

A large step is good far from the optimum and throws clients out again near it: what is best depends on where they are.
"""

import math

import numpy as np
from pydantic import Field

from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem, Sizes
from orchestrator.core import elementwise, erf, power

SMALLEST, LARGEST = 0.1, 0.9


class FederatedOptimisationParameters(MeanFieldParameters):
    """How fine the grids are, how noisy gradients are, and what clients pay."""

    levels: int = Field(default=5, ge=2, le=10, description="distances S of a client to its optimum, from 0 to 1")
    steps: int = Field(default=3, ge=2, le=10, description="step sizes G, from .1 to .9 in geometric progression")
    noise: float = Field(default=0.7, gt=0, le=10, description="standard deviation of a client's gradient")
    hit: float = Field(default=0.9, gt=0, le=1, description="chance that the step size asked for comes into force")
    drift: float = Field(default=0.1, ge=0, le=1, description="chance that a client sitting out drifts a level away")
    cost: float = Field(default=0.02, ge=0, description="what taking part costs a client in a step")

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.steps, self.steps, self.levels, 2)


class FederatedOptimisation(MeanFieldProblem):
    """n clients, who take part half the time unless an algorithm says otherwise; see ``MeanFieldProblem``."""

    name = "federated-optimisation"
    version = 2
    Parameters = FederatedOptimisationParameters
    parameters: FederatedOptimisationParameters
    distances: np.ndarray  #: of the levels, float64 [S]
    step_sizes: np.ndarray  #: float64 [G]

    def fill(self) -> None:
        p = self.parameters
        self.distances = np.linspace(0.0, 1.0, p.levels)
        self.step_sizes = SMALLEST * elementwise(lambda x: power(LARGEST / SMALLEST, x), np.linspace(0.0, 1.0, p.steps))
        asked = np.eye(p.steps)
        self.global_kernel = p.hit * asked[None, :, :] + (1 - p.hit) * asked[:, None, :]
        here, away = np.eye(p.levels), np.eye(p.levels, k=1)
        away[-1, -1] = 1.0
        self.local_kernel = np.empty((p.levels, p.steps, 2, p.levels))
        self.local_kernel[:, :, 0] = (p.drift * away + (1 - p.drift) * here)[:, None]
        for s, x in enumerate(self.distances):
            for g, alpha in enumerate(self.step_sizes):
                self.local_kernel[s, g, 1] = folded((1 - alpha) * x, alpha * p.noise, self.distances)
        self.global_reward = np.zeros((p.steps, p.steps))
        paid = -(self.distances * self.distances)[:, None] / 2 - np.array([0.0, p.cost])
        self.local_reward = np.repeat(paid[:, None], p.steps, axis=1)


def folded(mean: float, deviation: float, grid: np.ndarray) -> np.ndarray:
    """Chance that |``mean`` + ``deviation`` z|, z normal, is nearest to each point of the ascending ``grid``."""
    edges = [*((grid[1:] + grid[:-1]) / 2).tolist(), math.inf]
    below = [_normal((edge - mean) / deviation) - _normal((-edge - mean) / deviation) for edge in edges]
    return np.maximum(np.diff(below, prepend=0.0), 0.0)


def _normal(z: float) -> float:
    """The distribution function of the normal."""
    return (1.0 + erf(z / math.sqrt(2.0))) / 2.0
