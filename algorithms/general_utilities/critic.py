"""Truncated shadow Q-functions from a batch of trajectories: the cells of a neighbourhood and their values.

A cell is what the members of a neighbourhood are in and do at a step. Its number is a mixed-radix one. Where 62 bits
cannot number the cells of a neighbourhood, it is a sum of fixed odd multiples modulo 2^64; there two cells share a
number with a chance below 1e-15 per pair. Only visited cells have values, in a hash table that is at most half full.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from orchestrator.core import inlined, kernel, power

#: Largest number of sweeps of the batch critic, and the change (relative to the largest |reward|) at which it stops.
SWEEPS, SETTLED = 1000, 1e-9
_64_BITS = 2**64 - 1


class Steps(NamedTuple):
    """The steps of those whom n agents hear, along B trajectories of H steps; T = B H."""

    codes: np.ndarray  #: A s + a, int64 [rows, T]
    indptr: np.ndarray  #: int64 [n + 1]
    indices: np.ndarray  #: agent i's neighbourhood is the rows indices[indptr[i]:indptr[i + 1]]
    radix: int  #: S A, the number of codes
    horizon: int  #: H

    def neighbourhoods(self) -> Iterator[np.ndarray]:
        """The rows of each agent's neighbourhood, int64 [members]."""
        for first, last in zip(self.indptr[:-1], self.indptr[1:], strict=True):
            yield self.indices[first:last]


#: Q float64 [count] of visited cells, from count, cell [T], reward [T], H and gamma.
Solver = Callable[[int, np.ndarray, np.ndarray, int, float], np.ndarray]


@cache
def place_values(members: int, radix: int) -> np.ndarray:
    """What each of ``members`` counts for in a cell's number, uint64 [members]; see the head of this file."""
    if radix**members <= 2**62:
        values = [radix**k for k in range(members)]
    else:
        states = [(0x9E3779B97F4A7C15 * (k + 2)) & _64_BITS for k in range(members)]
        values = [_splitmix(state) | 1 for state in states]
    out = np.array(values, np.uint64)
    out.flags.writeable = False
    return out


def _splitmix(state: int) -> int:
    """The output function of splitmix64 (Steele, Lea, Flood 2014)."""
    mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return mixed ^ (mixed >> 31)


def cell_numbers(codes: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The number of every step's cell, uint64 [T], of the members' ``codes`` [members, T] and ``place`` [members]."""
    numbers = np.zeros(codes.shape[1], np.uint64)
    for value, row in zip(place, codes.astype(np.uint64), strict=True):
        numbers += value * row
    return numbers


@inlined
def slot_of(number, keys, order, shift):
    """The place of the cell of this number in a table of 2^(64 - shift) places, or where it would be put."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = (number * np.uint64(0x9E3779B97F4A7C15)) >> shift
    while order[slot] >= 0 and keys[slot] != number:
        slot = (slot + np.uint64(1)) & mask
    return slot


@inlined
def shift_of(places):
    """The ``shift`` of ``slot_of`` for a table of so many ``places``, a power of 2."""
    shift = np.uint64(64)
    while places > 1:
        places //= 2
        shift -= np.uint64(1)
    return shift


@kernel
def batch_values(count, cell, reward, horizon, gamma):
    """Q of the visited cells [count] that solves the batch's own Bellman equation, Q(c) = mean (r_t + gamma Q(c_t+1)).

    ``cell`` int64 [T] numbers the visited cells 0..count-1 along trajectories of ``horizon`` steps, ``reward`` [T] is
    the shadow reward of each step. The last step of a trajectory only serves as a successor; cells that are seen
    nowhere else have the mean Q of the others.
    """
    q, total, visits = np.zeros(count), np.zeros(count), np.zeros(count)
    for t in range(cell.shape[0]):
        if (t + 1) % horizon:
            visits[cell[t]] += 1.0
    scale = 0.0
    for t in range(reward.shape[0]):
        scale = max(scale, abs(reward[t]))
    for _ in range(SWEEPS):
        for c in range(count):
            total[c] = 0.0
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
def td_values(count, cell, reward, horizon, gamma):
    """Q of the visited cells by one pass of TD(0), step size 1 / visits^0.6 (reconstructed)."""
    q, visits = np.zeros(count), np.zeros(count)
    for t in range(cell.shape[0]):
        if (t + 1) % horizon:
            visits[cell[t]] += 1.0
            target = reward[t] + gamma * q[cell[t + 1]]
            q[cell[t]] += (target - q[cell[t]]) / power(visits[cell[t]], 0.6)
    return q


@kernel
def index_cells(numbers):
    """Number the visited cells in order of their first visit, given the ``numbers`` uint64 [T] of the steps' cells.

    Returns how many there are, the cell of each step int64 [T], and a hash table: ``keys`` uint64 holds the number of
    a cell at its place, ``order`` int64 which cell that is, -1 at free places.
    """
    size = 2
    while size < 2 * numbers.shape[0]:
        size *= 2
    keys, order, count = np.zeros(size, np.uint64), np.empty(size, np.int64), 0
    for slot in range(size):
        order[slot] = -1
    cell, shift = np.empty(numbers.shape[0], np.int64), shift_of(size)
    for t in range(numbers.shape[0]):
        slot = slot_of(numbers[t], keys, order, shift)
        if order[slot] < 0:
            keys[slot], order[slot] = numbers[t], count
            count += 1
        cell[t] = order[slot]
    return count, cell, keys, order


def values(steps: Steps, reward: np.ndarray, gamma: float, solve: Solver) -> np.ndarray:
    """Every agent's truncated shadow Q along the batch, float64 [n, T]; ``reward`` [n, T] is its shadow reward."""
    out = np.empty(reward.shape)
    for i, members in enumerate(steps.neighbourhoods()):
        codes = steps.codes[members]
        count, cell, *_ = index_cells(cell_numbers(codes, place_values(len(members), steps.radix)))
        out[i] = solve(count, cell, reward[i], steps.horizon, gamma)[cell]
    return out


def letters(steps: Steps, reward: np.ndarray, actions: int, width: int, gamma: float, solve: Solver) -> np.ndarray:
    """As ``values``, less Q with a member's action a moved to a + 1, a + 2 ... (mod A): [n, width, A - 1, T].

    One row for every member of a neighbourhood, which has at most ``width``. A cell that the batch has not visited has
    the mean Q.
    """
    out = np.zeros((len(reward), width, actions - 1, reward.shape[1]))
    for i, members in enumerate(steps.neighbourhoods()):
        codes, place = steps.codes[members], place_values(len(members), steps.radix)
        numbers = cell_numbers(codes, place)
        count, cell, *table = index_cells(numbers)
        q = solve(count, cell, reward[i], steps.horizon, gamma)
        compare_moved(codes, numbers, place, q, cell, *table, out[i])
    return out


@kernel
def compare_moved(codes, numbers, place, q, cell, keys, order, out):
    """Q at each step less Q where one member's action is another, into ``out`` [width, A - 1, T].

    ``codes`` int64 [members, T] and ``place`` [members] give the cells' ``numbers`` [T]; ``q`` [count] are the values,
    ``cell``, ``keys`` and ``order`` come from ``index_cells``.
    """
    actions, shift, mean = out.shape[1] + 1, shift_of(keys.shape[0]), 0.0
    for c in range(q.shape[0]):
        mean += q[c]
    mean /= q.shape[0]
    for k in range(codes.shape[0]):
        for t in range(cell.shape[0]):
            a = codes[k, t] % actions
            rest = numbers[t] - place[k] * np.uint64(a)
            for move in range(1, actions):
                number = rest + place[k] * np.uint64((a + move) % actions)
                visited = order[slot_of(number, keys, order, shift)]
                out[k, move - 1, t] = q[cell[t]] - (q[visited] if visited >= 0 else mean)


#: Name of a critic -> how it solves for Q.
SOLVERS: dict[str, Solver] = {"td": td_values, "batch": batch_values}


class KnownQ(NamedTuple):
    """Q_i = r_i + constant_i + sum_j (on_state[i, j] s_j + on_action[i, j] a_j), for binary states and actions."""

    constant: np.ndarray  #: [n]
    on_state: np.ndarray  #: [n, N]
    on_action: np.ndarray  #: [n, N]


def known_values(steps: Steps, near: np.ndarray, q: KnownQ, reward: np.ndarray) -> np.ndarray:
    """As ``values``, for a known ``q``; only the states and actions of the neighbourhood are read.

    ``near`` int64, aligned with ``steps.indices``, names its members; ``reward`` [n, T] is r_i along the batch.
    """
    out = reward + q.constant[:, None]
    for i in range(len(out)):
        for p in range(steps.indptr[i], steps.indptr[i + 1]):
            codes = steps.codes[steps.indices[p]]
            out[i] += q.on_state[i, near[p]] * (codes >> 1) + q.on_action[i, near[p]] * (codes & 1)
    return out


def known_letters(
    steps: Steps, near: np.ndarray, members: range, q: KnownQ, gain: np.ndarray, width: int
) -> np.ndarray:
    """As ``letters``, for the same ``q``; ``gain`` [n, 2] is r_i(s, 1) - r_i(s, 0), ``members`` are the n agents."""
    out = np.zeros((len(members), width, 1, steps.codes.shape[1]))
    for i, own in enumerate(members):
        for k, p in enumerate(range(steps.indptr[i], steps.indptr[i + 1])):
            codes = steps.codes[steps.indices[p]]
            moved = np.full(codes.shape, q.on_action[i, near[p]])
            if near[p] == own:
                moved += gain[i, codes >> 1]
            out[i, k, 0] = np.where(codes & 1, moved, -moved)
    return out
