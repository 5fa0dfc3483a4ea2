"""Plain data, as YAML and JSON hold it: what a value is, and the parts of a mapping."""

from collections.abc import Iterator, Mapping, Sequence

from typing_extensions import TypeIs


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


def is_list(value: object) -> TypeIs[list[object]]:
    """Whether a value is a list."""
    return isinstance(value, list)


def is_sequence(value: object) -> TypeIs[Sequence[object]]:
    """Whether a value is a list, a tuple or a range. A word is not one."""
    return isinstance(value, list | tuple | range)
