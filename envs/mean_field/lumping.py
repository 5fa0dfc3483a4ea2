"""The exact chain of (global state, histogram of n alike local agents) under a fixed local policy, and its values.

Local agents are alike, so (s_g, histogram) is an exact lumping of all joint states: what the global agent can reach
that sees everyone, and what a policy of k sampled local states reaches, are fixed points on it.
"""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np

from envs.common.cache import Cache
from envs.mean_field import histograms
from orchestrator.core import kernel, ordered_sum

#: Largest number of multiplications of an exact lumping, a minute or two.
MOST_OPERATIONS = 2e11
#: The same for a lumping that is solved again and again, a second or less.
QUICK = 1e9
#: Change of a value at which a fixed point is taken to be reached, relative to the largest value.
SETTLED = 1e-14


def operations(members: int, global_states: int, local_states: int, classes: int | None = None) -> float:
    """Multiplications, roughly, for the moves of so many members of ``classes`` (the states), all global states."""
    return global_states * histograms.move_operations(members, local_states, classes)


def settle(decided: Callable[[np.ndarray], np.ndarray], value: np.ndarray) -> np.ndarray:
    """The fixed point of V = ``decided``(V), from ``value`` on. Raises ValueError where V is not finite."""
    while True:
        before = value
        value = decided(before)
        change, largest = largest_change(before.reshape(-1), value.reshape(-1))
        if math.isnan(change):
            raise ValueError("a value is not finite")
        if change <= SETTLED * max(1.0, largest):
            return value


@kernel
def largest_change(before, value):
    """Largest |value - before| and largest |value| of float64 [m] each; NaN twice where a value is not finite."""
    change, largest = 0.0, 0.0
    for i in range(value.shape[0]):
        size = abs(value[i])
        if not size < np.inf:
            return np.nan, np.nan
        change, largest = max(change, abs(value[i] - before[i])), max(largest, size)
    return change, largest


class Model(Protocol):
    """What an exact chain asks of a mean-field problem (``base.MeanFieldProblem`` says what each is)."""

    agents: int
    gamma: float
    global_states: int
    global_actions: int
    local_states: int
    local_actions: int
    global_kernel: np.ndarray
    local_kernel: np.ndarray
    global_reward: np.ndarray
    local_reward: np.ndarray

    @cached_property
    def cache(self) -> Cache: ...  # pyright: ignore[reportReturnType]
    def first_of(self, members: int) -> np.ndarray: ...
    def pooled(self, counts: np.ndarray) -> np.ndarray: ...
    def expected(self, cells: np.ndarray, locally: np.ndarray) -> np.ndarray: ...


class Lumping:
    """n ``agents`` of a problem whose reward is additive, all with the local ``policy`` float64 [S, G, B]."""

    def __init__(self, problem: Model, policy: np.ndarray, agents: int) -> None:
        self.problem, self.policy, self.agents = problem, policy, agents
        #: P(s' | s) of a local agent at each global state, float64 [G, S, S]
        self.chance = under(policy, problem.local_kernel)
        #: its mean reward at each global and local state, float64 [G, S]
        self.paid = np.ascontiguousarray(under(policy, problem.local_reward[..., None])[:, :, 0])

    @cached_property
    def cells(self) -> np.ndarray:
        """All histograms, int64 [cells, S]."""
        return histograms.enumerated(self.agents, self.problem.local_states)

    @cached_property
    def reward(self) -> np.ndarray:
        """r_g(s_g, a_g) + the mean local reward, float64 [cells, G, A]."""
        return self.rewards(self.cells)

    def rewards(self, cells: np.ndarray) -> np.ndarray:
        """``reward`` at some histograms ``cells`` int64 [rows, S] only."""
        return rewards(cells, self.paid, self.problem.global_reward)

    def moves(self, cells: np.ndarray) -> np.ndarray:
        """P(F' | F, s_g) float64 [G, rows, all] of the histograms ``cells`` int64 [rows, S]."""
        return np.stack([histograms.moves(np.array(cells), chance[None], self.cells) for chance in self.chance])

    @cached_property
    def population(self) -> np.ndarray:
        """``moves`` of all cells, float64 [G, cells, cells]."""
        return self.moves(self.cells)

    @cached_property
    def best(self) -> np.ndarray:
        """V* [cells, G] of the global agent that sees everyone: value iteration."""
        return self._at_rest(lambda q: q.max(axis=2))

    def value(self, policy: np.ndarray) -> np.ndarray:
        """V [cells, G] of a global ``policy`` float64 [cells, G, A] of histogram and global state."""
        return self._at_rest(lambda q: averaged(q, policy))

    def _at_rest(self, decided: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        problem, start = self.problem, np.zeros((len(self.cells), self.problem.global_states))
        model = self.reward, self.population, problem.global_kernel, problem.gamma
        return settle(lambda value: decided(action_values(*model, value)), start)

    def deployed(self, policy: np.ndarray, k: int) -> np.ndarray:
        """[cells, G, A]: how often each action is taken by a ``policy`` [samples, G, A] of k sampled local states.

        Its rows are all histograms of k by rank; a sample is drawn afresh each step, without replacement.
        """
        # The same under every local policy: alternation and gaps ask for many.
        states = self.problem.local_states
        size = 8.0 * len(self.cells) * histograms.histograms(k, states)

        def make() -> np.ndarray:
            return histograms.shown(self.cells, histograms.enumerated(k, states))

        return through(self.problem.cache.get("shown", (self.agents, k), make, size), policy)

    @cached_property
    def first(self) -> np.ndarray:
        """Chance of each histogram at the start, float64 [cells]."""
        return self.problem.first_of(self.agents)

    def at_start(self, value: np.ndarray) -> float:
        """The mean of ``value`` [cells, G] at the start."""
        return start_mean(self.first, value)

    def visits(self, policy: np.ndarray) -> np.ndarray:
        """Discounted visits float64 [cells, G] from the start under a global ``policy`` [cells, G, A]."""
        problem, start = self.problem, np.repeat(self.first[:, None], self.problem.global_states, axis=1)
        start = start / problem.global_states
        drift = drifts(policy, problem.global_kernel)
        return settle(lambda d: start + problem.gamma * forward(d, self.population, drift), start)

    def moved(self, policy: np.ndarray) -> np.ndarray:
        """How often s_g goes from g to h, discounted, float64 [G, G], under a global ``policy`` [cells, G, A]."""
        drift = drifts(policy, self.problem.global_kernel)
        return ordered_sum(self.visits(policy)[:, :, None] * drift)


def start_mean(first: np.ndarray, value: np.ndarray) -> float:
    """sum_c ``first``[c] mean_g ``value``[c, g], where c may be several indices."""
    return float(ordered_sum((first[..., None] * value).reshape(-1)) / value.shape[-1])


def under(policy: np.ndarray, table: np.ndarray) -> np.ndarray:
    """sum_b policy(b | s, g) table[s, g, b], [G, S, X] of ``policy`` [S, G, B] and ``table`` [S, G, B, X]."""
    out = np.zeros((*policy.shape[:2], table.shape[3]))
    for b in range(policy.shape[2]):
        out += policy[:, :, b, None] * table[:, :, b]
    return np.ascontiguousarray(out.transpose(1, 0, 2))


def rewards(cells: np.ndarray, paid: np.ndarray, global_reward: np.ndarray) -> np.ndarray:
    """r_g + the mean of ``paid`` [G, S] over the members of each of ``cells`` int64 [cells, S]: [cells, G, A]."""
    total = np.zeros((len(cells), len(paid)))
    for s in range(cells.shape[1]):
        total += cells[:, s, None] * paid[:, s]
    members = cells.sum(axis=1)  # whole numbers
    return global_reward + (total / members[:, None])[:, :, None]


@kernel
def average_rows(chances, rows):
    """sum_i ``chances``[c, i] ``rows``[i], [n, X], of ``chances`` [n, m] and ``rows`` [m, X]; zeros are skipped."""
    out = np.zeros((chances.shape[0], rows.shape[1]))
    for c in range(chances.shape[0]):
        for i in range(chances.shape[1]):
            chance = chances[c, i]
            if chance > 0.0:
                for x in range(rows.shape[1]):
                    out[c, x] += chance * rows[i, x]
    return out


@kernel
def action_values(reward, population, global_kernel, gamma, value):
    """Q [cells, G, A] = reward + gamma sum_g' P_g(g' | g, a) sum_c' ``population``[g, c, c'] ``value``[c', g'].

    ``population`` [G, cells, all] may hold the rows of some cells only; ``value`` is [all, G].
    """
    globals_, cells, actions = population.shape[0], population.shape[1], reward.shape[2]
    out = np.empty((cells, globals_, actions))
    for g in range(globals_):
        ahead = average_rows(population[g], value)
        for c in range(cells):
            for a in range(actions):
                total = 0.0
                for h in range(globals_):
                    total += global_kernel[g, a, h] * ahead[c, h]
                out[c, g, a] = reward[c, g, a] + gamma * total
    return out


def drifts(policy: np.ndarray, global_kernel: np.ndarray) -> np.ndarray:
    """P(s_g' | cell, s_g) float64 [cells, G, G] under ``policy`` [cells, G, A]."""
    out = np.zeros((*policy.shape[:2], global_kernel.shape[2]))
    for a in range(policy.shape[2]):
        out += policy[:, :, a, None] * global_kernel[:, a]
    return out


@kernel
def forward(weight, population, drift):
    """``weight`` [cells, G] a step later; ``population`` [G, cells, cells] moves cells, ``drift`` [cells, G, G] s_g."""
    globals_, cells, _ = population.shape
    out = np.zeros((cells, globals_))
    for g in range(globals_):
        for c in range(cells):
            for other in range(cells):
                moved = weight[c, g] * population[g, c, other]
                if moved > 0.0:
                    for h in range(globals_):
                        out[other, h] += moved * drift[c, g, h]
    return out


@kernel
def averaged(values, policy):
    """sum_a ``policy`` ``values``, both [cells, G, A] -> [cells, G]."""
    cells, globals_, actions = values.shape
    out = np.zeros((cells, globals_))
    for c in range(cells):
        for g in range(globals_):
            for a in range(actions):
                out[c, g] += policy[c, g, a] * values[c, g, a]
    return out


def through(chance: np.ndarray, policy: np.ndarray) -> np.ndarray:
    """sum_F ``chance``[c, F] ``policy``[F, g, a], [cells, G, A]."""
    rows = np.array(policy).reshape(len(policy), -1)
    return average_rows(chance, rows).reshape(-1, *policy.shape[1:])
