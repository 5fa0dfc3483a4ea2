"""Names of algorithms, environments and sweeps: entry points of installed packages, or ``./file.py:Name``.

A plug-in's reference is pinned when a sweep is planned, ``/path/file.py:Name@HASH``: what runs is what was planned.

Importing an algorithm pulls in numba; names alone are listed without importing anything.
"""

import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from orchestrator.errors import UserError
from orchestrator.process import HOME

GROUPS = {"algorithm": "marl_orchestrator.algorithms", "environment": "marl_orchestrator.environments"}
SHIPPED = "marl_orchestrator_plugin_"  #: and the file's hash: its name where it was shipped to
OURS = ("algorithms", "envs")
#: Names listed where none is near; ``orchestrator list`` has them all.
MOST_KNOWN = 12
#: What a plug-in class must have.
NEEDED = {
    "algorithm": ("name", "version", "Parameters", "kinds", "metrics", "round", "measure"),
    "environment": ("name", "version", "Parameters", "kind"),
}


def names(kind: str) -> list[str]:
    """Registered names of a kind (``algorithm`` or ``environment``), sorted."""
    return sorted(_points(kind))


def algorithm(reference: str) -> Any:
    """The coordinator class that ``reference`` names. Raises ``UserError`` for unknown names and broken files."""
    return _load("algorithm", reference)


def environment(reference: str) -> Any:
    """The environment class that ``reference`` names. Raises ``UserError`` for unknown names and broken files."""
    return _load("environment", reference)


def located(reference: str) -> str:
    """The reference with a plug-in file's path made absolute, since a worker process starts in another folder."""
    path, name, pin = _file(reference)
    return f"{path}:{name}" + (f"@{pin}" if pin else "") if name else reference


def pinned(reference: str) -> str:
    """``located``, with the hash of the plug-in file's present contents. Raises ``UserError`` if there is no file."""
    path, name, pin = _file(reference)
    return f"{path}:{name}@{pin or _hash(path)}" if name else reference


def fingerprint(reference: str) -> str:
    """Contents and class of a pinned plug-in, part of its cells' ids; empty for a registered name, with its version."""
    _, name, pin = _file(reference)
    return f"{pin}:{name}" if name else ""


def ship(references: Iterable[str], folder: Path) -> None:
    """Write the plug-in files of pinned ``references`` into ``folder``, which processes elsewhere import from."""
    for reference in references:
        path, name, pin = _file(reference)
        if name:
            (folder / f"{SHIPPED}{pin}.py").write_bytes(_place(path, pin).read_bytes())


def sweeps() -> dict[str, Path]:
    """Shipped sweep files by name, such as ``shared-representation/quickstart``."""
    root = HOME / "sweeps"
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.yaml"))}


def nearest(name: str, known: Iterable[str], most: int = 3) -> str:
    """The known names, those nearest to ``name`` alone if any is near: the end of an error message."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, most, 0.5)
    if "/" not in name:  # the last part of a sweep's name
        tails = {word.rpartition("/")[2]: word for word in known if "/" in word}
        near = [tails[tail] for tail in difflib.get_close_matches(name, tails, 1, 0.8)] or near
    if near:
        return f"did you mean {' or '.join(repr(word) for word in near)}?"
    more = f" and {len(known) - MOST_KNOWN} more" if len(known) > MOST_KNOWN else ""
    return f"known: {', '.join(known[:MOST_KNOWN]) or 'none'}{more}."


@cache
def _points(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUPS[kind])}


def _load(kind: str, reference: str) -> Any:
    path, name, pin = _file(reference)
    return _from_file(kind, path, name, pin) if name else _registered(kind, reference)


@cache
def _registered(kind: str, reference: str) -> Any:
    points = _points(kind)
    if reference not in points:
        other = next(other for other in GROUPS if other != kind)
        if reference in _points(other):
            raise UserError(f"{reference!r} is an {other}, not an {kind}; the order is ALGORITHM ENV.")
        raise UserError(f"Unknown {kind} {reference!r}: {nearest(reference, points)}")
    _check_shadowing()
    return points[reference].load()


def _file(reference: str) -> tuple[Path, str, str]:
    """Path, class name and pin of a plug-in's reference; the name is empty for a registered one."""
    path, colon, name = reference.rpartition(":")
    if colon and path.endswith(".py"):
        name, _, pin = name.partition("@")
        return Path(path).resolve(), name, pin
    return Path(), "", ""


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UserError(f"There is no file {path} that could be read.") from error


def _place(path: Path, pin: str) -> Path:
    """Where the plug-in file is as it was when it was pinned: where it was shipped to, or its own path."""
    shipped = importlib.util.find_spec(f"{SHIPPED}{pin}")
    place = Path(shipped.origin) if shipped and shipped.origin else path
    if _hash(place) != pin:
        raise UserError(f"{path} was edited after this sweep was planned. Run the same command again.")
    return place


def _from_file(kind: str, path: Path, name: str, pin: str) -> Any:
    # The contents are part of the module's name: an edited file is another algorithm, in this very process too.
    pin = pin or _hash(path)
    module_name = f"marl_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{pin}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, _place(path, pin))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[module_name]
            raise UserError(f"{kind}: {path} cannot be imported: {type(error).__name__}: {error}.") from error
    found = getattr(sys.modules[module_name], name, None)
    lacking = [word for word in NEEDED[kind] if not hasattr(found, word)]
    if not isinstance(found, type) or lacking:
        what = "is not there" if found is None else f"is no {kind} class; it lacks {', '.join(lacking) or 'a class'}"
        raise UserError(f"{kind}: {path.name}:{name} {what}.")
    return found


def _check_shadowing() -> None:
    """A folder of the user's that is called like one of ours would be imported in its place."""
    for package in OURS:
        spec = importlib.util.find_spec(package)
        places = [] if spec is None else [Path(place).resolve() for place in spec.submodule_search_locations or ()]
        if not places and spec is not None and spec.origin:
            places = [Path(spec.origin).resolve()]
        if HOME / package not in places[:1]:
            found = places[0] if places else "nothing"
            raise UserError(
                f"Python finds {found} where this program's package {package!r} should be ({HOME / package}). "
                f"Rename your own {package!r} or start from another folder."
            )
