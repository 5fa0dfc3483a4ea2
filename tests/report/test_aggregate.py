"""Interquartile means by hand and their stratified bootstrap."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.report.aggregate import bootstrap, interquartile_mean


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.0, 2.0, 3.0, 100.0], 2.5),
        ([5.0, 1.0, 3.0, 2.0, 4.0, 6.0, 8.0, 7.0], 4.5),
        ([0.0, 1.0, 10.0], (0.25 * 0 + 1 + 0.25 * 10) / 1.5),
        ([0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0, 99.0], (0.5 * 1 + 2 + 3 + 4 + 5 + 0.5 * 6) / 5),
        ([3.0, 7.0], 5.0),
        ([4.0], 4.0),
    ],
)
def test_by_hand(scores, expected):
    assert interquartile_mean(np.array(scores)) == pytest.approx(expected)


def test_equals_the_trimmed_mean_where_a_quarter_is_whole():
    scores = np.random.default_rng(1).normal(size=(40, 3))
    np.testing.assert_allclose(interquartile_mean(scores), stats.trim_mean(scores, 0.25, axis=0), atol=1e-14)


def test_an_outlier_moves_nothing():
    scores = np.arange(12.0)
    moved = np.where(scores == 11, 1e9, scores)
    assert interquartile_mean(moved) == interquartile_mean(scores)


def test_resampling_stays_within_each_task():
    """Two tasks without spread of their own: whatever is drawn, half of the runs is 0 and half is 1."""
    middle, low, high = bootstrap([np.zeros(6), np.ones(6)])
    assert (middle, low, high) == (0.5, 0.5, 0.5)


def test_the_same_draws_again():
    curves = np.random.default_rng(0).normal(size=(10, 4))
    first, again = bootstrap([curves]), bootstrap([curves])
    other = bootstrap([curves], seed=1)
    np.testing.assert_array_equal(first, again)
    assert (first[1] != other[1]).any()


def test_the_interval_covers():
    """95 percent intervals of the mean of a normal, 20 runs: the percentile bootstrap covers in 88 to 98 percent."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        _, low, high = bootstrap([rng.normal(size=20)], resamples=300)
        covered += low <= 0 <= high
    assert 0.88 <= covered / 200 <= 0.98
