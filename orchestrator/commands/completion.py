"""Tab completion: names, found without importing the named code."""

from collections.abc import Iterable
from pathlib import Path

import typer

from orchestrator.planning.plain import is_name
from orchestrator.plugins import registry


def algorithms(incomplete: str) -> list[str]:
    """Names of algorithms that start with ``incomplete``."""
    return _of(registry.names("algorithm"), incomplete)


def environments(incomplete: str) -> list[str]:
    """Names of environments that start with ``incomplete``."""
    return _of(registry.names("environment"), incomplete)


def sweeps(incomplete: str) -> list[str]:
    """Shipped sweeps and YAML files that start with ``incomplete``; files of the folder in it, without subfolders."""
    folder = incomplete.rpartition("/")[0]
    place = Path(folder or ".")
    entries = sorted(place.iterdir()) if place.is_dir() else []
    prefix = f"{folder}/" if folder else ""
    files = [prefix + entry.name for entry in entries if entry.suffix in (".yaml", ".yml")]
    return _of([*registry.sweeps(), *files], incomplete)


def describable(incomplete: str) -> list[str]:
    """Names that ``describe`` accepts."""
    return [*algorithms(incomplete), *environments(incomplete), *sweeps(incomplete)]


def stored(ctx: typer.Context, incomplete: str) -> list[str]:
    """Sweeps in the local results folder of the command line. Buckets give none: a request would take too long."""
    place = Path(ctx.params.get("results") or "results").expanduser() / "sweeps"
    names = sorted(path.relative_to(place).with_suffix("").as_posix() for path in place.rglob("*.json"))
    return _of(filter(is_name, names), incomplete)


def _of(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
