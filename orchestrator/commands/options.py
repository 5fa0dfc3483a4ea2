"""Options and arguments that several commands share, and how their text is read."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands import completion
from orchestrator.errors import UserError

if TYPE_CHECKING:
    from orchestrator.planning.sweeps import Packing


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
        metavar="KEY=VALUE", help="Such as alpha=0.1, env.states=50, hidden=[64,64], or agents=2,4,8 (several values)."
    ),
]
SeedsOption = Annotated[str | None, typer.Option("--seeds", help="Seeds, such as 0..7 or 0,2,5.")]
PackingOption = Annotated[
    str | None,
    typer.Option("--agents-per-actor", help="Agents per Ray actor: a number, or auto for no actors."),
]
BackendOption = Annotated[Backend, typer.Option("--backend", help="Ray actors, or all in this process.")]
AddressOption = Annotated[str | None, typer.Option("--address", help="Ray cluster to use (default: a local one).")]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Run failed replicates again.")]
StrategyOption = Annotated[
    Strategy | None,
    typer.Option("--strategy", help="Actors on one node (pack) or on all nodes (spread)."),
]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Use only nodes with this label. Repeatable.")
]
AlgorithmArgument = Annotated[
    str,
    typer.Argument(
        metavar="ALGORITHM", help="A registered name, or ./file.py:Name.", autocompletion=completion.algorithms
    ),
]
EnvironmentArgument = Annotated[
    str,
    typer.Argument(metavar="ENV", help="A registered name, or ./file.py:Name.", autocompletion=completion.environments),
]
FormatOption = Annotated[Format, typer.Option("--format", help="Output format.")]
RawOption = Annotated[
    bool, typer.Option("--raw", help="CSV: leave texts that spreadsheets take for formulas, and control characters.")
]
SweepArgument = Annotated[
    str | None, typer.Argument(metavar="SWEEP", help="One sweep (default: all).", autocompletion=completion.stored)
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


def settings(given: list[str] | None) -> "dict[str, list[object]]":
    """KEY=VALUE arguments as key -> list of values. Raises ``UserError`` for malformed or repeated ones."""
    spans: dict[str, list[object]] = {}
    for setting in given or []:
        key, equals, text = setting.partition("=")
        if not equals or not key or not text:
            raise UserError(f"{setting!r} is not a setting: write KEY=VALUE, or KEY=V1,V2,… to span values.")
        if key in spans:
            raise UserError(f"{key} is given twice; to span values write {key}=V1,V2,…")
        spans[key] = values(text)
    return spans


def single(given: list[str] | None) -> "dict[str, object]":
    """KEY=VALUE arguments as key -> value. Raises ``UserError`` if a key has several values."""
    spans = settings(given)
    if several := [key for key, held in spans.items() if len(held) > 1]:
        raise UserError(f"{several[0]} is given several values; it takes one here.")
    return {key: value for key, (value,) in spans.items()}


def values(text: str) -> "list[object]":
    """The values in a text V1,V2,…"""
    from orchestrator.planning.plain_yaml import parse_value, split_values

    return [parse_value(part) for part in split_values(text)]


def labels(given: list[str] | None) -> dict[str, str] | None:
    """KEY=VALUE arguments as node labels; None without any. Raises ``UserError`` for a malformed one."""
    if wrong := [label for label in given or [] if not label.partition("=")[2]]:
        raise UserError(f"label is {wrong[0]!r}; it takes KEY=VALUE.")
    return dict(label.split("=", 1) for label in given) if given else None


def packing(text: str | None) -> "Packing | None":
    """The value of --agents-per-actor; None if not given. Raises ``UserError`` for a value that is not allowed."""
    from orchestrator.planning.sweeps import read_packing

    return None if text is None else read_packing(text)
