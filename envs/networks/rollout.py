"""Trajectories of agents on a network, compiled: what they observe, what they do, and the voter network's steps."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.core import kernel, uniform

BASE, BY_ACTION, BY_STATE = 0.1, 0.6, 0.2  # what a voter on its own does: P(s' = 1 | s, a) = .1 + .6 a + .2 s


def checked_policy(
    problem: Any, policy: ArrayLike, indptr: ArrayLike, indices: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copies for the kernels, so that one compiled specialisation serves all: policy, indptr, indices.

    ``policy`` float64 [n, O, A], O at least S^m where at most m agents are observed. Raises ValueError for
    arrays that do not fit each other or the ``problem``.
    """
    policy, indptr = np.array(policy, np.float64, order="C"), np.array(indptr, np.int64)
    indices, n = np.array(indices, np.int64), problem.agents
    if indptr.shape != (n + 1,) or indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        raise ValueError(f"indptr must be {n + 1} ascending numbers from 0 to the length of indices.")
    if ((indices < 0) | (indices >= n)).any():
        raise ValueError(f"indices must name agents 0..{n - 1}.")
    rows = problem.states ** int(np.diff(indptr).max())
    if policy.ndim != 3 or policy.shape[::2] != (n, problem.actions) or policy.shape[1] < rows:
        raise ValueError(f"policy must have shape ({n}, {rows} or more, {problem.actions}), got {policy.shape}.")
    return policy, indptr, indices


@kernel
def observed_row(states, first, last, indices, base):
    """Row of an agent's policy: sum_k ``base``^k states[j], j the k-th of ``indices[first:last]``, whom it observes."""
    row, weight = 0, 1
    for k in range(first, last):
        row += weight * states[indices[k]]
        weight *= base
    return row


@kernel
def draw_action(policy, i, row, u):
    """The action of agent ``i`` at ``row`` of its ``policy`` [n, O, A] that the uniform draw ``u`` falls on."""
    total, action = 0.0, 0
    for a in range(policy.shape[2]):
        if policy[i, row, a] > 0.0:
            action = a
            total += policy[i, row, a]
            if u < total:
                break
    return action


@kernel
def discounted_returns(seen, gamma):
    """Mean over binary agents of sum_t gamma^t s_t, [B], of episodes ``seen`` int64 [B, H, n] of 2 s + a."""
    batch, horizon, n = seen.shape
    out = np.zeros(batch)
    for b in range(batch):
        weight = 1.0 / n
        for t in range(horizon):
            for i in range(n):
                out[b] += weight * (seen[b, t, i] >> 1)
            weight *= gamma
    return out


@kernel
def rollout_voters(beta, indptr, indices, start, policy, seen_indptr, seen_indices, rng, seen):
    """Voter network: writes 2 s + a into ``seen`` int64 [B, H, n]; row b draws from stream b of ``rng``.

    ``indptr``, ``indices`` are the graph, ``seen_indptr``, ``seen_indices`` whom each agent's ``policy`` [n, O, 2]
    observes; s_i = 1 with chance ``start`` [n] at t = 0.
    """
    batch, horizon, n = seen.shape
    states = np.empty(n, np.int64)
    for b in range(batch):
        for t in range(horizon):
            for i in range(n):
                p = start[i]
                if t > 0:
                    before = seen[b, t - 1, i]
                    p = BASE + BY_ACTION * (before & 1) + BY_STATE * (before >> 1)
                    followed = 0.0
                    for k in range(indptr[i], indptr[i + 1]):
                        followed += seen[b, t - 1, indices[k]] >> 1
                    p = (1.0 - beta) * p + beta * followed / max(indptr[i + 1] - indptr[i], 1)
                states[i] = uniform(rng, b) < p
            for i in range(n):
                row = observed_row(states, seen_indptr[i], seen_indptr[i + 1], seen_indices, 2)
                seen[b, t, i] = 2 * states[i] + draw_action(policy, i, row, uniform(rng, b))
