"""The exact chain of (global state, histogram) where local agents' actions are chosen, not given.

With everyone's action histogram at hand the population is controlled as a whole: its best value is what full
information reaches. Where local agents decide for themselves, each by a draw given (s_g, histogram), they move
independently, by a kernel that depends on the cell.
"""

from functools import cached_property
from typing import Any

import numpy as np

from envs.mean_field import histograms
from envs.mean_field.lumping import action_values, averaged, settle, through
from orchestrator.core import kernel


def joint_bytes(members: int, global_states: int, local_states: int, local_actions: int) -> float:
    """Bytes of those moves."""
    rows = float(histograms.histograms(members, local_states * local_actions))
    return 8.0 * rows * global_states * histograms.histograms(members, local_states)


class JointLumping:
    """All n agents of a problem, decided for by someone who sees everyone: V* over all joint actions."""

    def __init__(self, problem: Any) -> None:
        self.problem = problem
        self.cells = histograms.enumerated(problem.agents, problem.local_states)
        self.rows = histograms.enumerated(problem.agents, problem.local_states * problem.local_actions)

    @cached_property
    def best(self) -> np.ndarray:
        """V* float64 [cells, G] by value iteration."""
        problem = self.problem
        reward = problem.pooled(self.rows)[:, :, None] + problem.global_reward
        chance = joint_chance(problem.local_kernel)
        moves = np.stack([histograms.moves(self.rows, each[None], self.cells) for each in chance])
        owner = owners(self.rows, problem.local_actions, problem.agents)

        def decided(value: np.ndarray) -> np.ndarray:
            q = action_values(reward, moves, problem.global_kernel, problem.gamma, value)
            return largest(q.max(axis=2), owner, len(self.cells))

        return settle(decided, np.zeros((len(self.cells), problem.global_states)))


class Decentralised:
    """All n agents of a problem, each on its own, when the global one follows ``policy`` of k sampled local states.

    ``policy`` float64 [samples, G, A]; ``shares`` float64 [samples, G, S, B], what a local agent in state s does when
    the k agents that it sees, itself among them, have such a histogram.
    """

    def __init__(self, problem: Any, policy: np.ndarray, shares: np.ndarray, k: int) -> None:
        self.problem = problem
        self.cells = histograms.enumerated(problem.agents, problem.local_states)
        sampled = histograms.enumerated(k, problem.local_states)
        #: how often each global action is taken, [cells, G, A]
        self.globally = through(histograms.shown(self.cells, sampled), policy)
        #: and each local one by an agent in state s, [cells, G, S, B]
        self.locally = self._locally(shares, sampled, k)

    def _locally(self, shares: np.ndarray, sampled: np.ndarray, k: int) -> np.ndarray:
        problem = self.problem
        table = histograms.binomials(k, problem.local_states)
        out = np.full((len(self.cells), *shares.shape[1:]), 1.0 / shares.shape[3])
        others = histograms.enumerated(k - 1, problem.local_states)
        for s in range(problem.local_states):
            someone = np.flatnonzero(self.cells[:, s] > 0)
            beside = self.cells[someone].copy()
            beside[:, s] -= 1
            with_own = others.copy()
            with_own[:, s] += 1
            rows = histograms.ranks(with_own, table)
            out[someone, :, s] = through(histograms.shown(beside, others), np.ascontiguousarray(shares[rows, :, s]))
        return out

    @cached_property
    def value(self) -> np.ndarray:
        """V float64 [cells, G]."""
        problem, globally = self.problem, self.globally
        reward = problem.expected(self.cells, self.locally)[:, :, None] + problem.global_reward
        at = range(problem.global_states)
        chance = [_moved(self.locally[:, g], problem.local_kernel[:, g]) for g in at]
        moves = np.stack([histograms.moves(self.cells, each, self.cells) for each in chance])
        model = reward, moves, problem.global_kernel, problem.gamma
        return settle(lambda value: averaged(action_values(*model, value), globally), np.zeros(reward.shape[:2]))


def joint_chance(local_kernel: np.ndarray) -> np.ndarray:
    """P_l float64 [S, G, B, S] as [G, S B, S], the class of state s and action b at s B + b."""
    states, globals_, actions, _ = local_kernel.shape
    return np.ascontiguousarray(local_kernel.transpose(1, 0, 2, 3).reshape(globals_, states * actions, states))


def owners(rows: np.ndarray, actions: int, members: int) -> np.ndarray:
    """The rank, int64 [rows], of the histogram of states that each of states with actions ``rows`` [rows, S B] has."""
    states = rows.shape[1] // actions
    return histograms.ranks(states_of(rows, actions), histograms.binomials(members, states))


def states_of(rows: np.ndarray, actions: int) -> np.ndarray:
    """Histograms int64 [rows, S] of the states in histograms ``rows`` [rows, S B] of states with actions."""
    counts = rows.reshape(len(rows), -1, actions)
    return np.ascontiguousarray(counts.sum(axis=2))


@kernel
def largest(values, owner, cells):
    """The largest of ``values`` [rows, G] among the rows of each cell, [cells, G]; ``owner`` int64 [rows]."""
    globals_ = values.shape[1]
    out = np.empty((cells, globals_))
    for c in range(cells):
        for g in range(globals_):
            out[c, g] = -np.inf
    for row in range(values.shape[0]):
        for g in range(globals_):
            out[owner[row], g] = max(out[owner[row], g], values[row, g])
    return out


def _moved(locally: np.ndarray, local_kernel: np.ndarray) -> np.ndarray:
    """Transitions float64 [cells, S, S'] of ``locally`` [cells, S, B] and ``local_kernel`` [S, B, S'] at one s_g."""
    out = np.zeros((*locally.shape[:2], local_kernel.shape[2]))
    for b in range(locally.shape[2]):
        out += locally[:, :, b, None] * local_kernel[:, b]
    return out
