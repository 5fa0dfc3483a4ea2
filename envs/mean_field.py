"""A global agent and n alike local agents: the model, and the exact lumping of the population to its histogram.

arXiv:2412.00661, arXiv:2603.03759: s_g' ~ P_g(. | s_g, a_g), s_i' ~ P_l(. | s_i, s_g, a_i) with the present s_g, reward
r_g(s_g, a_g) + (1 / n) sum_i r_l(s_i, s_g, a_i). With a local policy fixed, (s_g, histogram) is an exact lumping: what
the global agent can reach that sees everyone, and what a policy of k sampled local states reaches, solve systems on it.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from orchestrator.kernels import kernel

from . import histograms

#: Multiplications of an exact lumping that are still done, a minute or two.
MOST_OPERATIONS = 2e11
#: Change of a value at which a fixed point is taken to be reached, relative to the largest value.
SETTLED = 1e-14


class MeanFieldProblem:
    """Arrays of one model. A subclass fills them in before it calls ``check``.

    ``global_kernel`` float64 [G, A, G], ``local_kernel`` [S, G, B, S], ``global_reward`` [G, A], ``local_reward``
    [S, G, B], ``local_policy`` [S, G, B], the fixed policy of the local agents; ``gamma``, ``agents`` n.
    """

    kind: ClassVar[str] = "mean-field"
    parameters: Any
    agents: int
    gamma: float
    global_kernel: np.ndarray
    local_kernel: np.ndarray
    global_reward: np.ndarray
    local_reward: np.ndarray
    local_policy: np.ndarray

    def check(self) -> None:
        """Raise ValueError for fewer than one agent, and for rows that are no distributions, naming the row."""
        if self.agents < 1:
            raise ValueError(f"agents must be at least 1, got {self.agents}.")
        for name in ("global_kernel", "local_kernel", "local_policy"):
            array = getattr(self, name)
            total = array.sum(axis=-1)
            wrong = np.argwhere((array < 0).any(axis=-1) | (abs(total - 1) > 1e-9))
            if len(wrong):
                row = tuple(int(index) for index in wrong[0])
                raise ValueError(f"{name}: row {row} is no distribution, it sums to {total[row]:.6g}.")

    @property
    def global_states(self) -> int:
        """G."""
        return self.global_kernel.shape[0]

    @property
    def global_actions(self) -> int:
        """A."""
        return self.global_kernel.shape[1]

    @property
    def local_states(self) -> int:
        """S."""
        return self.local_kernel.shape[0]

    @cached_property
    def chance(self) -> np.ndarray:
        """P(s' | s) of a local agent under its policy at each global state, float64 [G, S, S]."""
        return _under(self.local_policy, self.local_kernel)

    @cached_property
    def paid(self) -> np.ndarray:
        """Mean local reward at each global and local state under the local policy, float64 [G, S]."""
        return np.ascontiguousarray(_under(self.local_policy, self.local_reward[..., None])[:, :, 0])

    def reward(self, cells: np.ndarray) -> np.ndarray:
        """r_g(s_g, a_g) + the mean local reward, float64 [cells, G, A], at histograms ``cells`` int64 [cells, S]."""
        return rewards(np.array(cells, np.int64), self.paid, self.global_reward)

    def moves(self, cells: np.ndarray, first: int, last: int) -> np.ndarray:
        """P(F' | F, s_g) float64 [G, last - first, cells] of histograms ``first``..``last`` - 1 of ``cells``."""
        return np.stack([histograms.moves(first, last, cells, chance) for chance in self.chance])

    def operations(self, members: int) -> float:
        """Multiplications for the moves of so many members, all cells and global states, roughly."""
        return self.global_states * histograms.move_operations(members, self.local_states)

    @cached_property
    def start(self) -> np.ndarray:
        """mu_0 float64 [cells, G]: s_g uniform, local states independent and uniform (reconstructed)."""
        cells = self.cells
        even = np.full((1, self.local_states), 1.0 / self.local_states)
        one = np.repeat(even, self.local_states, axis=0)
        chance = histograms.moves(0, 1, cells, one)[0]
        return np.repeat(chance[:, None], self.global_states, axis=1) / self.global_states

    @cached_property
    def cells(self) -> np.ndarray:
        """All histograms of the n local agents, int64 [cells, S]."""
        return histograms.enumerated(self.agents, self.local_states)

    @property
    def lumpable(self) -> bool:
        """Whether the exact lumping of n agents is within reach."""
        return self.operations(self.agents) <= MOST_OPERATIONS

    @cached_property
    def population(self) -> np.ndarray:
        """``moves`` of the whole population, float64 [G, cells, cells]."""
        return self.moves(self.cells, 0, len(self.cells))

    @cached_property
    def best(self) -> np.ndarray:
        """V* [cells, G] of the global agent that sees everyone, the local policy fixed: value iteration."""
        return self._at_rest(lambda q: q.max(axis=2))

    def value(self, policy: np.ndarray) -> np.ndarray:
        """V [cells, G] of a ``policy`` float64 [cells, G, A] of histogram and global state."""
        return self._at_rest(lambda q: averaged(q, policy))

    def _at_rest(self, decided: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The fixed point [cells, G] of V = ``decided``(Q of V)."""
        reward, value = self.reward(self.cells), np.zeros((len(self.cells), self.global_states))
        while True:
            before = value
            value = decided(action_values(reward, self.population, self.global_kernel, self.gamma, before))
            if np.abs(value - before).max() <= SETTLED * max(1.0, np.abs(value).max()):
                return value

    def deployed(self, policy: np.ndarray, sampled: np.ndarray) -> np.ndarray:
        """[cells, G, A]: how often each action is taken by a ``policy`` [samples, G, A] of k sampled local states.

        ``sampled`` int64 [samples, S] are its histograms; a sample is drawn afresh each step, without replacement.
        """
        return through(histograms.shown(self.cells, sampled), policy)


@kernel
def _under(policy, table):
    """sum_b policy(b | s, g) table[s, g, b], [G, S, X] of ``policy`` [S, G, B] and ``table`` [S, G, B, X]."""
    states, globals_, actions, width = table.shape
    out = np.zeros((globals_, states, width))
    for g in range(globals_):
        for s in range(states):
            for b in range(actions):
                for x in range(width):
                    out[g, s, x] += policy[s, g, b] * table[s, g, b, x]
    return out


@kernel
def rewards(cells, paid, global_reward):
    """r_g + the mean of ``paid`` [G, S] over a histogram's members, [cells, G, A]."""
    globals_, actions = global_reward.shape
    out = np.empty((cells.shape[0], globals_, actions))
    for c in range(cells.shape[0]):
        for g in range(globals_):
            mean, members = 0.0, 0
            for s in range(cells.shape[1]):
                mean += cells[c, s] * paid[g, s]
                members += cells[c, s]
            for a in range(actions):
                out[c, g, a] = global_reward[g, a] + mean / members
    return out


@kernel
def action_values(reward, population, global_kernel, gamma, value):
    """Q [cells, G, A] = reward + gamma sum_g' P_g(g' | g, a) sum_c' ``population``[g, c, c'] ``value``[c', g'].

    ``population`` [G, cells, all] may hold the rows of some cells only; ``value`` is [all, G].
    """
    globals_, cells, everyone = population.shape
    actions = reward.shape[2]
    out = np.empty((cells, globals_, actions))
    ahead = np.empty(globals_)
    for g in range(globals_):
        for c in range(cells):
            ahead[:] = 0.0
            for other in range(everyone):
                chance = population[g, c, other]
                if chance > 0.0:
                    for h in range(globals_):
                        ahead[h] += chance * value[other, h]
            for a in range(actions):
                total = 0.0
                for h in range(globals_):
                    total += global_kernel[g, a, h] * ahead[h]
                out[c, g, a] = reward[c, g, a] + gamma * total
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


@kernel
def through(chance, policy):
    """sum_F ``chance``[c, F] ``policy``[F, g, a], [cells, G, A]."""
    _, globals_, actions = policy.shape
    out = np.zeros((chance.shape[0], globals_, actions))
    for c in range(chance.shape[0]):
        for f in range(chance.shape[1]):
            if chance[c, f] > 0.0:
                for g in range(globals_):
                    for a in range(actions):
                        out[c, g, a] += chance[c, f] * policy[f, g, a]
    return out
