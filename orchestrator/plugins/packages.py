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
    digest, files = hashlib.sha256(), [(folder, file) for folder in folders for file in sorted(folder.rglob("*.py"))]
    for folder, file in files:
        digest.update(f"{file.relative_to(folder).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16] if files else ""


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
