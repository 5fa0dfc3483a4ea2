"""The commands ``status``, ``query``, ``claims``, ``fingerprint``, ``compact`` and ``verify``: what a folder holds."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from orchestrator.commands.options import Format, FormatOption, RawOption, ResultsOption, StoredSweep, SweepArgument
from orchestrator.errors import UserError, plain

app = typer.Typer()

STRICT = "Exit with 1 if a claim is refuted, or was changed or withdrawn after the data."


@app.command()
def status(
    sweep: SweepArgument = None,
    results: ResultsOption = "results",
    format: FormatOption = Format.table,
    raw: RawOption = False,
) -> None:
    """Count finished, failed and missing replicates.

    Also works while a sweep runs.
    """
    from orchestrator.commands import printing
    from orchestrator.results import Results

    folder = Results(results)
    rows = folder.status_rows(sweep)
    printing.rows(
        ("sweep", "case", "seeds", "planned", "done", "diverged", "failed", "missing"), rows, format.value, raw
    )
    printing.running_sweeps(folder, {row["sweep"]: None for row in rows})


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="DuckDB SQL over the views. It can only read.")],
    format: FormatOption = Format.table,
    file: Annotated[str | None, typer.Option("--output", help="Write to this file instead of the terminal.")] = None,
    raw: RawOption = False,
    results: ResultsOption = "results",
) -> None:
    """Read the tables with SQL.

    The tables are members, runs, metrics, agents, timings, claims, verdicts, registrations, claim_points, summary and
    curves (docs/tables.md).
    """
    from orchestrator.commands import printing
    from orchestrator.store import Store

    with _interruptible():
        rows = Store.open(results).query(sql)
    printing.table(rows, format.value, file, raw)


@app.command()
def claims(
    sweep: SweepArgument = None,
    strict: Annotated[bool, typer.Option("--strict", help=STRICT)] = False,
    format: FormatOption = Format.table,
    raw: RawOption = False,
    results: ResultsOption = "results",
) -> None:
    """Judge the claims of one sweep, or of all.

    Each verdict says whether the claim was registered before the data, or how often it was changed after them.
    """
    from orchestrator.commands import printing
    from orchestrator.results import Results

    folder = Results(results)
    if sweep and not folder.stored(sweep).claims:
        print(f"{sweep} makes no claims.", file=sys.stderr)
    judged = {name: [*own.verdicts, *own.withdrawn] for name, own in folder.judged(sweep).items()}
    printing.verdicts(judged, format.value, raw)
    told = [verdict for of_sweep in judged.values() for verdict in of_sweep]
    if strict and any(verdict.verdict == "refuted" or verdict.standing.altered for verdict in told):
        raise typer.Exit(1)


@app.command()
def fingerprint(sweep: StoredSweep, results: ResultsOption = "results") -> None:
    """Print the SHA-256 of a sweep's numbers.

    It does not depend on where the sweep was run, how often, or in how many processes.
    """
    from orchestrator.results import Results

    folder = Results(results)
    print(folder.fingerprint(sweep))
    rows = folder.status_rows(sweep)
    if missing := sum(row["missing"] for row in rows):
        print(f"{missing} of {sum(row['planned'] for row in rows)} replicates are missing.", file=sys.stderr)


@app.command()
def compact(results: ResultsOption = "results") -> None:
    """Merge the small files of a results folder into one per table."""
    from orchestrator.store import Store

    for name, (before, after) in Store.open(results).compact().items():
        print(f"{name}: {before} -> {after} files")


@app.command()
def verify(
    folder: Annotated[str | None, typer.Argument(metavar="RESULTS", help="As --results.")] = None,
    results: ResultsOption = "results",
) -> None:
    """Check every file of a results folder for damage.

    Reads all tables, checkpoints and definitions of sweeps, and compares them with the digests that were written with
    them. Prints a line for each damaged file. Exits with 1 if there is one.
    """
    from orchestrator.planning.stored import damaged_definitions
    from orchestrator.store import Store

    store = Store.open(folder or results)
    verified = store.verify()
    with contextlib.suppress(UserError):  # a damaged table is named already
        sweeps = store.query("SELECT DISTINCT sweep FROM members ORDER BY sweep")["sweep"].to_pylist()
        count, damaged = damaged_definitions(store.folder, sweeps)
        verified = verified._replace(files=verified.files + count, damaged=verified.damaged + damaged)
    for sentence in verified.damaged:
        print(plain(sentence))
    older = (
        f" {verified.undigested} are of an older version and have no digest: only parquet's own checksums were read."
    )
    print(
        f"{verified.files} files read, {len(verified.damaged) or 'none'} damaged."
        + (older if verified.undigested else ""),
        file=sys.stderr,
    )
    if verified.damaged:
        raise typer.Exit(1)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process. DuckDB does not call Python's signal handler during a query, which only reads."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
