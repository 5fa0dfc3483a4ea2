"""The report page of a sweep: verdicts, the figure of each claim, learning curves, costs, versions and run times.

The page is a single HTML file. Figures are inline SVG in the page's colours, light or dark, and contain their numbers
for the tooltips and for the files that can be saved from them.
"""

import base64
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.image import imsave
from numpy.typing import NDArray

from orchestrator.claims.claim import ROUND, Claim, bare
from orchestrator.claims.columns import Setting, column_name, matches
from orchestrator.claims.verdict import Verdict
from orchestrator.report.claim_figure import Panel, claim_panel
from orchestrator.report.curve_figures import COSTS, band_words, cost_panels, curve_panels, curves_of, free_cases
from orchestrator.report.embed import figure_html, palette
from orchestrator.report.family_figure import family_panel
from orchestrator.report.provenance import Origin
from orchestrator.report.style import typeset, words
from orchestrator.report.verdict_table import chip, standing_words, verdict_table
from orchestrator.store.sql import sql_name, sql_text

HERE = Path(__file__).parent
Where = tuple[tuple[str, tuple[Setting, ...]], ...]


@dataclass(frozen=True)
class CurveFigure:
    """One figure of learning curves: a metric, the grid key of its colours, and the cells that are drawn."""

    metric: str
    versus: str | None
    where: Where
    log: bool = True

    @property
    def title(self) -> str:
        """The metric and the selected cells."""
        return words(self.metric) + "".join(
            f", {words(key)} = {' or '.join(map(str, values))}" for key, values in self.where
        )


@dataclass
class Page:
    """The content of a report. ``summary`` and ``curves`` are the sweep's rows of the store's views (see
    ``claims.judge``), ``verdicts`` those of ``claims`` in the same order.

    ``details`` becomes the configuration table; nested mappings get dotted names. ``labels`` maps field names to words
    for the axes, ``meanings`` maps metrics to descriptions. ``scores`` are the metrics that are drawn as interquartile
    means. ``pictures`` (title -> uint8 [h, w, 3]) show the environments. ``withdrawn`` are claims that the sweep had.
    """

    sweep: str
    summary: pd.DataFrame
    curves: pd.DataFrame
    claims: Sequence[Claim]
    verdicts: Sequence[Verdict]
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    meanings: Mapping[str, str] = field(default_factory=dict[str, str])
    scores: Collection[str] = ()
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict[str, NDArray[np.uint8]])
    origin: Origin | None = None
    description: str = ""
    withdrawn: Sequence[Verdict] = ()


def write_report(page: Page, folder: str | Path) -> Path:
    """Write ``index.html`` into ``folder``, which is created; an older page is replaced. Returns its path."""
    cards = [_claim_card(i, page, *pair) for i, pair in enumerate(zip(page.claims, page.verdicts, strict=True), 1)]
    about = f"<p>{escape(page.description)}</p>" if page.description else ""
    table = (
        [verdict_table(page.claims, page.verdicts, page.withdrawn)]
        if cards or page.withdrawn
        else ["<p>This sweep has no claims.</p>"]
    )
    parts = {
        "Verdicts": table,
        "Claims": cards,
        "Learning curves and costs": _curve_cards(page),
        "Environments": [_picture(title, pixels) for title, pixels in page.pictures.items()],
        "Run times": [_table(page.origin.times)] if page.origin else [],
        "Versions": [_settings(page.origin.versions)] if page.origin else [],
        "Configuration": [_settings(page.details)] if page.details else [],
    }
    title = escape(page.sweep).replace("/", "/<wbr>")
    body = [f"<h1>{title}</h1>{about}<p class='soft'>{escape(_counts(page.summary))}</p>"]
    body += [f"<h2>{heading}</h2>" + "\n".join(content) for heading, content in parts.items() if content]
    return write_page(page.sweep, "\n".join(body), folder)


def write_page(title: str, body: str, folder: str | Path) -> Path:
    """Write a whole page with its style and script as ``index.html`` into ``folder``, which is created."""
    css = (HERE / "report.css").read_text(encoding="utf-8") + palette(body)
    script = (HERE / "report.js").read_text(encoding="utf-8")
    html = (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<link rel='icon' href='data:,'><title>{escape(title)}</title><style>{css}</style></head>\n"
        f"<body><main>\n{body}\n</main><div id='tip' role='status' hidden></div>\n"
        f"<script>{script}</script></body></html>\n"
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(html, encoding="utf-8")
    return path


def slug(text: str) -> str:
    """A file name of lower-case words: ``error falls as 1/N`` gives ``error-falls-as-1-n``."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "figure"


def claim_sql(sweep: str, claim: Claim) -> str:
    """The query that gives the data of a claim's figure, and those of its curves if it is about floors."""
    line, order = ("line, ", "line NULLS FIRST, x") if claim.floor else ("", "x")
    return (
        f"SELECT {line}x, y, lo, hi, seeds, used FROM claim_points\n"
        f"WHERE sweep = {sql_text(sweep)} AND claim = {sql_text(claim.name)} ORDER BY {order}"
    )


def curves_sql(sweep: str, wanted: CurveFigure, cases: Sequence[str]) -> str:
    """The query that gives the data of the figures of learning curves and costs."""
    level = f"{sql_name(column_name(wanted.versus))}, " if wanted.versus else ""
    where = [
        f"sweep = {sql_text(sweep)}",
        f'"case" IN ({", ".join(map(sql_text, cases))})',
        "status = 'done'",
        "round > 0",
    ]
    for key, values in wanted.where:
        listed = ", ".join(sql_text(value) if isinstance(value, str) else str(value) for value in values)
        where.append(f"({sql_name(column_name(key))} IN ({listed}) OR {sql_name(column_name(key))} IS NULL)")
    return (
        f'SELECT "case", {level}seed, round, {", ".join(COSTS)}, {sql_name(f"{wanted.metric}_window")} FROM curves\n'
        f'WHERE {" AND ".join(where)}\nORDER BY "case", {level}seed, round'
    )


def select_rows(curves: pd.DataFrame, where: Where) -> pd.DataFrame:
    """Rows with one of the values of each key; rows of cases without the key are kept."""
    for key, values in where:
        if column_name(key) in curves:
            curves = curves[matches(curves[column_name(key)].to_numpy(), values) | curves[column_name(key)].isna()]
    return curves


def curve_figures(claims: Sequence[Claim], curves: pd.DataFrame) -> dict[CurveFigure, tuple[str, ...]]:
    """The figures of learning curves that go with the claims, and the cases in each."""
    figures: dict[CurveFigure, dict[str, None]] = {}
    for claim in claims:
        metric = bare(claim.metric)
        versus = (
            claim.versus if claim.versus and column_name(claim.versus) in curves and claim.versus != ROUND else None
        )
        if f"{metric}_window" not in curves:
            continue
        where = tuple((key, tuple(v) if isinstance(v, list) else (v,)) for key, v in sorted(claim.where.items()))
        straight = claim.versus == ROUND and claim.law == "exponential"
        cases = figures.setdefault(CurveFigure(metric, versus, where, not straight), {})
        other = claim.relative_to.case if claim.relative_to else None
        cases.update(dict.fromkeys(case for case in (claim.case, claim.below, other) if case))
    return {wanted: tuple(cases) for wanted, cases in figures.items()}


def _curve_cards(page: Page) -> list[str]:
    """One card per metric and selection: learning curves and costs. Runs without rounds have none."""
    cards = []
    for i, (wanted, cases) in enumerate(curve_figures(page.claims, page.curves).items(), start=1):
        rows, score = select_rows(page.curves, wanted.where), wanted.metric in page.scores
        curves = curves_of(rows, wanted.metric, cases, wanted.versus, score)
        if not any(len(curve.rows) > 1 for curve in curves):
            continue
        name = f"{slug(page.sweep)}-curves-{i:02d}-{slug(wanted.metric)}"
        panels = curve_panels(curves, wanted.metric, wanted.versus, wanted.log, page.labels)
        panels += cost_panels(curves, wanted.metric, wanted.versus, page.labels)
        meaning = page.meanings.get(wanted.metric)
        notes = [f"{words(wanted.metric)}: {meaning}."] if meaning else []
        notes += [f"{band_words(curves)}.", *free_cases(curves), "The SQL query gives every seed."]
        cards.append(
            f"<section class='card'><h3>{escape(wanted.title)}</h3>"
            f"{_figures(panels, name, f'Learning curves: {wanted.title}')}<p class='soft'>{escape(' '.join(notes))}</p>"
            f"{_sql(curves_sql(page.sweep, wanted, cases))}</section>"
        )
    return cards


def _figures(panels: Sequence[Panel], name: str, alt: str) -> str:
    names = [name] if len(panels) == 1 else [f"{name}-{slug(panel.title or panel.x)}" for panel in panels]
    figures = [
        figure_html(panel, of, f"{alt}; {panel.title or panel.x}") for panel, of in zip(panels, names, strict=True)
    ]
    return f"<div class='panels'>{''.join(figures)}</div>"


def _claim_card(number: int, page: Page, claim: Claim, verdict: Verdict) -> str:
    name = f"{slug(page.sweep)}-claim-{number:02d}-{slug(claim.name)}"
    figure = figure_html(claim_panel(claim, verdict, page.labels), name, f"Figure of the claim: {claim.name}")
    if family := family_panel(claim, verdict, page.labels):
        figure = f"<div>{figure}{figure_html(family, f'{name}-curves', f'Curves of the claim: {claim.name}')}</div>"
    interval = f"<p class='soft'>Interval: {escape(verdict.interval)}.</p>" if verdict.ci_low == verdict.ci_low else ""
    return (
        f"<section class='card claim' id='claim-{number}'><h3>{escape(claim.name)} {chip(verdict)} "
        f"{standing_words(verdict)}</h3>"
        f"<div class='beside'>{figure}<div><p>{escape(typeset(verdict.reason))}</p>{interval}"
        f"{_sql(claim_sql(page.sweep, claim))}</div></div></section>"
    )


def _picture(title: str, pixels: NDArray[np.uint8]) -> str:
    """An environment's picture, embedded as PNG."""
    data = io.BytesIO()
    imsave(data, pixels, format="png")
    source = base64.b64encode(data.getvalue()).decode()
    return (
        f"<section class='card'><h3>{escape(title)}</h3>"
        f"<img alt='{escape(title)}' src='data:image/png;base64,{source}'></section>"
    )


def _sql(query: str) -> str:
    return f"<details><summary>SQL query for the data of this figure</summary><pre>{escape(query)}</pre></details>"


def _counts(summary: pd.DataFrame) -> str:
    """The numbers of cells and replicates, and how the replicates ended."""
    if summary.empty:
        return "No replicates yet."
    ended = summary["status"].value_counts().sort_index()
    cells = summary["cell_id"].nunique()
    return f"{cells} cells, {len(summary)} replicates: " + ", ".join(f"{n} {status}" for status, n in ended.items())


def flat(settings: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Rows of a nested mapping, names joined by dots."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{prefix}{key}.")
        else:
            rows.append(
                (f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
            )
    return rows


def _settings(details: Mapping[str, object]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in flat(details))
    return f"<div class='scroll'><table class='settings'><tbody>{rows}</tbody></table></div>"


def _table(rows: pd.DataFrame) -> str:
    """A frame of texts as an HTML table."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in rows.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>" for row in _tuples(rows)
    )
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _tuples(rows: pd.DataFrame) -> Iterable[tuple[object, ...]]:
    return rows.itertuples(index=False, name=None)
