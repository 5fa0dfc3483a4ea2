"""Claims along one cell's learning curves, and claims against a metric: exact slopes, intervals, gaps, words."""

import math
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from orchestrator.claims.claim import read_claim
from orchestrator.claims.judge import judge
from orchestrator.claims.statistics import curves as fits
from orchestrator.errors import UserError
from orchestrator.planning import sweeps
from orchestrator.report.page import Page, write_report

ROUNDS = np.array([0, 1, 3, 10, 30, 100, 300, 1000])
LATE = ROUNDS[ROUNDS > 0].astype(float)
#: Seeds with levels and slopes of their own.
LEVELS = np.array([1.0, 1.1, 0.9, 1.3, 0.8, 1.05, 0.95, 1.2])
SLOPES = np.array([-0.6, -0.55, -0.62, -0.64, -0.58, -0.61, -0.6, -0.57])


def learned(y, case="joint", cell="one", rounds=ROUNDS, **columns):
    """Summary and curves of one cell from ``y`` [rounds, seeds]; the values at the records are half of the means."""
    y = np.asarray(y, dtype=float)
    own = {"case": case, "cell_id": cell, "status": "done", **columns}
    summary = pd.DataFrame([own | {"seed": seed, "error_final": y[-1, seed]} for seed in range(y.shape[1])])
    curves = pd.DataFrame(
        [
            own | {"seed": seed, "round": at, "error": y[k, seed] / 2, "error_window": y[k, seed]}
            for k, at in enumerate(rounds)
            for seed in range(y.shape[1])
        ]
    )
    return summary, curves


def powers(slopes=SLOPES, levels=LEVELS):
    """``levels`` * round^``slopes`` [rounds, seeds]; at round 0, which no power of it can be, 50."""
    return np.vstack([np.full(len(slopes), 50.0), levels * LATE[:, None] ** slopes])


@pytest.fixture(name="along")
def _along(verdict_of):
    """Judge a claim about error_window versus round."""

    def along(tables, **fields):
        given = {"metric": "error_window", "versus": "round"} | fields
        return verdict_of(*tables, **({"expect": -0.6, "within": 0.1} if "law" not in fields else {}) | given)

    return along


def test_the_slope_is_exact_and_round_0_is_left_out(along):
    """Where every seed has the same slope nothing follows for others, unless the claim says that it is exact."""
    result = along(learned(powers(np.full(8, -0.6))))
    assert result.verdict == "inconclusive"
    assert "the exponent is -0.6 in 8 of 8 runs, without any spread" in result.reason.lower()
    assert result.estimate == pytest.approx(-0.6, abs=1e-12)
    exact = along(learned(powers(np.full(8, -0.6), np.ones(8))), deterministic=True)
    assert exact.verdict == "supported"
    assert (exact.estimate, exact.ci_low, exact.ci_high) == pytest.approx((-0.6, -0.6, -0.6), abs=1e-12)
    assert [point.x for point in result.points] == LATE.tolist()
    assert [point.y for point in result.points] == pytest.approx(LEVELS.mean() * LATE**-0.6)
    assert all(point.used and point.seeds == 8 for point in result.points)
    assert "7 values of round from 1 to 1000" in result.reason


def test_the_interval_deletes_whole_curves(along):
    """Each seed has a slope of its own: deleting records instead of curves would hide that."""
    y = powers()
    result = along(learned(y))
    slopes = [fits.slope(np.log(LATE), np.delete(y[1:], s, axis=1)) for s in range(8)]
    error = math.sqrt(7 / 8 * sum((slope - np.mean(slopes)) ** 2 for slope in slopes))
    middle = fits.slope(np.log(LATE), y[1:])
    typical = SLOPES.mean() + 2.364624 * SLOPES.std(ddof=1) / math.sqrt(8)
    assert result.estimate == pytest.approx(middle, abs=1e-12)
    assert result.ci_high == pytest.approx(max(middle + 2.364624 * error, typical), rel=1e-6)
    assert error > 0.005
    assert result.interval == "95% interval, of the mean and of the typical run"


def test_records_in_any_order_and_twice_are_the_same_curve(along):
    summary, curves = learned(powers())
    shuffled = pd.concat([curves, curves]).sample(frac=1, random_state=0)
    result, again = along((summary, curves)), along((summary, shuffled))
    assert (result.estimate, result.ci_low, result.points) == (again.estimate, again.ci_low, again.points)


def test_an_exponential_along_the_rounds(along):
    rounds = np.array([0, 10, 20, 30, 40])
    y = np.exp(-0.05 * rounds)[:, None] * LEVELS
    result = along(learned(y, rounds=rounds), law="exponential", expect=-0.05, within=0.01)
    assert result.estimate == pytest.approx(-0.05, abs=1e-12)
    assert len(result.points) == 4  # from the first round on


def test_the_window_selects_rounds(along):
    """Flat up to round 10, then falling: a window from there on is one law, the whole curve is not."""
    y = np.where(ROUNDS[:, None] < 10, 1.0, (np.maximum(ROUNDS, 1) / 10.0)[:, None] ** SLOPES) * LEVELS
    result = along(learned(y), window=[10, 1000])
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(-0.6, abs=0.01)
    assert [point.used for point in result.points] == [False, False, True, True, True, True, True]
    assert "Not one power law" in along(learned(y)).reason
    few = along(learned(y), window=[100, 1000])
    assert "only 3 values of round in the window; at least 4 are needed" in few.reason
    assert (
        "case joint has no value of round in the window [2000, 3000]" in along(learned(y), window=[2000, 3000]).reason
    )


def test_values_and_bounds_hold_at_every_round(along):
    y = powers(np.full(8, -0.6))
    assert along(learned(y), law="value", at_most=2).verdict == "supported"
    result = along(learned(y), law="value", at_most=0.7)
    assert result.verdict == "refuted"
    assert "round=1 (the claim must hold at all 7 levels)" in result.reason
    assert along(learned(y), law="bound", constant=2, exponent=-0.6).verdict == "supported"
    assert along(learned(y), law="bound", constant=2, exponent=-0.8).verdict == "refuted"


def test_two_cases_along_the_rounds_are_paired_by_seed(along):
    """An order at every round, and the slope of a ratio: the seeds' own levels and slopes cancel."""
    below, above = (
        learned(powers(SLOPES - 0.2, 1.01 * LEVELS[::-1] ** 0.1 * LEVELS**0.9)),
        learned(1.5 * powers(), case="alone", cell="two"),
    )
    both = tuple(pd.concat(parts, ignore_index=True) for parts in zip(below, above, strict=True))
    assert along(both, law="order", below="alone").verdict == "supported"
    result = along(both, expect=-0.2, within=0.02, relative_to={"case": "alone"})
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(-0.2, abs=0.002)
    assert along(both, law="order", case="alone", below="joint").verdict == "refuted"


# Values at the records --------------------------------------------------------------------------------------------

#: |1 - 2 gamma (1 - cos(2 pi / 8))| for gamma = .6: what a gossip on a ring of 8 leaves of a disagreement in a round.
RATE = math.log(1 - 1.2 * (1 - math.cos(2 * math.pi / 8)))
RECORDS = np.array([0, 1, 2, 3, 4, 6, 8, 11, 15, 20])


def gossip(seeds=8):
    """A disagreement that falls by one rate: values at the records, and means since the last record."""
    summary, curves = learned(np.ones((len(RECORDS), seeds)), rounds=RECORDS)
    values = np.exp(RATE * np.arange(RECORDS[-1] + 1))
    means = [1.0] + [values[before + 1 : at + 1].mean() for before, at in pairwise(RECORDS)]
    curves["error"] = np.repeat(values[RECORDS], seeds)
    curves["error_window"] = np.repeat(means, seeds)
    return summary, curves


def test_a_rate_is_that_of_the_values_at_the_records(along):
    """Means over windows of growing lengths fall more slowly, and no interval of width 0 may hide that."""
    fields = {"law": "exponential", "expect": RATE, "within": 0.01, "deterministic": True}
    result = along(gossip(), metric="error", **fields)
    assert result.verdict == "supported"
    assert (result.estimate, result.ci_low, result.ci_high) == pytest.approx((RATE, RATE, RATE))
    means = along(gossip(), **fields)
    assert means.verdict == "inconclusive"
    assert math.isnan(means.estimate)
    assert "use error, the value at each record" in means.reason
    assert "error_window is a mean over windows of different lengths" in means.reason


def test_values_and_means_are_columns_of_their_own(along):
    result = along(learned(powers()), metric="error")
    assert result.verdict == "supported"
    assert result.points[0].y == pytest.approx(along(learned(powers())).points[0].y / 2)
    with pytest.raises(UserError, match="no metric 'eror': did you mean 'error'"):
        along(learned(powers()), metric="eror")


# Gaps ---------------------------------------------------------------------------------------------------------------


def ended(tables, seeds, status):
    """The tables after these seeds ended otherwise: failed ones and missing ones have no records."""
    summary, curves = (table.copy() for table in tables)
    summary.loc[summary["seed"].isin(seeds), ["status", "error_final"]] = [status, math.nan]
    if status == "diverged":  # its records go up to the round at which it did
        curves.loc[curves["seed"].isin(seeds), "status"] = status
        return summary, curves[~curves["seed"].isin(seeds) | (curves["round"] < 30)]
    return summary, curves[~curves["seed"].isin(seeds)]


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_seed_that_failed_makes_it_inconclusive_and_is_named_once(along, status):
    for window in ([1, 1000], [100, 1000]):
        result = along(ended(learned(powers()), [2, 5], status), window=window)
        assert result.verdict == "inconclusive"
        assert math.isnan(result.estimate)
        assert result.reason.startswith(f"No estimate: case joint: seed 2, 5 {status};")
        assert result.reason.count("seed 2, 5") == 1
        assert (
            "run the original command again with --retry-failed to repeat the failed replicates" in result.reason
        ) == (status == "failed")
        assert not any(point.used for point in result.points)


def test_a_seed_that_has_not_run_is_left_out_and_named(along):
    tables = learned(powers())
    result = along(ended(tables, [6, 7], "missing"))
    six = along(learned(powers()[:, :6]))
    assert (result.estimate, result.ci_low) == (six.estimate, six.ci_low)
    assert (result.verdict, six.verdict) == ("inconclusive", "supported")
    assert "The verdict waits for planned seeds that have not finished: seed 6, 7" in result.reason
    assert "left out because not finished at every level: seed 6, 7" in result.reason
    few = along(ended(tables, [1, 6, 7], "missing"))
    assert few.verdict == "inconclusive"
    assert "5 seeds are too few" in few.reason
    assert "seed 1, 6, 7" in few.reason


@pytest.mark.parametrize("window", [None, [10, 1000]])
@pytest.mark.parametrize("status", ["missing", "failed"])
def test_where_nothing_has_finished_there_is_no_curve(along, status, window):
    """Then the table of curves may lack the metric, or be empty: that is no mistake of the claim's."""
    summary, curves = ended(learned(powers()), range(8), status)
    for nothing in (curves, curves.drop(columns="error_window"), pd.DataFrame()):
        result = along((summary, nothing), **({"window": window} if window else {}))
        assert result.verdict == "inconclusive"
        words = "no seed has finished" if status == "missing" else "seed 0, 1, 2, 3, 4, 5, 6, 7 failed"
        assert result.reason.startswith(f"No estimate: case joint: {words};")
        assert "inf" not in result.reason
        assert not result.points


def test_a_run_of_no_rounds_has_no_curve(along):
    result = along(learned(powers()[:1], rounds=ROUNDS[:1]))
    assert result.verdict == "inconclusive"
    assert "case joint has no value of round." in result.reason


def test_more_than_one_cell_says_what_to_pin_in_where(along):
    one, two = learned(powers(), kappa=0.5, rho=1), learned(powers(SLOPES / 2), cell="two", kappa=1.0, rho=1)
    both = tuple(pd.concat(parts, ignore_index=True) for parts in zip(one, two, strict=True))
    result = along(both)
    assert result.verdict == "inconclusive"
    assert "case joint has 2 cells; they differ in kappa; select one with the claim's where" in result.reason
    assert along(both, where={"kappa": 0.5}).estimate == along(one).estimate
    assert along(both, where={"kappa": 1}).estimate == along(two).estimate
    assert "no cell of case joint has kappa=0.7" in along(both, where={"kappa": 0.7}).reason


def test_unknown_metrics_name_the_nearest(along):
    with pytest.raises(UserError, match="no metric 'eror_window': did you mean 'error_window'"):
        along(learned(powers()), metric="eror_window")


# Versus a metric ----------------------------------------------------------------------------------------------------

GAPS = np.array([0.05, 0.1, 0.3, 1.0])


def connected(exponent=-0.5, gaps=GAPS, own=SLOPES - SLOPES):
    """A summary with a cell a graph: its lambda_2 is measured, its error is a power of it."""
    rows = [
        {"case": "joint", "cell_id": f"graph {k}", "graph": f"g{k}", "seed": seed, "status": "done"}
        | {"lambda_2_final": gap, "error_tail": level * gap ** (exponent + own[seed])}
        for k, gap in enumerate(gaps)
        for seed, level in enumerate(LEVELS)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(name="against")
def _against(verdict_of):
    def against(summary, **fields):
        return verdict_of(summary, **{"versus": "lambda_2_final", "expect": -0.5, "within": 0.05} | fields)

    return against


def test_the_slope_against_a_metric_is_exact(against):
    result = against(connected())
    assert result.verdict == "inconclusive"
    assert "without any spread" in result.reason
    assert result.estimate == pytest.approx(-0.5, abs=1e-12)
    assert [point.x for point in result.points] == pytest.approx(GAPS)
    assert against(connected(own=SLOPES - SLOPES.mean())).verdict == "supported"
    assert against(connected(-0.2, own=SLOPES - SLOPES.mean())).verdict == "refuted"


def test_a_metric_that_varies_with_the_seed_is_averaged_over_the_cell(against):
    summary = connected()
    summary["lambda_2_final"] *= 1 + 0.01 * (summary["seed"] - 3.5)
    result = against(summary)
    assert [point.x for point in result.points] == pytest.approx(GAPS)
    assert {point.seeds for point in result.points} == {8}
    assert result.estimate == pytest.approx(-0.5, abs=1e-12)


@pytest.mark.parametrize("status", ["failed", "missing"])
def test_a_seed_without_the_metric_is_named(against, status):
    """It lacks the x as well as the y; the level is that of the cell's other seeds."""
    summary = connected()
    gone = (summary["graph"] == "g2") & (summary["seed"] == 3)
    summary.loc[gone, ["status", "lambda_2_final", "error_tail"]] = [status, math.nan, math.nan]
    result = against(summary)
    assert "seed 3" in result.reason
    if status == "failed":
        assert result.verdict == "inconclusive"
        assert "case joint at lambda_2_final=0.3: seed 3 failed" in result.reason
    else:
        assert result.estimate == pytest.approx(-0.5, abs=1e-12)
        assert {point.seeds for point in result.points} == {7}


def test_a_cell_whose_level_is_unknown_is_named(against):
    summary = connected()
    gone = summary["graph"] == "g1"
    summary.loc[gone, ["status", "lambda_2_final", "error_tail"]] = ["missing", math.nan, math.nan]
    result = against(summary)
    assert result.verdict == "inconclusive"
    assert "lambda_2_final of case joint is not known in 1 of its cells, where no seed has finished" in result.reason
    assert "(seed 0, 1, 2, 3, 4, 5, 6, 7 missing); run the original command again to compute" in result.reason


def test_two_cells_with_one_level_ask_for_where(against):
    result = against(connected(gaps=np.array([0.05, 0.1, 0.1, 1.0, 0.3])))
    assert "case joint has 2 cells at lambda_2_final=0.1; they differ in graph" in result.reason
    some = ["g0", "g1", "g3", "g4"]
    summary = connected(gaps=np.array([0.05, 0.1, 0.1, 1.0, 0.3]), own=SLOPES - SLOPES.mean())
    assert against(summary, where={"graph": some}).verdict == "supported"
    with pytest.raises(UserError, match="no metric 'lamda_2_final': did you mean 'lambda_2_final'"):
        against(connected(), versus="lamda_2_final")


# In a sweep file ----------------------------------------------------------------------------------------------------

SWEEP = """
name: test/curves
env: {name: digital, states: 4}
cases:
  fixed: {algorithm: qd-learning, grid: {graph: [ring, line, complete]}}
  alone: {algorithm: iql}
base: {agents: 4, rounds: 100}
claims:
  - {name: along, case: fixed, metric: consensus_error_window, versus: round, law: power, at_most: 0,
     where: {graph: ring}, window: [10, 100]}
  - {name: against, case: fixed, metric: consensus_error_tail, versus: lambda_2_final, law: power, at_most: 0}
"""


def test_a_sweep_file_with_such_claims_loads(tmp_path):
    path = tmp_path / "curves.yaml"
    path.write_text(SWEEP)
    along, against = sweeps.load(str(path)).checked_claims
    assert (along.versus, along.window, along.where) == ("round", (10, 100), {"graph": "ring"})
    assert against.versus == "lambda_2_final"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("where: {graph: ring}", "where: {round: 10}", "where selects cells, not rounds; use window with versus round"),
        ("at_most: 0}", "at_most: 0, where: {round: 10}}", "where selects cells, not rounds; use window with versus"),
        ("consensus_error_window", "consensus_error_tail", "a learning curve needs"),
        ("versus: round", "versus: agents", "a learning curve needs"),
        ("consensus_error_window", "consensus_eror_window", "unknown metric 'consensus_eror_window' of case 'fixed'"),
        ("lambda_2_final", "lamda_2_final", "unknown metric 'lamda_2_final' of case 'fixed': did you mean"),
        ("versus: lambda_2_final", "versus: lambda_2", "names the unknown key 'lambda_2'"),
        (
            "case: fixed, metric: consensus_error_tail",
            "case: alone, metric: consensus_error_tail",
            "unknown metric 'lambda_2_final' of case 'alone'",
        ),
    ],
)
def test_wrong_combinations_are_refused_in_one_sentence(tmp_path, old, new, sentence):
    assert old in SWEEP
    path = tmp_path / "curves.yaml"
    path.write_text(SWEEP.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        sweeps.load(str(path))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


# On the page --------------------------------------------------------------------------------------------------------


def test_the_page_draws_the_claims_and_their_curves(tmp_path):
    """Also a claim along the rounds of a cell among several, and one whose data are not there."""
    parts = [learned(powers(SLOPES / k), cell=f"c{k}", graph=f"g{k}", agents=6) for k in (1, 2, 3, 4)]
    summary, curves = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    for frame in (summary, curves):
        frame["lambda_2_final"] = frame["graph"].map({"g1": 1.0, "g2": 0.5, "g3": 0.2, "g4": 0.1})
    base = {"case": "joint", "law": "power"}
    claims = [
        read_claim(base | given)
        for given in (
            {"name": "along", "metric": "error_window", "versus": "round", "where": {"graph": "g1"}, "at_most": 0},
            {
                "name": "late",
                "metric": "error_window",
                "versus": "round",
                "where": {"graph": "g2"},
                "at_most": 0,
                "window": [10, 1000],
            },
            {"name": "which", "metric": "error_window", "versus": "round", "at_most": 0},
            {"name": "against", "metric": "error_final", "versus": "lambda_2_final", "at_most": 0},
            {
                "name": "flat",
                "metric": "error_window",
                "versus": "round",
                "law": "value",
                "where": {"graph": "g1"},
                "at_most": 2,
            },
        )
    ]
    verdicts = [judge(claim, summary, curves) for claim in claims]
    assert [verdict.verdict for verdict in verdicts][:3] == ["supported", "supported", "inconclusive"]
    text = write_report(Page("s", summary, curves, claims, verdicts), tmp_path).read_text(encoding="utf-8")
    assert text.index("<h2>Claims") < text.index("<h2>Learning curves")
    names = re.findall(r"<figure data-name='([^']*)'", text)
    assert [name for name in names if name.startswith("s-claim-")] == [
        "s-claim-01-along",
        "s-claim-02-late",
        "s-claim-03-which",
        "s-claim-04-against",
        "s-claim-05-flat",
    ]
    drawn = {name[: len("s-curves-01")] for name in names if name.startswith("s-curves-")}
    assert len(drawn) == 4  # of error: in g1 (for two claims), in g2, everywhere, and by lambda_2
    for title in ("error, graph = g1", "error, graph = g2"):
        assert f"<h3>{title}</h3>" in text
    assert "along" in text
    for before, after in pairwise(f"id='claim-{k}'" for k in range(1, 6)):
        assert text.index(before) < text.index(after)
