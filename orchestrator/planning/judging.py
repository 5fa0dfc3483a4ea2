"""A stored sweep's claims, judged on the rows of its results folder."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from orchestrator.claims.claim import Claim
from orchestrator.claims.columns import PLANNED_ROUNDS, Columns, columns_of, columns_of_rows, with_missing
from orchestrator.claims.judge import judge
from orchestrator.claims.standing import Past, Registration, standing, withdrawal
from orchestrator.claims.verdict import Verdict
from orchestrator.planning.registered import histories
from orchestrator.planning.stored import StoredSweep
from orchestrator.store.sql import sql_text
from orchestrator.store.store import Ask

#: Order of stored rows, the oldest first.
NEWER = "coalesce(write_number, 0), written"


class Judged(NamedTuple):
    """The verdicts on a sweep's claims, in their order, and the claims that it had and has no more."""

    verdicts: list[Verdict]
    withdrawn: list[Verdict]


def judged(stored: StoredSweep, ask: Ask, other: Ask) -> Judged:
    """Judge a sweep's claims. ``ask`` answers over the views of ``results.JUDGED``, ``other`` over all."""
    known = histories(stored.name, ask)
    if not stored.claims and not known:
        return Judged([], [])
    summary, curves = judged_rows(stored, stored.claims, ask, other)
    held = int(np.count_nonzero(summary["status"] != "missing")) if summary.rows else 0
    looks, past = _looks(stored.name, ask), _past(stored.name, ask)
    verdicts = [
        replace(
            judge(claim, summary, curves, stored.varied, stored.command, looks.get(claim.name, ())),
            standing=standing(known.get(claim.name, ()), claim, held, past.get(claim.name, ())),
        )
        for claim in stored.claims
    ]
    gone = {name: rows for name, rows in known.items() if name not in {claim.name for claim in stored.claims}}
    withdrawn = [_withdrawn(name, rows, held, past.get(name, ())) for name, rows in gone.items()]
    return Judged(verdicts, [one for one in withdrawn if one is not None])


def verdict_on(claim: Claim, stored: StoredSweep, ask: Ask) -> Verdict:
    """The verdict on one claim of a sweep, as a figure needs it: without its standing."""
    summary, curves = judged_rows(stored, [claim], ask, ask)
    looks = _looks(stored.name, ask).get(claim.name, ())
    return judge(claim, summary, curves, stored.varied, stored.command, looks)


def judged_rows(stored: StoredSweep, claims: Sequence[Claim], ask: Ask, other: Ask) -> tuple[Columns, Columns]:
    """What ``claims`` are judged on: replicates, those that are missing included, and records if they need any.

    Seeds accumulate: all that are stored of the sweep's cells count, whichever run stored them.
    """
    where = f"WHERE sweep = {sql_text(stored.name)}"
    summary = columns_of(ask(f'SELECT * FROM summary {where} ORDER BY "case", cell_id, seed'))
    curves = columns_of_rows(())
    if any(claim.along_curves for claim in claims):
        curves = columns_of(other(f'SELECT * FROM curves {where} ORDER BY "case", cell_id, seed, round'))
    if summary.rows:
        planned = {(row["case"], row["cell_id"]) for row in stored.rows}
        pairs = zip(summary["case"], summary["cell_id"], strict=True)
        summary = summary.select(np.array([pair in planned for pair in pairs], dtype=bool))
        rounds = np.array([stored.planned_rounds[cell] for cell in summary["cell_id"]], dtype=np.int64)
        summary = summary.replace(**{PLANNED_ROUNDS: rounds})
    return with_missing(summary, columns_of_rows(stored.replicates)), curves


def _looks(sweep: str, ask: Ask) -> dict[str, list[int]]:
    """Claim -> the numbers of seeds at which it got verdicts in this folder, the first one first."""
    query = f"SELECT claim, seeds FROM verdicts WHERE sweep = {sql_text(sweep)} AND look > 0 ORDER BY {NEWER}"
    found: dict[str, list[int]] = {}
    for row in ask(query).to_pylist():
        found.setdefault(row["claim"], []).append(row["seeds"])
    return found


def _past(sweep: str, ask: Ask) -> dict[str, list[Past]]:
    """Claim -> its stored verdicts, the oldest first."""
    query = f"SELECT claim, registration, verdict FROM verdicts WHERE sweep = {sql_text(sweep)} ORDER BY {NEWER}"
    found: dict[str, list[Past]] = {}
    for row in ask(query).to_pylist():
        found.setdefault(row["claim"], []).append(Past(row["registration"] or 0, row["verdict"]))
    return found


def _withdrawn(name: str, rows: Sequence[Registration], held: int, past: Sequence[Past]) -> Verdict | None:
    """A claim that the sweep has no more, with its last text; None if it went before there were any data."""
    if (stands := withdrawal(rows, held, past)) is None:
        return None
    try:
        claim = Claim.model_validate({**json.loads(rows[-1].text), "name": name})
    except (ValueError, ValidationError):  # a text of another version is shown by its name alone
        claim = None
    return Verdict(
        claim=name,
        case=claim.case if claim else "",
        metric=claim.metric if claim else "",
        versus=claim.versus if claim else None,
        law=claim.law if claim else "",
        estimate=math.nan,
        ci_low=math.nan,
        ci_high=math.nan,
        interval="none",
        expected=claim.expected if claim else "",
        verdict="withdrawn",
        reason="The sweep has this claim no more.",
        standing=stands,
    )
