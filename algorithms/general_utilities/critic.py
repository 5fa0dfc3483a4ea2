"""Truncated shadow Q-functions from a batch of trajectories: the cells of a neighbourhood and their values.

A cell is what the members of a neighbourhood are in and do at a step. Its number is a mixed-radix one, or, for
neighbourhoods whose cells 62 bits cannot number, a sum of fixed odd multiples modulo 2^64, where two cells share a
number with a chance below 1e-15 a pair. Only visited cells have values, in a hash table that a batch can fill by half.
"""

import numpy as np

from orchestrator.core import inlined, kernel

#: Sweeps of the batch critic at the most, and the change (relative to the largest |reward|) at which it stops.
SWEEPS, SETTLED = 1000, 1e-9


@kernel
def place_values(members, codes):
    """What each of ``members`` counts for in a cell's number, uint64 [members]; see the head of this file."""
    out = np.empty(members, np.uint64)
    if members * np.log2(codes) <= 62.0:
        value = np.uint64(1)
        for k in range(members):
            out[k] = value
            value *= np.uint64(codes)
        return out
    state = np.uint64(0x9E3779B97F4A7C15)
    for k in range(members):  # splitmix64 (Steele, Lea, Flood 2014)
        state += np.uint64(0x9E3779B97F4A7C15)
        mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        out[k] = (mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)
    return out


@inlined
def slot_of(number, keys, order, shift):
    """Where the cell of this number is in a table of 2^(64 - shift) places, or would be."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = (number * np.uint64(0x9E3779B97F4A7C15)) >> shift
    while order[slot] >= 0 and keys[slot] != number:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def batch_values(cell, count, reward, horizon, gamma):
    """Q of the visited cells [count] that solves the batch's own Bellman equation, Q(c) = mean (r_t + gamma Q(c_t+1)).

    ``cell`` int64 [T] numbers the visited cells 0..count-1 along trajectories of ``horizon`` steps, ``reward`` [T] is
    the shadow reward of each step. The last step of a trajectory only serves as a successor; cells that are seen
    nowhere else have the mean Q of the others.
    """
    q, total, visits = np.zeros(count), np.zeros(count), np.zeros(count)
    for t in range(cell.shape[0]):
        if (t + 1) % horizon:
            visits[cell[t]] += 1.0
    scale = np.abs(reward).max()
    for _ in range(SWEEPS):
        total[:] = 0.0
        for first in range(0, cell.shape[0], horizon):
            here = cell[first]
            for t in range(first, first + horizon - 1):
                ahead = cell[t + 1]
                total[here] += reward[t] + gamma * q[ahead]
                here = ahead
        moved, mean, known = 0.0, 0.0, 0
        for c in range(count):
            if visits[c] > 0.0:
                value = total[c] / visits[c]
                moved = max(moved, abs(value - q[c]))
                q[c] = value
                mean += value
                known += 1
        mean /= known
        for c in range(count):
            if visits[c] == 0.0:
                q[c] = mean
        if moved <= SETTLED * scale:
            break
    return q


@kernel
def td_values(cell, count, reward, horizon, gamma):
    """Q of the visited cells by one pass of TD(0), step size 1 / visits^0.6 (reconstructed)."""
    q, visits = np.zeros(count), np.zeros(count)
    for t in range(cell.shape[0]):
        if (t + 1) % horizon:
            visits[cell[t]] += 1.0
            target = reward[t] + gamma * q[cell[t + 1]]
            q[cell[t]] += (target - q[cell[t]]) / visits[cell[t]] ** 0.6
    return q


@kernel
def number_cells(seen, members, place, numbers):
    """The number of every step's cell into ``numbers`` uint64 [T]; ``seen`` [rows, T], ``members`` count."""
    numbers[:] = np.uint64(0)
    for k in range(members.shape[0]):
        j = members[k]
        for t in range(numbers.shape[0]):
            numbers[t] += place[k] * np.uint64(seen[j, t])


@kernel
def index_cells(numbers, cell):
    """Number the visited cells in order of their first visit, into ``cell`` [T].

    Returns how many there are, and the table: keys, order, and the shift that ``slot_of`` takes.
    """
    size, shift = 2, np.uint64(63)
    while size < 2 * numbers.shape[0]:
        size *= 2
        shift -= np.uint64(1)
    keys, order, count = np.zeros(size, np.uint64), np.full(size, -1, np.int64), 0
    for t in range(numbers.shape[0]):
        slot = slot_of(numbers[t], keys, order, shift)
        if order[slot] < 0:
            keys[slot], order[slot] = numbers[t], count
            count += 1
        cell[t] = order[slot]
    return count, keys, order, shift


@kernel
def values(seen, indptr, indices, codes, reward, horizon, gamma, td, out):
    """Every agent's truncated shadow Q along the batch, into ``out`` [n, T].

    ``seen`` int64 [rows, T] are the steps of those heard, ``indices[indptr[i]:indptr[i + 1]]`` the rows of agent i's
    neighbourhood, ``reward`` [n, T] its shadow rewards.
    """
    numbers, cell = np.empty(seen.shape[1], np.uint64), np.empty(seen.shape[1], np.int64)
    for i in range(reward.shape[0]):
        members = indices[indptr[i] : indptr[i + 1]]
        number_cells(seen, members, place_values(members.shape[0], codes), numbers)
        count = index_cells(numbers, cell)[0]
        q = solved(cell, count, reward[i], horizon, gamma, td)
        for t in range(cell.shape[0]):
            out[i, t] = q[cell[t]]


@kernel
def letters(seen, indptr, indices, codes, actions, reward, horizon, gamma, td, out):
    """As ``values``, less Q with a member's action a moved to a + 1, a + 2 ... (mod A), into [n, width, A - 1, T].

    One row for every member of the neighbourhood. A cell that the batch has not visited has the mean Q.
    """
    numbers, cell = np.empty(seen.shape[1], np.uint64), np.empty(seen.shape[1], np.int64)
    for i in range(reward.shape[0]):
        members = indices[indptr[i] : indptr[i + 1]]
        place = place_values(members.shape[0], codes)
        number_cells(seen, members, place, numbers)
        count, keys, order, shift = index_cells(numbers, cell)
        q = solved(cell, count, reward[i], horizon, gamma, td)
        mean = q.mean()
        for k in range(members.shape[0]):
            for t in range(cell.shape[0]):
                a = seen[members[k], t] % actions
                rest = numbers[t] - place[k] * np.uint64(a)
                for move in range(1, actions):
                    number = rest + place[k] * np.uint64((a + move) % actions)
                    visited = order[slot_of(number, keys, order, shift)]
                    out[i, k, move - 1, t] = q[cell[t]] - (q[visited] if visited >= 0 else mean)


@kernel
def solved(cell, count, reward, horizon, gamma, td):
    """Q of the visited cells [count] by the critic that is asked for."""
    if td:
        return td_values(cell, count, reward, horizon, gamma)
    return batch_values(cell, count, reward, horizon, gamma)


@kernel
def known_values(seen, indptr, indices, near, constant, on_state, on_action, reward, out):
    """As ``values``, for Q_i = r_i + constant_i + sum_j (on_state[i, j] s_j + on_action[i, j] a_j) over those heard.

    ``near`` int64, aligned with ``indices``, names its members; ``constant`` [n], ``on_state``, ``on_action`` [n, N];
    ``reward`` [n, T] is r_i along the batch. States and actions are binary.
    """
    for i in range(out.shape[0]):
        for t in range(out.shape[1]):
            out[i, t] = reward[i, t] + constant[i]
        for p in range(indptr[i], indptr[i + 1]):
            for t in range(out.shape[1]):
                code = seen[indices[p], t]
                out[i, t] += on_state[i, near[p]] * (code >> 1) + on_action[i, near[p]] * (code & 1)


@kernel
def known_letters(seen, indptr, indices, near, members, on_action, gain, out):
    """As ``letters``, for the same Q; ``gain`` [n, 2] is r_i(s, 1) - r_i(s, 0), ``members`` who the n agents are."""
    for i in range(out.shape[0]):
        for p in range(indptr[i], indptr[i + 1]):
            for t in range(out.shape[3]):
                code = seen[indices[p], t]
                moved = on_action[i, near[p]]
                if near[p] == members[i]:
                    moved += gain[i, code >> 1]
                out[i, p - indptr[i], 0, t] = moved if code & 1 else -moved
