"""The commands ``submit``, ``jobs``, ``logs`` and ``cancel``: sweeps as jobs of a cluster (docs/cluster.md)."""

import sys
from typing import Annotated, Any, NoReturn

import typer

from orchestrator.commands import completion, options
from orchestrator.commands.options import (
    Format,
    FormatOption,
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

app = typer.Typer()

JobAddressOption = Annotated[
    str | None, typer.Option("--address", help="Job server; default: RAY_API_SERVER_ADDRESS or http://127.0.0.1:8265.")
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB|SWEEP", help="A job's id, or a sweep for its newest job.")]
FollowOption = Annotated[bool, typer.Option("--follow", help="Show what is told until it ends.")]


@app.command()
def submit(
    reference: SweepOrFile,
    results: Annotated[str, typer.Option("--results", help="URI or shared folder that every node reaches.")],
    settings: SettingsArgument = None,
    address: JobAddressOption = None,
    follow: FollowOption = False,
    seeds: SeedsOption = None,
    agents_per_actor: PackingOption = None,
    strategy: StrategyOption = None,
    label: LabelOption = None,
    retry_failed: RetryOption = False,
) -> None:
    """Run what is missing of a sweep as a job of a cluster.

    A sweep that is running there already is joined.
    """
    from orchestrator.planning import sweeps

    definition = sweeps.load(reference, options.settings(settings), seeds).placed(strategy, options.labels(label))
    server = _server(address)
    job, joined = server.submit(definition, results, options.packing(agents_per_actor), retry_failed)
    print(
        f"{job.sweep} is running already as job {job.job}, with the settings it was started with."
        if joined
        else f"Submitted as job {job.job}."
    )
    if follow:
        _follow(server, job.job)


@app.command()
def jobs(address: JobAddressOption = None, format: FormatOption = Format.table) -> None:
    """List the sweeps submitted to a cluster, newest first."""
    import pandas as pd

    from orchestrator.cluster.job_server import Job
    from orchestrator.commands import printing

    found = _server(address).jobs()
    printing.frame(pd.DataFrame(found, columns=list(Job._fields)), format.value)


@app.command()
def logs(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP|CELL|JOB", help="Name or id; CELL-SEED is one replicate.", autocompletion=completion.stored
        ),
    ],
    results: ResultsOption = "results",
    address: JobAddressOption = None,
    follow: FollowOption = False,
) -> None:
    """Show the log of a sweep or a cell, or what a job printed.

    A sweep or cell is looked for in the results folder, also while it runs. What is not there, and everything with
    --address, is a job of a cluster: its id, or its sweep for the newest job.
    """
    from orchestrator.commands import events

    if address is None and events.known(results, name):
        _local(results, name, follow)
        return
    try:
        server = _server(address)
    except UserError:
        if address is None:
            raise events.unknown(results, name) from None
        raise
    job = server.job(name).job
    if follow:
        _follow(server, job)
    sys.stdout.write(server.logs(job))


@app.command()
def cancel(job: JobArgument, address: JobAddressOption = None) -> None:
    """Stop a submitted job. What it has finished stays stored."""
    server = _server(address)
    name = server.job(job).job
    print(f"Job {name} is being stopped." if server.cancel(name) else f"Job {name} had ended already.")


def _server(address: str | None) -> Any:
    from orchestrator.cluster.job_server import JobServer, default_address

    return JobServer(address or default_address())


def _local(results: str, name: str, follow: bool) -> None:
    from orchestrator.commands import events

    if not follow or events.match(name)[0]:
        sys.stdout.write(events.log_text(results, name))
        return
    try:
        events.follow(results, name, lambda text: print(text, end="", flush=True))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _follow(server: Any, name: str) -> NoReturn:
    """Show a job's output until it ends, and end with its exit code."""
    try:
        raise typer.Exit(server.follow(name, lambda text: print(text, end="", flush=True)))
    except KeyboardInterrupt:
        print(f"\nThe job goes on. orchestrator logs {name} --follow shows it again.", file=sys.stderr)
        raise typer.Exit(0) from None
