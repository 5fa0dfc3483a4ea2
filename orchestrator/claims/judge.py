"""The verdict on a claim: the rule, and what can be known before a sweep runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from orchestrator.claims.claim import LEAST_SEEDS, ROUND, Claim
from orchestrator.claims.columns import Columns, Frame, columns_of, columns_of_rows, listed
from orchestrator.claims.laws import judge_curve, judge_floor, judge_floors, lines_of, require, require_levels
from orchestrator.claims.levels import aside_points, judge_bound, judge_order, judge_value, points_of
from orchestrator.claims.replicates import Undecided, replicates
from orchestrator.claims.samples import Family, Sample, family, sample
from orchestrator.claims.sentences import (
    accepted_range,
    interval_kind,
    interval_text,
    limits_words,
    no_interval,
    percent,
    what_varied,
)
from orchestrator.claims.statistics.looks import look_of, seeds_for
from orchestrator.claims.verdict import LawResult, Verdict

LAWS: dict[str, Callable[[Claim, Sample, int], LawResult]] = {
    "power": judge_curve,
    "exponential": judge_curve,
    "floor": judge_floor,
    "bound": judge_bound,
    "order": judge_order,
    "value": judge_value,
}
NO_CURVES = columns_of_rows(())


def judge(
    claim: Claim,
    summary: Columns | Frame,
    curves: Columns | Frame,
    varied: Literal["seeds", "instances"] = "seeds",
    command: str = "",
    looks: Sequence[int] = (),
) -> Verdict:
    """Judge one claim by the rule.

    ``summary`` has one row per replicate: case, cell_id, seed, status, the parameters as plain columns (``env_…`` for
    those of the environment) and ``<metric>_final`` / ``<metric>_tail``. A status other than done, failed or diverged
    means not finished yet; the caller adds planned replicates that have not run with status ``missing``.
    ``curves`` has one row per record: cell_id, seed, round, ``<m>``, ``<m>_window``. It is read for
    ``rounds_to_<m>`` and for claims versus ``round``. The levels of the latter are the records of one cell; a seed's
    whole curve is deleted.
    ``varied`` says whether replicates differ only in their seeds or also in the problem instance. ``command`` runs the
    sweep again; it is empty if the sweep has no name of its own.

    ``looks`` are the numbers of seeds at which the claim got verdicts before, in their order: each further number
    narrows what the verdict may risk. The same number of seeds again is no new look.

    - The target is the mean over runs at each level of ``versus``. Exponents, rates and ratios need the mean and the
      typical run to agree (``statistics.contrasts``); with ``relative_to`` a seed is deleted from both halves.
      ``deterministic`` curves use the range over leaving out one level instead.
    - Supported: the interval lies inside the accepted range. Refuted: it lies outside. Otherwise inconclusive.
      At least 6 seeds, and all that are planned; at least 4 levels for power, exponential and floor; x spans a factor
      of 8 for power and floor. Runs that all gave the same number have no interval.
    - power, exponential: the slope is judged. Not one law: the whole interval of the change of the local slope over the
      window lies beyond -+``within``. floor: C0 of C0 + C1 x^-decay.
    - bound, order and value must hold at every level (``statistics.rule``). The estimate is that of the level that
      decides. bound: y / (C x^exponent) against 1. order: the ratio of the two means, paired by seed, against 1, or
      their difference against 0. value: the mean (``statistics.means``).
    - A failed, diverged or absent replicate that leaves a level unknown makes the claim inconclusive, and so does a
      mean that is not positive where a logarithm is needed.

    Raises ``UserError`` for a metric or key that the table does not have.
    """
    tables = columns_of(summary), columns_of(curves), command
    try:
        data = family(claim, *tables) if claim.floor else sample(claim, *tables)
    except Undecided as why:
        points = tuple(point for x, y in why.measured for point in aside_points(claim, x, y))
        return _verdict(claim, LawResult("inconclusive", no_interval(), f"No estimate: {why}", points), "")
    look = look_of(len(data.seeds), (*claim.looked, *looks))
    lines = lines_of(claim, data) if isinstance(data, Family) else ()
    try:
        result = _result(claim, data, look)
    except Undecided as why:
        points = points_of(claim, data) if isinstance(data, Sample) else ()
        result = LawResult("inconclusive", no_interval(), f"No estimate: {why}", points)
        found = _verdict(claim, result, what_varied(claim, data, varied), seeds=len(data.seeds))
        return replace(found, lines=lines)
    ready = _with_enough_seeds(claim, data, result)
    look = look if ready is result and result.told and not claim.deterministic else 0
    limits = "" if claim.deterministic else limits_words(claim, len(data.seeds), look)
    kind = interval_kind(claim, isinstance(data, Sample) and data.share, look)
    found = _verdict(claim, ready, what_varied(claim, data, varied), limits, kind, len(data.seeds), look)
    return replace(found, lines=lines)


def _result(claim: Claim, data: Sample | Family, look: int) -> LawResult:
    """What the claim's law makes of the data."""
    if isinstance(data, Family):
        return judge_floors(claim, data, look)
    require(claim, data)
    return LAWS[claim.law](claim, data, look)


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
        if claim.floor is not None:
            _foreseen_floors(any_metric, rows.replace(status="done", y_tail=1.0))
        elif claim.versus == ROUND:
            replicates(any_metric, claim.case, "y_tail", rows.replace(status="missing"), NO_CURVES)
        else:
            require(any_metric, sample(any_metric, rows.replace(status="done", y_tail=1.0), NO_CURVES))
    except Undecided as why:
        return str(why)
    if claim.law == "floor" and claim.decay is None and not claim.deterministic:
        return "the interval of a floor covers it only if the claim fixes p of C0 + C1 x^-p; write decay"
    return ""


def _foreseen_floors(claim: Claim, rows: Columns) -> None:
    """Raise ``Undecided`` if the planned cells do not give the floors that a claim is about."""
    data = family(claim, rows, NO_CURVES)
    require_levels(claim.law, claim.versus, data.x)
    for part in data.curves:
        require_levels("floor", claim.floor.versus if claim.floor else None, part.x)


def _with_enough_seeds(claim: Claim, data: Sample | Family, result: LawResult) -> LawResult:
    """The result, inconclusive with its estimate if seeds are too few or still missing."""
    if math.isnan(float(result.interval.estimate)) or claim.deterministic:
        return result
    seeds = len(data.seeds)
    why = ""
    if seeds < LEAST_SEEDS:
        why = f"{seeds} seed{'s are' if seeds != 1 else ' is'} too few for a verdict; at least {LEAST_SEEDS} are needed"
    elif data.waiting:
        why = f"The verdict waits for planned seeds that have not finished: seed {listed(data.waiting, 8)}"
    elif claim.rare and seeds < (least := seeds_for(claim.rare)):
        why = f"{seeds} seeds may have missed a kind of run with a share of {percent(claim.rare)}; {least} would not"
    if not why:
        return result
    so_far = interval_text(result.interval, claim.accepted)
    estimate = f"The estimate so far is {so_far}; the accepted range is {accepted_range(claim)}"
    return replace(result, verdict="inconclusive", sentence=f"{why}. {estimate}")


def _verdict(
    claim: Claim, result: LawResult, varied: str, limits: str = "", kind: str = "", seeds: int = 0, look: int = 0
) -> Verdict:
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
        interval=kind or interval_kind(claim, share=False, look=0),
        expected=claim.expected,
        verdict=result.verdict,
        reason=". ".join(filter(None, [sentence, varied, limits])) + ".",
        points=result.points,
        fit=result.fit,
        seeds=seeds,
        look=look,
    )
