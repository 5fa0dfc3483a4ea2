"""Options and arguments that several commands share, and how their text is read."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from orchestrator.commands import completion
from orchestrator.errors import UserError


class Backend(StrEnum):
    """Where agents run."""

    ray = "ray"
    inline = "inline"


class Strategy(StrEnum):
    """How a cell's actors are placed on a cluster."""

    pack = "pack"
    spread = "spread"


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


class Kind(StrEnum):
    """What ``list`` lists."""

    algorithms = "algorithms"
    envs = "envs"
    sweeps = "sweeps"


ResultsOption = Annotated[str, typer.Option("--results", help="Folder or URI that holds the results.")]
SettingsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="alpha=0.1 sets a value, agents=2,4,8 spans a grid; env.states=50 is for the environment.",
    ),
]
SeedsOption = Annotated[str | None, typer.Option("--seeds", help="Seeds, such as 0..7 or 0,2,5.")]
PackingOption = Annotated[
    str | None,
    typer.Option("--agents-per-actor", help="Number of agents in one Ray actor, or auto for no actors."),
]
BackendOption = Annotated[
    Backend, typer.Option("--backend", help="ray: agents in Ray actors; inline: everything in this process.")
]
AddressOption = Annotated[str | None, typer.Option("--address", help="Ray cluster to use; default: start a local Ray.")]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Run failed replicates again.")]
StrategyOption = Annotated[
    Strategy | None,
    typer.Option("--strategy", help="pack: a cell's actors on one node; spread: on all nodes of the cluster."),
]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Use only nodes with this label; repeatable.")
]
AlgorithmArgument = Annotated[
    str,
    typer.Argument(
        metavar="ALGORITHM", help="Registered name, or ./file.py:Name.", autocompletion=completion.algorithms
    ),
]
EnvironmentArgument = Annotated[
    str,
    typer.Argument(metavar="ENV", help="Registered name, or ./file.py:Name.", autocompletion=completion.environments),
]
FormatOption = Annotated[Format, typer.Option("--format", help="Output format.")]
SweepArgument = Annotated[
    str | None,
    typer.Argument(metavar="SWEEP", help="Name of a sweep; default: all sweeps.", autocompletion=completion.stored),
]
StoredSweep = Annotated[
    str,
    typer.Argument(metavar="SWEEP", help="A sweep in the results folder.", autocompletion=completion.stored),
]
SweepOrFile = Annotated[
    str,
    typer.Argument(
        metavar="SWEEP|FILE", help="Name of a shipped sweep, or a YAML file.", autocompletion=completion.sweeps
    ),
]


def settings(given: list[str] | None) -> dict[str, list[Any]]:
    """KEY=VALUE arguments as key -> list of values. Raises ``UserError`` for malformed or repeated ones."""
    found = {}
    for setting in given or []:
        key, equals, text = setting.partition("=")
        if not equals or not key or not text:
            raise UserError(f"{setting!r} is not a setting: write KEY=VALUE, or KEY=V1,V2,… to span values.")
        if key in found:
            raise UserError(f"{key} is given twice; to span values write {key}=V1,V2,…")
        found[key] = values(text)
    return found


def single(given: list[str] | None) -> dict[str, Any]:
    """KEY=VALUE arguments as key -> value. Raises ``UserError`` if a key has several values."""
    found = settings(given)
    if several := [key for key, held in found.items() if len(held) > 1]:
        raise UserError(f"{several[0]} is given several values; it takes one here.")
    return {key: value for key, (value,) in found.items()}


def values(text: str) -> list[Any]:
    """The values in a text V1,V2,…"""
    from orchestrator.planning.plain_yaml import parse_value

    return [parse_value(part) for part in text.split(",")]


def labels(given: list[str] | None) -> dict[str, str] | None:
    """KEY=VALUE arguments as node labels; None without any. Raises ``UserError`` for a malformed one."""
    if wrong := [label for label in given or [] if not label.partition("=")[2]]:
        raise UserError(f"label is {wrong[0]!r}; it takes KEY=VALUE.")
    return dict(label.split("=", 1) for label in given) if given else None


def packing(text: str | None) -> Any:
    """The value of --agents-per-actor; None if not given. Raises ``UserError`` for a value that is not allowed."""
    from orchestrator.planning.sweeps import check_agents_per_actor

    return None if text is None else check_agents_per_actor(text)
