"""Compiled pieces of networks of agents: hop counts, softmax policies, linear systems, exact policy gradients.

Sums run over agents in a fixed order; nothing goes through BLAS.
"""

import math

import numpy as np

from orchestrator.core import kernel


@kernel
def hops_from(indptr, indices, source):
    """Edges between ``source`` and every agent, int32 [n], -1 where no path leads; breadth first over the CSR graph."""
    n = indptr.shape[0] - 1
    hops = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int64)
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


@kernel
def hop_counts(indptr, indices):
    """Edges between all pairs, int32 [n, n], -1 where no path leads."""
    n = indptr.shape[0] - 1
    out = np.empty((n, n), np.int32)
    for i in range(n):
        out[i] = hops_from(indptr, indices, i)
    return out


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
                pi[i, s, a] = math.exp(theta[i, s, a] - largest)
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
    for c in range(n - 1, -1, -1):
        for j in range(c + 1, n):
            x[c] -= a[c, j] * x[j]
        x[c] /= a[c, c]
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


@kernel
def reward_slopes(pi, reward):
    """Expected reward by own state of each binary agent: at state 0 [n], and how much more at state 1 [n]."""
    n = pi.shape[0]
    at_0, slope = np.empty(n), np.empty(n)
    for i in range(n):
        at_0[i] = pi[i, 0, 0] * reward[i, 0, 0] + pi[i, 0, 1] * reward[i, 0, 1]
        slope[i] = pi[i, 1, 0] * reward[i, 1, 0] + pi[i, 1, 1] * reward[i, 1, 1] - at_0[i]
    return at_0, slope


@kernel
def span_beyond(hops, kappa, on_state, on_action):
    """Sum [n] over the agents j more than ``kappa`` hops from i of |on_state[i, j]| + |on_action[i, j]|."""
    n = hops.shape[0]
    out = np.zeros(n)
    for i in range(n):
        for j in range(n):
            if hops[i, j] > kappa:
                out[i] += abs(on_state[i, j]) + abs(on_action[i, j])
    return out


@kernel
def heard_influence(hops, kappa, slope, resolvent):
    """Sum [n] over the agents i within ``kappa`` hops of j of slope_i ``resolvent``[i, j]."""
    n = hops.shape[0]
    out = np.zeros(n)
    for i in range(n):
        for j in range(n):
            if hops[i, j] <= kappa:
                out[j] += slope[i] * resolvent[i, j]
    return out


@kernel
def softmax_gradient(pi, reward, occupied, influence):
    """(1 / n) occupied_j(s) d/d theta_j(s, .) of sum_a pi_j(a | s) (r_j(s, a) + a ``influence``_j), [n, 2, 2]."""
    n = pi.shape[0]
    out = np.empty((n, 2, 2))
    for j in range(n):
        for s in range(2):
            gain = reward[j, s, 1] - reward[j, s, 0] + influence[j]
            out[j, s, 1] = occupied[j, s] * pi[j, s, 0] * pi[j, s, 1] * gain / n
            out[j, s, 0] = -out[j, s, 1]
    return out
