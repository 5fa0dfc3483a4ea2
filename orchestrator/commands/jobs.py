"""The commands ``submit``, ``jobs``, ``logs`` and ``cancel``: sweeps as jobs on a cluster (docs/cluster.md)."""

import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

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
from orchestrator.errors import UserError, uncoloured

if TYPE_CHECKING:
    from orchestrator.cluster.job_server import JobServer

app = typer.Typer()

JobAddressOption = Annotated[
    str | None,
    typer.Option(
        "--address", help="Address of the job server; default: RAY_API_SERVER_ADDRESS or http://127.0.0.1:8265."
    ),
]
JobArgument = Annotated[
    str, typer.Argument(metavar="JOB|SWEEP", help="Id of a job, or name of a sweep (its newest job).")
]
FollowOption = Annotated[bool, typer.Option("--follow", help="Keep printing new log lines until the run ends.")]


@app.command()
def submit(
    reference: SweepOrFile,
    results: Annotated[str, typer.Option("--results", help="URI or shared folder that every node can access.")],
    settings: SettingsArgument = None,
    address: JobAddressOption = None,
    follow: FollowOption = False,
    seeds: SeedsOption = None,
    agents_per_actor: PackingOption = None,
    strategy: StrategyOption = None,
    label: LabelOption = None,
    retry_failed: RetryOption = False,
) -> None:
    """Run the missing part of a sweep as a job on a cluster.

    If the sweep is already running there, no second job is started.
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
    """List submitted jobs, newest first."""
    import pandas as pd

    from orchestrator.cluster.job_server import Job
    from orchestrator.commands import printing

    jobs_there = _server(address).jobs()
    printing.frame(pd.DataFrame(jobs_there, columns=list(Job._fields)), format.value)


@app.command()
def logs(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP|CELL|JOB",
            help="Name or id; CELL-SEED selects one replicate.",
            autocompletion=completion.stored,
        ),
    ],
    results: ResultsOption = "results",
    address: JobAddressOption = None,
    follow: FollowOption = False,
) -> None:
    """Print the log of a sweep or cell, or the output of a job.

    Looks for a sweep or cell in the results folder first; the sweep may still be running. If there is none, or if
    --address is given, looks for a job on a cluster, by its id or by the name of a sweep (its newest job).
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
    sys.stdout.write(uncoloured(server.logs(job)))


@app.command()
def cancel(job: JobArgument, address: JobAddressOption = None) -> None:
    """Stop a submitted job; its finished results are kept."""
    server = _server(address)
    name = server.job(job).job
    print(f"Job {name} is being stopped." if server.cancel(name) else f"Job {name} had ended already.")


def _server(address: str | None) -> "JobServer":
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


def _follow(server: "JobServer", name: str) -> NoReturn:
    """Print a job's output until it ends, then exit with its exit code."""
    try:
        raise typer.Exit(server.follow(name, lambda text: print(uncoloured(text), end="", flush=True)))
    except KeyboardInterrupt:
        print(f"\nThe job goes on. orchestrator logs {name} --follow shows it again.", file=sys.stderr)
        raise typer.Exit(0) from None
