"""Random draws against plain Python, reductions bit for bit, streams that know no block."""

import math
import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

from orchestrator.core import inlined, kernel, kernels
from orchestrator.core.kernels import (
    draw_alias,
    draw_integer,
    next_uint64,
    normal,
    ordered_mean,
    ordered_sum,
    orthonormal,
    uniform,
)
from orchestrator.core.streams import generator, member_streams

MASK = 2**64 - 1
words = st.lists(st.integers(0, MASK), min_size=4, max_size=4).filter(any)


def rotated(x: int, k: int) -> int:
    return (x << k | x >> (64 - k)) & MASK


def xoshiro(s: list[int]) -> int:
    """xoshiro256++ as its authors publish it, on Python integers; advances ``s``."""
    result = (rotated((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
    t = (s[1] << 17) & MASK
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotated(s[3], 45)
    return result


def test_first_numbers_of_the_reference_implementation():
    """From the state 1, 2, 3, 4, as the authors' C code prints them."""
    rng = np.array([[1, 2, 3, 4]], dtype=np.uint64)
    expected = [41943041, 58720359, 3588806011781223, 3591011842654386]
    assert [int(next_uint64(rng, 0)) for _ in range(4)] == expected


@given(words, words)
@settings(max_examples=50, deadline=None)
def test_xoshiro_against_plain_python(first, second):
    rng = np.array([first, second], dtype=np.uint64)
    plain = list(second)
    for _ in range(20):
        assert int(next_uint64(rng, 1)) == xoshiro(plain)
    assert rng.tolist() == [first, plain]  # the other member's stream has not moved


@given(words)
@settings(max_examples=50, deadline=None)
def test_draws_are_made_of_the_bits_they_should_be(state):
    rng, plain = np.array([state], dtype=np.uint64), list(state)
    assert uniform(rng, 0) == (xoshiro(plain) >> 11) / 2**53
    assert draw_integer(7, rng, 0) == ((xoshiro(plain) >> 32) * 7) >> 32
    bits = xoshiro(plain)
    column, coin = ((bits >> 32) * 3) >> 32, (bits & 0xFFFFFFFF) / 2**32
    probability, alias = np.array([0.25, 1.0, 0.5]), np.array([1, 1, 0])
    assert draw_alias(probability, alias, rng, 0) == (column if coin < probability[column] else alias[column])
    while True:
        u, v = (2 * ((xoshiro(plain) >> 11) / 2**53) - 1 for _ in range(2))
        if 0 < u * u + v * v < 1:
            break
    square = u * u + v * v
    assert normal(rng, 0) == pytest.approx(u * math.sqrt(-2 * math.log(square) / square), rel=1e-14)
    assert rng.tolist() == [plain]


def test_alias_frequencies():
    """Three columns with known chances, 200 000 draws: within five standard deviations of n p."""
    probability, alias = np.array([0.25, 1.0, 0.5]), np.array([1, 1, 0])
    chances = [(0.25 + 0.5) / 3, (1.0 + 0.75) / 3, 0.5 / 3]
    rng = member_streams(3, "agents", "test", [0])
    n = 200_000
    counts = np.bincount([draw_alias(probability, alias, rng, 0) for _ in range(n)], minlength=3)
    for count, p in zip(counts, chances, strict=True):
        assert abs(count - n * p) < 5 * math.sqrt(n * p * (1 - p))


def test_moments_of_the_draws():
    """Means and variances of 400 000 draws, each within five standard errors."""
    out = np.empty((4, 100_000))
    kernels.fill_normal(out, member_streams(0, "agents", "normal", range(4)))
    n = out.size
    assert abs(out.mean()) < 5 / math.sqrt(n)
    assert abs((out**2).mean() - 1) < 5 * math.sqrt(2 / n)
    assert abs((out**4).mean() - 3) < 5 * math.sqrt(96 / n)
    kernels.fill_uniform(out, member_streams(0, "agents", "uniform", range(4)))
    assert out.min() >= 0
    assert out.max() < 1
    assert abs(out.mean() - 0.5) < 5 * math.sqrt(1 / 12 / n)
    whole = np.empty(100_000, dtype=np.int64)
    kernels.fill_integers(whole, 5, member_streams(0, "agents", "integers", range(100_000)))
    counts = np.bincount(whole)
    assert len(counts) == 5
    assert (abs(counts - 20_000) < 5 * math.sqrt(100_000 * 0.2 * 0.8)).all()


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_ordered_reductions_are_sequential_additions(n, m, seed):
    """Bit for bit what a Python loop gives, from the first member to the last, in any memory order."""
    rows = np.random.default_rng(seed).normal(size=(n, m)) * 10.0 ** np.random.default_rng(seed).integers(-9, 9, (n, 1))
    totals = [0.0] * m
    for row in rows.tolist():
        totals = [total + value for total, value in zip(totals, row, strict=True)]
    assert ordered_sum(rows).tolist() == totals
    assert ordered_mean(rows).tolist() == [total / n for total in totals]
    assert ordered_mean(np.asfortranarray(rows)).tolist() == [total / n for total in totals]
    assert ordered_mean(rows[:, 0]).tolist() == totals[0] / n
    assert ordered_mean(rows.reshape(n, m, 1)).shape == (m, 1)


def test_numpy_s_own_sum_is_another():
    """Why there is an ordered sum at all: numpy adds pairwise, and differently along a strided axis."""
    rows = np.random.default_rng(0).normal(size=(1000, 1))
    assert rows[:, 0].sum() != ordered_sum(rows)[0]


@given(st.integers(1, 8), st.integers(0, 7), st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_orthonormal(r, more, seed):
    """Q^T Q = 1, Q spans the columns, and R = Q^T A is upper triangular with a positive diagonal."""
    matrix = np.random.default_rng(seed).normal(size=(r + more, r))
    basis = orthonormal(matrix)
    np.testing.assert_allclose(basis.T @ basis, np.eye(r), atol=1e-13)
    upper = basis.T @ matrix
    np.testing.assert_allclose(basis @ upper, matrix, atol=1e-11)
    assert (np.diag(upper) > 0).all()
    np.testing.assert_allclose(np.tril(upper, -1), 0, atol=1e-11)
    np.testing.assert_allclose(orthonormal(basis), basis, atol=1e-14)


def test_orthonormal_keeps_signs_and_accuracy():
    """Columns that nearly coincide stay orthogonal to rounding; a negated matrix gives the negated basis."""
    matrix = np.array([[1.0, 1.0], [1e-7, 0.0], [0.0, 1e-7]])
    basis = orthonormal(matrix)
    assert abs(basis[:, 0] @ basis[:, 1]) < 1e-15
    assert (orthonormal(-matrix) == -basis).all()
    assert np.isnan(orthonormal(np.zeros((2, 1)))).all()


keys = st.tuples(
    st.integers(0, 2**40), st.sampled_from(["agents", "cells"]), st.sampled_from(["steps", "start"]), st.integers(0, 99)
)


@given(st.lists(keys, min_size=2, max_size=20, unique=True))
@settings(max_examples=50, deadline=None)
def test_streams_are_distinct(found):
    states = {tuple(member_streams(seed, group, role, [i])[0].tolist()) for seed, group, role, i in found}
    draws = {generator(seed, group, role, i).integers(2**63) for seed, group, role, i in found}
    assert len(states) == len(draws) == len(found)


@given(st.integers(0, 1000), st.integers(1, 40), st.data())
@settings(max_examples=50, deadline=None)
def test_streams_know_no_block(seed, n, data):
    """A member's stream is the same however the members are cut into blocks."""
    whole = member_streams(seed, "agents", "steps", range(n))
    at = data.draw(st.integers(0, n))
    parts = [member_streams(seed, "agents", "steps", part) for part in (range(at), range(at, n))]
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert whole.dtype == np.uint64
    assert whole.shape == (n, 4)


def test_streams_are_what_they_were():
    """Pinned: another key derivation would silently give every stored cell other numbers."""
    assert member_streams(1, "agents", "steps", [2])[0].tolist() == PINNED_STATE
    assert generator(1, "coordinator", "basis").integers(2**63) == PINNED_DRAW


PINNED_STATE = [7919480317675085482, 17273951302539218340, 12834810658998110104, 15454346837935484968]
PINNED_DRAW = 8898508671233021321


def test_streams_are_keyed_by_words_and_numbers():
    """Stored results depend on these bits."""
    rows = member_streams(3, "agents", "steps", range(5, 7))
    assert rows[0].tolist() == [0x34D30B5902B3B651, 0xF7A7D2B74A165534, 0x5810A1B48067E94, 0x83EB14ABB1F54867]
    assert rows[1].tolist() == [0x7D67604521BB8564, 0x60F58F0652B84979, 0x767A71A87FB5C6EA, 0xBA0D355E3DE170C0]
    assert generator(3, "coordinator", "x", 2).integers(2**62) == 4156866431931763563
    assert rows.tolist() == [member_streams(3, "agents", "steps", [i])[0].tolist() for i in (5, 6)]
    assert member_streams(3, "agents", "steps", []).shape == (0, 4)


@inlined
def _bump(rows, i):
    rows[i] += 1.0
    return rows[i]


@kernel
def _bump_all(rows):
    total = 0.0
    for i in range(rows.shape[0]):
        total += _bump(rows, i)
    return total


@inlined
def _itself(rows):
    return rows


@kernel
def _through(rows):
    return _itself(rows)[0]


@inlined
def _made(size):
    return np.zeros(size)[0]


@kernel
def _making(size):
    return _made(size)


def test_an_inlined_function_may_read_and_write_arrays():
    rows = np.zeros(3)
    assert _bump_all(rows) == 3.0
    assert rows.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("function", "argument"), [(_through, np.zeros(3)), (_making, 3)])
def test_an_inlined_function_neither_makes_nor_returns_an_array(function, argument):
    """Nothing counts references to arrays in it: an array of its own would be freed by nobody, or twice."""
    with pytest.raises(TypeError if function is _through else TypingError):
        function(argument)


@kernel
def _long(steps, rows):
    total = 0.0
    for k in range(steps):
        total += math.sin(k * 1.0)
    return rows + total, None


def test_ctrl_c_during_a_kernel_is_an_interrupt():
    """Also where the kernel returns a tuple: else a run would store the interrupted seed as failed."""
    rows = np.ones(3)
    _long(1, rows)
    assert threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            _long(5 * 10**7, rows)
    finally:
        signal.signal(signal.SIGINT, before)
