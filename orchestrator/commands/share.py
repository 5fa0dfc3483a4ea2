"""The commands ``export`` (tables for other programs) and ``doctor`` (check this machine)."""

import os
from enum import StrEnum
from typing import Annotated

import typer

from orchestrator.commands.options import RawOption, ResultsOption, StoredSweep

app = typer.Typer()

#: With more files than this, only their number and common folder are printed.
MOST_PATHS = 10


class Kind(StrEnum):
    """What ``export`` writes."""

    csv = "csv"
    json = "json"
    parquet = "parquet"
    tensorboard = "tensorboard"


@app.command()
def export(
    sweep: StoredSweep,
    format: Annotated[
        Kind, typer.Option("--format", help="One file per table, or TensorBoard event files.")
    ] = Kind.csv,
    table: Annotated[
        list[str] | None, typer.Option("--table", metavar="TABLE", help="Write only this table; repeatable.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--output", help="New or empty folder; default: RESULTS/exports/SWEEP-FORMAT.")
    ] = None,
    raw: RawOption = False,
    results: ResultsOption = "results",
) -> None:
    """Write a sweep's tables for other programs.

    Tables: tidy (long form for seaborn: one row per replicate, record and metric), summary, curves, agents, timings,
    claims, claim_points.
    """
    from orchestrator.commands.exporting import export

    written = export(results, sweep, format.value, table or None, folder, raw)
    if len(written) > MOST_PATHS:
        print(f"{len(written)} runs in {os.path.commonpath(written)}")
    else:
        print("\n".join(map(str, written)))


@app.command()
def doctor(results: ResultsOption = "results") -> None:
    """Check this machine, its libraries and the results folder.

    Checks Python, libraries, Ray (a short start), memory, cores, threads, CPU and the results folder, and explains
    each finding. Exits with 1 if something is wrong.
    """
    from orchestrator.checks.doctor import examine
    from orchestrator.commands import printing

    if not printing.findings(examine(results), "All is well.", "Not well"):
        raise typer.Exit(1)
