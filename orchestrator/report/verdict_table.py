"""The table of a report that lists the verdicts, each with the time at which its claim was fixed."""

from collections.abc import Sequence
from html import escape

from orchestrator.claims.claim import Claim
from orchestrator.claims.sentences import range_text
from orchestrator.claims.verdict import Verdict
from orchestrator.report.style import typeset


def chip(verdict: Verdict) -> str:
    """The verdict in its colour."""
    return f"<span class='verdict {escape(verdict.verdict)}'>{escape(verdict.verdict)}</span>"


def _number(verdict: Verdict, limits: Sequence[float]) -> str:
    if verdict.estimate != verdict.estimate:
        return "–"
    return typeset(range_text(verdict.estimate, verdict.ci_low, verdict.ci_high, limits))


def verdict_table(claims: Sequence[Claim], verdicts: Sequence[Verdict], withdrawn: Sequence[Verdict] = ()) -> str:
    """All verdicts of a sweep, and below them the claims that it has no more."""
    rows = [
        _verdict_row(verdict, f"<a href='#claim-{i}'>{escape(verdict.claim)}</a>", _about(claim), claim.accepted)
        for i, (claim, verdict) in enumerate(zip(claims, verdicts, strict=True), start=1)
    ]
    rows += [_verdict_row(verdict, escape(verdict.claim), verdict.reason) for verdict in withdrawn]
    head = "<tr><th>verdict</th><th>claim</th><th>estimate [interval]</th><th>expected</th></tr>"
    return (
        f"<div class='scroll'><table class='verdicts'><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _verdict_row(verdict: Verdict, claim: str, about: str, limits: Sequence[float] = ()) -> str:
    return (
        f"<tr><td>{chip(verdict)}</td><td>{claim}<br><span class='soft'>{escape(about)}</span><br>"
        f"{standing_words(verdict)}</td>"
        f"<td class='number' data-name='estimate'>{escape(_number(verdict, limits))}</td>"
        f"<td class='number' data-name='expected'>{escape(typeset(verdict.expected))}</td></tr>"
    )


def standing_words(verdict: Verdict) -> str:
    """Whether the claim was fixed before the data, beside its verdict."""
    kind = "altered" if verdict.standing.altered else "soft"
    return f"<span class='standing {kind}'>{escape(verdict.standing.words)}</span>"


def _about(claim: Claim) -> str:
    """Law, quantity, x axis and selected cells in one line."""
    case = "" if f"of {claim.case}" in claim.quantity else f", {claim.case}"
    versus = f" vs {claim.versus}" if claim.versus else ""
    where = "".join(f", {key}={value}" for key, value in claim.where.items())
    return f"{claim.law}: {claim.quantity}{case}{versus}{where}"
