"""From a results folder to its pages and figures: what ``Results.report`` and ``Results.plot`` put together."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.claims.claim import Claim
from orchestrator.claims.judge import judge
from orchestrator.claims.verdict import Verdict
from orchestrator.errors import UserError
from orchestrator.planning.sweeps import Sweep
from orchestrator.plugins import registry
from orchestrator.report.claim_figure import claim_panel
from orchestrator.report.page import Page, slug, write_page, write_report
from orchestrator.report.provenance import origin
from orchestrator.report.style import COLUMNS, UNITS, Width, save, words

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from orchestrator.results import Results

#: Longer descriptions of a parameter are no words for an axis.
MOST_LETTERS = 44


def report(results: "Results", sweep: str, folder: Path) -> tuple[Path, Sequence[Verdict]]:
    """Judge a sweep and write its page into ``folder``. Returns the page's path and the verdicts."""
    definition = results.definition(sweep)
    summary, curves, verdicts = results.judged(definition)
    name = sweep.replace("'", "''")
    timings = results.sql(
        f"SELECT * FROM timings WHERE cell_id IN (SELECT cell_id FROM members WHERE sweep = '{name}')"
    )
    page = Page(
        sweep,
        summary,
        curves,
        definition.judged,
        verdicts,
        details=definition.model_dump(exclude={"claims", "description"}),
        labels=axis_words(definition),
        meanings=_meanings(definition),
        scores=_scores(definition),
        pictures=_portraits(definition),
        origin=origin(summary, timings),
        description=definition.description,
    )
    return _written(lambda: write_report(page, folder), folder), verdicts


def report_all(results: "Results", folder: Path) -> Path:
    """The page of every sweep that can be read here, each in its folder, and an index over them."""
    rows = []
    for sweep in results.readable():
        page, verdicts = report(results, sweep, folder / sweep)
        rows.append((sweep, page.relative_to(folder).as_posix(), results.definition(sweep).description, verdicts))
    return _written(lambda: write_page("Reports", _index(rows), folder), folder)


def plot(results: "Results", sweep: str, claim: str, width: Width) -> "Axes":
    """The axes of a claim's figure, made for one or two columns of a page. Raises ``UserError`` for unknown names."""
    if width not in COLUMNS:
        raise UserError(f"width is {width!r}; it takes {' or '.join(COLUMNS)}.")
    definition = results.definition(sweep)
    wanted = claim_named(definition, claim)
    verdict = judge(wanted, results.planned(definition), results.curves(sweep), definition.varied, definition.command)
    return claim_panel(wanted, verdict, axis_words(definition), COLUMNS[width]).axes


def write_plot(results: "Results", sweep: str, claim: str, format: str, width: Width, output: str | None) -> Path:
    """Write a claim's figure to ``output``, by default into the results folder's ``figures``. Returns its path."""
    axes = plot(results, sweep, claim, width)
    definition = results.definition(sweep)
    wanted = claim_named(definition, claim)
    number = definition.judged.index(wanted) + 1
    name = f"{number:02d}-{slug(wanted.name)}"
    path = Path(output) if output else results.local / "figures" / sweep / f"{name}-{width}.{format}"

    def write() -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save(axes, format))
        return path

    return _written(write, path)


def claim_named(definition: Sweep, name: str) -> Claim:
    """The claim of that name, or of that number in the report. Raises ``UserError`` that lists the claims."""
    claims = definition.judged
    if not claims:
        raise UserError(f"{definition.name} makes no claims, so there is nothing to plot.")
    for number, claim in enumerate(claims, start=1):
        if name in (claim.name, str(number)):
            return claim
    listed = "; ".join(f"{number}: {claim.name}" for number, claim in enumerate(claims, start=1))
    raise UserError(f"{definition.name} makes no claim {name!r}; name one of its claims or give its number: {listed}.")


def axis_words(definition: Sweep) -> dict[str, str]:
    """What axes call the metrics and parameters of the sweep's algorithms and environments, in few enough words."""
    found: dict[str, str] = {}
    for _, cell in definition.cells:
        algorithm, environment = registry.algorithm(cell.algorithm), cell.problem
        found |= algorithm.labels
        for model, prefix in ((algorithm.Parameters, ""), (environment.Parameters, "env.")):
            for name, parameter in model.model_fields.items():
                text = _short(parameter.description or "")
                if text and name not in UNITS:
                    found.setdefault(prefix + name, f"{words(name)} ({text})")
    return found


def _short(description: str) -> str:
    """The first clause of a description, or nothing where that is too long."""
    text = re.split(r"[;:(]", description)[0].strip()
    text = text if len(text) <= MOST_LETTERS else text.split(", ")[0]
    return text if len(text) <= MOST_LETTERS else ""


def _meanings(definition: Sweep) -> dict[str, str]:
    """Metric -> what it is, as the algorithms say."""
    found: dict[str, str] = {}
    for _, cell in definition.cells:
        for name, text in registry.algorithm(cell.algorithm).metrics.items():
            found.setdefault(name, text)
    return found


def _scores(definition: Sweep) -> set[str]:
    """Metrics that are returns of episodes, whose runs are far from normally distributed."""
    return {name for name in _meanings(definition) if name == "return" or name.startswith("return_")}


def _portraits(definition: Sweep) -> "dict[str, np.ndarray]":
    """A picture, uint8 [height, width, 3], of each environment of the sweep that can draw itself."""
    found = {}
    for _, cell in definition.cells:
        environment = cell.problem
        name = f"{environment.name}, {cell.agents} agents"
        if name not in found and hasattr(environment, "portrait"):
            found[name] = environment(cell.environment_model, cell.agents, 0).portrait()
    return found


def _index(rows: Sequence[tuple[str, str, str, Sequence[Verdict]]]) -> str:
    """The body of the index: a row a sweep with a link to its page and how its claims stand."""
    lines = []
    for sweep, link, description, verdicts in rows:
        counts = Counter(verdict.verdict for verdict in verdicts)
        chips = " ".join(
            f"<span class='verdict {kind}'>{counts[kind]} {kind}</span>"
            for kind in ("supported", "refuted", "inconclusive")
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


def _written(write: Callable[[], Path], place: Path) -> Path:
    try:
        return write()
    except OSError as error:
        raise UserError(f"{place} cannot be written: {error.strerror or error}.") from error
