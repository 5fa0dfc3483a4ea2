"""Which replicates a claim uses, and the reasons when some are missing."""

import math

import numpy as np
import pandas as pd
import pytest

from orchestrator.claims.claim import read_claim
from orchestrator.claims.columns import columns_of, with_missing
from orchestrator.claims.judge import judge
from orchestrator.claims.replicates import crossing, resume
from orchestrator.errors import UserError
from orchestrator.planning import sweeps

X = np.array([2.0, 4, 8, 16, 32])
SLOPE = {"expect": -1, "within": 0.15}


@pytest.fixture(name="summary")
def _summary(table):
    noise = np.random.default_rng(1).normal(size=(5, 8))
    return table("error_tail", 1 / X[:, None] * np.exp(0.05 * noise), X)


def lose(summary, agents, seeds, status):
    rows = (summary["agents"] == agents) & summary["seed"].isin(seeds)
    summary.loc[rows, ["status", "error_tail"]] = [status, math.nan]
    return summary


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_failed_and_diverged_replicates_are_named(summary, verdict_of, status):
    result = verdict_of(lose(summary, 8, [3, 5], status), **SLOPE)
    assert result.verdict == "inconclusive"
    assert math.isnan(result.estimate)
    assert f"case joint at agents=8: seed 3, 5 {status}" in result.reason
    assert ("run the original command again with --retry-failed to repeat the failed" in result.reason) == (
        status == "failed"
    )
    assert [p.x for p in result.points] == X.tolist()
    assert not any(p.used for p in result.points)


def test_a_diverged_replicate_is_not_used_even_if_it_left_a_number(summary, verdict_of):
    summary.loc[3, "status"] = "diverged"
    assert verdict_of(summary, **SLOPE).verdict == "inconclusive"


def test_a_level_without_a_finished_seed_is_named_with_the_command(summary, verdict_of):
    result = verdict_of(lose(summary, 16, range(8), "missing"), **SLOPE)
    assert result.verdict == "inconclusive"
    assert "case joint at agents=16: no seed has finished" in result.reason
    assert "run the original command again to compute what is missing" in result.reason


def test_planned_replicates_that_never_ran_are_missing(summary, verdict_of):
    planned = summary.drop(columns=["status", "error_tail"])
    there = summary[summary["agents"] != 4]
    assert verdict_of(there, **SLOPE).verdict == "supported"
    full = with_missing(columns_of(there), columns_of(planned))
    assert full.rows == len(full["seed"]) == 40
    assert full["status"].tolist() == ["done"] * 32 + ["missing"] * 8
    assert np.isnan(full["error_tail"]).tolist() == [False] * 32 + [True] * 8
    assert "agents=4: no seed has finished" in verdict_of(full, **SLOPE).reason
    assert (with_missing(columns_of(pd.DataFrame()), columns_of(planned))["status"] == "missing").all()
    stored = columns_of(summary)
    assert with_missing(stored, columns_of(planned)) is stored


def test_seeds_that_are_not_at_every_level_are_left_out_and_named(summary, verdict_of):
    """A planned seed that has not finished: its verdict, and a look, wait for it. One that nobody planned does not."""
    clean = verdict_of(summary[summary["seed"] < 7], **SLOPE)
    unplanned = verdict_of(summary[(summary["seed"] < 7) | (summary["agents"] < 16)], **SLOPE)
    assert (unplanned.verdict, unplanned.look, unplanned.seeds) == ("supported", 1, 7)
    result = verdict_of(lose(summary, 16, [7], "missing"), **SLOPE)
    assert (result.estimate, result.ci_low) == (clean.estimate, clean.ci_low)
    assert (result.verdict, result.look, result.seeds) == ("inconclusive", 0, 7)
    assert result.reason.startswith(
        "The verdict waits for planned seeds that have not finished: seed 7. The estimate so"
    )
    assert "left out because not finished at every level: seed 7" in result.reason
    assert {p.seeds for p in result.points} == {7}


def test_too_few_common_seeds_is_inconclusive(summary, verdict_of):
    result = verdict_of(lose(summary, 16, [5, 6, 7], "missing"), **SLOPE)
    assert result.verdict == "inconclusive"
    assert "5 seeds are too few" in result.reason
    assert "run the original command again to compute what is missing" in result.reason


def test_levels_outside_the_window_are_shown_but_not_judged(summary, verdict_of):
    more = pd.concat([summary, summary[summary["agents"] == 2].assign(agents=64.0, cell_id="far")], ignore_index=True)
    result = verdict_of(lose(more, 64, [1], "failed"), window=[2, 32], **SLOPE)
    assert result.verdict == "supported"
    assert [(p.x, p.used, p.seeds) for p in result.points][-2:] == [(32, True, 8), (64, False, 7)]
    assert "no value of agents in the window" in verdict_of(summary, window=[100, 200], **SLOPE).reason


def test_two_cells_at_a_level_ask_for_where(summary, verdict_of):
    both = pd.concat(
        [summary.assign(alpha=0.1), summary.assign(alpha=0.2, cell_id=summary["cell_id"] + "b")], ignore_index=True
    )
    result = verdict_of(both, **SLOPE)
    assert result.verdict == "inconclusive"
    assert "2 cells at agents=2; they differ in alpha; select one with the claim's where" in result.reason
    assert verdict_of(both, where={"alpha": 0.2}, **SLOPE).verdict == "supported"
    assert "no cell of case joint has alpha=0.3" in verdict_of(both, where={"alpha": 0.3}, **SLOPE).reason


def test_environment_keys_are_the_columns_with_env(table, verdict_of):
    gamma = np.array([0.1, 0.3, 0.5, 0.9])
    noise = np.exp(0.01 * np.random.default_rng(0).normal(size=(4, 8)))
    summary = table("error_tail", gamma[:, None] ** 2 * noise, gamma, versus="env_gamma")
    assert verdict_of(summary, versus="env.gamma", expect=2, within=0.1).verdict == "supported"


def test_where_skips_keys_that_the_other_case_does_not_have(summary, verdict_of):
    summary["beta"] = 0.1
    other = summary.assign(case="alone", cell_id="o" + summary["cell_id"], beta=math.nan)
    other["error_tail"] *= 2
    both = pd.concat([summary, other], ignore_index=True)
    both.loc[both["case"] == "alone", "error_tail"] *= 1 + 0.01 * (both["seed"] % 3)
    ratio = verdict_of(
        both, law="value", versus="agents", where={"beta": 0.1}, at_most=0.6, relative_to={"case": "alone"}
    )
    assert ratio.verdict == "supported"
    assert ratio.estimate == pytest.approx(0.5, rel=0.02)


def test_unknown_words_name_the_nearest(summary, verdict_of):
    with pytest.raises(UserError, match="no metric 'eror_tail': did you mean 'error_tail'"):
        verdict_of(summary, metric="eror_tail", **SLOPE)
    with pytest.raises(UserError, match="versus is 'agent': did you mean 'agents'"):
        verdict_of(summary, versus="agent", **SLOPE)
    with pytest.raises(UserError, match="where names 'agent': did you mean 'agents'"):
        verdict_of(summary, where={"agent": 2}, **SLOPE)
    assert "case jont has no replicates yet" in verdict_of(summary, case="jont", **SLOPE).reason
    assert "case joint has no replicates yet" in verdict_of(pd.DataFrame(), **SLOPE).reason


def test_crossing_by_hand():
    rounds, errors = np.array([0, 10, 100, 1000]), np.array([1.0, 0.5, 0.1, 0.02])
    assert crossing(rounds, errors, 2.0) == 0
    assert crossing(rounds, errors, 0.1) == 100
    assert math.isnan(crossing(rounds, errors, 0.01))
    # Halfway between .5 and .1 on a log axis lies sqrt(.05); halfway between 10 and 100 lies sqrt(1000).
    assert crossing(rounds, errors, math.sqrt(0.05)) == pytest.approx(math.sqrt(1000))
    # From round 0 the round itself is interpolated.
    assert crossing(rounds, errors, math.sqrt(0.5)) == pytest.approx(5)
    # The first crossing counts, NaN records do not, and a window mean of 0 has no logarithm.
    assert crossing(np.array([1, 2, 3, 4]), np.array([1.0, math.nan, 0.0, 1.0]), 0.5) == 3


def test_rounds_to_a_level_from_the_curves(table, verdict_of):
    luck = np.exp(0.02 * np.random.default_rng(4).normal(size=(5, 8)))
    summary = table("error_final", luck, X)
    rounds = np.geomspace(1, 1e6, 60)
    replicates = summary[["cell_id", "seed", "agents", "error_final"]]
    curves = replicates.merge(pd.DataFrame({"round": rounds}), how="cross")
    curves["error_window"] = curves["error_final"] / curves["round"] / curves["agents"]
    fields = {"metric": "rounds_to_error", **SLOPE}
    # error = luck / (rounds * agents) reaches 1e-3 at round 1000 luck / agents.
    result = verdict_of(summary, curves.sample(frac=1, random_state=0), level=1e-3, **fields)
    assert result.verdict == "supported"
    assert result.points[0].y == pytest.approx(500 * luck[0].mean())
    never = verdict_of(summary, curves, level=2e-7, **fields)
    assert never.verdict == "inconclusive"
    assert "case joint at agents=2: seed 0, 1, 2, 3, 4, 5, 6, 7 did not reach 2e-07" in never.reason
    assert "use more rounds or a higher level" in never.reason
    with pytest.raises(UserError, match="did you mean 'rounds_to_error'"):
        verdict_of(summary, curves, level=1e-3, metric="rounds_to_eror", **SLOPE)


def test_numbers_in_a_column_of_strings_are_found(summary, verdict_of):
    words = summary.assign(alpha="0.1", schedule="power")
    words.loc[words["seed"] > 6, "alpha"] = "auto"
    assert verdict_of(words, where={"alpha": 0.1, "schedule": ["power"]}, **SLOPE).points[0].seeds == 7


def test_the_command_that_runs_a_sweep_again(summary, verdict_of):
    """Only a shipped sweep has one: the name of a file or of an ad-hoc run is not an argument of ``sweep``."""
    assert resume("orchestrator sweep a/b", " --retry-failed") == "run `orchestrator sweep a/b --retry-failed`"
    assert resume("") == "run the original command again"
    assert resume("", " --retry-failed") == "run the original command again with --retry-failed"
    claim = read_claim(
        {"name": "c", "case": "joint", "metric": "error_tail", "law": "power", "versus": "agents"} | SLOPE
    )
    verdict = judge(claim, lose(summary, 8, [3], "failed"), pd.DataFrame(), "seeds", "orchestrator sweep a/b")
    assert "run `orchestrator sweep a/b --retry-failed` to repeat the failed replicates" in verdict.reason
    assert sweeps.load("mean-field/squeeze").command == "orchestrator sweep mean-field/squeeze"
    ad_hoc = sweeps.checked({"name": "mine", "env": {"name": "digital"}, "cases": {"a": {"algorithm": "iql"}}}, "mine")
    assert ad_hoc.command == ""
