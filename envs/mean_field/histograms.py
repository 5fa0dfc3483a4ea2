"""Histograms of k alike members over S states: ranks, moves, and what a sample of a population shows.

A histogram is its counts, int64 [S], which sum to k; there are C(k + S - 1, S - 1) of them. They are ranked in
lexicographic order of (F_0, F_1, ...), by the combinatorial number system, never in a table of (k + 1)^S entries.
"""

import math

import numpy as np

from orchestrator.core import exp, kernel, log

#: Chances below this are left out: together they are less than rounding, and numbers below 1e-308 are slow.
NEGLIGIBLE = 1e-30


def histograms(members: int, states: int) -> int:
    """How many there are, C(k + S - 1, S - 1)."""
    return math.comb(members + states - 1, states - 1)


def binomials(members: int, states: int) -> np.ndarray:
    """int64 [k + 1, S]: entry [j, s] is C(j + s, s), how many histograms of j members over s + 1 states there are.

    Raises ValueError where 64 bits do not hold them.
    """
    table = [[math.comb(j + s, s) for s in range(states)] for j in range(members + 1)]
    if max(map(max, table)) >= 2**63:
        raise ValueError(f"histograms of {members} members over {states} states are too many to number.")
    return np.array(table, np.int64)


@kernel
def rank(counts, table):
    """Place of ``counts`` int64 [S] among all histograms of as many members; ``table`` as of ``binomials``."""
    states = counts.shape[0]
    left, place = 0, 0
    for s in range(states):
        left += counts[s]
    for s in range(states - 1):
        # Those with fewer in state s come first: sum over f < counts[s] of C(left - f + S - s - 2, S - s - 2).
        for f in range(counts[s]):
            place += table[left - f, states - s - 2]
        left -= counts[s]
    return place


@kernel
def ranks(cells, table):
    """``rank`` of each row of ``cells`` int64 [rows, S], int64 [rows]."""
    out = np.empty(cells.shape[0], np.int64)
    for row in range(cells.shape[0]):
        out[row] = rank(cells[row], table)
    return out


def enumerated(members: int, states: int) -> np.ndarray:
    """All histograms in the order of their ranks, int64 [C(k + S - 1, S - 1), S]."""
    columns: list[np.ndarray] = []
    left = np.array([members])  # of the members, those not in the states so far
    for _ in range(states - 1):
        # Each row is followed by 0, 1 ... as many as are left.
        row = np.repeat(np.arange(len(left)), left + 1)
        first = np.cumsum(left + 1) - (left + 1)
        count = np.arange(len(row)) - first[row]
        columns = [*(column[row] for column in columns), count]
        left = left[row] - count
    return np.stack([*columns, left], axis=1)


def move_operations(members: int, states: int, classes: int | None = None) -> float:
    """Multiplications, roughly, of ``moves`` under one kernel from all histograms over ``classes`` (the states)."""
    rows = float(histograms(members, states if classes is None else classes))
    return rows * members * (members + 1.0) ** (states - 1) * states


@kernel
def moves(sources, chance, cells):
    """P(F' | F) float64 [rows, cells] from each row of ``sources`` int64 [rows, J] to histograms ``cells`` [cells, S].

    Members move independently, one of class j to state t with ``chance``[r, j, t]; ``chance`` is [rows, J, S] or, where
    all rows have the same, [1, J, S]. The convolution of J multinomials, member by member on the grid of the first
    S - 1 counts.
    """
    states, members = cells.shape[1], 0
    for s in range(states):
        members += cells[0, s]
    base, size = members + 1, 1
    for _ in range(states - 1):
        size *= base
    step = np.empty(states, np.int64)
    step[0] = 1
    for s in range(1, states - 1):
        step[s] = step[s - 1] * base
    step[states - 1] = 0
    place = np.empty(cells.shape[0], np.int64)
    for row in range(cells.shape[0]):
        place[row] = 0
        for s in range(states - 1):
            place[row] += cells[row, s] * step[s]
    out = np.zeros((sources.shape[0], cells.shape[0]))
    now, then = np.zeros(size), np.zeros(size)
    for row in range(sources.shape[0]):
        own = min(row, chance.shape[0] - 1)
        now[:] = 0.0
        now[0] = 1.0
        for j in range(sources.shape[1]):
            for _ in range(sources[row, j]):
                then[:] = 0.0
                for p in range(size):
                    if now[p] > NEGLIGIBLE:
                        for t in range(states):
                            if chance[own, j, t] > 0.0:
                                then[p + step[t]] += now[p] * chance[own, j, t]
                now, then = then, now
        for other in range(cells.shape[0]):
            if now[place[other]] > NEGLIGIBLE:
                out[row, other] = now[place[other]]
    return out


@kernel
def log_rising(first, n):
    """ln of first (first + 1) ... (first + j - 1) for j = 0..n, float64 [n + 1]: of factorials where ``first`` is 1."""
    out = np.zeros(n + 1)
    for j in range(n):
        out[j + 1] = out[j] + log(first + j)
    return out


@kernel
def shown(population, sample):
    """P(F | c) float64 [populations, samples]: what k members drawn without replacement from n show.

    ``population`` int64 [populations, S] counts of n members, ``sample`` int64 [samples, S] of k <= n: multivariate
    hypergeometric, prod_s C(c_s, F_s) / C(n, k).
    """
    n, k = 0, 0
    for s in range(population.shape[1]):
        n += population[0, s]
        k += sample[0, s]
    logs = log_rising(1.0, n)
    everything = logs[n] - logs[k] - logs[n - k]
    out = np.zeros((population.shape[0], sample.shape[0]))
    for i in range(population.shape[0]):
        for j in range(sample.shape[0]):
            total, possible = -everything, True
            for s in range(population.shape[1]):
                c, f = population[i, s], sample[j, s]
                if f > c:
                    possible = False
                    break
                total += logs[c] - logs[f] - logs[c - f]
            if possible:
                out[i, j] = exp(total)
    return out
