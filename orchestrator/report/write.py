"""Pages and figures of sweeps, written from what a results folder keeps of them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.claims.claim import Claim
from orchestrator.claims.verdict import Verdict
from orchestrator.errors import UserError
from orchestrator.planning.judging import Judged
from orchestrator.planning.stored import StoredSweep
from orchestrator.report.claim_figure import claim_panel
from orchestrator.report.family_figure import family_panel
from orchestrator.report.page import Page, slug, write_page, write_report
from orchestrator.report.provenance import origin
from orchestrator.report.style import COLUMNS, UNITS, Width, save, words

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

#: A description of a parameter with more letters than these does not fit an axis.
MOST_LETTERS = 44


class Entry(NamedTuple):
    """One sweep in the index."""

    sweep: str
    link: str  #: path of its page, seen from the index
    description: str
    judged: Judged


class Tables(NamedTuple):
    """The sweep's rows of three views of the store."""

    summary: "pd.DataFrame"
    curves: "pd.DataFrame"
    timings: "pd.DataFrame"


def write_sweep(
    stored: StoredSweep,
    tables: Tables,
    judged: Judged,
    portraits: "Mapping[str, np.ndarray]",
    folder: Path,
) -> Path:
    """Write a sweep's page into ``folder`` and return its path. Raises ``UserError`` if that is not possible."""
    page = Page(
        stored.name,
        tables.summary,
        tables.curves,
        stored.claims,
        judged.verdicts,
        withdrawn=judged.withdrawn,
        details={key: value for key, value in stored.definition.items() if key not in ("claims", "description")},
        labels=axis_words(stored),
        meanings=stored.meanings,
        scores=stored.scores,
        pictures=portraits,
        origin=origin(tables.summary, tables.timings),
        description=stored.description,
    )
    try:
        return write_report(page, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def write_index(entries: Sequence[Entry], folder: Path) -> Path:
    """Write the index of the sweeps' pages into ``folder`` and return its path. Raises ``UserError`` as above."""
    try:
        return write_page("Reports", _index(entries), folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def claim_axes(stored: StoredSweep, claim: Claim, verdict: Verdict, width: Width, curves: bool = False) -> "Axes":
    """The axes of a claim's figure for one or two columns of a page; with ``curves``, of the curves of its floors.

    Raises ``UserError`` for another width, and if there are no curves.
    """
    if width not in COLUMNS:
        raise UserError(f"width is {width!r}; it takes {' or '.join(COLUMNS)}.")
    if not curves:
        return claim_panel(claim, verdict, axis_words(stored), COLUMNS[width]).axes
    if claim.floor is None:
        raise UserError(f"curves: the claim {claim.name!r} is not about floors; it has no family of curves.")
    if (panel := family_panel(claim, verdict, axis_words(stored), COLUMNS[width])) is None:
        raise UserError(f"curves: there is nothing to draw yet. {verdict.reason}")
    return panel.axes


def write_figure(axes: "Axes", format: str, path: Path) -> Path:
    """Write a figure to ``path`` and return it. Raises ``UserError`` if that cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save(axes, format))
        return path
    except OSError as error:
        raise _unwritable(path, error) from error


def figure_name(stored: StoredSweep, claim: Claim, width: Width, format: str, curves: bool = False) -> str:
    """The default name of a claim's figure: its number in the report, the claim, the width."""
    number = stored.claims.index(claim) + 1
    return f"{number:02d}-{slug(claim.name)}{'-curves' * curves}-{width}.{format}"


def claim_named(stored: StoredSweep, name: str) -> Claim:
    """The claim of that name, or of that number in the report. Raises ``UserError`` that lists the claims."""
    if not stored.claims:
        raise UserError(f"{stored.name} makes no claims, so there is nothing to plot.")
    for number, claim in enumerate(stored.claims, start=1):
        if name in (claim.name, str(number)):
            return claim
    listed = "; ".join(f"{number}: {claim.name}" for number, claim in enumerate(stored.claims, start=1))
    raise UserError(f"{stored.name} makes no claim {name!r}; name one of its claims or give its number: {listed}.")


def axis_words(stored: StoredSweep) -> dict[str, str]:
    """What axes call the sweep's metrics and parameters, in few enough words."""
    titles = dict(stored.labels)
    for name, description in stored.parameters.items():
        text = _short(description)
        if text and name.removeprefix("env.") not in UNITS:
            titles.setdefault(name, f"{words(name.removeprefix('env.'))} ({text})")
    return titles


def _short(description: str) -> str:
    """The first clause of a description, or nothing where that is too long."""
    text = re.split(r"[;:(]", description)[0].strip()
    text = text if len(text) <= MOST_LETTERS else text.split(", ")[0]
    return text if len(text) <= MOST_LETTERS else ""


def _index(entries: Sequence[Entry]) -> str:
    """The body of the index: one row per sweep with a link to its page and the counts of its verdicts."""
    lines = []
    for sweep, link, description, judged in entries:
        counts = Counter(verdict.verdict for verdict in [*judged.verdicts, *judged.withdrawn])
        counts["changed after the data"] = sum(verdict.standing.changes > 0 for verdict in judged.verdicts)
        chips = " ".join(
            f"<span class='verdict {kind.split()[0]}'>{counts[kind]} {kind}</span>"
            for kind in ("supported", "refuted", "inconclusive", "withdrawn", "changed after the data")
            if counts[kind]
        )
        lines.append(
            f"<tr><td><a href='{escape(link)}'>{escape(sweep)}</a><br><span class='soft'>{escape(description)}</span>"
            f"</td><td>{chips or 'no claims'}</td></tr>"
        )
    if not lines:
        return "<h1>Reports</h1><p>No sweep has been run into this results folder yet.</p>"
    head = "<thead><tr><th>sweep</th><th>claims</th></tr></thead>"
    table = f"<table class='verdicts'>{head}<tbody>{''.join(lines)}</tbody></table>"
    return f"<h1>Reports</h1><p class='soft'>{len(lines)} sweeps.</p><div class='scroll'>{table}</div>"


def _unwritable(place: Path, error: OSError) -> UserError:
    return UserError(f"{place} cannot be written: {error.strerror or error}.")
