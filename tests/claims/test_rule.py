"""The rule where runs are few, alike, rare or counted: shares, rare kinds of run, bends, several levels, looks."""

import math

import numpy as np
import pandas as pd
import pytest

from orchestrator.claims.statistics import looks, rule
from orchestrator.claims.statistics.quantiles import binomial_limits

X = np.array([2.0, 4, 8, 16, 32])
U = np.log(X)
SLOPE = {"expect": -1, "within": 0.15}
VALUE = {"law": "value", "metric": "failed_tail"}


def noisy(spread, seeds=8, seed=1, exponent=-1.0, bend=0.0):
    """Five levels of a power law whose local exponent changes by ``bend`` over them."""
    v = U - U.mean()
    curve = np.exp(exponent * U + bend / 2 / (U[-1] - U[0]) * v * v)
    return curve[:, None] * np.exp(spread * np.random.default_rng(seed).normal(size=(5, seeds)))


def test_the_spending_of_looks():
    assert [looks.alpha(look) for look in (1, 2, 3, 4)] == pytest.approx([0.05, 0.0125, 0.025 / 3, 0.00625])
    assert [looks.look_of(n, (8, 16)) for n in (8, 16, 24)] == [1, 2, 3]
    assert looks.look_of(24, (8, 16, 8)) == 3


def test_what_runs_cannot_have_seen():
    assert [round(looks.unseen_share(n), 2) for n in (6, 8, 16, 36)] == [0.46, 0.37, 0.21, 0.10]
    assert [looks.seeds_for(share) for share in (0.1, 0.37, 0.5)] == [36, 8, 6]
    assert 0.9**36 < 0.025 < 0.9**35


def test_a_share_of_none_needs_hundreds_of_runs(table, verdict_of):
    """Of a rate of 5 %, 8 runs show nothing in two of three studies: that supports no claim of 1 %."""
    none = {"law": "value", "at_most": 0.01, "share": True}
    result = verdict_of(table("error_tail", np.zeros((1, 8))), **none)
    assert (result.verdict, result.ci_low) == ("inconclusive", 0)
    assert result.ci_high == pytest.approx(1 - 0.025 ** (1 / 8))
    assert result.interval == "95% interval, exact for a share of runs"
    needed = int(result.reason.split("about ")[1].split(" seeds")[0])  # 368 at a first look, more at a second
    assert binomial_limits(0, needed, 0.00625)[1] <= 0.01 < binomial_limits(0, needed - 1, 0.00625)[1]
    assert verdict_of(table("error_tail", np.zeros((1, 368))), **none).verdict == "supported"
    wrong = verdict_of(table("error_tail", np.full((1, 8), 0.5)), **none)
    assert "about a share of runs, but error_tail is not 0 or 1 in every run" in wrong.reason


def test_a_metric_of_zeros_and_ones_is_a_share_if_another_case_has_both(table, verdict_of):
    """Zeros alone may be the ordinary value of anything."""
    zeros = table("error_tail", np.zeros((1, 8)))
    other = table("error_tail", [[0.0, 1, 1, 0, 1, 1, 1, 1]], case="other")
    alone, both = zeros, pd.concat([zeros, other], ignore_index=True)
    assert verdict_of(both, law="value", at_most=0.5).verdict == "supported"
    assert verdict_of(both, law="value", at_most=0.5, share=False).verdict == "inconclusive"
    result = verdict_of(alone, law="value", at_most=0.5)
    assert (result.verdict, result.look) == ("inconclusive", 0)
    assert "is 0 in 8 of 8 runs, without any spread: at least 63 % of runs give this" in result.reason
    assert math.isnan(result.ci_low)


def test_a_rare_kind_of_run_needs_its_seeds(table, verdict_of):
    runs = np.exp(0.1 * np.random.default_rng(1).normal(size=(1, 36)))
    fields = {"law": "value", "at_most": 2, "rare": 0.1}
    few = verdict_of(table("error_tail", runs[:, :35]), **fields)
    assert (few.verdict, few.look) == ("inconclusive", 0)
    assert "35 seeds may have missed a kind of run with a share of 10 %; 36 would not" in few.reason
    enough = verdict_of(table("error_tail", runs), **fields)
    assert enough.verdict == "supported"
    assert enough.reason.endswith("Kinds of run rarer than 9.7 % would not have been seen.")


def test_a_bend_refutes_with_its_whole_interval_only(table, verdict_of):
    """Certain and beyond the tolerance: refuted. Certain, but perhaps within it: not supported either."""
    sure = verdict_of(table("error_tail", noisy(0.01, bend=0.3), X), **SLOPE)
    assert sure.verdict == "refuted"
    assert "the local exponent changes by +0.3" in sure.reason
    assert "with its whole interval more than the allowed 0.15" in sure.reason
    perhaps = verdict_of(table("error_tail", noisy(0.06, bend=0.25), X), **SLOPE)
    assert perhaps.verdict == "inconclusive"
    assert "would do, but the local exponent changes over the window by" in perhaps.reason
    straight = verdict_of(table("error_tail", noisy(0.06), X), **SLOPE)
    assert straight.verdict == "supported"


def test_one_of_five_levels_refutes_at_a_fifth_of_alpha():
    y = np.ones((5, 8)) * np.exp(0.1 * np.random.default_rng(0).normal(size=(5, 8)))
    y *= np.array([0.5, 0.5, 0.5, 0.5, 1])[:, None]
    alone = rule.judge_means(y[4:], (-math.inf, 1.0)).each.low[0]
    one_of_five = rule.judge_means(y, (-math.inf, 1.0)).strict.low[4]
    assert one_of_five < alone
    edge = (alone + one_of_five) / 2
    assert rule.judge_means(y[4:], (-math.inf, edge)).outcome == -1
    assert rule.judge_means(y, (-math.inf, edge)).outcome == 0


def test_a_further_look_widens_the_interval(verdict_of, table):
    from orchestrator.claims.claim import read_claim
    from orchestrator.claims.judge import judge

    summary, fields = table("error_tail", noisy(0.1, seeds=16), X), {"name": "c", "case": "joint", "law": "power"}
    fields |= {"metric": "error_tail", "versus": "agents"} | SLOPE
    first, second, same = (judge(read_claim(fields), summary, pd.DataFrame(), looks=n) for n in ((), (8,), (8, 16)))
    assert (first.look, second.look, same.look) == (1, 2, 2)
    assert second.ci_high - second.ci_low > 1.2 * (first.ci_high - first.ci_low)
    assert second.interval.startswith("98.75% interval")
    assert "This is look 2 at the claim, so its interval is one of 98.75 %" in second.reason
    assert judge(read_claim(fields | {"looked": [8]}), summary, pd.DataFrame()) == second


ALPHAS = (0.05, 0.1, 0.2, 0.4)


def test_the_floor_of_a_family_of_curves_against_a_key(table, verdict_of):
    """y = alpha^2 (.1 + 2 / N): the fitted floors grow as alpha^2, whatever the first levels do."""
    noise, parts = np.random.default_rng(5), []
    for alpha in ALPHAS:
        y = (alpha**2 * (0.1 + 2 / X))[:, None] * np.exp(0.05 * noise.normal(size=(5, 8)))
        part = table("error_tail", y, X, alpha=alpha)
        parts.append(part.assign(cell_id=part["cell_id"] + f" {alpha}"))
    summary = pd.concat(parts, ignore_index=True)
    fields = {"versus": "alpha", "floor": {"versus": "agents", "decay": 1}}
    result = verdict_of(summary, expect=2, within=0.5, **fields)
    assert result.verdict == "supported"
    assert result.estimate == pytest.approx(2, abs=0.2)
    assert [point.x for point in result.points] == [0.05, 0.1, 0.2, 0.4]
    assert result.points[3].y == pytest.approx(0.016, rel=0.15)
    assert result.interval == "95% interval, one seed deleted at a time"
    assert [(line.at, line.decay, len(line.points)) for line in result.lines] == [(a, 1, 5) for a in ALPHAS]
    assert [line.floor for line in result.lines] == [point.y for point in result.points]
    assert [line.scale / line.at**2 for line in result.lines] == pytest.approx([2] * 4, rel=0.1)
    assert [point.x for point in result.lines[0].points] == X.tolist()
    _, rows = result.to_rows("s", "h")
    assert [row["line"] for row in rows] == [None] * 4 + [alpha for alpha in ALPHAS for _ in X]
    assert verdict_of(summary, at_most=1, **fields).verdict == "refuted"
    few = verdict_of(summary[summary["seed"] < 5], at_most=1, **fields)
    assert "5 seeds are too few for fitted floors; at least 6 are needed" in few.reason
    assert [line.points[0].seeds for line in few.lines] == [5] * 4
    gone = summary[(summary["alpha"] != 0.2) | (summary["agents"] < 16)]
    assert "at alpha=0.2: only 3 values of agents" in verdict_of(gone, at_most=1, **fields).reason
    none = summary.assign(error_tail=summary["error_tail"] - 0.1 * summary["alpha"] ** 2)
    assert "a fitted floor at alpha=" in verdict_of(none, at_most=1, **fields).reason
