"""The commands ``report`` (HTML pages) and ``plot`` (figures for papers)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.options import ResultsOption, StoredSweep
from orchestrator.errors import UserError

app = typer.Typer()


class Drawing(StrEnum):
    """File formats of a figure."""

    pdf = "pdf"
    svg = "svg"
    png = "png"


class Columns(StrEnum):
    """Width of a figure, in columns of a paper."""

    single = "single"
    double = "double"


@app.command()
def report(
    sweep: Annotated[str | None, typer.Argument(metavar="SWEEP", help="A sweep in the results folder.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Write a page for every sweep, and an index.")] = False,
    folder: Annotated[
        str | None, typer.Option("--output", help="Folder; default: RESULTS/reports/SWEEP, with --all RESULTS/reports.")
    ] = None,
    results: ResultsOption = "results",
) -> None:
    """Write a report: verdicts, figures, costs.

    The report is one HTML file that needs no network.
    """
    from orchestrator.results import Results

    if (sweep is None) != everything:
        raise UserError("report takes the name of one sweep, or --all for every sweep in the results folder.")
    tables = Results(results)
    print(tables.report_all(folder) if sweep is None else tables.report(sweep, folder))


@app.command()
def plot(
    sweep: StoredSweep,
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="A claim's name, or its number in the report.")],
    format: Annotated[Drawing, typer.Option("--format", help="File format.")] = Drawing.pdf,
    width: Annotated[
        Columns, typer.Option("--width", help="single: one column (3.5 in); double: two columns (7.2 in).")
    ] = Columns.single,
    curves: Annotated[
        bool, typer.Option("--curves", help="Of a claim about floors: the curves that they are fitted to.")
    ] = False,
    output: Annotated[
        str | None, typer.Option("--output", help="File; default: RESULTS/figures/SWEEP/NUMBER-CLAIM-WIDTH.FORMAT.")
    ] = None,
    results: ResultsOption = "results",
) -> None:
    """Draw one claim's figure for a paper.

    It shows the points with intervals, the fitted law and the expected law.
    """
    from orchestrator.report import write
    from orchestrator.results import Results

    folder = Results(results)
    stored = folder.stored(sweep)
    wanted = write.claim_named(stored, claim)
    axes = folder.plot(sweep, claim, width.value, curves)
    name = write.figure_name(stored, wanted, width.value, format.value, curves)
    path = Path(output) if output else folder.place(f"figures/{sweep}/{name}")
    print(write.write_figure(axes, format.value, path))
