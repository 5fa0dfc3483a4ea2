"""Names of what can be plugged in: entry points of installed packages, or ``./file.py:Name``.

The kinds are algorithms, environments, utilities and graphs; sweeps are files and have names too. In
``gym:FrozenLake-v1`` the word before the colon is the name of a wrapper, a function that makes an environment class of
the name after the colon.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from orchestrator.errors import UserError, ends_process, line, nearest
from orchestrator.plugins import modules, references, sources
from orchestrator.process import HOME

GROUPS = {
    "algorithm": "marl_orchestrator.algorithms",
    "environment": "marl_orchestrator.environments",
    "utility": "marl_orchestrator.utilities",
    "graph": "marl_orchestrator.graphs",
    "wrapper": "marl_orchestrator.wrappers",
}
OURS = ("algorithms", "envs")
#: Attributes that a plug-in class must have. Base classes give most of them, so a class without its base lacks them.
NEEDED = {
    "algorithm": ("name", "version", "Parameters", "kinds", "metrics", "blocks", "round", "measure"),
    "environment": ("name", "version", "Parameters", "kind", "faces", "block", "memory", "warnings", "portrait"),
    "utility": ("version", "value", "gradient"),
    "graph": ("version", "edges"),
    "wrapper": (),
}
WHAT = {
    "algorithm": "An algorithm is a subclass of orchestrator.core.Coordinator",
    "environment": "An environment is a subclass of orchestrator.core.Environment with name, kind and Parameters",
    "utility": "A utility is a class with version, value(x) and gradient(x)",
    "graph": "A graph is a class with version and edges(n)",
}


def names(kind: str) -> list[str]:
    """Registered names of a kind (``algorithm``, ``environment``, ``utility``, ``graph``, ``wrapper``), sorted."""
    return sorted(_points(kind))


def algorithm(reference: str) -> type:
    """The coordinator class that ``reference`` names. Raises ``UserError`` for unknown names and broken files."""
    return _load("algorithm", reference)


def environment(reference: str) -> type:
    """The environment class that ``reference`` names. Raises ``UserError`` for unknown names and broken files."""
    return _load("environment", reference)


def utility(reference: str) -> type:
    """The class of the utility that ``reference`` names. Raises ``UserError`` as the others do."""
    return _load("utility", reference)


def graph(reference: str) -> type:
    """The class of the graph that ``reference`` names. Raises ``UserError`` as the others do."""
    return _load("graph", reference)


@cache
def packages(reference: str) -> frozenset[str]:
    """Top-level names of the packages that a plug-in file and its own files import; those of Python are left out."""
    path, name, pin = references.parts(reference)
    return references.sources_of(path, pin).packages if name else frozenset()


def name_of(plugin: type) -> str | None:
    """The registered name of an algorithm's or environment's class, None if it has none."""
    value = f"{plugin.__module__}:{plugin.__qualname__}"
    points = (*_points("algorithm").values(), *_points("environment").values())
    return next((point.name for point in points if point.value == value), None)


def find(reference: str) -> tuple[str, type]:
    """The kind of a plug-in file's class, and the class. Raises ``UserError`` for a class of no kind."""
    path, name, pin = references.parts(reference)
    member = _member(path, name, pin)
    for kind in GROUPS:
        if NEEDED[kind] and isinstance(member, type) and not _missing(kind, member):
            return kind, member
    raise UserError(
        f"{path.name}:{name} is not an algorithm, environment, utility, graph or wrapper. {'. '.join(WHAT.values())}."
    )


def pluggable(kind: str, reference: str) -> bool:
    """Whether ``reference`` looks like a class in a plug-in file, or is a registered name of the kind."""
    return bool(references.parts(reference)[1]) or _name(reference) in _points(kind)


def settled(kind: str, reference: str) -> str:
    """The reference in the form that a parameter stores: a file's is pinned, a name gets its version, ``name@1``.

    Raises ``UserError`` if it cannot be loaded.
    """
    reference = references.pinned(reference)
    version = _load(kind, reference).version
    return reference if references.parts(reference)[1] else f"{_name(reference)}@{version}"


def fits(environment: type, algorithm: type) -> bool:
    """Whether an algorithm runs on an environment (both classes): it lists the kind, and has all methods it needs."""
    return environment.kind in algorithm.kinds and all(hasattr(environment, word) for word in algorithm.needs)


def sweeps() -> dict[str, Path]:
    """Shipped sweep files by name, such as ``shared-representation/quickstart``."""
    root = HOME / "sweeps"
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.yaml"))}


@cache
def _points(kind: str) -> dict[str, EntryPoint]:
    points: dict[str, EntryPoint] = {}
    for point in _installed().select(group=GROUPS[kind]):
        before = points.setdefault(point.name, point)
        if before.value != point.value:
            raise UserError(
                f"Two packages have the {kind} {point.name!r}: {_origin(before)} and {_origin(point)}. Remove one."
            )
    return points


@cache
def _installed() -> EntryPoints:
    """The entry points of all installed packages, read once for all kinds: they are in one file per package."""
    return cast("EntryPoints", entry_points())  # before Python 3.12 another class, which has select as well


def _origin(point: EntryPoint) -> str:
    """Where a plug-in comes from, for messages: the package's name is parsed from all of its metadata."""
    return f"{point.dist.name if point.dist else 'an unknown package'} ({point.value})"


def _load(kind: str, reference: str) -> type:
    path, name, pin = references.parts(reference)
    if references.split(reference)[1] and (name or kind != "environment"):
        raise UserError(f"{reference}: only graphs have arguments after their name; write settings as KEY=VALUE.")
    if name:
        return _checked(kind, _member(path, name, pin), lambda: f"{path.name}:{name}")
    wrapper, colon, rest = reference.partition(":")
    if kind == "environment" and colon and wrapper in _points("wrapper"):
        return _wrapped(wrapper, rest)
    return _registered(kind, reference)


@cache
def _wrapped(wrapper: str, name: str) -> type:
    """The environment class that a wrapper makes of ``name``."""
    try:
        return _entry("wrapper", wrapper)(name)
    except ValueError as error:
        raise UserError(f"{wrapper}:{name}: {str(error).rstrip('.')}.") from error


@cache
def _registered(kind: str, reference: str) -> type:
    """The class of a registered name, perhaps with its version, ``name@1``."""
    points, name = _points(kind), _name(reference)
    if name.endswith(".py"):
        raise UserError(f"{kind} {name!r} names a file; name the class in it as well: {name}:Name.")
    if name not in points:
        other = next((other for other in ("algorithm", "environment") if other != kind), kind)
        if kind in ("algorithm", "environment") and name in _points(other):
            raise UserError(f"{name!r} is an {other}, not an {kind}; the order is ALGORITHM ENV.")
        raise UserError(f"Unknown {kind} {name!r}: {nearest(name, points)}")
    plugin = _checked(kind, _entry(kind, name), lambda: f"{name!r} of {_origin(points[name])}")
    if reference not in (name, f"{name}@{plugin.version}"):
        raise UserError(f"{kind} {name!r} has version {plugin.version} here; {reference} was planned with another.")
    return plugin


def _entry(kind: str, name: str) -> Any:
    """The object of an entry point."""
    _check_shadowing()
    point = _points(kind)[name]
    try:
        return point.load()
    except BaseException as error:
        if ends_process(error):
            raise
        raise UserError(
            f"{kind} {name!r} of {_origin(point)} cannot be imported: {type(error).__name__}: {line(error)}."
        ) from error


def _name(reference: str) -> str:
    """The name without a version."""
    return reference.partition("@")[0]


@cache
def _module(path: Path, pin: str) -> ModuleType:
    return modules.load(references.sources_of(path, pin))


def _member(path: Path, name: str, pin: str) -> Any:
    """The object ``name`` of a plug-in file. An edited file is another algorithm, in this process too."""
    module = _module(path, pin or sources.read(path).pin)
    if not hasattr(module, name):
        own = [word for word, member in vars(module).items() if getattr(member, "__module__", "") == module.__name__]
        raise UserError(f"{path.name} has no {name!r}: {nearest(name, own)}")
    return getattr(module, name)


def _checked(kind: str, member: object, title: Callable[[], str]) -> type:
    """``member`` if it is a class with all that the kind needs. Raises ``UserError``, which begins with ``title()``."""
    if not isinstance(member, type):
        raise UserError(f"{title()} is not a class. {WHAT[kind]} (docs/extending.md).")
    if missing := _missing(kind, member):
        article = "an" if kind[0] in "ae" else "a"
        raise UserError(
            f"{title()} is not {article} {kind}: it lacks {', '.join(missing)}. {WHAT[kind]} (docs/extending.md)."
        )
    return member


def _missing(kind: str, plugin: type) -> list[str]:
    """What the kind needs and the class does not have, abstract methods of its base class included."""
    missing = [word for word in NEEDED[kind] if _undefined(getattr(plugin, word, None))]
    model = getattr(plugin, "Parameters", None)
    return missing if model is None or hasattr(model, "model_fields") else [*missing, "Parameters as a pydantic model"]


def _undefined(member: object) -> bool:
    return member is None or getattr(member, "__isabstractmethod__", False)


@cache
def _check_shadowing() -> None:
    """Raises ``UserError`` if a folder of the user has the name of one of our packages: Python would import it.

    Once none has, our packages are the ones that are imported, to the end of the process.
    """
    for package in OURS:
        spec = importlib.util.find_spec(package)
        folders = [] if spec is None else [Path(folder).resolve() for folder in spec.submodule_search_locations or ()]
        if not folders and spec is not None and spec.origin:
            folders = [Path(spec.origin).resolve()]
        if HOME / package not in folders[:1]:
            first = folders[0] if folders else "nothing"
            raise UserError(
                f"Python finds {first} where this program's package {package!r} should be ({HOME / package}). "
                f"Rename your own {package!r} or start from another folder."
            )
