"""Compiled message line: trajectories, and the joint distribution over 2^n states pushed forward exactly.

Joint states are numbered sum_i s_i 2^i. Policies are float64 [n, O, 2] with the members that agent i observes in
``indices``[``indptr``[i]:``indptr``[i + 1]], as in ``MessageLine.rollout``. Sums run in a fixed order.
"""

import numpy as np

from envs.networks.rollout import draw_action, observed_row
from orchestrator.core import kernel, uniform


@kernel
def _chance(states, i, action, alone):
    """P(s_i' = 1) at joint state ``states`` int64 [n]."""
    if i == 0:
        return float(states[1])
    if action == 0:
        return 0.0
    return 1.0 if i == states.shape[0] - 1 or states[i + 1] == 1 else alone


@kernel
def rollout(alone, policy, indptr, indices, rng, out):
    """Episodes under ``policy``, codes 2 s + a into ``out`` int64 [B, H, n]; row b draws from stream b of ``rng``."""
    batch, horizon, n = out.shape
    states, actions, following = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for b in range(batch):
        for i in range(n):
            states[i] = 1
        for t in range(horizon):
            for i in range(n):
                row = observed_row(states, indptr[i], indptr[i + 1], indices, 2)
                actions[i] = draw_action(policy, i, row, uniform(rng, b))
                out[b, t, i] = 2 * states[i] + actions[i]
            for i in range(n):
                following[i] = uniform(rng, b) < _chance(states, i, actions[i], alone)
            for i in range(n):
                states[i] = following[i]


@kernel
def joint_chances(alone, policy, indptr, indices):
    """P(s_i' = 1 | s) under ``policy`` for every joint state, float64 [n, 2^n]."""
    n = policy.shape[0]
    out, states = np.empty((n, 1 << n)), np.empty(n, np.int64)
    for s in range(1 << n):
        for i in range(n):
            states[i] = s >> i & 1
        for i in range(n):
            row = observed_row(states, indptr[i], indptr[i + 1], indices, 2)
            out[i, s] = 0.0
            for a in range(2):
                out[i, s] += policy[i, row, a] * _chance(states, i, a, alone)
    return out


@kernel
def _push(now, chance, needed, free, here, there, after):
    """One step of the joint distribution ``now`` [2^n] into ``after`` [2^n], agent after agent.

    When agents 0..i-1 have moved, what matters is their new states and the old ones from ``needed``[i] on: entry
    w + 2^i o of the buffer is the mass at new states w and old ones o. Moving agent i adds a bit to w and sums out the
    old states below ``needed``[i + 1]. All this is done for one combination of the old states of agents ``free``..n-1
    at a time, which bounds the buffers ``here`` and ``there``.
    """
    n = chance.shape[0]
    for s in range(1 << n):
        after[s] = 0.0
    for held in range(1 << n - free):
        given = held << free
        for old in range(1 << free):
            here[old] = now[given + old]
        for i in range(n):
            width, first, then = 1 << i, min(needed[i], free), min(needed[i + 1], free)
            for kept in range(1 << free - then):
                to = 2 * width * kept
                for w in range(2 * width):
                    there[to + w] = 0.0
                for dropped in range(1 << then - first):
                    old = kept << then - first | dropped
                    one = chance[i, given | old << first]  # states below first do not matter to agent i
                    zero = 1.0 - one
                    for w in range(width):
                        mass = here[width * old + w]
                        there[to + w] += zero * mass
                        there[to + width + w] += one * mass
            here, there = there, here
        for s in range(1 << n):
            after[s] += here[s]


@kernel
def visits(chance, needed, free, buffer, steps, gamma):
    """Shares of the joint states in the discounted time 0..``steps``, and their expected counts in 1..``steps``.

    Both float64 [2^n]; all agents are at 1 at time 0. ``needed`` int64 [n + 1], ``free`` and ``buffer`` (entries) come
    from ``plan``.
    """
    n = chance.shape[0]
    now, after = np.zeros(1 << n), np.empty(1 << n)
    here, there = np.empty(buffer), np.empty(buffer)
    shares, counts = np.zeros(1 << n), np.zeros(1 << n)
    now[-1] = shares[-1] = 1.0
    weight, total = 1.0, 1.0
    for _ in range(steps):
        _push(now, chance, needed, free, here, there, after)
        now, after = after, now
        weight *= gamma
        total += weight
        for s in range(1 << n):
            shares[s] += weight * now[s]
            counts[s] += now[s]
    for s in range(1 << n):
        shares[s] /= total
    return shares, counts


def plan(indptr: np.ndarray, indices: np.ndarray, most: int) -> tuple[np.ndarray, int, int]:
    """For ``visits``: from which agent on the old states matter to agents i..n-1, int64 [n + 1]; free; buffer entries.

    ``free`` is as many agents as keep the buffer within ``most`` entries, or none: 2^n of them are always needed.
    """
    n = len(indptr) - 1
    needed = np.full(n + 1, n, np.int64)
    for i in range(n - 1, 0, -1):
        needed[i] = min(needed[i + 1], i + 1, *indices[indptr[i] : indptr[i + 1]].tolist())
    needed[0] = 0
    for free in range(n, -1, -1):
        buffer = max(1 << i + free - min(int(needed[i]), free) for i in range(n + 1))
        if buffer <= most:
            break
    return needed, free, buffer


@kernel
def occupancies(shares, policy, indptr, indices):
    """x_i(s, a) float64 [n, 2, 2] of the ``shares`` [2^n] of the joint states in the time."""
    n = policy.shape[0]
    out, states = np.zeros((n, 2, 2)), np.empty(n, np.int64)
    for s in range(1 << n):
        for i in range(n):
            states[i] = s >> i & 1
        for i in range(n):
            row = observed_row(states, indptr[i], indptr[i + 1], indices, 2)
            for a in range(2):
                out[i, states[i], a] += shares[s] * policy[i, row, a]
    return out


@kernel
def mean_reward(counts, reward):
    """(1 / n) sum_i ``reward``[i] times the expected count of s_i = 1, of the ``counts`` [2^n] of joint states."""
    n, total = reward.shape[0], 0.0
    for s in range(1 << n):
        earned = 0.0
        for i in range(n):
            earned += reward[i] * (s >> i & 1)
        total += counts[s] * earned
    return total / n
