"""Pieces of networks of agents: hop counts, softmax policies, linear systems, exact policy gradients.

Sums run over agents in a fixed order; nothing goes through BLAS. What is elementwise, or a sum over rows, is numpy;
only what is a loop is compiled, as each kernel costs the first run a fifth of a second.
"""

import numpy as np

from envs.common.chains import back_substitute
from orchestrator.core import exp, kernel, ordered_sum


@kernel
def hops_from(indptr, indices, source):
    """Edges between ``source`` and every agent, int32 [n], -1 where no path leads; breadth first over the CSR graph."""
    n = indptr.shape[0] - 1
    hops, queue = np.empty(n, np.int32), np.empty(n, np.int64)
    for i in range(n):
        hops[i] = -1
    queue[0], hops[source] = source, 0
    head, tail = 0, 1
    while head < tail:
        i = queue[head]
        head += 1
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if hops[j] < 0:
                hops[j] = hops[i] + 1
                queue[tail] = j
                tail += 1
    return hops


def hop_counts(indptr: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Edges between all pairs of the agents of a CSR graph, int32 [n, n], -1 where no path leads."""
    return np.stack([hops_from(indptr, indices, source) for source in range(len(indptr) - 1)])


@kernel
def softmax(theta):
    """Local policies pi_i(a | s) = exp(theta_i(s, a)) / sum_b exp(theta_i(s, b)), [n, S, A] of ``theta`` [n, S, A]."""
    pi = np.empty(theta.shape)
    n, states, actions = theta.shape
    for i in range(n):
        for s in range(states):
            largest = theta[i, s, 0]
            for a in range(1, actions):
                largest = max(largest, theta[i, s, a])
            total = 0.0
            for a in range(actions):
                pi[i, s, a] = exp(theta[i, s, a] - largest)
                total += pi[i, s, a]
            for a in range(actions):
                pi[i, s, a] /= total
    return pi


@kernel
def solve_dominant(matrix, vector):
    """x [n] with ``matrix`` [n, n] x = ``vector``, for a matrix whose diagonal dominates its rows or columns.

    Elimination without pivots, which such a matrix does not need; zeros are skipped: O(n^2) on a line or a tree.
    """
    n = vector.shape[0]
    a, x = matrix.copy(), vector.copy()
    for c in range(n):
        for i in range(c + 1, n):
            if a[i, c] != 0.0:
                factor = a[i, c] / a[c, c]
                for j in range(c + 1, n):
                    a[i, j] -= factor * a[c, j]
                x[i] -= factor * x[c]
    back_substitute(a, x)
    return x


@kernel
def inverse_dominant(matrix):
    """Inverse [n, n] of a row diagonally dominant M-matrix (off the diagonal none above 0), by Gauss-Jordan.

    Entries off the diagonal only ever add numbers of one sign, so even those far below the largest are accurate to
    machine precision relative to themselves: decay over many hops is not lost in rounding.
    """
    n = matrix.shape[0]
    a = matrix.copy()
    for c in range(n):
        pivot = 1.0 / a[c, c]
        a[c, c] = 1.0
        for j in range(n):
            a[c, j] *= pivot
        for i in range(n):
            if i != c and a[i, c] != 0.0:
                factor = a[i, c]
                a[i, c] = 0.0
                for j in range(n):
                    a[i, j] -= factor * a[c, j]
    return a


def reward_slopes(pi: np.ndarray, reward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected reward by own state of each binary agent: at state 0 [n], and how much more at state 1 [n].

    ``pi`` and ``reward`` are [n, 2, 2], by agent, state and action.
    """
    expected = pi[:, :, 0] * reward[:, :, 0] + pi[:, :, 1] * reward[:, :, 1]
    return expected[:, 0].copy(), expected[:, 1] - expected[:, 0]


def span_beyond(hops: np.ndarray, kappa: int, on_state: np.ndarray, on_action: np.ndarray) -> np.ndarray:
    """Sum [n] over the agents j more than ``kappa`` hops from i of |on_state[i, j]| + |on_action[i, j]|."""
    spans = np.where(hops > kappa, abs(on_state) + abs(on_action), 0.0)
    return ordered_sum(np.ascontiguousarray(spans.T))


def heard_influence(hops: np.ndarray, kappa: int, slope: np.ndarray, resolvent: np.ndarray) -> np.ndarray:
    """Sum [n] over the agents i within ``kappa`` hops of j of slope_i ``resolvent``[i, j]."""
    return ordered_sum(np.where(hops <= kappa, slope[:, None] * resolvent, 0.0))


def softmax_gradient(pi: np.ndarray, reward: np.ndarray, occupied: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """(1 / n) occupied_j(s) d/d theta_j(s, .) of sum_a pi_j(a | s) (r_j(s, a) + a ``influence``_j), [n, 2, 2].

    ``pi`` and ``reward`` are [n, 2, 2], ``occupied`` [n, 2] is the time spent at each state, ``influence`` [n].
    """
    gain = reward[:, :, 1] - reward[:, :, 0] + influence[:, None]
    at_1 = occupied * pi[:, :, 0] * pi[:, :, 1] * gain / len(pi)
    return np.stack([-at_1, at_1], axis=2)
