"""The record of what a sweep's claims said before its replicates ran: table ``registrations``.

Two drivers may register at once. Rows are only added, equal ones count once, and a claim that both find missing gets
the same row from both. The replicates are listed before the registrations are: whoever sees a replicate also sees the
claims that were registered before it.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from orchestrator.claims.claim import Claim
from orchestrator.claims.standing import Event, Registration, claim_hash, judging_text
from orchestrator.planning.sweep import Sweep
from orchestrator.store import Store
from orchestrator.store.schema import table
from orchestrator.store.sql import sql_text
from orchestrator.store.store import Ask

#: Claim -> its registrations.
Histories = dict[str, list[Registration]]


def register(sweep: Sweep, store: Store) -> None:
    """Store the claims whose text is not the one that was registered last, and which ones the sweep has no more."""
    if not sweep.claims and not store.segments.paths("registrations"):
        return

    def work(ask: Ask) -> tuple[dict[str, int], dict[str, set[str]], Histories]:
        held = ask("SELECT cell_id, count(*) AS replicates FROM runs GROUP BY cell_id").to_pylist()
        before: dict[str, set[str]] = {}
        for row in ask(f'SELECT cell_id, "case" FROM memberships WHERE sweep = {sql_text(sweep.name)}').to_pylist():
            before.setdefault(row["cell_id"], set()).add(row["case"])
        return {row["cell_id"]: row["replicates"] for row in held}, before, histories(sweep.name, ask)

    held, before, known = store.reading(("runs", "memberships", "registrations"), work)
    cells = {cell.id for _, cell in sweep.cells} | before.keys()
    moved = {case for case, cell in sweep.cells if held.get(cell.id) and case not in before.get(cell.id, {case})}
    number = 1 + max((row.number for rows in known.values() for row in rows), default=0)
    common = {"sweep": sweep.name, "sweep_hash": sweep.hash, "number": number}
    common["replicates"] = sum(held.get(cell, 0) for cell in cells)
    if rows := _new(sweep.checked_claims, known, moved):
        store.append({"registrations": table("registrations", [common | row for row in rows])})


def histories(sweep: str, ask: Ask) -> Histories:
    """The registrations of a sweep's claims, each in its order."""
    found: Histories = {}
    sql = f"SELECT * FROM registrations WHERE sweep = {sql_text(sweep)} ORDER BY number, claim_hash"
    for row in ask(sql).to_pylist():
        event = cast("Event", row["event"])
        one = Registration(row["number"], event, row["claim_hash"], row["text"], row["replicates"])
        found.setdefault(row["claim"], []).append(one)
    return found


def _new(
    claims: Sequence[Claim], known: Mapping[str, Sequence[Registration]], moved: set[str]
) -> list[dict[str, object]]:
    """The rows to add: claim, event, claim_hash, text."""
    rows: list[dict[str, object]] = []
    for claim in claims:
        text = judging_text(claim)
        named = {claim.case, claim.below, claim.relative_to.case if claim.relative_to else None}
        if event := _event(known.get(claim.name, ()), claim_hash(text), bool(named & moved)):
            rows.append({"claim": claim.name, "event": event, "claim_hash": claim_hash(text), "text": text})
    kept = {claim.name for claim in claims}
    for name, history in known.items():
        if name not in kept and (last := history[-1]).event != "withdrawn":
            rows.append({"claim": name, "event": "withdrawn", "claim_hash": last.claim_hash, "text": last.text})
    return rows


def _event(history: Sequence[Registration], now: str, moved: bool) -> Event | None:
    """What happened to a claim since its last registration; None for nothing."""
    if not history:
        return "registered"
    if history[-1].claim_hash != now:
        return "changed"
    if moved:
        return "cases"
    return "registered" if history[-1].event == "withdrawn" else None
