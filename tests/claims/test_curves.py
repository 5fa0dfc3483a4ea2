"""Closed forms of the fits, and the range over leaving out one level."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.claims.statistics import curves, floors
from orchestrator.claims.statistics.contrasts import change_weights, slope_weights

X = np.array([2.0, 4, 8, 16, 32])
U = np.log(X)


@given(st.floats(-3, 3), st.floats(1e-3, 1e3))
def test_a_power_law_gives_its_exponent(exponent, constant):
    y = (constant * X**exponent)[:, None]
    assert curves.slope(U, y) == pytest.approx(exponent, abs=1e-12)
    assert curves.line(U, y)[0] == pytest.approx(math.log(constant), abs=1e-11)


def test_an_exponential_gives_its_rate():
    x = np.array([0.0, 1, 2, 5])
    assert curves.slope(x, 3 * np.exp(-1.5 * x)[:, None]) == pytest.approx(-1.5, abs=1e-12)


def test_the_fit_is_of_the_mean_and_not_of_the_logarithms():
    # Means 2 and 1 at x = 1 and 2: slope -1. The mean of the logarithms would give another one.
    y = np.array([[1.0, 3.0], [1.0, 1.0]])
    assert curves.slope(np.log([1.0, 2.0]), y) == pytest.approx(-1.0)


def test_the_change_of_the_slope_is_that_of_a_least_squares_parabola():
    generator = np.random.default_rng(3)
    u, z = np.sort(generator.normal(size=7)), generator.normal(size=7)
    expected = 2 * np.polyfit(u, z, 2)[0] * (u[-1] - u[0])
    assert curves.change(u, np.exp(z)[:, None]) == pytest.approx(expected)
    assert change_weights(u) @ np.stack([np.ones(7), u], 1) == pytest.approx([0, 0], abs=1e-12)
    assert slope_weights(u) @ np.stack([np.ones(7), u], 1) == pytest.approx([0, 1], abs=1e-12)


def test_the_floor_is_recovered():
    c0, c1, p = floors.floor_fit(U, (0.005 + 0.07 * X**-0.8)[:, None])
    assert (c0, c1, p) == pytest.approx((0.005, 0.07, 0.8), rel=1e-5)
    c0, c1, p = floors.floor_fit(X, (2.0 - 1.5 * np.exp(-0.2 * X))[:, None])
    assert (c0, c1, p) == pytest.approx((2.0, -1.5, 0.2), rel=1e-5)


def test_the_floor_of_a_given_decay_is_recovered_for_many_curves_at_once():
    means = np.array([[0.1], [0.0], [-0.02]]) + 2 / X
    c0, c1 = floors.fixed_floor(means, 1 / X)
    assert c0 == pytest.approx([0.1, 0.0, -0.02], abs=1e-12)
    assert c1 == pytest.approx([2, 2, 2])


def test_a_straight_line_in_u_identifies_no_floor():
    assert np.isnan(floors.floor_fit(U, (10 - U)[:, None])).all()


def test_leaving_out_one_point_gives_the_range():
    # Slopes of three points on u = 0, 1, 2 with z = 0, 0, 1: all 1/2; without the first 1, the second 1/2, the third 0.
    u, y = np.array([0.0, 1, 2]), np.exp([0.0, 0.0, 1.0])[:, None]
    interval = curves.leave_one_point_out(curves.slope, u, y)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((0.5, 0.0, 1.0))


def test_positive_looks_at_the_mean_without_any_one_seed():
    y = np.array([[1.0, 1, 1], [-1.0, -1, 10], [0.0, 0, 0]])
    assert curves.positive(y).tolist() == [True, False, False]
    assert curves.positive(np.array([[[1.0, 1]], [[1.0, 0]]])).tolist() == [False]
    assert curves.positive(np.array([[1.0], [-1.0]])).tolist() == [True, False]
