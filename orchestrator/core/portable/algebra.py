"""Linear algebra in the order written: the same bits on every processor.

BLAS and LAPACK choose their code, and so the order of their sums, by processor. These are for set-ups and measurements,
where matrices are small.
"""

import math

import numpy as np

from orchestrator.core.compiling import kernel

#: Columns whose cosine is below the first count as orthogonal; one that is shorter than the second times the longest as
#: dependent on those before.
NEGLIGIBLE, DEPENDENT = 1e-15, 1e-12
SWEEPS = 60  # far more than it takes


@kernel
def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``left`` [n, k] times ``right`` [k, m], float64 [n, m]: the terms of each entry are added in order."""
    out = np.zeros((left.shape[0], right.shape[1]))
    for i in range(left.shape[0]):
        for k in range(left.shape[1]):
            for j in range(right.shape[1]):
                out[i, j] += left[i, k] * right[k, j]
    return out


@kernel
def symmetric_eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [n] ascending and eigenvectors [n, n] as columns of a symmetric ``matrix`` [n, n].

    Householder's reduction to a tridiagonal matrix, then implicit QL steps (Martin, Reinsch and Wilkinson 1968).
    """
    n = matrix.shape[0]
    vectors, beside = np.eye(n), np.zeros(n)
    values = tridiagonal(matrix, vectors, beside)
    for low in range(n):
        for _ in range(SWEEPS):
            high = low
            while high < n - 1 and abs(beside[high]) > 1e-16 * (abs(values[high]) + abs(values[high + 1])):
                high += 1
            if high == low:
                break
            ql_step(values, beside, vectors, low, high)
    for i in range(n - 1):  # into ascending order
        least = i
        for j in range(i + 1, n):
            if values[j] < values[least]:
                least = j
        values[i], values[least] = values[least], values[i]
        for k in range(n):
            vectors[k, i], vectors[k, least] = vectors[k, least], vectors[k, i]
    return values, vectors


@kernel
def tridiagonal(matrix: np.ndarray, vectors: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """The diagonal [n] of the tridiagonal Q^T ``matrix`` Q; what is ``beside`` it and Q are written.

    ``vectors`` [n, n], at first the identity, becomes Q.
    """
    n = matrix.shape[0]
    a, v, w = matrix.copy(), np.zeros(n), np.zeros(n)
    for c in range(n - 2):
        square = 0.0
        for i in range(c + 2, n):
            square += a[i, c] * a[i, c]
        if square == 0.0:
            continue
        length = math.sqrt(square + a[c + 1, c] * a[c + 1, c])
        for i in range(c + 1, n):
            v[i] = a[i, c]
        v[c + 1] += length if a[c + 1, c] >= 0.0 else -length
        half = 0.5 * (square + v[c + 1] * v[c + 1])  # the mirror is 1 - v v^T / half
        share = 0.0
        for i in range(c, n):
            w[i] = 0.0
            for j in range(c + 1, n):
                w[i] += a[i, j] * v[j]
            w[i] /= half
        for i in range(c + 1, n):
            share += w[i] * v[i]
        v[c] = 0.0
        for i in range(c, n):
            w[i] -= 0.5 * share / half * v[i]
        for i in range(c, n):
            for j in range(c, n):
                a[i, j] -= v[i] * w[j] + w[i] * v[j]
        for k in range(n):
            dot = 0.0
            for i in range(c + 1, n):
                dot += vectors[k, i] * v[i]
            for i in range(c + 1, n):
                vectors[k, i] -= dot / half * v[i]
    values = np.empty(n)
    for i in range(n):
        values[i] = a[i, i]
        if i < n - 1:
            beside[i] = a[i + 1, i]
    return values


@kernel
def ql_step(values: np.ndarray, beside: np.ndarray, vectors: np.ndarray, low: int, high: int) -> None:
    """One implicit QL step on rows ``low`` to ``high`` of a tridiagonal matrix, in place."""
    g = (values[low + 1] - values[low]) / (2.0 * beside[low])
    r = math.sqrt(g * g + 1.0)
    g = values[high] - values[low] + beside[low] / (g + (r if g >= 0.0 else -r))
    s, c, p = 1.0, 1.0, 0.0
    for i in range(high - 1, low - 1, -1):
        f, b = s * beside[i], c * beside[i]
        r = math.sqrt(f * f + g * g)
        beside[i + 1] = r
        if r == 0.0:
            values[i + 1] -= p
            beside[high] = 0.0
            return
        s, c = f / r, g / r
        g = values[i + 1] - p
        r = (values[i] - g) * s + 2.0 * c * b
        p = s * r
        values[i + 1] = g + p
        g = c * r - b
        for k in range(vectors.shape[0]):
            f = vectors[k, i + 1]
            vectors[k, i + 1] = s * vectors[k, i] + c * f
            vectors[k, i] = c * vectors[k, i] - s * f
    values[low] -= p
    beside[low] = g
    beside[high] = 0.0


def leading_singular(rows: np.ndarray, rank: int) -> np.ndarray:
    """The ``rank`` leading right singular vectors of ``rows`` [m, d] as columns [d, rank], by one-sided Jacobi.

    Where ``rows`` have a lower rank the others are unit vectors made orthogonal to those that count.
    """
    m, d = rows.shape
    if m < d:  # the columns of rows^T are turned until they are orthogonal: sigma times the vectors asked for
        columns = np.array(rows.T, np.float64, order="C")
        lengths = orthogonalise(columns, np.zeros((0, m)))
        vectors = columns
    else:
        vectors = np.eye(d)
        lengths = orthogonalise(np.array(rows, np.float64, order="C"), vectors)
    order = sorted(range(len(lengths)), key=lambda c: -lengths[c])[:rank]  # of equal ones the first
    chosen = np.zeros((d, rank))
    chosen[:, : len(order)] = vectors[:, order]
    counts = sum(1 for c in order if lengths[c] > DEPENDENT * lengths[order[0]])
    return completed(chosen, counts)


@kernel
def orthogonalise(columns: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Rotate pairs of ``columns`` [m, n] until all are orthogonal, and those of ``turned`` [., n] alike; their lengths.

    Hestenes (1958): in place.
    """
    n = columns.shape[1]
    for _ in range(SWEEPS):
        still = True
        for p in range(n - 1):
            for q in range(p + 1, n):
                a, b, dot = 0.0, 0.0, 0.0
                for i in range(columns.shape[0]):
                    a += columns[i, p] * columns[i, p]
                    b += columns[i, q] * columns[i, q]
                    dot += columns[i, p] * columns[i, q]
                if abs(dot) <= NEGLIGIBLE * math.sqrt(a * b):
                    continue
                still = False
                zeta = (b - a) / (2.0 * dot)
                t = 1.0 / (abs(zeta) + math.sqrt(1.0 + zeta * zeta))
                t = t if zeta >= 0.0 else -t
                c = 1.0 / math.sqrt(1.0 + t * t)
                s = c * t
                for i in range(columns.shape[0]):
                    x, y = columns[i, p], columns[i, q]
                    columns[i, p], columns[i, q] = c * x - s * y, s * x + c * y
                for i in range(turned.shape[0]):
                    x, y = turned[i, p], turned[i, q]
                    turned[i, p], turned[i, q] = c * x - s * y, s * x + c * y
        if still:
            break
    lengths = np.zeros(n)
    for p in range(n):
        for i in range(columns.shape[0]):
            lengths[p] += columns[i, p] * columns[i, p]
        lengths[p] = math.sqrt(lengths[p])
    return lengths


@kernel
def completed(columns: np.ndarray, counts: int) -> np.ndarray:
    """``columns`` [d, r] scaled to length 1; from ``counts`` on, unit vectors made orthogonal to those before."""
    d, r = columns.shape
    out, unit = columns.copy(), 0
    for c in range(r):
        while True:
            if c >= counts:
                for i in range(d):
                    out[i, c] = 1.0 if i == unit else 0.0
                unit += 1
                for _ in range(2):
                    for b in range(c):
                        dot = 0.0
                        for i in range(d):
                            dot += out[i, b] * out[i, c]
                        for i in range(d):
                            out[i, c] -= dot * out[i, b]
            square = 0.0
            for i in range(d):
                square += out[i, c] * out[i, c]
            if c < counts or square > 1e-6 or unit == d:
                break
        length = math.sqrt(square)
        for i in range(d):
            out[i, c] /= length
    return out
