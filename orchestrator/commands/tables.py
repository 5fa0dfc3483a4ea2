"""The commands ``status``, ``query``, ``claims``, ``fingerprint`` and ``compact``: what a results folder holds."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from orchestrator.commands.options import Format, FormatOption, ResultsOption, StoredSweep, SweepArgument

app = typer.Typer()


@app.command()
def status(
    sweep: SweepArgument = None, results: ResultsOption = "results", format: FormatOption = Format.table
) -> None:
    """Count done, failed and missing replicates, also meanwhile."""
    from orchestrator.commands import printing
    from orchestrator.results import Results

    found = Results(results)
    rows = found.status(sweep)
    printing.frame(rows, format.value)
    printing.under_way(found, rows["sweep"].unique())


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="DuckDB SQL over the views; it can only read.")],
    format: FormatOption = Format.table,
    file: Annotated[str | None, typer.Option("--output", help="Write to this file, not to the terminal.")] = None,
    results: ResultsOption = "results",
) -> None:
    """Read the tables with SQL.

    They are members, runs, metrics, agents, timings, claims, claim_points, summary and curves (docs/tables.md).
    """
    from orchestrator.commands import printing
    from orchestrator.store import Store  # and not all of api, which takes longer to import than most queries do

    with _ended_at_once():
        found = Store.open(results).query(sql)
    printing.table(found, format.value, file)


@app.command()
def claims(
    sweep: SweepArgument = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a claim is refuted.")] = False,
    format: FormatOption = Format.table,
    results: ResultsOption = "results",
) -> None:
    """Judge the claims of a sweep, or of all."""
    from orchestrator.commands import printing
    from orchestrator.results import Results

    found = Results(results)
    if sweep and not found.definition(sweep).claims:
        print(f"{sweep} makes no claims.", file=sys.stderr)
    verdicts = {name: found.judge(name) for name in ([sweep] if sweep else found.readable())}
    printing.verdicts(verdicts, format.value)
    if strict and any(verdict.verdict == "refuted" for of_sweep in verdicts.values() for verdict in of_sweep):
        raise typer.Exit(1)


@app.command()
def fingerprint(sweep: StoredSweep, results: ResultsOption = "results") -> None:
    """SHA-256 over a sweep's numbers.

    It is equal wherever, however often and on however many processes the sweep was run.
    """
    from orchestrator.results import Results

    found = Results(results)
    print(found.fingerprint(sweep))
    status = found.status(sweep)
    if missing := int(status["missing"].sum()):
        print(f"{missing} of {int(status['planned'].sum())} replicates are missing.", file=sys.stderr)


@app.command()
def compact(results: ResultsOption = "results") -> None:
    """Merge the small files of a results folder, one a table."""
    from orchestrator.results import Results

    for name, (before, after) in Results(results).store.compact().items():
        print(f"{name}: {before} -> {after} files")


@contextlib.contextmanager
def _ended_at_once() -> Iterator[None]:
    """Ctrl-C ends the process: DuckDB does not look up from a long query, and a query only reads."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
