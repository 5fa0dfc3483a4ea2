"""Plain data, as YAML and JSON hold it: what a value is, and the parts of a mapping."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Protocol, cast

from typing_extensions import TypeIs

from orchestrator.errors import writable

#: Levels of lists and mappings in a value.
DEEPEST = 50

#: Integers of the tables have 64 bits.
LARGEST = 2**63
#: The names of sweeps: words of letters, digits and ._- with / between them.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$"


def is_name(name: str) -> bool:
    """Whether a sweep may be called so. Names become paths, so a name of another kind is nobody's."""
    return re.fullmatch(NAME, name) is not None


def is_mapping(value: object) -> TypeIs[Mapping[str, object]]:
    """Whether a value is a mapping. The keys of plain YAML are words."""
    return isinstance(value, Mapping)


def part(content: Mapping[str, object], key: str) -> Mapping[str, object]:
    """The mapping under ``key``. It is empty where there is none."""
    value = content.get(key)
    return value if is_mapping(value) else {}


def lists(content: Mapping[str, object]) -> dict[str, list[object]]:
    """The values that are lists, by key."""
    return {key: value for key, value in content.items() if is_list(value)}


def strings(value: object) -> Iterator[str]:
    """All strings in a value, at any depth; keys are left out."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if is_mapping(value) else value if is_list(value) else ():
        yield from strings(inner)


def texts(value: object) -> Iterator[str]:
    """All strings in a value, at any depth, keys included."""
    if is_mapping(value):
        yield from value
    if isinstance(value, str):
        yield value
    for inner in value.values() if is_mapping(value) else value if is_list(value) else ():
        yield from texts(inner)


def is_list(value: object) -> TypeIs[list[object]]:
    """Whether a value is a list."""
    return isinstance(value, list)


def is_sequence(value: object) -> TypeIs[Sequence[object]]:
    """Whether a value is a list, a tuple or a range. A word is not one."""
    return isinstance(value, list | tuple | range)


def to_plain(value: object) -> object:
    """``value`` as YAML would hold it: numpy's numbers and arrays, tuples, ranges and paths become plain ones."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(inner) for key, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple | range):
        return [to_plain(inner) for inner in cast("Sequence[object]", value)]
    if isinstance(value, PurePath):
        return str(value)
    # numpy's numbers and arrays, without importing numpy
    if hasattr(value, "tolist") and not isinstance(value, str):
        return to_plain(cast("_Array", value).tolist())
    return value


def not_plain(value: object, depth: int = 0) -> str | None:
    """What in a value is no plain data, in words; None if all is."""
    if isinstance(value, bool | int | float | None):
        return None
    if isinstance(value, str):
        return None if value.isascii() or writable(value) == value else f"{writable(value)!r}, which is no text"
    if depth == DEEPEST:
        return "a value that is nested too deeply"
    inner: Iterable[object]
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        inner = (*mapping, *mapping.values())
    elif is_sequence(value) and not isinstance(value, range):
        inner = value
    else:
        return f"a {type(value).__name__}"
    return next((wrong for part in inner if (wrong := not_plain(part, depth + 1)) is not None), None)


class _Array(Protocol):
    def tolist(self) -> object: ...
