"""Every law three ways, on synthetic curves whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest

from orchestrator.claims.statistics.contrasts import contrast

X = np.array([2.0, 4, 8, 16, 32])


def noisy(curve, sigma=0.05, seeds=8, seed=1):
    """``curve`` [levels] with log-normal noise of mean 1, [levels, seeds]."""
    normal = np.random.default_rng(seed).normal(size=(len(curve), seeds))
    return np.asarray(curve)[:, None] * np.exp(sigma * normal - sigma**2 / 2)


def power(exponent, **noise):
    return noisy(0.07 * X**exponent, **noise)


SLOPE = {"expect": -1, "within": 0.15}


def test_power_supported(table, verdict_of):
    result = verdict_of(table("error_tail", power(-1), X), **SLOPE)
    assert result.verdict == "supported"
    assert -1.15 < result.ci_low < -1 < result.ci_high < -0.85
    assert "Varied: 8 seeds (0-7) on one problem instance; 5 values of agents from 2 to 32." in result.reason
    assert [p.x for p in result.points] == X.tolist()
    assert all(p.used and p.seeds == 8 and p.lo < p.y < p.hi for p in result.points)
    assert result.fit["slope"] == pytest.approx(result.estimate)
    assert "(of the typical run -1" in result.reason
    assert (result.seeds, result.look) == (8, 1)
    assert result.interval == "95% interval, of the mean and of the typical run"


def test_power_refuted(table, verdict_of):
    result = verdict_of(table("error_tail", power(-0.5), X), **SLOPE, varied="instances")
    assert result.verdict == "refuted"
    assert result.estimate == pytest.approx(-0.5, abs=0.05)
    assert "lies outside the accepted range [-1.15, -0.85]" in result.reason
    assert "Varied: 8 problem instances, each with its own seed" in result.reason


def test_power_inconclusive_says_how_many_seeds_would_decide(table, verdict_of):
    result = verdict_of(table("error_tail", power(-0.95, sigma=0.6), X), **SLOPE)
    assert result.verdict == "inconclusive"
    assert "about " in result.reason
    needed = int(result.reason.split("about ")[1].split(" seeds")[0])
    half, distance = result.ci_high - result.estimate, 0.15 - abs(result.estimate + 1)
    # A second look needs t at .0125: sqrt scaling with the normal quantile and with that of 8 seeds brackets it.
    assert 8 * (half / distance * 2.498 / 2.365) ** 2 - 1 <= needed <= 8 * (half / distance * 3.335 / 2.365) ** 2 + 1
    assert "Looking again costs: the next look needs an interval of 98.75 %" in result.reason
    more = verdict_of(table("error_tail", power(-0.95, sigma=0.6, seeds=4 * needed, seed=5), X), **SLOPE)
    assert more.verdict == "supported"


def test_power_at_the_edge_says_that_no_number_helps(table, verdict_of):
    y = power(-0.85, sigma=0.3)
    slope = verdict_of(table("error_tail", y, X), **SLOPE).estimate
    result = verdict_of(table("error_tail", y * X[:, None] ** (-0.85 - slope + 1e-5), X), **SLOPE)
    assert result.verdict == "inconclusive"
    assert "lies at the edge of the accepted range, so even 1000 seeds would not decide it" in result.reason


def test_half_lines(table, verdict_of):
    summary = table("error_tail", power(-1), X)
    assert verdict_of(summary, at_most=-0.667).verdict == "supported"
    assert verdict_of(summary, at_least=-0.3).verdict == "refuted"
    assert verdict_of(summary, at_most=-1).verdict == "inconclusive"


def test_a_bent_curve_is_refuted_and_its_floor_named(table, verdict_of):
    result = verdict_of(table("error_tail", noisy(0.005 + 0.07 / X, sigma=0.03), X), expect=-0.7, within=0.15)
    assert result.verdict == "refuted"
    assert "Not one power law" in result.reason
    assert "the floor fit is 0.00" in result.reason
    assert result.fit["floor"] == pytest.approx(0.005, rel=0.25)
    assert result.fit["decay"] == pytest.approx(1, rel=0.25)
    # The same bend is allowed when the claim's own tolerance is wider than the slope's change.
    assert verdict_of(table("error_tail", noisy(0.005 + 0.07 / X, sigma=0.03), X), expect=-0.7, within=1.5).verdict == (
        "supported"
    )


def test_a_curve_that_steepens_has_no_floor(table, verdict_of):
    result = verdict_of(table("error_tail", noisy(0.1 / X - 0.0025, sigma=0.01), X), expect=-1.3, within=0.2)
    assert result.verdict == "refuted"
    assert "so the curve steepens and has no floor" in result.reason


@pytest.mark.parametrize(
    ("y", "x", "words"),
    [
        (power(-1)[:, :5], X, "5 seeds are too few for a verdict; at least 6 are needed. The estimate so far is"),
        (power(-1)[:, :1], X, "1 seed is too few for a verdict"),
        (power(-1)[:3], X[:3], "only 3 values of agents in the window; at least 4 are needed"),
        (power(-1), X / 2 + 4, "agents spans only a factor of 4 (5 to 20); at least 8 is needed"),
        (power(-1) * np.array([1, 1, 1, 1, -1])[:, None], X, "is not positive at agents=32, so it has no logarithm"),
    ],
)
def test_power_inconclusive_with_the_reason(table, verdict_of, y, x, words):
    result = verdict_of(table("error_tail", y, x), **SLOPE)
    assert result.verdict == "inconclusive"
    assert words in result.reason
    assert len(result.points) == len(x)


def test_five_seeds_still_show_the_estimate(table, verdict_of):
    result = verdict_of(table("error_tail", power(-1)[:, :5], X), **SLOPE)
    assert result.estimate == pytest.approx(-1, abs=0.1)
    assert result.ci_low < result.estimate < result.ci_high


def test_exponential_three_ways(table, verdict_of):
    kappa = np.array([0.0, 1, 2, 3, 4])

    def verdict(rate, sigma):
        summary = table("error_tail", noisy(np.exp(rate * kappa), sigma=sigma), kappa, versus="kappa")
        return verdict_of(summary, law="exponential", versus="kappa", expect=-1.34, within=0.15).verdict

    assert verdict(-1.34, 0.05) == "supported"
    assert verdict(-0.9, 0.05) == "refuted"
    assert verdict(-1.3, 0.8) == "inconclusive"


def test_exponential_needs_no_ratio_but_one_law(table, verdict_of):
    x = np.array([10.0, 11, 12, 13])
    bent = noisy(0.1 + np.exp(-(x - 10)), sigma=0.02)
    result = verdict_of(table("error_tail", bent, x), law="exponential", expect=-0.7, within=0.1)
    assert result.verdict == "refuted"
    assert result.fit["floor"] == pytest.approx(0.1, rel=0.3)


def test_bound_three_ways(table, verdict_of):
    summary = table("error_tail", power(-1, sigma=0.1), X)

    def judged(constant):
        return verdict_of(summary, law="bound", constant=constant, exponent=-1)

    assert judged(0.1).verdict == "supported"
    refuted = judged(0.05)
    assert refuted.verdict == "refuted"
    assert refuted.ci_low > 1
    close = judged(0.0712)
    assert close.verdict == "inconclusive"
    assert close.ci_low < 1 < close.ci_high
    assert "Kinds of run rarer than 37 % would not have been seen." in close.reason


def test_a_bound_that_all_levels_exceed_a_little_is_refuted_by_all_together(table, verdict_of):
    """Each level alone is compared at .05 / 5."""
    result = verdict_of(table("error_tail", power(-1, sigma=0.1), X), law="bound", constant=0.0665, exponent=-1)
    assert result.verdict == "refuted"
    assert "The geometric mean over the 5 levels of the ratio of error_tail to its bound 1.0" in result.reason
    assert result.ci_low > 1


def test_bound_is_refuted_by_one_level(table, verdict_of):
    y = power(-1)
    y[3] *= 3
    result = verdict_of(table("error_tail", y, X), law="bound", constant=0.1, exponent=-1)
    assert result.verdict == "refuted"
    assert "agents=16" in result.reason


def test_floor_three_ways(table, verdict_of):
    summary = table("error_tail", noisy(0.02 + 0.5 / X, sigma=0.01), X)
    fields = {"law": "floor", "decay": 1}
    result = verdict_of(summary, expect=0.02, within=0.005, **fields)
    assert result.verdict == "supported"
    assert "the fit is 0.0" in result.reason
    assert result.fit == {"floor": pytest.approx(result.estimate), "scale": pytest.approx(0.5, rel=0.02), "decay": 1}
    assert verdict_of(summary, at_most=0.01, **fields).verdict == "refuted"
    assert verdict_of(summary, expect=0.02, within=1e-4, **fields).verdict == "inconclusive"
    one = verdict_of(table("error_tail", (0.02 + 0.5 / X)[:, None], X), at_most=1, **fields)
    assert "1 seed is too few for a verdict; at least 6 are needed. The estimate so far is 0.02;" in one.reason
    loud = verdict_of(table("error_tail", noisy(0.02 + 0.5 / X, sigma=1), X), at_most=1, **fields)
    assert (loud.verdict, loud.look) == ("inconclusive", 0)
    assert "single runs scatter too much for an interval" in loud.reason
    free = verdict_of(summary, law="floor", expect=0.02, within=0.005)
    assert free.verdict == "inconclusive"
    assert "covers it only if the claim fixes p: write decay" in free.reason
    assert free.fit["decay"] == pytest.approx(1, rel=0.05)
    flat = verdict_of(table("error_tail", (10 - np.log(X))[:, None] + np.zeros(8), X), law="floor", at_least=0)
    assert flat.verdict == "inconclusive"
    assert "do not identify a floor" in flat.reason


def pair(table, a, b):
    return pd.concat([table("error_tail", a, X), table("error_tail", b, X, case="alone")], ignore_index=True)


def test_order_three_ways_is_paired_by_seed(table, verdict_of):
    luck = np.exp(np.random.default_rng(7).normal(size=8))
    alone = noisy(np.ones(5), sigma=0.02) * luck
    joint = 0.9 * noisy(np.ones(5), sigma=0.02, seed=2) * luck
    below = {"law": "order", "below": "alone", "versus": "agents"}
    result = verdict_of(pair(table, joint, alone), **below)
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(0.9, abs=0.05)
    assert "5 of 5 levels are below 1" in result.reason
    assert verdict_of(pair(table, alone, joint), **below).verdict == "refuted"
    # The same numbers with the seeds of one case shuffled: the luck no longer cancels.
    assert verdict_of(pair(table, joint, alone[:, ::-1]), **below).verdict == "inconclusive"
    mixed = joint * np.array([1, 1, 1, 1, 1.5])[:, None]
    result = verdict_of(pair(table, mixed, alone), **below)
    assert result.verdict == "refuted"
    assert "agents=32" in result.reason
    assert "4 of 5 levels are below 1" in result.reason


def test_an_order_of_what_may_be_negative_is_by_difference(table, verdict_of):
    """Returns around -1, paired by seed: no ratio, but a difference."""
    luck = np.random.default_rng(3).normal(size=8)
    better, worse = (level + noisy(np.ones(5), sigma=0.02, seed=s) + luck for level, s in ((-1.8, 1), (-2.3, 2)))
    below = {"law": "order", "below": "alone", "versus": "agents"}
    assert "it has no logarithm" in verdict_of(pair(table, worse, better), **below).reason
    result = verdict_of(pair(table, worse, better), by="difference", **below)
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(-0.5, abs=0.05)
    assert "lies inside the accepted range (-inf, 0)" in result.reason
    assert "5 of 5 levels are below 0" in result.reason
    assert verdict_of(pair(table, better, worse), by="difference", **below).verdict == "refuted"
    shuffled = verdict_of(pair(table, worse, better[:, ::-1]), by="difference", **below)
    assert shuffled.verdict == "inconclusive"
    assert verdict_of(pair(table, worse, worse), by="difference", **below).verdict == "inconclusive"


def test_equal_cases_are_not_supported_to_be_in_order(table, verdict_of):
    """The ratio is 1 in every run, which tells nothing of other runs."""
    y = power(-1)
    result = verdict_of(pair(table, y, y), law="order", below="alone", versus="agents")
    assert result.verdict == "inconclusive"
    assert "is 1 in 8 of 8 runs, without any spread: at least 63 % of runs give this" in result.reason
    exact = pair(table, np.ones((5, 8)), np.ones((5, 8)))
    assert verdict_of(exact, law="order", below="alone", versus="agents", deterministic=True).verdict == "refuted"


def test_value_three_ways(table, verdict_of):
    summary = table("error_tail", [[1.0, 2, 3, 4, 5, 6, 7, 8]])
    deleted = np.log([(36 - k) / 7 for k in range(1, 9)])
    error = math.sqrt(7) * deleted.std()
    ends = 4.5 * math.exp(-2.364624 * error), 4.5 * math.exp(3.499483 * error)  # tails .025 and .005
    result = verdict_of(summary, law="value", expect=5, within=4)
    assert result.verdict == "supported"
    assert (result.estimate, result.ci_low, result.ci_high) == pytest.approx((4.5, *ends), rel=1e-6)
    assert result.interval == "95% interval, of the mean over runs"
    assert verdict_of(summary, law="value", at_most=2).verdict == "refuted"
    assert verdict_of(summary, law="value", expect=4.5, within=2).verdict == "inconclusive"


def test_value_at_several_levels_must_hold_at_each(table, verdict_of):
    y = noisy(np.array([1.0, 1, 1, 1, 2]), sigma=0.01)
    result = verdict_of(table("error_tail", y, X), law="value", versus="agents", at_most=1.5)
    assert result.verdict == "refuted"
    assert "agents=32 (the claim must hold at all 5 levels)" in result.reason
    assert (
        verdict_of(table("error_tail", y, X), law="value", versus="agents", at_most=1.5, window=[2, 16]).verdict
        == "supported"
    )


def test_relative_to_is_the_quotient_of_the_means_paired_by_seed(table, verdict_of):
    top, bottom = np.array([[1.0, 2, 3, 4, 5, 6]]), np.array([[3.0, 4, 5, 6, 7, 11]])
    summary = pd.concat([table("error_tail", top), table("error_tail", bottom, case="alone")], ignore_index=True)
    result = verdict_of(summary, law="value", expect=0.5, within=0.2, relative_to={"case": "alone"})
    interval = contrast(np.stack([top[0], bottom[0]]), np.array([1.0, -1.0]), 0.025).interval
    assert result.estimate == pytest.approx(21 / 36)
    assert (result.ci_low, result.ci_high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)))
    scrambled = summary.copy()
    rows = scrambled["case"] == "alone"
    scrambled.loc[rows, "error_tail"] = scrambled.loc[rows, "error_tail"].to_numpy()[::-1]
    wider = verdict_of(scrambled, law="value", expect=0.5, within=0.2, relative_to={"case": "alone"})
    assert wider.ci_high - wider.ci_low > 1.5 * (result.ci_high - result.ci_low)


def test_relative_to_another_metric_in_a_power_law(table, verdict_of):
    summary = table("error_tail", power(-1), X)
    summary["floor_tail"] = power(0.5, seed=9).ravel()
    assert verdict_of(summary, expect=-1.5, within=0.15, relative_to={"metric": "floor_tail"}).verdict == "supported"
    summary.loc[summary["agents"] == 8, "floor_tail"] = 0.0
    result = verdict_of(summary, expect=-1.5, within=0.15, relative_to={"metric": "floor_tail"})
    assert result.verdict == "inconclusive"
    assert "the denominator of error_tail / floor_tail is not positive at agents=8" in result.reason


def test_deterministic_curves_have_a_sensitivity_range(table, verdict_of):
    k = np.array([1.0, 9, 25, 51, 101, 201])
    gap = np.array([0.900, 0.387, 0.234, 0.159, 0.105, 0.061])  # mean-field.md, frozen mode tracking
    summary = table("error_tail", gap[:, None], k, versus="k")
    fields = {"versus": "k", "deterministic": True}
    result = verdict_of(summary, at_least=-0.6, at_most=-0.4, **fields)
    assert result.verdict == "supported"
    # The gap falls to 0 at k = n, so no single power holds: a claim with a tolerance says so.
    assert "Not one power law" in verdict_of(summary, expect=-0.5, within=0.1, **fields).reason
    assert result.interval == "sensitivity: range over leaving out one level"
    assert "Nothing random was varied" in result.reason
    slopes = [np.polyfit(np.log(np.delete(k, i)), np.log(np.delete(gap, i)), 1)[0] for i in range(6)]
    assert (result.ci_low, result.ci_high) == pytest.approx((min(slopes), max(slopes)))
    assert verdict_of(summary, expect=-1, within=0.1, **fields).verdict == "refuted"
    exact = verdict_of(summary, law="bound", constant=0.9, exponent=-0.3, **fields)
    assert exact.verdict == "supported"
    assert exact.interval == "exact"
    noise = table("error_tail", power(-1), X)
    assert "is marked deterministic, but its seeds differ" in verdict_of(noise, **SLOPE, deterministic=True).reason
