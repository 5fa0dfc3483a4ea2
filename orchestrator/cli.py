"""The command ``orchestrator``: words in, tables out; everything else is in ``orchestrator.api``.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from orchestrator import completion, figurecommands, jobcommands, options, sharecommands, usage
from orchestrator.errors import UserError
from orchestrator.options import (
    AddressOption,
    AlgorithmArgument,
    Backend,
    BackendOption,
    EnvironmentArgument,
    Format,
    FormatOption,
    Kind,
    LabelOption,
    PackingOption,
    ResultsOption,
    RetryOption,
    SeedsOption,
    SettingsArgument,
    StoredSweep,
    StrategyOption,
    SweepArgument,
    SweepOrFile,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Run multi-agent and federated RL experiments, store every number in parquet tables, judge every claim.",
)


#: What a shell makes of Ctrl-C, and typer, too.
INTERRUPTED = 130


@app.command("list")
def list_names(
    kind: Annotated[
        Kind | None, typer.Argument(metavar="KIND", help="algorithms, envs or sweeps; default: all.")
    ] = None,
) -> None:
    """List algorithms, environments and sweeps."""
    from orchestrator import catalogue

    catalogue.show_names(kind.value if kind else None)


@app.command()
def describe(
    name: Annotated[
        str,
        typer.Argument(
            help="An algorithm, an environment, a sweep, or ./file.py:Name.", autocompletion=completion.describable
        ),
    ],
) -> None:
    """Show parameters and metrics of one name; cells of a sweep."""
    from orchestrator import catalogue

    catalogue.show(name)


@app.command()
def run(
    algorithm: AlgorithmArgument,
    environment: EnvironmentArgument,
    settings: SettingsArgument = None,
    agents: Annotated[str, typer.Option("--agents", help="Number of agents N; 2,4,8 spans.")] = "2",
    seeds: SeedsOption = "0..7",
    rounds: Annotated[str, typer.Option("--rounds", help="Communication rounds T.")] = "1000",
    agents_per_actor: PackingOption = "1",
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    strategy: StrategyOption = None,
    label: LabelOption = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the sweep it is; default run/ALGORITHM.")] = None,
    retry_failed: RetryOption = False,
    results: ResultsOption = "results",
    pdb: Annotated[bool, typer.Option("--pdb", help="Stop in the debugger where an agent or algorithm fails.")] = False,
) -> None:
    """Run one algorithm on one environment."""
    from orchestrator import sweepfile

    if pdb:
        backend = Backend.inline
        _debug_failures()
    given = options.settings(settings)
    for key, text, default in (("agents", agents, "2"), ("rounds", rounds, "1000")):
        if key in given and text != default:
            raise UserError(f"{key} is given twice: --{key} {text} and {key}=….")
        given.setdefault(key, options.values(text))
    definition = sweepfile.adhoc(algorithm, environment, given, seeds, name, options.packing(agents_per_actor))
    definition = definition.placed(strategy, options.labels(label))
    _carry_out(definition, results, backend, address, None, retry_failed, quiet=pdb)


@app.command()
def check(
    algorithm: AlgorithmArgument,
    environment: EnvironmentArgument,
    settings: SettingsArgument = None,
    agents: Annotated[int, typer.Option("--agents", help="Number of agents N.")] = 3,
    rounds: Annotated[int, typer.Option("--rounds", help="Communication rounds T; a few are enough.")] = 6,
) -> None:
    """Try whether an algorithm keeps its numbers.

    Seeds 0 and 1: interpreted and compiled, again, in other blocks, leapt, from every snapshot, measured more and
    less often. Nothing is stored. Exits with 1 if something is wrong.
    """
    from orchestrator import contract, output
    from orchestrator.cell import Task
    from orchestrator.config import make_cell

    given = options.single(settings) | {"agents": agents, "rounds": rounds}
    task = Task(make_cell(algorithm, environment, given), (0, 1))
    if not output.findings(contract.examine(task), "The contract is kept.", "Not kept"):
        raise typer.Exit(1)


@app.command()
def sweep(
    reference: SweepOrFile,
    settings: SettingsArgument = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run; run nothing.")] = False,
    seeds: SeedsOption = None,
    agents_per_actor: PackingOption = None,
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    strategy: StrategyOption = None,
    label: LabelOption = None,
    retry_failed: RetryOption = False,
    results: ResultsOption = "results",
) -> None:
    """Run what is missing of a sweep and judge its claims."""
    from orchestrator import sweepfile

    definition = sweepfile.load(reference, options.settings(settings), seeds).placed(strategy, options.labels(label))
    packing = options.packing(agents_per_actor)
    if dry_run:
        from orchestrator import catalogue

        catalogue.show_plan(definition, results, backend.value, packing, retry_failed)
        return
    _carry_out(definition, results, backend, address, packing, retry_failed)


@app.command()
def status(
    sweep: SweepArgument = None, results: ResultsOption = "results", format: FormatOption = Format.table
) -> None:
    """Count done, failed and missing replicates, also meanwhile."""
    from orchestrator import output
    from orchestrator.api import Results

    found = Results(results)
    rows = found.status(sweep)
    output.frame(rows, format.value)
    output.under_way(found, rows["sweep"].unique())


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
    from orchestrator import output
    from orchestrator.store import Store  # and not all of api, which takes longer to import than most queries do

    with _ended_at_once():
        found = Store.open(results).query(sql)
    output.table(found, format.value, file)


@app.command()
def claims(
    sweep: SweepArgument = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a claim is refuted.")] = False,
    format: FormatOption = Format.table,
    results: ResultsOption = "results",
) -> None:
    """Judge the claims of a sweep, or of all."""
    from orchestrator import output
    from orchestrator.api import Results

    found = Results(results)
    if sweep and not found.definition(sweep).claims:
        print(f"{sweep} makes no claims.", file=sys.stderr)
    verdicts = {name: found.judge(name) for name in ([sweep] if sweep else found.readable())}
    output.verdicts(verdicts, format.value)
    if strict and any(verdict.verdict == "refuted" for of_sweep in verdicts.values() for verdict in of_sweep):
        raise typer.Exit(1)


@app.command()
def fingerprint(sweep: StoredSweep, results: ResultsOption = "results") -> None:
    """SHA-256 over a sweep's numbers.

    It is equal wherever, however often and on however many processes the sweep was run.
    """
    from orchestrator.api import Results

    found = Results(results)
    print(found.fingerprint(sweep))
    status = found.status(sweep)
    if missing := int(status["missing"].sum()):
        print(f"{missing} of {int(status['planned'].sum())} replicates are missing.", file=sys.stderr)


@app.command()
def compact(results: ResultsOption = "results") -> None:
    """Merge the small files of a results folder, one a table."""
    from orchestrator.api import Results

    for name, (before, after) in Results(results).store.compact().items():
        print(f"{name}: {before} -> {after} files")


app.add_typer(figurecommands.app)
app.add_typer(sharecommands.app)
app.add_typer(jobcommands.app)


def main() -> None:
    """Entry point: a user's mistake becomes a sentence on stderr and exit code 2."""
    _open_streams()
    try:
        code = app(prog_name="orchestrator", standalone_mode=False) or 0
    except UserError as error:
        code = _told(str(error), 2)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - or Python complains once more at its end
        code = 0
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own usage errors have it
            raise
        code = _told(usage.sentence(error), getattr(error, "exit_code", 2))
    sys.exit(code)


@contextlib.contextmanager
def _ended_at_once() -> Iterator[None]:
    """Ctrl-C ends the process: DuckDB does not look up from a long query, and a query only reads."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _open_streams() -> None:
    """Where a stream is closed what is said to it is lost; letters that a terminal does not have are told by number."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - it stays open to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _told(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code


def _carry_out(
    definition: Any,
    results: str,
    backend: Backend,
    address: str | None,
    packing: Any,
    retry_failed: bool,
    quiet: bool = False,
) -> None:
    from orchestrator import output
    from orchestrator.api import carry_out

    try:
        found = carry_out(
            definition,
            results,
            backend=backend.value,
            address=address,
            per_actor=packing,
            retry_failed=retry_failed,
            announce=output.announce,
            quiet=quiet,
            logged=not quiet,
        )
    except KeyboardInterrupt:
        output.stopped(definition, results, sys.argv[1:])
        raise typer.Exit(INTERRUPTED) from None
    failed = output.outcome(found, definition)
    if failed:
        raise typer.Exit(1)


def _debug_failures() -> None:
    import pdb

    from orchestrator.fleet import Failure

    def stop(error: BaseException) -> None:
        pdb.post_mortem(error.__traceback__)
        raise KeyboardInterrupt  # the first failure is enough: the other seeds would stop here, too

    Failure.inspect = staticmethod(stop)
