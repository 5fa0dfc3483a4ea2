"""Closed forms, hand-computed intervals and the coverage of the interval by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.claims import fits

X = np.array([2.0, 4, 8, 16, 32])
U = np.log(X)


@given(st.floats(-3, 3), st.floats(1e-3, 1e3))
def test_a_power_law_gives_its_exponent(exponent, constant):
    y = (constant * X**exponent)[:, None]
    assert fits.power_slope(X, y) == pytest.approx(exponent, abs=1e-12)
    assert fits.line(U, y)[0] == pytest.approx(math.log(constant), abs=1e-11)


def test_an_exponential_gives_its_rate():
    x = np.array([0.0, 1, 2, 5])
    assert fits.exponential_rate(x, 3 * np.exp(-1.5 * x)[:, None]) == pytest.approx(-1.5, abs=1e-12)


def test_the_fit_is_of_the_mean_and_not_of_the_logarithms():
    # Means 2 and 1 at x = 1 and 2: slope -1. The mean of the logarithms would give another one.
    y = np.array([[1.0, 3.0], [1.0, 1.0]])
    assert fits.power_slope(np.array([1.0, 2.0]), y) == pytest.approx(-1.0)


def test_the_quadratic_term_is_that_of_a_least_squares_fit():
    generator = np.random.default_rng(3)
    u, z = np.sort(generator.normal(size=7)), generator.normal(size=7)
    assert fits.quadratic_term(u, np.exp(z)[:, None]) == pytest.approx(np.polyfit(u, z, 2)[0])


def test_the_floor_is_recovered():
    c0, c1, p = fits.floor_fit(U, (0.005 + 0.07 * X**-0.8)[:, None])
    assert (c0, c1, p) == pytest.approx((0.005, 0.07, 0.8), rel=1e-5)
    c0, c1, p = fits.floor_fit(X, (2.0 - 1.5 * np.exp(-0.2 * X))[:, None])
    assert (c0, c1, p) == pytest.approx((2.0, -1.5, 0.2), rel=1e-5)


def test_a_straight_line_in_u_identifies_no_floor():
    assert np.isnan(fits.floor_fit(U, (10 - U)[:, None])).all()


def test_the_jackknife_of_a_mean_is_the_t_interval():
    y = np.array([[1.0, 2, 3, 4, 5, 9]])
    interval = fits.jackknife(fits.mean_curve, y).at(0)
    error = y.std(ddof=1) / math.sqrt(6)
    assert interval.error == pytest.approx(error)
    assert (interval.low, interval.high) == pytest.approx((4 - 2.570582 * error, 4 + 2.570582 * error), rel=1e-6)


def test_the_jackknife_leaves_a_seed_out_of_the_whole_curve():
    # A factor per seed that is common to all levels cannot move the slope.
    y = X[:, None] ** -1.0 * np.array([0.2, 1.0, 3.0, 10.0, 0.5, 7.0])
    interval = fits.jackknife(lambda part: fits.power_slope(X, part), y)
    assert interval.estimate == pytest.approx(-1)
    assert interval.error == pytest.approx(0, abs=1e-12)


def test_one_seed_has_no_interval():
    interval = fits.jackknife(fits.mean_curve, np.array([[2.0]])).at(0)
    assert interval.estimate == 2
    assert math.isnan(interval.low)


@pytest.mark.parametrize(("seeds", "sigma"), [(6, 0.3), (8, 0.1), (8, 0.5)])
def test_coverage_of_the_interval(seeds, sigma):
    generator = np.random.default_rng(2026)
    hits = 0
    for _ in range(400):
        y = 0.07 / X[:, None] * np.exp(sigma * generator.normal(size=(len(X), seeds)))
        interval = fits.jackknife(lambda part: fits.power_slope(X, part), y)
        hits += interval.low <= -1 <= interval.high
    assert 0.92 <= hits / 400 <= 0.98


def test_leaving_out_one_point_gives_the_range():
    # Slopes of three points on u = 0, 1, 2 with z = 0, 0, 1: all 1/2; without the first 1, the second 1/2, the third 0.
    u, y = np.array([0.0, 1, 2]), np.exp([0.0, 0.0, 1.0])[:, None]
    interval = fits.leave_one_point_out(lambda u, y: fits.line(u, y)[1], u, y)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((0.5, 0.0, 1.0))


def test_positive_looks_at_the_mean_without_any_one_seed():
    y = np.array([[1.0, 1, 1], [-1.0, -1, 10], [0.0, 0, 0]])
    assert fits.positive(y).tolist() == [True, False, False]
    assert fits.positive(np.array([[[1.0, 1]], [[1.0, 0]]])).tolist() == [False]


def test_seeds_needed():
    # error .1 at 8 seeds: one seed spreads .2828; the smallest n with t_{n-1} .2828 / sqrt(n) < .15 is 17.
    interval = fits.Interval(-1.0, -1.2365, -0.7635, 0.1)
    assert fits.seeds_needed(interval, 8, (-1.15, -0.85), 6) == 17
    assert fits.t_quantile(17) * 0.1 * math.sqrt(8 / 17) < 0.15 < fits.t_quantile(16) * 0.1 * math.sqrt(8 / 16)
    assert fits.seeds_needed(fits.Interval(-1.1499, 0, 0, 0.1), 8, (-1.15, -0.85), 6) is None
