"""The commands ``run``, ``sweep`` and ``check``."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands import options
from orchestrator.commands.options import (
    AddressOption,
    AlgorithmArgument,
    Backend,
    BackendOption,
    EnvironmentArgument,
    LabelOption,
    PackingOption,
    ResultsOption,
    RetryOption,
    SeedsOption,
    SettingsArgument,
    StrategyOption,
    SweepOrFile,
)
from orchestrator.errors import UserError

if TYPE_CHECKING:
    from orchestrator.fleet.base import Failure
    from orchestrator.planning.sweep import Sweep
    from orchestrator.planning.sweeps import Packing

app = typer.Typer()


#: Exit code after Ctrl-C, as shells and typer have it.
INTERRUPTED = 130


@app.command()
def run(
    algorithm: AlgorithmArgument,
    environment: EnvironmentArgument,
    settings: SettingsArgument = None,
    agents: Annotated[str, typer.Option("--agents", help="Number of agents N; 2,4,8 runs each.")] = "2",
    seeds: SeedsOption = "0..7",
    rounds: Annotated[str, typer.Option("--rounds", help="Communication rounds T.")] = "1000",
    record_every: Annotated[
        int | None, typer.Option("--record-every", help="Rounds between measurements (default: rounds / 1000).")
    ] = None,
    agents_per_actor: PackingOption = "1",
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    strategy: StrategyOption = None,
    label: LabelOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name under which the run is stored (default: run/ALGORITHM).")
    ] = None,
    retry_failed: RetryOption = False,
    results: ResultsOption = "results",
    pdb: Annotated[bool, typer.Option("--pdb", help="Stop in the debugger where an agent or algorithm fails.")] = False,
) -> None:
    """Run one algorithm on one environment."""
    from orchestrator.planning import sweeps

    if pdb:
        backend = Backend.inline
    spans = options.settings(settings)
    for key, text, default in (("agents", agents, "2"), ("rounds", rounds, "1000")):
        if key in spans and text != default:
            raise UserError(f"{key} is given twice: --{key} {text} and {key}=….")
        spans.setdefault(key, options.values(text))
    record = None if record_every is None else {"every": record_every}
    packing = sweeps.read_packing(agents_per_actor)
    definition = sweeps.adhoc(algorithm, environment, spans, seeds, name, packing, record)
    definition = definition.placed(strategy, options.labels(label))
    _carry_out(definition, results, backend, address, None, retry_failed, debug=pdb)


@app.command()
def check(
    algorithm: AlgorithmArgument,
    environment: EnvironmentArgument,
    settings: SettingsArgument = None,
    agents: Annotated[int, typer.Option("--agents", help="Number of agents N.")] = 3,
    rounds: Annotated[int, typer.Option("--rounds", help="Communication rounds T; a few are enough.")] = 6,
) -> None:
    """Check that an algorithm is reproducible.

    Runs seeds 0 and 1 in several ways: compiled and not compiled, twice, with other block sizes, with fused rounds,
    resumed from every snapshot, and measured at other intervals. Compares all numbers and stores nothing. Exits with 1
    if a number differs.
    """
    from orchestrator.checks import contract
    from orchestrator.commands import printing
    from orchestrator.planning.cells import make_cell
    from orchestrator.planning.tasks import Task

    values = options.single(settings)
    for key in ("agents", "rounds"):
        if key in values:
            raise UserError(f"{key} is no setting here: write --{key} {values[key]} instead of {key}={values[key]}.")
    values |= {"agents": agents, "rounds": rounds}
    task = Task(make_cell(algorithm, environment, values), (0, 1))
    _ = task.outlook  # refuses what cannot be built
    if not printing.findings(contract.examine(task), "The algorithm is reproducible.", "Wrong", "note wrong"):
        raise typer.Exit(1)


@app.command()
def sweep(
    reference: SweepOrFile,
    settings: SettingsArgument = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would run, and run nothing.")] = False,
    seeds: SeedsOption = None,
    agents_per_actor: PackingOption = None,
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    strategy: StrategyOption = None,
    label: LabelOption = None,
    retry_failed: RetryOption = False,
    results: ResultsOption = "results",
) -> None:
    """Run the missing part of a sweep and judge its claims."""
    from orchestrator.commands import printing
    from orchestrator.planning import sweeps

    definition = sweeps.read(reference, options.settings(settings), seeds).placed(strategy, options.labels(label))
    packing = options.packing(agents_per_actor)
    if own := definition.own_files:
        printing.own_files(own, imported=not dry_run)
        if dry_run:
            return
    definition.check()
    if dry_run:
        from orchestrator.api import begun
        from orchestrator.planning.plan import plan
        from orchestrator.store.store import existing

        store = existing(results)
        printing.plan_table(plan(begun(definition, store), store, backend.value, packing, retry_failed))
        return
    _carry_out(definition, results, backend, address, packing, retry_failed)


def _carry_out(
    definition: "Sweep",
    results: str,
    backend: Backend,
    address: str | None,
    packing: "Packing | None",
    retry_failed: bool,
    debug: bool = False,
) -> None:
    """Run, judge and print. Exits with 1 if a replicate failed."""
    from orchestrator.api import carry_out
    from orchestrator.cluster.connection import terminated_as_interrupted
    from orchestrator.commands import printing

    try:
        with terminated_as_interrupted():
            folder = carry_out(
                definition,
                results,
                backend=backend.value,
                address=address,
                per_actor=packing,
                retry_failed=retry_failed,
                announce=printing.announce,
                quiet=debug,
                logged=not debug,
                on_failure=_debugger if debug else None,
            )
    except KeyboardInterrupt:
        printing.stopped(definition, results, sys.argv[1:])
        raise typer.Exit(INTERRUPTED) from None
    if printing.outcome(folder, definition.name):
        raise typer.Exit(1)


def _debugger(failure: "Failure") -> None:
    """Open the debugger where the first failure was raised; the other seeds would stop at the same place."""
    import pdb

    if failure.cause is not None:
        pdb.post_mortem(failure.cause.__traceback__)
    raise KeyboardInterrupt
