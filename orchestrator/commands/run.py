"""The commands ``run``, ``sweep`` and ``check``."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

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

app = typer.Typer()


#: What a shell makes of Ctrl-C, and typer, too.
INTERRUPTED = 130


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
    from orchestrator.planning import sweeps

    if pdb:
        backend = Backend.inline
    given = options.settings(settings)
    for key, text, default in (("agents", agents, "2"), ("rounds", rounds, "1000")):
        if key in given and text != default:
            raise UserError(f"{key} is given twice: --{key} {text} and {key}=….")
        given.setdefault(key, options.values(text))
    definition = sweeps.adhoc(algorithm, environment, given, seeds, name, options.packing(agents_per_actor))
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
    """Try whether an algorithm keeps its numbers.

    Seeds 0 and 1: interpreted and compiled, again, in other blocks, leapt, from every snapshot, measured more and
    less often. Nothing is stored. Exits with 1 if something is wrong.
    """
    from orchestrator.checks import contract
    from orchestrator.commands import printing
    from orchestrator.planning.cells import make_cell
    from orchestrator.planning.tasks import Task

    given = options.single(settings) | {"agents": agents, "rounds": rounds}
    task = Task(make_cell(algorithm, environment, given), (0, 1))
    if not printing.findings(contract.examine(task), "The contract is kept.", "Not kept"):
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
    from orchestrator.planning import sweeps

    definition = sweeps.load(reference, options.settings(settings), seeds).placed(strategy, options.labels(label))
    packing = options.packing(agents_per_actor)
    if dry_run:
        from orchestrator.commands import catalogue

        catalogue.show_plan(definition, results, backend.value, packing, retry_failed)
        return
    _carry_out(definition, results, backend, address, packing, retry_failed)


def _carry_out(
    definition: Any,
    results: str,
    backend: Backend,
    address: str | None,
    packing: Any,
    retry_failed: bool,
    debug: bool = False,
) -> None:
    from orchestrator.api import carry_out
    from orchestrator.commands import printing

    try:
        found = carry_out(
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
    failed = printing.outcome(found, definition)
    if failed:
        raise typer.Exit(1)


def _debugger(failure: "Failure") -> None:
    """Open the debugger where the first failure was raised; the other seeds would stop at the same place."""
    import pdb

    if failure.cause is not None:
        pdb.post_mortem(failure.cause.__traceback__)
    raise KeyboardInterrupt
