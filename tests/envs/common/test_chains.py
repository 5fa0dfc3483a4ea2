"""The compiled building blocks against definitions and numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from envs.common.chains import alias_tables, solve, stationary_distribution
from envs.linear.kernels import subspace_error

weights = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=st.just(0.0) | st.floats(1e-12, 1.0)
).filter(lambda rows: (rows.sum(axis=1) > 0).all())


@settings(deadline=None)  # the first call compiles
@given(weights)
def test_alias_tables_reproduce_the_distribution(rows):
    """P(j) = (keep_j + sum over columns k aliased to j of (1 - keep_k)) / n."""
    distributions = rows / rows.sum(axis=1, keepdims=True)
    keep, alias = alias_tables(distributions)
    n = rows.shape[1]
    assert ((keep >= 0) & (keep <= 1)).all()
    for i in range(len(rows)):
        mass = keep[i].copy()
        np.add.at(mass, alias[i], 1 - keep[i])
        np.testing.assert_allclose(mass / n, distributions[i], rtol=0, atol=1e-15 * n)


def test_alias_tables_by_hand():
    """(1/2, 1/4, 1/4): columns 1 and 2 are three quarters full and give the rest to 0. Leading axes are kept."""
    keep, alias = alias_tables(np.array([[[0.5, 0.25, 0.25]]]))
    np.testing.assert_array_equal(keep, [[[1, 0.75, 0.75]]])
    np.testing.assert_array_equal(alias, [[[0, 0, 0]]])


def test_stationary_distribution_by_hand():
    """Two states leaving with chances a and b: mu = (b, a) / (a + b)."""
    np.testing.assert_allclose(stationary_distribution(np.array([[0.7, 0.3], [0.1, 0.9]])), [0.25, 0.75], rtol=1e-15)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_stationary_distribution_is_invariant(n, seed):
    transition = np.random.default_rng(seed).dirichlet(np.full(n, 0.3), size=n) * 0.95 + 0.05 / n
    mu = stationary_distribution(transition)
    np.testing.assert_allclose(mu @ transition, mu, rtol=1e-13)
    assert mu.sum() == pytest.approx(1, abs=1e-14)


def test_stationary_distribution_keeps_tiny_probabilities():
    """Entries of 1e-200 come out with full relative accuracy: nothing is subtracted."""
    tiny = 1e-200
    mu = stationary_distribution(np.array([[1 - tiny, tiny], [1.0, 0.0]]))
    np.testing.assert_allclose(mu, [1, tiny], rtol=1e-15)


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_solve_agrees_with_lapack(n, seed):
    rng = np.random.default_rng(seed)
    matrix, vector = rng.normal(size=(n, n)) + 4 * np.eye(n)[rng.permutation(n)], rng.normal(size=n)
    before = matrix.copy()
    np.testing.assert_allclose(solve(matrix, vector), np.linalg.solve(matrix, vector), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(matrix, before)


def test_solve_exchanges_rows():
    np.testing.assert_array_equal(solve(np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([4.0, 3.0])), [3.0, 2.0])


def test_subspace_error_of_known_angles():
    """Planes at angles 30 and 90 degrees: 1/4 + 1; the columns' scale, order and mixing do not matter."""
    truth = np.eye(4)[:, :2]
    learned = np.array([[np.sqrt(3) / 2, 0], [0, 0], [0.5, 0], [0, 1]])
    assert subspace_error(learned, truth) == pytest.approx(1.25, abs=1e-14)
    assert subspace_error(learned @ np.array([[3.0, 1.0], [0.0, -0.01]]), truth) == pytest.approx(1.25, abs=1e-10)
    assert subspace_error(truth @ np.array([[0.0, 2.0], [1.0, 5.0]]), truth) < 1e-30
