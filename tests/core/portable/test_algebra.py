"""Products, eigenvectors and singular vectors in the order written, against numpy's."""

import numpy as np
import pytest

from orchestrator.core.portable.algebra import leading_singular, product, symmetric_eigen


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.mark.parametrize(("n", "k", "m"), [(1, 1, 1), (2, 3, 4), (7, 0, 2), (20, 30, 10)])
def test_products_add_in_order(n, k, m):
    left, right = drawn(n, k), drawn(k, m)
    expected = [[0.0] * m for _ in range(n)]
    for i in range(n):
        for j in range(m):
            for middle in range(k):
                expected[i][j] += float(left[i, middle]) * float(right[middle, j])
    assert product(left, right).tolist() == expected
    np.testing.assert_allclose(product(left, right), left @ right, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12, 60])
def test_eigenvalues_and_eigenvectors(n):
    matrix = drawn(n, n)
    matrix += matrix.T.copy()
    values, vectors = symmetric_eigen(matrix)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix), atol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=1e-12)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-12)


@pytest.mark.parametrize(
    "matrix",
    [np.zeros((4, 4)), np.eye(5), np.diag([3.0, 1.0, 2.0]), np.ones((6, 6)), np.diag([1.0, 1e-9, 1e9])],
    ids=["zero", "one", "diagonal", "of rank one", "of many sizes"],
)
def test_eigenvalues_that_are_alike(matrix):
    values, vectors = symmetric_eigen(matrix)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix), atol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(matrix)), atol=1e-12)


def test_what_has_no_eigenvalues_ends_all_the_same():
    assert np.isnan(symmetric_eigen(np.full((3, 3), np.nan))[0]).all()


@pytest.mark.parametrize(("m", "d"), [(1, 4), (3, 7), (7, 3), (5, 5), (200, 16), (4, 120)])
def test_singular_vectors(m, d):
    rows, rank = drawn(m, d), min(m, d)
    vectors = leading_singular(rows, rank)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(rank), atol=1e-12)
    expected = np.linalg.svd(rows, full_matrices=False)[2].T
    np.testing.assert_allclose(abs((vectors * expected).sum(axis=0)), 1.0, atol=1e-12)
    np.testing.assert_allclose(leading_singular(rows, 1)[:, 0], vectors[:, 0], atol=0)


@pytest.mark.parametrize(("m", "d"), [(5, 4), (3, 7)])
def test_rows_of_a_lower_rank(m, d):
    """The rest are unit vectors made orthogonal."""
    rows = np.outer(np.arange(1.0, m + 1), drawn(d))
    vectors = leading_singular(rows, 3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rows @ vectors[:, 1:], 0.0, atol=1e-12)
    assert leading_singular(np.zeros((m, d)), 3).tolist() == np.eye(d, 3).tolist()


def test_weak_directions_are_as_exact_as_strong_ones():
    """One-sided rotations never square the rows: a direction 1e-9 as strong comes out to 1e-6 or better."""
    basis = np.linalg.qr(drawn(8, 2))[0]
    rows = drawn(20, 2) * [1.0, 1e-9] @ basis.T
    found = leading_singular(rows, 2)
    np.testing.assert_allclose(abs(np.linalg.det(found.T @ basis)), 1.0, atol=1e-6)
