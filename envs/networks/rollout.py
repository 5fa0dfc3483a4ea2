"""Trajectories of agents on a network, compiled: what they observe, what they do, and the voter network's steps."""

import numpy as np

from orchestrator.core import kernel, uniform

BASE, BY_ACTION, BY_STATE = 0.1, 0.6, 0.2  # what a voter on its own does: P(s' = 1 | s, a) = .1 + .6 a + .2 s


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
