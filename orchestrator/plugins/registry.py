"""Names of what can be plugged in: entry points of installed packages, or ``./file.py:Name``.

Algorithms, environments, utilities and graphs; and sweeps, which are files. A word before a colon, as in
``gym:FrozenLake-v1``, is a wrapper's: it makes an environment of whatever is named after it.

Importing an algorithm pulls in numba; names alone are listed without importing anything.
"""

import hashlib
import importlib.util
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from orchestrator.errors import UserError, line, nearest
from orchestrator.plugins import references
from orchestrator.process import HOME

GROUPS = {
    "algorithm": "marl_orchestrator.algorithms",
    "environment": "marl_orchestrator.environments",
    "utility": "marl_orchestrator.utilities",
    "graph": "marl_orchestrator.graphs",
    "wrapper": "marl_orchestrator.wrappers",
}
OURS = ("algorithms", "envs")
#: What a plug-in class must have.
NEEDED = {
    "algorithm": ("name", "version", "Parameters", "kinds", "metrics", "blocks", "round", "measure"),
    "environment": ("name", "version", "Parameters", "kind"),
    "utility": ("version", "value", "gradient"),
    "graph": ("version", "edges"),
    "wrapper": (),
}
WHAT = {
    "algorithm": "An algorithm is a subclass of orchestrator.core.Coordinator",
    "environment": "An environment is a class with name, version, kind and Parameters",
    "utility": "A utility is a class with version, value(x) and gradient(x)",
    "graph": "A graph is a class with version and edges(n)",
}
#: Where the methods are defined that a plug-in must write anew.
ABSTRACT = "orchestrator.core.rounds"


def names(kind: str) -> list[str]:
    """Registered names of a kind (``algorithm``, ``environment``, ``utility``, ``graph``, ``wrapper``), sorted."""
    return sorted(_points(kind))


def algorithm(reference: str) -> Any:
    """The coordinator class that ``reference`` names. Raises ``UserError`` for unknown names and broken files."""
    return _load("algorithm", reference)


def environment(reference: str) -> Any:
    """The environment class that ``reference`` names. Raises ``UserError`` for unknown names and broken files."""
    return _load("environment", reference)


def utility(reference: str) -> Any:
    """The class of the utility that ``reference`` names. Raises ``UserError`` as the others do."""
    return _load("utility", reference)


def graph(reference: str) -> Any:
    """The class of the graph that ``reference`` names. Raises ``UserError`` as the others do."""
    return _load("graph", reference)


def find(reference: str) -> tuple[str, Any]:
    """What kind of thing a plug-in file's class is, and the class. Raises ``UserError`` if it is none."""
    path, name, pin = references.parts(reference)
    found = _member(path, name, pin)
    for kind in GROUPS:
        if NEEDED[kind] and isinstance(found, type) and not _lacking(kind, found):
            return kind, found
    raise UserError(f"{path.name}:{name} is nothing that can be plugged in. {'. '.join(WHAT.values())}.")


def pluggable(kind: str, reference: str) -> bool:
    """Whether ``reference`` reads as a plug-in file's class, or is a registered name of the kind."""
    return bool(references.parts(reference)[1]) or _name(reference) in _points(kind)


def settled(kind: str, reference: str) -> str:
    """The reference as a parameter holds it: a file's pinned, another package's name with its version, ``name@1``.

    Raises ``UserError`` if it cannot be loaded.
    """
    reference = references.pinned(reference)
    found = _load(kind, reference)
    return reference if references.parts(reference)[1] else f"{_name(reference)}@{found.version}"


def fits(environment: Any, algorithm: Any) -> bool:
    """Whether the algorithm runs on the environment, both classes: by its kind and by what it has."""
    return environment.kind in algorithm.kinds and all(hasattr(environment, word) for word in algorithm.needs)


def sweeps() -> dict[str, Path]:
    """Shipped sweep files by name, such as ``shared-representation/quickstart``."""
    root = HOME / "sweeps"
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.yaml"))}


@cache
def _points(kind: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUPS[kind]):
        before = found.setdefault(point.name, point)
        if before.value != point.value:
            raise UserError(
                f"Two packages have the {kind} {point.name!r}: {_origin(before)} and {_origin(point)}. Remove one."
            )
    return found


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name if point.dist else 'an unknown package'} ({point.value})"


def _load(kind: str, reference: str) -> Any:
    path, name, pin = references.parts(reference)
    if not name:
        return _registered(kind, reference)
    found = _member(path, name, pin)
    return _checked(kind, found, f"{path.name}:{name}")


@cache
def _registered(kind: str, reference: str) -> Any:
    points, name = _points(kind), _name(reference)
    wrapper, colon, rest = reference.partition(":")
    if kind == "environment" and colon and wrapper in _points("wrapper"):
        try:
            return _registered("wrapper", wrapper)(rest)
        except ValueError as error:
            raise UserError(f"{reference}: {str(error).rstrip(chr(46))}.") from error
    if name.endswith(".py"):
        raise UserError(f"{kind} {name!r} names a file; name the class in it as well: {name}:Name.")
    if name not in points:
        other = next((other for other in ("algorithm", "environment") if other != kind), kind)
        if kind in ("algorithm", "environment") and name in _points(other):
            raise UserError(f"{name!r} is an {other}, not an {kind}; the order is ALGORITHM ENV.")
        raise UserError(f"Unknown {kind} {name!r}: {nearest(name, points)}")
    _check_shadowing()
    point = points[name]
    try:
        found = point.load()
    except Exception as error:
        raise UserError(
            f"{kind} {name!r} of {_origin(point)} cannot be imported: {type(error).__name__}: {line(error)}."
        ) from error
    if kind == "wrapper":
        return found
    found = _checked(kind, found, f"{name!r} of {_origin(point)}")
    if reference not in (name, f"{name}@{found.version}"):
        raise UserError(f"{kind} {name!r} has version {found.version} here; {reference} was planned with another.")
    return found


def _name(reference: str) -> str:
    """The name without a version."""
    return reference.partition("@")[0]


def _member(path: Path, name: str, pin: str) -> Any:
    """What a plug-in file calls ``name``; the file is imported once for its contents."""
    # The contents are part of the module's name: an edited file is another algorithm, in this very process too.
    pin = pin or references.contents(path)
    module_name = f"marl_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{pin}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, references.place(path, pin))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[module_name]
            raise UserError(f"{path} cannot be imported: {type(error).__name__}: {line(error)}.") from error
    module = sys.modules[module_name]
    if not hasattr(module, name):
        own = [word for word, found in vars(module).items() if getattr(found, "__module__", "") == module_name]
        raise UserError(f"{path.name}:{name} is not there: {nearest(name, own)}")
    return getattr(module, name)


def _checked(kind: str, found: Any, title: str) -> Any:
    """``found`` if it is a class that has what the kind needs. Raises ``UserError``."""
    if not isinstance(found, type):
        raise UserError(f"{title} is no class. {WHAT[kind]} (docs/extending.md).")
    if lacking := _lacking(kind, found):
        raise UserError(f"{title} is no {kind}: it lacks {', '.join(lacking)}. {WHAT[kind]} (docs/extending.md).")
    return found


def _lacking(kind: str, found: type) -> list[str]:
    """What the kind needs and the class does not have, or has as it was left to it to write."""
    lacking = [word for word in NEEDED[kind] if _left_out(getattr(found, word, None))]
    model = getattr(found, "Parameters", None)
    return lacking if model is None or hasattr(model, "model_fields") else [*lacking, "Parameters as a pydantic model"]


def _left_out(member: Any) -> bool:
    return member is None or getattr(member, "__module__", "") == ABSTRACT


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
