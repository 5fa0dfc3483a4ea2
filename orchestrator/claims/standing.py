"""Whether a claim was fixed before the data: its registered texts, and what became of them.

A results folder keeps every text of a claim that was run into it (table ``registrations``), each with the number of
replicates that were stored before. The name identifies a claim. Everything else in it is a rule of judging.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.claims.claim import Claim

#: ``cases``: a case that the claim names got the cells of another case. ``withdrawn``: the sweep has it no more.
Event = Literal["registered", "changed", "cases", "withdrawn"]


@dataclass(frozen=True)
class Registration:
    """One row of a claim's history; ``replicates`` were stored before it, ``number`` is its place in the order."""

    number: int
    event: Event
    claim_hash: str
    text: str
    replicates: int


@dataclass(frozen=True)
class Past:
    """A stored verdict: the registration under which it was made (0 if there was none), and the outcome."""

    registration: int
    verdict: str


@dataclass(frozen=True)
class Standing:
    """What is known about the time at which a claim was fixed.

    ``registered_after`` replicates its first text was stored; None if it never was. Since then it was changed
    ``changes`` times after data, the last time after ``changed_after`` replicates. ``was`` are the verdicts before the
    last change. ``registration`` is the number of the row that holds now.
    """

    registration: int | None = None
    claim_hash: str = ""
    registered_after: int | None = None
    changes: int = 0
    changed_after: int | None = None
    withdrawn: bool = False
    was: str = ""

    @property
    def altered(self) -> bool:
        """Whether it was changed or withdrawn after data: it is not the claim that the data were made for."""
        return self.changes > 0 or self.withdrawn

    @property
    def words(self) -> str:
        """One sentence without a full stop, such as ``registered before the data``."""
        if self.registered_after is None and not self.altered:
            return "not registered: nothing says whether it was written before the data"
        parts: list[str] = []
        if self.registered_after is not None:
            known = "before the data" if not self.registered_after else f"after {_replicates(self.registered_after)}"
            parts.append(f"registered {known}")
        if self.changes:
            times, last = ("once", "") if self.changes == 1 else (f"{self.changes} times", ", the last time")
            changed = f"changed {times}{last} after {_replicates(self.changed_after or 0)}"
            parts = [changed] if not self.registered_after else [*parts, changed]
        if self.withdrawn:
            parts.append(f"withdrawn after {_replicates(self.changed_after or 0)}")
        return ", ".join(parts) + (f"; was {self.was}" if self.was else "")

    @property
    def sentence(self) -> str:
        """``words`` as a sentence."""
        return f"{self.words[0].upper()}{self.words[1:]}."

    def to_row(self) -> dict[str, object]:
        """Its columns of table ``claims``."""
        return {
            "claim_hash": self.claim_hash or None,
            "registered": self.words,
            "registration": self.registration,
            "registered_after": self.registered_after,
            "changes": self.changes,
            "changed_after": self.changed_after,
            "was": self.was or None,
        }


def judging_text(claim: Claim) -> str:
    """What decides the verdict of a claim, as JSON: all that it says but its name. Defaults are left out."""
    return json.dumps(claim.model_dump(mode="json", exclude={"name"}, exclude_defaults=True), sort_keys=True)


def claim_hash(text: str) -> str:
    """16 hex digits: the hash of a claim's ``judging_text``."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def standing(history: Sequence[Registration], claim: Claim, held: int, past: Sequence[Past]) -> Standing:
    """The standing of a claim. ``held`` replicates are stored now; ``past`` are its verdicts, the oldest first."""
    own = claim_hash(judging_text(claim))
    rows = sorted(history, key=lambda row: (row.number, row.claim_hash))
    texts = [row for row in rows if row.event != "withdrawn"]
    if not texts:
        return Standing(claim_hash=own)
    if texts[-1].claim_hash != own:  # what is judged now did not come from a run
        texts.append(Registration(rows[-1].number + 1, "changed", own, "", held))
    altered = [
        row
        for before, row in itertools.pairwise(texts)
        if row.replicates and (row.event == "cases" or row.claim_hash != before.claim_hash)
    ]
    return Standing(
        registration=texts[-1].number,
        claim_hash=own,
        registered_after=texts[0].replicates,
        changes=len(altered),
        changed_after=altered[-1].replicates if altered else None,
        was=_verdicts(past, altered[-1].number) if altered else "",
    )


def withdrawal(history: Sequence[Registration], held: int, past: Sequence[Past]) -> Standing | None:
    """The standing of a claim that the sweep has no more; None if it was withdrawn before there were any data."""
    rows = sorted(history, key=lambda row: (row.number, row.claim_hash))
    gone = rows[-1].replicates if rows[-1].event == "withdrawn" else held
    if not gone:
        return None
    texts = [row for row in rows if row.event != "withdrawn"]
    return Standing(
        registration=rows[-1].number,
        claim_hash=rows[-1].claim_hash,
        registered_after=texts[0].replicates if texts else None,
        changed_after=gone,
        withdrawn=True,
        was=_verdicts(past, rows[-1].number + 1),
    )


def _verdicts(past: Sequence[Past], before: int) -> str:
    """The last verdict under each registration before the number ``before``, equal neighbours once."""
    last = {one.registration: one.verdict for one in past if one.registration < before and one.verdict != "withdrawn"}
    told: list[str] = []
    for verdict in last.values():
        told += [] if told[-1:] == [verdict] else [verdict]
    return ", then ".join(told)


def _replicates(count: int) -> str:
    return f"{count} replicate{'' if count == 1 else 's'}"
