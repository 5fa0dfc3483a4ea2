"""Rounds of tabular reciprocity fused into one loop, composed of the kernels that a driven round uses."""

import numpy as np

from algorithms.policy_reciprocity.tables import follow, private_steps, shared_steps, type_sums
from orchestrator.core import inlined, kernel


@kernel
def mixing_weight(kappa, exponent, t):
    """kappa_t = 1 - (1 - kappa) / (t + 1)^p; kappa itself if p is 0."""
    return kappa if exponent == 0.0 else 1.0 - (1.0 - kappa) / (t + 1.0) ** exponent


@inlined
def resum(sums, table, types, indptr, indices, m, s, a):
    """The sums [m, :, s, a] of one receiver at one pair, added in the order in which ``type_sums`` adds."""
    for u in range(sums.shape[1]):
        sums[m, u, s, a] = 0.0
    for k in range(indptr[m], indptr[m + 1]):
        j = indices[k]
        sums[m, types[j], s, a] += table[j, s, a]


@inlined
def refresh(sums, table, types, indptr, indices, touched, common):
    """Bring ``sums`` up to date, bit for bit ``type_sums``, after the pairs ``touched`` int64 [n, steps, 2…] changed.

    ``common``: every agent has touched the pairs of row 0. Where much has changed everything is summed anew.
    """
    receivers = sums.shape[0]
    n, steps = table.shape[0], touched.shape[1]
    changed = steps if common else n * steps
    if changed >= table.shape[1] * table.shape[2]:
        sums[:] = type_sums(table, types, indptr, indices, sums.shape[1])[0]
        return
    for j in range(1 if common else n):
        for step in range(steps):
            s, a = touched[j, step, 0], touched[j, step, 1]
            if common or receivers == 1:
                for m in range(receivers):
                    resum(sums, table, types, indptr, indices, m, s, a)
            else:
                for k in range(indptr[j], indptr[j + 1]):  # the graph is undirected: those that j reads read j
                    resum(sums, table, types, indptr, indices, indices[k], s, a)


@kernel
def private_rounds(rounds, kappa, exponent, t, types, indptr, indices, process, near, how, state):
    """``rounds`` rounds from round t on, every agent in its own copy. Returns the first receiver's sums [T, S, A].

    ``process``, ``near``, ``how`` and ``state`` are the tuples of ``TableAgents``; receiver m reads the members
    ``indices[indptr[m]:indptr[m + 1]]``.
    """
    table, type_of, beta, steps = state[0], process[8], how[2], how[5]
    touched = np.empty((table.shape[0], steps, 2), np.int64)
    sums, members = type_sums(table, type_of, indptr, indices, types)
    for k in range(rounds):
        private_steps(*process, sums, members, *near, mixing_weight(kappa, exponent, t + k), *how, *state, touched)
        if beta > 0.0:
            refresh(sums, table, type_of, indptr, indices, touched, False)
    return sums[0]


@kernel
def shared_rounds(
    rounds, kappa, exponent, t, types, indptr, indices, process, near, how, state, walker, walker_rng
):  # fmt: skip
    """The same on one common trajectory. Returns the sums [T, S, A] over all agents."""
    table, type_of, epsilon, steps = state[0], process[8], how[4], how[5]
    n = table.shape[0]
    touched = np.empty((1, steps, 3), np.int64)
    path = touched[0]
    first, everyone = np.array([0, n]), np.arange(n)
    total, members = type_sums(table, type_of, first, everyone, types)
    sums = total
    complete = indptr.shape[0] == 2
    if not complete:
        sums, members = type_sums(table, type_of, indptr, indices, types)
    value = total[0, 0]
    probability, alias, successor, _, reward, reward_of, noise, gamma = process[:8]
    near_indptr, near_indices, weights = near
    alpha, tau_1, beta, tau_2 = how[:4]
    table, visits, position, clock, rng = state
    for k in range(rounds):
        follow(probability, alias, successor, value, epsilon, walker, walker_rng, path)
        shared_steps(
            path, reward, reward_of, noise, gamma, type_of, sums, members, near_indptr, near_indices, weights,
            mixing_weight(kappa, exponent, t + k), alpha, tau_1, beta, tau_2, epsilon, steps,
            table, visits, position, clock, rng,
        )  # fmt: skip
        refresh(total, table, type_of, first, everyone, touched, True)
        if beta > 0.0 and not complete:
            refresh(sums, table, type_of, indptr, indices, touched, True)
    return total[0]
