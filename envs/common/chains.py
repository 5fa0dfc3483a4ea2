"""Compiled building blocks of the environments: alias tables and exact linear algebra on one process.

Sums run in the order written, so a number depends neither on how many processes are stacked nor on the processor's
BLAS.
"""

import math

import numpy as np

from orchestrator.core import kernel


@kernel
def _fill_alias_tables(rows, probability, alias):
    count, n = rows.shape
    small, large = np.empty(n, np.int64), np.empty(n, np.int64)
    scaled = np.empty(n)
    for i in range(count):
        smalls = larges = 0
        for j in range(n):
            scaled[j] = rows[i, j] * n
            alias[i, j] = j
            probability[i, j] = 1.0
            if scaled[j] < 1.0:
                small[smalls] = j
                smalls += 1
            else:
                large[larges] = j
                larges += 1
        while smalls > 0 and larges > 0:
            smalls -= 1
            j, k = small[smalls], large[larges - 1]
            probability[i, j] = scaled[j]
            alias[i, j] = k
            scaled[k] = (scaled[k] + scaled[j]) - 1.0
            if scaled[k] < 1.0:
                larges -= 1
                small[smalls] = k
                smalls += 1


def alias_tables(distributions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Alias tables (Walker 1977; Vose 1991) of probability rows.

    ``distributions`` float64 [..., n], rows summing to 1. Returns (probability float64, alias int64) of that shape:
    draw a column j uniformly, keep it with ``probability[j]``, else take ``alias[j]``.
    """
    # A copy: one compiled specialisation, read-only or not.
    rows = np.array(distributions, np.float64, order="C").reshape(-1, distributions.shape[-1])
    probability, alias = np.empty(rows.shape), np.empty(rows.shape, np.int64)
    _fill_alias_tables(rows, probability, alias)
    return probability.reshape(distributions.shape), alias.reshape(distributions.shape)


@kernel
def back_substitute(triangle, x):
    """Solve ``triangle`` [n, n] y = ``x`` [n] for y, in place of ``x``; what is below the diagonal is not read."""
    n = x.shape[0]
    for c in range(n - 1, -1, -1):
        for j in range(c + 1, n):
            x[c] -= triangle[c, j] * x[j]
        x[c] /= triangle[c, c]


@kernel
def solve(matrix, vector):
    """x with ``matrix`` [n, n] x = ``vector`` [n], by elimination with row pivots; inf or NaN where it is singular."""
    n = vector.shape[0]
    a, x = matrix.copy(), vector.copy()
    for c in range(n):
        pivot = c
        for i in range(c + 1, n):
            if abs(a[i, c]) > abs(a[pivot, c]):
                pivot = i
        for j in range(n):
            a[c, j], a[pivot, j] = a[pivot, j], a[c, j]
        x[c], x[pivot] = x[pivot], x[c]
        for i in range(c + 1, n):
            factor = a[i, c] / a[c, c]
            for j in range(c, n):
                a[i, j] -= factor * a[c, j]
            x[i] -= factor * x[c]
    back_substitute(a, x)
    return x


@kernel
def stationary_distribution(transition):
    """Stationary distribution [n] of an irreducible ``transition`` [n, n] (Grassmann, Taksar, Heyman 1985).

    Only additions, multiplications and divisions of non-negative numbers: accurate in every entry.
    """
    n = transition.shape[0]
    p, mu = transition.copy(), np.zeros(n)
    for k in range(n - 1, 0, -1):
        leave = 0.0
        for j in range(k):
            leave += p[k, j]
        for i in range(k):
            p[i, k] /= leave
        for i in range(k):
            for j in range(k):
                p[i, j] += p[i, k] * p[k, j]
    mu[0] = total = 1.0
    for k in range(1, n):
        for i in range(k):
            mu[k] += mu[i] * p[i, k]
        total += mu[k]
    for k in range(n):
        mu[k] /= total
    return mu


def stationary_distributions(transition: np.ndarray) -> np.ndarray:
    """Stationary distributions [m, n] of stacked chains ``transition`` [m, n, n]."""
    return np.array([stationary_distribution(one) for one in transition]).reshape(transition.shape[:2])


@kernel
def unrepresented(phi, transition, stationary, gamma, average, directions):
    """Unit-size value components u_p that leave the TD fixed point unchanged: Phi^T D_p (I - gamma P_p) u_p = 0.

    ``directions`` [m, S] are projected onto that null space (for the average objective also off the constants, which
    change no reward) and scaled to norm 1 under mu_p. Dependent constraints are skipped, so Phi may lack full rank.
    """
    m, n = stationary.shape
    d = phi.shape[1]
    out, ones = directions.copy(), np.ones(n)
    for p in range(m):
        rows = np.empty((d + 1, n))
        for f in range(d):
            for t in range(n):
                rows[f, t] = stationary[p, t] * phi[t, f]
            for s in range(n):
                weight = stationary[p, s] * phi[s, f]
                for t in range(n):
                    rows[f, t] -= gamma * weight * transition[p, s, t]
        for t in range(n):
            rows[d, t] = stationary[p, t]
        used = 0
        for f in range(d + average):
            before = _length(rows[f], ones)
            row = rows[f].copy()
            _remove(rows[:used], row)
            after = _length(row, ones)
            if after > 1e-9 * before:
                rows[used] = row / after
                used += 1
        _remove(rows[:used], out[p])
        out[p] /= _length(out[p], stationary[p])
    return out


@kernel
def _length(vector, weights):
    """The square root of the sum of ``weights`` times the squares of ``vector``, both [n]."""
    square = 0.0
    for t in range(vector.shape[0]):
        square += weights[t] * vector[t] * vector[t]
    return math.sqrt(square)


@kernel
def _remove(orthonormal_rows, vector):
    """Take the span of ``orthonormal_rows`` [k, n] out of ``vector`` [n], in place, twice for accuracy."""
    for _ in range(2):
        for k in range(orthonormal_rows.shape[0]):
            dot = 0.0
            for t in range(vector.shape[0]):
                dot += orthonormal_rows[k, t] * vector[t]
            for t in range(vector.shape[0]):
                vector[t] -= dot * orthonormal_rows[k, t]
