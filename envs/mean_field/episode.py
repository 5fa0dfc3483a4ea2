"""Episodes of a global agent and n local ones step by step, and the gymnasium face of the global agent."""

from typing import ClassVar, Protocol

import numpy as np
from gymnasium.spaces import MultiDiscrete

from envs.common.picture import CELL, PAPER, colour, picture
from orchestrator.core import dirichlets


class Population(Protocol):
    """What an episode asks of a mean-field problem (``base.MeanFieldProblem`` says what each is)."""

    name: ClassVar[str]
    agents: int
    concentration: ClassVar[float | None]
    global_states: int
    global_actions: int
    local_states: int
    local_actions: int
    global_kernel: np.ndarray
    local_kernel: np.ndarray
    local_policy: np.ndarray
    global_reward: np.ndarray

    def pooled(self, counts: np.ndarray) -> np.ndarray: ...


class Episode:
    """One process that goes on for ever: ``place`` is s_g, ``where`` int64 [n] the local states.

    The global agent sees ``k`` local agents, all n where it is None. Raises ValueError for a k that is not in 1..n and
    a horizon below 1. Every method draws from the generator that it is given and nothing else.
    """

    def __init__(self, problem: Population, k: int | None, horizon: int | None) -> None:
        n = problem.agents
        if k is not None and not 1 <= k <= n:
            raise ValueError(f"k must be in 1..{n}, got {k}.")
        if horizon is not None and horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}.")
        self.problem, self.k, self.horizon = problem, n if k is None else k, horizon
        self.place, self.where, self.steps = 0, np.zeros(n, np.int64), 0
        self._global, self._local, self._policy = (
            _cumulative(rows) for rows in (problem.global_kernel, problem.local_kernel, problem.local_policy)
        )

    @property
    def seen(self) -> MultiDiscrete:
        """Space of what the global agent sees, int64 [1 + S]: s_g and the histogram of k local states."""
        problem = self.problem
        return MultiDiscrete([problem.global_states] + [self.k + 1] * problem.local_states)

    @property
    def over(self) -> bool:
        """Whether the horizon is reached."""
        return self.horizon is not None and self.steps >= self.horizon

    def start(self, rng: np.random.Generator) -> None:
        """Begin afresh, as ``MeanFieldProblem`` says."""
        problem, self.steps = self.problem, 0
        self.place = int(rng.integers(problem.global_states))
        n, states, alpha = problem.agents, problem.local_states, problem.concentration
        chance = np.full(states, 1.0 / states) if alpha is None else dirichlets(rng, alpha, states)
        self.where = _draw(np.repeat(_cumulative(chance)[None], n, axis=0), rng)

    def choices(self, rng: np.random.Generator) -> np.ndarray:
        """Actions int64 [n] that local agents draw from the problem's local policy."""
        return _draw(self._policy[self.where, self.place], rng)

    def step(self, action: int, local_actions: np.ndarray, rng: np.random.Generator) -> float:
        """The team's reward for these actions at the present state; then all move on from it, the locals first."""
        problem, s, g = self.problem, self.where, self.place
        states, actions = problem.local_states, problem.local_actions
        counts = np.bincount(s * actions + local_actions, minlength=states * actions)
        reward = float(problem.global_reward[g, action] + problem.pooled(counts[None])[0, g])
        self.where = _draw(self._local[s, g, local_actions], rng)
        self.place = int(_draw(self._global[None, g, action], rng)[0])
        self.steps += 1
        return reward

    def observe(self, rng: np.random.Generator) -> np.ndarray:
        """What the global agent sees now; every call draws another k of the n, without replacement."""
        counts = np.bincount(rng.permutation(self.where)[: self.k], minlength=self.problem.local_states)
        return np.concatenate([[self.place], counts]).astype(np.int64)

    def picture(self) -> np.ndarray:
        """The global states with the present one filled, under them the shares of local states as bars: uint8 RGB."""
        shares = np.bincount(self.where, minlength=self.problem.local_states) / self.problem.agents
        above = picture(1, self.problem.global_states, [(self.place, 0)])
        height, width = 4 * CELL, max(above.shape[1], len(shares) * CELL + 1)
        image = np.full((above.shape[0] + height, width, 3), PAPER, np.uint8)
        image[: above.shape[0], : above.shape[1]] = above
        for s, share in enumerate(shares):
            top = above.shape[0] + height - round(share * height)
            image[top:, s * CELL + 4 : (s + 1) * CELL - 3] = colour(1)
        return image


def _cumulative(rows: np.ndarray) -> np.ndarray:
    """Running sums along the last axis that end at exactly 1, so that what has no chance is never drawn."""
    sums = np.cumsum(rows, axis=-1)
    return sums / sums[..., -1:]


def _draw(cumulative: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One column int64 [n] for each row of ``cumulative`` [n, X]."""
    return (rng.random(len(cumulative))[:, None] >= cumulative).sum(axis=1)
