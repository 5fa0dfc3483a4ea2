"""Intervals by hand: the jackknife, contrasts of means and of typical runs, means, shares, and runs without spread."""

import math

import numpy as np
import pytest
from scipy.special import chdtri

from orchestrator.claims.sentences import range_text
from orchestrator.claims.statistics.contrasts import contrast, slope_weights
from orchestrator.claims.statistics.intervals import Interval, jackknife, jackknife_of, left_out, outcomes
from orchestrator.claims.statistics.means import mean_interval
from orchestrator.claims.statistics.quantiles import binomial_limits, t_quantile

X = np.array([2.0, 4, 8, 16, 32])
WEIGHTS = slope_weights(np.log(X))


def ends(interval):
    return float(interval.low), float(interval.high)


def curve(spread, seeds=8, seed=1):
    noise = np.random.default_rng(seed).normal(size=(5, seeds))
    return np.exp(np.broadcast_to(np.asarray(spread), (5,))[:, None] * noise) / X[:, None]


def test_left_out_means_keep_their_digits_beside_a_huge_run():
    y = np.array([1e-3, 2e-3, 1e20, 3e-3])
    assert left_out(y)[2] == 0.002
    assert left_out(np.stack([y, y]))[1] == pytest.approx([np.delete(y, k).mean() for k in range(4)], rel=1e-15)


def test_the_jackknife_of_a_mean_is_the_t_interval():
    y = np.array([1.0, 2, 3, 4, 5, 9])
    error = y.std(ddof=1) / math.sqrt(6)
    for interval in (jackknife(y.mean(), left_out(y), 0.025, 0.01), jackknife_of(np.mean, y, 0.025, 0.01)):
        assert ends(interval) == pytest.approx((4 - 2.570582 * error, 4 + 3.364930 * error), rel=1e-6)


def test_one_seed_has_no_interval():
    interval = jackknife_of(np.mean, np.array([2.0]), 0.025, 0.025)
    assert interval.estimate == 2
    assert math.isnan(interval.low)


def test_outcomes():
    low, high = np.array([1.0, 0.0, 3.0, math.nan]), np.array([2.0, 2.0, 4.0, math.nan])
    assert outcomes(Interval(low, low, high), (1, 2)).tolist() == [1, 0, -1, 0]


def test_a_contrast_is_the_hull_of_means_and_typical_runs():
    y = curve(0.5)
    found = contrast(y, WEIGHTS, 0.025)
    slopes = [np.polyfit(np.log(X), np.log(np.delete(y, s, 1).mean(1)), 1)[0] for s in range(8)]
    half = t_quantile(8) * math.sqrt(7) * np.std(slopes)
    middle = np.polyfit(np.log(X), np.log(y.mean(1)), 1)[0]
    own = np.polyfit(np.log(X), np.log(y), 1)[0]
    spread = t_quantile(8) * own.std(ddof=1) / math.sqrt(8)
    assert found.interval.estimate == pytest.approx(middle)
    assert found.typical == pytest.approx(own.mean())
    expected = min(middle - half, own.mean() - spread), max(middle + half, own.mean() + spread)
    assert ends(found.interval) == pytest.approx(expected)
    assert math.isnan(found.parts[2].low)


def test_unequal_spread_adds_the_law_of_lognormal_means():
    y = curve(np.linspace(0.1, 1.2, 5))
    found, logs = contrast(y, WEIGHTS, 0.025), np.log(y)
    v = logs.var(axis=1, ddof=1)
    t = found.parts[1]
    grows, falls = 7 / chdtri(7, 0.975) - 1, 1 - 7 / chdtri(7, 0.025)
    up = np.where(WEIGHTS > 0, grows, falls) * WEIGHTS * v / 2
    middle = (WEIGHTS * (logs.mean(1) + v / 2)).sum()
    assert found.parts[2].estimate == pytest.approx(middle)
    assert found.parts[2].high == pytest.approx(middle + math.sqrt((t.high - t.estimate) ** 2 + (up * up).sum()))
    assert found.interval.high >= found.parts[2].high


def test_a_factor_that_a_seed_has_at_all_levels_leaves_no_spread():
    """The slope is then the same in all runs: no interval, for nothing is known of others."""
    found = contrast(X[:, None] ** -1.0 * np.array([0.2, 1.0, 3.0, 10.0, 0.5, 7.0]), WEIGHTS, 0.025)
    assert found.interval.estimate == pytest.approx(-1)
    assert math.isnan(found.interval.low)


def test_runs_that_are_not_positive_have_no_typical_run_and_wider_means():
    y = curve(0.5)
    y[0, 0] = -1e-9
    found, alone = contrast(y, WEIGHTS, 0.025), contrast(y, WEIGHTS, 0.01)
    assert math.isnan(found.typical)
    ratio = (found.interval.high - found.interval.estimate) / (alone.interval.high - alone.interval.estimate)
    assert ratio == pytest.approx(t_quantile(8, 0.01) / t_quantile(8, 0.004))


def test_many_experiments_at_once_are_those_one_by_one():
    y = np.stack([curve(s, seed=k) for k, s in enumerate((0.1, 0.5, 1.0))])
    many = contrast(y, WEIGHTS, 0.025).interval
    for k in range(3):
        assert ends(many.at(k)) == pytest.approx(ends(contrast(y[k], WEIGHTS, 0.025).interval))


@pytest.mark.parametrize(("scale", "tail"), [(0.1, 0.015), (0.4, 0.005), (1.0, 0.001)])
def test_the_upper_tail_of_a_mean_is_smaller_for_skewed_runs(scale, tail):
    z = np.array([-1.5, -1, -0.5, 0, 0, 0.5, 1, 1.5])
    y = np.exp(scale * z)
    error = math.sqrt(7) * np.log(left_out(y)).std()
    expected = np.log(y.mean()) - t_quantile(8) * error, np.log(y.mean()) + t_quantile(8, tail) * error
    assert ends(mean_interval(y, 0.05)) == pytest.approx(np.exp(expected))


def test_means_of_what_may_be_negative_have_plain_intervals():
    """The tail is the smaller the more the runs are skewed towards it."""
    even, skewed = np.array([-2.0, -1, 0, 0, 1, 2]), np.array([-1.0, -1, 0, 0, 1, 9])
    for y, tails in ((even, (0.01, 0.01)), (skewed, (0.025, 0.0002))):
        error = y.std(ddof=1) / math.sqrt(6)
        expected = y.mean() - t_quantile(6, tails[0]) * error, y.mean() + t_quantile(6, tails[1]) * error
        assert ends(mean_interval(y, 0.05)) == pytest.approx(expected)


def test_a_share_has_exact_limits_and_the_same_numbers_have_none():
    hits = np.array([[0.0, 0, 0, 0, 0, 0], [1.0, 0, 1, 0, 0, 0]])
    share = mean_interval(hits, 0.05, share=True)
    assert [ends(share.at(k)) for k in (0, 1)] == [binomial_limits(k, 6, 0.025) for k in (0, 2)]
    assert np.isnan(mean_interval(np.full((2, 6), 0.1 + 0.2), 0.05).low).all()


@pytest.mark.parametrize(
    ("numbers", "limits", "text"),
    [
        ((0.99966, 0.99961, 0.9997), (-math.inf, 1.0), "0.9997 [0.9996, 0.9997]"),
        ((-1.2345, -1.3, -1.1), (-1.15, -0.85), "-1.23 [-1.3, -1.1]"),
        ((23.4987, 23.498, 23.4993), (22.0, math.inf), "23.499 [23.498, 23.499]"),
        ((0.5, 0.5, 0.5), (0.0, 0.5), "0.5 [0.5, 0.5]"),
        ((-1.84304485, -1.84304486, -1.84304484), (-2.0, -1.7), "-1.84 [-1.84, -1.84]"),
        ((2.0, math.nan, math.nan), (0.0, 2.0), "2"),
    ],
)
def test_an_interval_has_the_digits_that_tell_it_from_the_limits(
    numbers: tuple[float, float, float], limits: tuple[float, float], text: str
):
    """An end below the limit is not written as the limit."""
    assert range_text(*numbers, limits) == text
