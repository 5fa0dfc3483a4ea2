"""Plain data, as YAML and JSON hold it: what a value is, and the parts of a mapping."""

import re
from collections.abc import Mapping, Sequence

from typing_extensions import TypeIs

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


def is_list(value: object) -> TypeIs[list[object]]:
    """Whether a value is a list."""
    return isinstance(value, list)


def is_sequence(value: object) -> TypeIs[Sequence[object]]:
    """Whether a value is a list, a tuple or a range. A word is not one."""
    return isinstance(value, list | tuple | range)
