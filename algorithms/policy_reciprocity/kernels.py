"""Compiled steps of tabular reciprocity (arXiv:2304.05632, eq. 5-6), and the tuples of arrays that they work on.

Sums over agents are added in the agents' order, so that every way to run a round gives the same bits. Arrays are taken
out of their tuples before a loop: within it every access would count a reference.
"""

from typing import NamedTuple

import numpy as np

from orchestrator.core import draw_alias, draw_integer, inlined, kernel, power, uniform


class Process(NamedTuple):
    """The environment of n agents, each in its own copy. F, A, W, T, m and k are those of ``ObservedBlock``."""

    probability: np.ndarray  # float64 [F, A, W], alias table
    alias: np.ndarray  # int64 [F, A, W]
    successor: np.ndarray  # int64 [F, A, W]
    terminal: np.ndarray  # bool [F]
    reward: np.ndarray  # float64 [m, F, A]
    reward_of: np.ndarray  # int64 [n], row of ``reward``
    noise: float  # half width of the uniform noise on a reward
    gamma: float  # discount factor
    type_of: np.ndarray  # int64 [n], observation type
    observed: np.ndarray  # int64 [T, F], table row in which a type sees a full state
    starts: np.ndarray  # int64 [m, k], full states in which an episode begins
    start_of: np.ndarray  # int64 [n], row of ``starts``
    limit: int  # steps after which an episode is cut short; 0: never


class Rates(NamedTuple):
    """Step sizes x / (k + 1)^tau after k visits (tau 0: constant), exploration and steps of a round."""

    alpha: float
    tau_1: float
    beta: float
    tau_2: float
    epsilon: float
    steps: int


class Operators(NamedTuple):
    """The operators W_{t <- u} as one CSR matrix, see ``Adjacency``; empty where they are not used."""

    indptr: np.ndarray  # int64 [T T S + 1]
    indices: np.ndarray  # int64
    weights: np.ndarray  # float64


class Readers(NamedTuple):
    """Whose tables each receiver reads: receiver m those of the agents ``indices[indptr[m]:indptr[m + 1]]``."""

    indptr: np.ndarray  # int64 [m + 1]
    indices: np.ndarray  # int64


class Sums(NamedTuple):
    """Sums of the tables that each receiver reads, one per type. A single receiver stands for all agents."""

    values: np.ndarray  # float64 [1 or n, T, S, A]
    members: np.ndarray  # int64 [1 or n, T], how many agents were added


class Learners(NamedTuple):
    """The arrays of n agents, each in its own copy of the environment."""

    table: np.ndarray  # float64 [n, S, A]
    visits: np.ndarray  # int64 [n, S, A]
    position: np.ndarray  # int64 [n], full state
    clock: np.ndarray  # int64 [n], steps of the running episode
    rng: np.ndarray  # uint64 [n, 4]


@kernel
def type_sums(table, types, readers, count):
    """``Sums`` over the agents that each receiver reads, for ``count`` observation types.

    ``table`` [n, S, A], ``types`` int64 [n]. A receiver's agents are added in the order in which it lists them.
    """
    indptr, indices = readers
    receivers = indptr.shape[0] - 1
    states, actions = table.shape[1], table.shape[2]
    values = np.zeros((receivers, count, states, actions))
    members = np.zeros((receivers, count), np.int64)
    for m in range(receivers):
        for k in range(indptr[m], indptr[m + 1]):
            j = indices[k]
            members[m, types[j]] += 1
            for s in range(states):
                for a in range(actions):
                    values[m, types[j], s, a] += table[j, s, a]
    return Sums(values, members)


@inlined
def refresh(values, table, types, readers, touched, common):
    """Update ``values`` after the pairs ``touched`` int64 [n, steps, 2…] changed; same bits as ``type_sums``.

    ``common``: every agent has changed the pairs of row 0. If many pairs have changed, all are summed again.
    """
    indptr, indices = readers
    receivers, actions = values.shape[0], table.shape[2]
    steps = touched.shape[1]
    pairs = table.shape[1] * actions
    anew = (steps if common else table.shape[0] * steps) >= pairs
    for j in range(1 if anew or common else table.shape[0]):
        every = anew or common or receivers == 1
        # The graph is undirected: the agents that j reads also read j.
        first, last = (0, receivers) if every else (indptr[j], indptr[j + 1])
        for step in range(pairs if anew else steps):
            s, a = (step // actions, step % actions) if anew else (touched[j, step, 0], touched[j, step, 1])
            for k in range(first, last):
                _sum_pair(values, table, types, indptr, indices, k if every else indices[k], s, a)


@inlined
def _sum_pair(values, table, types, indptr, indices, m, s, a):
    """The sums ``values[m, :, s, a]`` of one receiver at one pair."""
    for u in range(values.shape[1]):
        values[m, u, s, a] = 0.0
    for k in range(indptr[m], indptr[m + 1]):
        j = indices[k]
        values[m, types[j], s, a] += table[j, s, a]


@kernel
def reciprocal_value(sums, m, operators, kappa, t, s, a):
    """Q_*(s, a) of an agent of type t (eq. 6), from the sums of receiver m:

    kappa times the mean of Q_j(s, a) over the agents of the same type, plus 1 - kappa times the mean of
    [W_{t <- u} Q_j](s, a) over the agents that have an adjacent state.
    """
    values, members = sums
    indptr, indices, weights = operators
    types, states = values.shape[1], values.shape[2]
    exact = values[m, t, s, a] / members[m, t]
    if kappa == 1.0:
        return exact
    total, count = 0.0, 0
    for u in range(types):
        row = (t * types + u) * states + s
        if members[m, u] > 0 and indptr[row + 1] > indptr[row]:
            smoothed = 0.0
            for k in range(indptr[row], indptr[row + 1]):
                smoothed += weights[k] * values[m, u, indices[k], a]
            total += smoothed
            count += members[m, u]
    return kappa * exact + (1.0 - kappa) * (total / count if count > 0 else exact)


@inlined
def visit_step(initial, visits, tau):
    """x / (k + 1)^tau after k visits (eq. 8); x itself if tau is 0."""
    return initial if tau == 0.0 else initial / power(visits + 1.0, tau)


@kernel
def behave(values, epsilon, rng, i):
    """An epsilon-greedy action for ``values`` [A]; ties among the best are broken uniformly."""
    actions = values.shape[0]
    if uniform(rng, i) < epsilon:
        return draw_integer(actions, rng, i)
    best, ties, choice = values[0], np.int64(1), 0
    for a in range(1, actions):
        if values[a] > best:
            best, ties, choice = values[a], 1, a
        elif values[a] == best:
            ties += 1
    if ties > 1:
        left = draw_integer(ties, rng, i)
        for a in range(actions):
            if values[a] == best:
                if left == 0:
                    return a
                left -= 1
    return choice


@inlined
def largest(values):
    """max_a of ``values`` [A]."""
    best = values[0]
    for a in range(1, values.shape[0]):
        best = max(best, values[a])
    return best


@inlined
def updated(q, target, pull, alpha, beta):
    """Equation 5 at one pair."""
    return (1.0 - alpha) * q + alpha * target + beta * (pull - q)


@kernel
def private_steps(process, sums, operators, kappa, rates, learners, touched):
    """E epsilon-greedy steps of every agent in its own copy (eq. 5), Q_* from ``sums``:

    Q(s, a) <- (1 - alpha_k) Q(s, a) + alpha_k (r + gamma max_a' Q(s', a')) + beta_k (Q_*(s, a) - Q(s, a)).
    The pairs (s, a) that changed are written to ``touched`` int64 [n, E, 2].
    """
    alpha, tau_1, beta, tau_2, epsilon, steps = rates
    table, visits, position, clock, rng = learners
    probability, alias, successor, terminal, reward, reward_of, noise, gamma = process[:8]
    type_of, observed, starts, start_of, limit = process[8:]
    for i in range(table.shape[0]):
        t, f = type_of[i], position[i]
        m = i if sums.values.shape[0] > 1 else 0
        for step in range(steps):
            s = observed[t, f]
            a = behave(table[i, s], epsilon, rng, i)
            ahead = successor[f, a, draw_alias(probability[f, a], alias[f, a], rng, i)]
            target = reward[reward_of[i], f, a]
            if noise > 0.0:
                target += noise * (2.0 * uniform(rng, i) - 1.0)
            if not terminal[ahead]:
                target += gamma * largest(table[i, observed[t, ahead]])
            pull = table[i, s, a]
            if beta > 0.0:
                pull = reciprocal_value(sums, m, operators, kappa, t, s, a)
            alpha_k = visit_step(alpha, visits[i, s, a], tau_1)
            beta_k = visit_step(beta, visits[i, s, a], tau_2)
            table[i, s, a] = updated(table[i, s, a], target, pull, alpha_k, beta_k)
            visits[i, s, a] += 1
            touched[i, step, 0], touched[i, step, 1] = s, a
            clock[i] += 1
            f = ahead
            if terminal[ahead] or clock[i] == limit:
                f = starts[start_of[i], draw_integer(starts.shape[1], rng, i)]
                clock[i] = 0
        position[i] = f


@inlined
def shared_steps(path, process, sums, operators, kappa, rates, learners):
    """The same update of all agents (of one type) at the pairs of a common ``path`` int64 [E, 3] of (s, a, s')."""
    alpha, tau_1, beta, tau_2, _, _ = rates
    table, visits, _, _, rng = learners
    reward, reward_of, noise, gamma, type_of = process[4:9]
    together = sums.values.shape[0] == 1  # all read the same sums
    for step in range(path.shape[0]):
        s, a, ahead = path[step, 0], path[step, 1], path[step, 2]
        known = -1  # visits that the step sizes below belong to; in a shared run they are equal for all agents
        alpha_k = beta_k = pull = 0.0
        for i in range(table.shape[0]):
            if beta > 0.0 and (i == 0 or not together):
                pull = reciprocal_value(sums, i, operators, kappa, type_of[i], s, a)
            target = reward[reward_of[i], s, a]
            if noise > 0.0:
                target += noise * (2.0 * uniform(rng, i) - 1.0)
            target += gamma * largest(table[i, ahead])
            if visits[i, s, a] != known:
                known = visits[i, s, a]
                alpha_k, beta_k = visit_step(alpha, known, tau_1), visit_step(beta, known, tau_2)
            table[i, s, a] = updated(table[i, s, a], target, pull, alpha_k, beta_k)
            visits[i, s, a] += 1


@inlined
def follow(process, value, epsilon, position, rng, path):
    """E steps of the shared trajectory, epsilon-greedy in ``value`` [S, A]; writes ``path`` int64 [n, E, 3].

    n is 1, ``position`` int64 [n], ``rng`` uint64 [n, 4].
    """
    probability, alias, successor = process[:3]
    for i in range(position.shape[0]):
        for step in range(path.shape[1]):
            s = position[i]
            a = behave(value[s], epsilon, rng, i)
            ahead = successor[s, a, draw_alias(probability[s, a], alias[s, a], rng, i)]
            path[i, step, 0], path[i, step, 1], path[i, step, 2] = s, a, ahead
            position[i] = ahead
