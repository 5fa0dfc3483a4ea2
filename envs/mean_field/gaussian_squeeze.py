"""Gaussian squeeze: agents choose numbers whose sum should be near mu; the reward of all depends on that sum.

Source: Yang et al. (ICML 2018): actions 0..9, x = sum_i a_i, r = x exp(-(x - mu)^2 / sigma^2), mu = 400, sigma = 200.
Stateless: one global state, one global action, one local state. The reward is **not** of the form
r_g + (1 / n) sum_i r_l: it is a curved function of the sum of all actions, and a sample of k agents can only guess it.
Reconstructed: that guess, that all n are like the k seen, x = (n / k) sum of theirs; gamma = 0, as nothing follows from
an action.
"""

from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem, Sizes
from orchestrator.core import exp, kernel


class GaussianSqueezeParameters(MeanFieldParameters):
    """Where the sum should be, and what numbers there are."""

    gamma: float = Field(default=0.0, ge=0, lt=1, description="discount factor; 0: the stage alone counts")
    mu: float = Field(default=400.0, gt=0, description="sum of actions around which the reward is large")
    sigma: float = Field(default=200.0, gt=0, description="how far from mu: the factor is exp(-1) at this distance")
    actions: int = Field(default=10, ge=2, le=100, description="local actions B, the numbers 0 to B - 1")

    @property
    def sizes(self) -> Sizes:
        return Sizes(1, 1, 1, self.actions)

    def jointly_lumpable(self, agents: int) -> bool:
        """The best that full information reaches has a closed form."""
        return True


class GaussianSqueeze(MeanFieldProblem):
    """n agents. ``local_reward`` is 0: what they earn together is ``pooled``, and no ``lumping`` holds it."""

    name = "gaussian-squeeze"
    version = 2
    Parameters = GaussianSqueezeParameters
    parameters: GaussianSqueezeParameters
    kind = "pooled-mean-field"

    def fill(self) -> None:
        self.global_kernel = np.ones((1, 1, 1))
        self.local_kernel = np.ones((1, 1, self.local_actions, 1))
        self.global_reward = np.zeros((1, 1))
        self.local_reward = np.zeros((1, 1, self.local_actions))

    def pooled(self, counts: np.ndarray) -> np.ndarray:
        """The team's reward float64 [rows, 1] at x = (N / k) sum_a counts[., a] a, where k is the sum of a row.

        ``counts`` int64 [rows, B] counts agents by their action.
        """
        counts = np.asarray(counts, np.int64)
        total = (counts * np.arange(self.local_actions)).sum(axis=1)
        return self.reward_of(self.agents * total / counts.sum(axis=1))[:, None]

    def reward_of(self, sums: ArrayLike) -> np.ndarray:
        """x exp(-(x - mu)^2 / sigma^2), float64 [m] at the sums x [m]."""
        return squeezed(np.asarray(sums, float), self.parameters.mu, self.parameters.sigma)

    @property
    def best_value(self) -> float:
        """Largest discounted return of N agents: the best reward of all sums 0..N (B - 1), divided by 1 - gamma."""
        return float(self.reward_of(np.arange(self._largest + 1)).max()) / (1 - self.gamma)

    def mean_reward(self, probabilities: ArrayLike) -> float:
        """Mean reward of a step in which all N draw their actions independently from ``probabilities`` float64 [B].

        Exact: the distribution of the sum is the N-fold convolution. Raises ValueError for other arrays.
        """
        chance = np.array(probabilities, float)
        if chance.shape != (self.local_actions,) or not (chance >= 0).all() or abs(chance.sum() - 1) > 1e-9:
            raise ValueError(f"probabilities must be a distribution over {self.local_actions} actions, got {chance}.")
        return float(expectation(self.agents, chance, self.reward_of(np.arange(self._largest + 1))))

    def expected(self, cells: np.ndarray, locally: np.ndarray) -> np.ndarray:
        """``mean_reward`` as an array [1, 1]: there is one histogram of states and one global state."""
        return np.array([[self.mean_reward(locally[0, 0, 0])]])

    @property
    def jointly(self) -> np.ndarray:
        """``best_value`` as an array [1, 1]."""
        return np.array([[self.best_value]])

    def lumping(self, policy: np.ndarray, agents: int | None = None) -> NoReturn:
        """Always raises ValueError: the exact chain needs a reward that is a sum of local rewards."""
        raise ValueError("gaussian-squeeze has no lumping: its reward is not a mean of local ones. Use mean_reward.")

    @property
    def _largest(self) -> int:
        return self.agents * (self.local_actions - 1)


@kernel
def squeezed(sums, mu, sigma):
    """x exp(-(x - mu)^2 / sigma^2) of each of ``sums`` float64 [m]."""
    out = np.empty(sums.shape[0])
    for i in range(sums.shape[0]):
        off = (sums[i] - mu) / sigma
        out[i] = sums[i] * exp(-off * off)
    return out


@kernel
def expectation(draws, chance, worth):
    """Mean of ``worth`` [draws (B - 1) + 1] at the sum of independent ``draws`` from ``chance`` float64 [B]."""
    now, then = np.zeros(worth.shape[0]), np.zeros(worth.shape[0])
    now[0] = 1.0
    largest = 0
    for _ in range(draws):
        then[:] = 0.0
        for x in range(largest + 1):
            for a in range(chance.shape[0]):
                then[x + a] += now[x] * chance[a]
        largest += chance.shape[0] - 1
        now, then = then, now
    total = 0.0
    for x in range(worth.shape[0]):
        total += now[x] * worth[x]
    return total
