"""The verdict on a claim: the rule, and what can be known before a sweep runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from orchestrator.claims.claim import ROUND, Claim
from orchestrator.claims.columns import Columns, Frame, columns_of, columns_of_rows
from orchestrator.claims.laws import LAWS, UNKNOWN, LawResult, level_points, points_of, require
from orchestrator.claims.replicates import Undecided, replicates
from orchestrator.claims.samples import Sample, sample
from orchestrator.claims.sentences import LEAST_SEEDS, accepted_range, interval_text, what_varied
from orchestrator.claims.verdict import Verdict

NO_CURVES = columns_of_rows(())


def judge(
    claim: Claim,
    summary: Columns | Frame,
    curves: Columns | Frame,
    varied: Literal["seeds", "instances"] = "seeds",
    command: str = "",
) -> Verdict:
    """Judge one claim by the rule.

    ``summary`` has one row per replicate: case, cell_id, seed, status, the parameters as plain columns (``env_…`` for
    those of the environment) and ``<metric>_final`` / ``<metric>_tail``. A status other than done, failed or diverged
    means not finished yet; the caller adds planned replicates that have not run with status ``missing``.
    ``curves`` has one row per record: cell_id, seed, round, ``<m>_window``. It is read for ``rounds_to_<m>`` and for
    claims versus ``round``. The levels of the latter are the records of one cell; a seed's whole curve is deleted.
    ``varied`` says whether replicates differ only in their seeds or also in the problem instance. ``command`` runs the
    sweep again; it is empty if the sweep has no name of its own.

    - The curve is the mean over seeds at each level of ``versus``. Its interval deletes one seed across the whole
      curve (t with R-1 degrees of freedom, 95 percent). With ``relative_to`` it is the quotient of two means, and a
      seed is deleted from both. ``deterministic`` curves use the range over leaving out one level instead.
    - Supported: the interval lies inside the accepted range. Refuted: it lies outside. Otherwise inconclusive.
      At least 6 seeds; at least 4 levels for power, exponential and floor; x spans a factor of 8 for power and floor.
    - power, exponential: the slope is judged. A quadratic term whose interval excludes 0 and that changes the local
      slope over the window by more than ``within`` refutes the law. floor: C0 of C0 + C1 x^-p.
    - bound, order and value must hold at every level. Supported if every level is (an intersection-union test, which
      needs no correction for the number of levels: Berger 1982); refuted if one level is. The estimate is that of the
      level that decides. bound: one-sided 95 percent limits of y / (C x^exponent) against 1. order: the ratio of the
      two means, paired by seed, on its logarithm against 1, or their difference against 0. value: the mean, t interval.
    - A failed, diverged or absent replicate that leaves a level unknown makes the claim inconclusive, and so does a
      mean that is not positive where a logarithm is needed.

    Raises ``UserError`` for a metric or key that the table does not have.
    """
    try:
        data = sample(claim, columns_of(summary), columns_of(curves), command)
    except Undecided as why:
        points = tuple(point for x, y in why.measured for point in level_points(claim, np.array([x]), y, used=False))
        return _verdict(claim, LawResult("inconclusive", UNKNOWN, f"No estimate: {why}", points), "")
    try:
        require(claim, data)
        result = LAWS[claim.law](claim, data)
    except Undecided as why:
        result = LawResult("inconclusive", UNKNOWN, f"No estimate: {why}", points_of(claim, data))
    return _verdict(claim, _with_enough_seeds(claim, data, result), what_varied(claim, data, varied))


def foreseen(claim: Claim, planned: Sequence[Mapping[str, object]]) -> str:
    """Why ``planned`` replicates cannot decide a claim, whatever they measure; empty if they may.

    ``planned`` has one row per replicate: case, cell_id, seed and the parameters.
    """
    if claim.versus and claim.versus.endswith("_final"):
        return ""  # its levels are measured
    other = claim.relative_to.model_copy(update={"metric": "y_tail"}) if claim.relative_to else None
    any_metric = claim.model_copy(update={"metric": "y_tail", "level": None, "relative_to": other})
    rows = columns_of_rows(planned)
    try:
        if claim.versus == ROUND:
            replicates(any_metric, claim.case, "y_tail", rows.replace(status="missing"), NO_CURVES)
        else:
            require(any_metric, sample(any_metric, rows.replace(status="done", y_tail=1.0), NO_CURVES))
    except Undecided as why:
        return str(why)
    return ""


def _with_enough_seeds(claim: Claim, data: Sample, result: LawResult) -> LawResult:
    """The result, inconclusive with its estimate if there are too few seeds."""
    seeds = len(data.seeds)
    if claim.deterministic or seeds >= LEAST_SEEDS or math.isnan(float(result.interval.estimate)):
        return result
    few = f"{seeds} seed{'s are' if seeds != 1 else ' is'} too few for a verdict; at least {LEAST_SEEDS} are needed"
    if result.verdict == "inconclusive" and seeds > 1:
        return replace(result, sentence=f"{few}. {result.sentence[0].upper()}{result.sentence[1:]}")
    estimate = f"The estimate so far is {interval_text(result.interval)}; the accepted range is {accepted_range(claim)}"
    return replace(result, verdict="inconclusive", sentence=f"{few}. {estimate}")


def _verdict(claim: Claim, result: LawResult, varied: str) -> Verdict:
    kind = "95% interval, one seed deleted at a time"
    if claim.law == "bound":
        kind = "two one-sided 95% limits"
    if claim.deterministic:
        kind = "sensitivity: range over leaving out one level"
        if claim.law in ("value", "bound", "order"):
            kind = "exact"
    sentence = result.sentence[0].upper() + result.sentence[1:]
    return Verdict(
        claim=claim.name,
        case=claim.case,
        metric=claim.metric,
        versus=claim.versus,
        law=claim.law,
        estimate=float(result.interval.estimate),
        ci_low=float(result.interval.low),
        ci_high=float(result.interval.high),
        interval=kind,
        expected=claim.expected,
        verdict=result.verdict,
        reason=". ".join(filter(None, [sentence, varied])) + ".",
        points=result.points,
        fit=result.fit,
    )
