"""The robots of ``graphon_robots``: where an action leads, what it pays, and a step of all episodes at once."""

import numpy as np

from envs.graphon.base import draw_neighbour, share_in
from orchestrator.core import kernel, uniform

#: States, and actions of the same numbers: wanting to be there.
IDLE, TRANSIT, WORK = 0, 1, 2
STATES = ACTIONS = 3
#: Chance that work succeeds: the smallest, the chance with nobody else at work, and the loss per share of them.
LEAST_SUCCESS, SUCCESS, CROWDING = 0.1, 0.9, 0.8
#: Chance that another action leads to where it wants to.
OBEYED = 0.9
#: Worth of each state; the smallest factor, its loss per share of the others at work, and the cost of work.
WORTH = (10.0, 5.0, 20.0)
LEAST_FACTOR, CONGESTION, EFFORT = 0.4, 5.0, 5.0


@kernel
def move(s, a, busy):
    """(chance, to, otherwise): where an agent in state ``s`` gets to, a share ``busy`` of its neighbours at work."""
    if a == WORK:
        return max(LEAST_SUCCESS, SUCCESS - CROWDING * busy), WORK, TRANSIT
    return OBEYED, a, s


@kernel
def payment(s, a, busy):
    """r = worth(s) max(.4, 1 - 5 busy) - 5 [a = work]."""
    cost = EFFORT if a == WORK else 0.0
    return WORTH[s] * max(LEAST_FACTOR, 1.0 - CONGESTION * busy) - cost


@kernel
def tables(busy):
    """Chances float64 [rows, S, A, S] and payments [rows, S, A], given each row's share of neighbours at work."""
    rows = busy.shape[0]
    chance, paid = np.zeros((rows, STATES, ACTIONS, STATES)), np.empty((rows, STATES, ACTIONS))
    for r in range(rows):
        for s in range(STATES):
            for a in range(ACTIONS):
                success, to, otherwise = move(s, a, busy[r])
                chance[r, s, a, to] += success
                chance[r, s, a, otherwise] += 1.0 - success
                paid[r, s, a] = payment(s, a, busy[r])
    return chance, paid


@kernel
def observe(draws, states, indptr, indices, reach, rng):
    """Counts int64 [m, R, S] of the states of ``draws`` neighbours of each of m agents, drawn with replacement.

    ``states`` int64 [n, R]; row i draws from stream i of ``rng``, episode after episode.
    """
    m, episodes = indptr.shape[0] - 1, states.shape[1]
    counts = np.zeros((m, episodes, STATES), np.int64)
    for i in range(m):
        for r in range(episodes):
            for _ in range(draws):
                counts[i, r, states[draw_neighbour(indptr, indices, reach, i, rng, i), r]] += 1
    return counts


@kernel
def step(first, actions, states, indptr, indices, weights, reach, rng):
    """Next states int64 [m, R] and payments float64 [m, R] of the m agents from number ``first`` on.

    ``actions`` int64 [m, R] are theirs, ``states`` int64 [n, R] everyone's; row i draws from stream i of ``rng``.
    """
    m, episodes = actions.shape
    after, paid = np.empty((m, episodes), np.int64), np.empty((m, episodes))
    for i in range(m):
        for r in range(episodes):
            busy = share_in(WORK, states, indptr, indices, weights, reach, i, r)
            s, a = states[first + i, r], actions[i, r]
            chance, to, otherwise = move(s, a, busy)
            after[i, r] = to if uniform(rng, i) < chance else otherwise
            paid[i, r] = payment(s, a, busy)
    return after, paid
