"""Other packages whose code makes numbers: their versions, and a hash of their source files."""

import hashlib
import importlib.util
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

from orchestrator.plugins import sources


@cache
def versions_of(package: str) -> dict[str, str]:
    """Distribution -> version of a top-level package; of one that was never installed, a hash of its source files.

    ``{}`` if there is no such package here.
    """
    if names := _distributions().get(package):
        return {name: version(name) for name in sorted(set(names))}
    code = code_of(package)
    return {package: f"source {code}"} if code else {}


def identity_of(package: str) -> str:
    """A package by name, versions and source files, as a text: another text, another code."""
    return " ".join([package, *versions_of(package).values(), code_of(package)])


@cache
def code_of(package: str) -> str:
    """16 hex digits: the hash of a package's ``.py`` files, or of a module and of what it imports beside it.

    Empty if there is no such package here, or if it has no source files.
    """
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return ""
    folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
    if spec is not None and not folders and spec.origin and spec.origin.endswith(".py"):
        return sources.read(Path(spec.origin)).pin
    digest, empty = hashlib.sha256(), True
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            content, empty = hashlib.sha256(file.read_bytes()).hexdigest(), False
            digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return "" if empty else digest.hexdigest()[:16]


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
