"""Compiled functions: random draws from per-member streams, and sums in a fixed order.

Every function here is a pure function of its arrays.
"""

import math

import numpy as np

from orchestrator.core.compiling import kernel
from orchestrator.core.portable.elementary import log


@kernel
def next_uint64(rng: np.ndarray, i: int) -> np.uint64:
    """The next 64 random bits of member ``i``: xoshiro256++ (Blackman and Vigna, 2019).

    ``rng`` uint64 [n, 4] holds the members' streams, ``Block.rng`` in an algorithm; row i is advanced in place.
    """
    s0, s1, s2, s3 = rng[i, 0], rng[i, 1], rng[i, 2], rng[i, 3]
    total = s0 + s3
    result = ((total << np.uint64(23)) | (total >> np.uint64(41))) + s0
    shifted = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))
    rng[i, 0], rng[i, 1], rng[i, 2], rng[i, 3] = s0, s1, s2, s3
    return result


@kernel
def uniform(rng: np.ndarray, i: int) -> float:
    """A uniform draw in [0, 1) with 53 random bits, from stream ``i`` of ``rng``."""
    return np.float64(next_uint64(rng, i) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def draw_integer(upper: int, rng: np.ndarray, i: int) -> np.int64:
    """A uniform integer in 0..upper-1 from stream ``i`` of ``rng``; upper < 2^31 (bias below upper / 2^32)."""
    return np.int64(((next_uint64(rng, i) >> np.uint64(32)) * np.uint64(upper)) >> np.uint64(32))


@kernel
def draw_alias(probability: np.ndarray, alias: np.ndarray, rng: np.ndarray, i: int) -> np.int64:
    """An index in 0..S-1 drawn from an alias table (Walker 1977; Vose 1991) with stream ``i`` of ``rng``.

    ``probability`` float64 [S] and ``alias`` int64 [S] are one row of an environment's tables: the drawn column j is
    kept with chance ``probability[j]``, else ``alias[j]`` is taken. One 64-bit draw gives both random numbers.
    """
    bits = next_uint64(rng, i)
    column = np.int64(((bits >> np.uint64(32)) * np.uint64(probability.shape[0])) >> np.uint64(32))
    coin = np.float64(bits & np.uint64(0xFFFFFFFF)) * (1.0 / 4294967296.0)
    return column if coin < probability[column] else alias[column]


@kernel
def normal(rng: np.ndarray, i: int) -> float:
    """A standard normal draw from stream ``i`` of ``rng`` by Marsaglia's polar method.

    The method makes pairs; the second draw is not used, so that the stream is the whole state.
    """
    while True:
        u = 2.0 * uniform(rng, i) - 1.0
        v = 2.0 * uniform(rng, i) - 1.0
        square = u * u + v * v
        if 0.0 < square < 1.0:
            return u * math.sqrt(-2.0 * log(square) / square)


@kernel
def fill_uniform(out: np.ndarray, rng: np.ndarray) -> None:
    """Fill ``out`` [n, m] with uniform draws in [0, 1), row i from stream i of ``rng``."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = uniform(rng, i)


@kernel
def fill_normal(out: np.ndarray, rng: np.ndarray) -> None:
    """Fill ``out`` [n, m] with standard normal draws, row i from stream i of ``rng``."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = normal(rng, i)


@kernel
def fill_integers(out: np.ndarray, upper: int, rng: np.ndarray) -> None:
    """Fill ``out`` int64 [n] with uniform integers in 0..upper-1, entry i from stream i of ``rng``."""
    for i in range(out.shape[0]):
        out[i] = draw_integer(upper, rng, i)


@kernel
def sum_rows(rows: np.ndarray) -> np.ndarray:
    """Sum of ``rows`` [n, m] over the members, [m], added in the order 0, 1, ..., n - 1. For use in kernels."""
    out = np.zeros(rows.shape[1])
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            out[j] += rows[i, j]
    return out


@kernel
def mean_rows(rows: np.ndarray) -> np.ndarray:
    """Mean of ``rows`` [n, m] over the members, [m], added in the order 0, 1, ..., n - 1. For use in kernels."""
    return sum_rows(rows) / rows.shape[0]


def ordered_sum(rows: np.ndarray) -> np.ndarray:
    """Sum of ``rows`` [n, ...] over the members, added in the order 0, 1, ..., n - 1.

    numpy's own sum adds in an order that depends on the shape of the array.
    """
    return sum_rows(rows.reshape(len(rows), -1)).reshape(rows.shape[1:])


def ordered_mean(rows: np.ndarray) -> np.ndarray:
    """Mean of ``rows`` [n, ...] over the members, added in the order 0, 1, ..., n - 1."""
    return ordered_sum(rows) / len(rows)  # as mean_rows, without compiling a second kernel


@kernel
def orthonormal(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the columns of ``matrix`` [d, r], d >= r: modified Gram-Schmidt, twice for accuracy.

    The triangular factor has a positive diagonal, so signs never flip from round to round. LAPACK's QR flips them at
    times, which raises head errors by a factor of 2 to 6. A linearly dependent column gives NaN, which is recorded as
    divergence.
    """
    d, r = matrix.shape
    basis = matrix.copy()
    for c in range(r):
        for _ in range(2):
            for b in range(c):
                dot = 0.0
                for f in range(d):
                    dot += basis[f, b] * basis[f, c]
                for f in range(d):
                    basis[f, c] -= dot * basis[f, b]
        square = 0.0
        for f in range(d):
            square += basis[f, c] * basis[f, c]
        norm = math.sqrt(square)
        for f in range(d):
            basis[f, c] /= norm
    return basis
