"""What the Tab key offers: names, found without importing what they name."""

from pathlib import Path
from typing import Any

from orchestrator.plugins import registry


def algorithms(incomplete: str) -> list[str]:
    """Algorithms that begin so."""
    return _of(registry.names("algorithm"), incomplete)


def environments(incomplete: str) -> list[str]:
    """Environments that begin so."""
    return _of(registry.names("environment"), incomplete)


def sweeps(incomplete: str) -> list[str]:
    """Shipped sweeps that begin so, and sweep files below the folder that is named so far."""
    folder = incomplete.rpartition("/")[0]
    place = Path(folder or ".")
    entries = sorted(place.iterdir()) if place.is_dir() else []
    prefix = f"{folder}/" if folder else ""
    files = [prefix + entry.name for entry in entries if entry.suffix in (".yaml", ".yml")]
    return _of([*registry.sweeps(), *files], incomplete)


def describable(incomplete: str) -> list[str]:
    """Everything that ``describe`` describes."""
    return [*algorithms(incomplete), *environments(incomplete), *sweeps(incomplete)]


def stored(ctx: Any, incomplete: str) -> list[str]:
    """Sweeps of the results folder that the command names; none of a bucket, which would have to be asked."""
    place = Path(ctx.params.get("results") or "results").expanduser() / "sweeps"
    found = sorted(path.relative_to(place).with_suffix("").as_posix() for path in place.rglob("*.json"))
    return _of(found, incomplete)


def _of(names: Any, incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
