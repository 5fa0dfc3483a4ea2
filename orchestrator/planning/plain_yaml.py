"""YAML as plain data. Sweep files and the values of the command line are read by the same rules."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import cast

import yaml

from orchestrator.errors import UserError

#: Errors of text that is not plain YAML, tags of other types and deep nesting included.
BROKEN = (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError)


#: YAML 1.2's core scalars by tag: pattern and possible first letters.
SCALARS = {
    "bool": (r"^(?:true|True|false|False)$", "tTfF"),
    "merge": (r"^<<$", "<"),
    "null": (r"^(?:~|null|Null|)$", ["~", "n", "N", ""]),
    "int": (r"^[-+]?[0-9]+$", "-+0123456789"),
    "float": (
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.?(?:inf|Inf)$",
        "-+.0123456789iI",
    ),
}


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core scalars: 1e-3 and inf are numbers, ``on`` and ``no`` are words. It constructs nothing else."""


_Loader.yaml_implicit_resolvers = {}  # none of the reader's own


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node).replace(".inf", "inf").replace(".Inf", "inf"))


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node), 10)  # 010 is ten, not eight


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Hashable, object]:
    """A mapping without repeated keys: YAML's own reader silently keeps the last one.

    ``<<: *name`` adds the keys of another mapping.
    """
    merges = [pair for pair in node.value if pair[0].tag.endswith(":merge")]
    node.value = [pair for pair in node.value if pair not in merges]
    keys: list[object] = [loader.construct_object(key) for key, _ in node.value]  # pyright: ignore[reportUnknownMemberType]
    for k, key in enumerate(keys):
        problem = "" if isinstance(key, str) else f"the key {key!r} is not a word"
        problem = problem or (f"the key {key!r} appears twice" if key in keys[:k] else "")
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, node.value[k][0].start_mark)
    node.value = merges + node.value
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


for _tag, (_pattern, _first) in SCALARS.items():
    _Loader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
        f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first)
    )
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:merge", yaml.SafeLoader.construct_scalar)  # pyright: ignore[reportUnknownMemberType] - a word

#: Reading more would take minutes.
MOST_BYTES = 1_000_000


def parse_value(text: str) -> object:
    """A value of the command line, read as the YAML files are: ``0.1``, ``ring``, ``[1, 0, 0]``, ``{"a": 1}``.

    Raises ``UserError`` for anything else.
    """
    try:
        value = yaml.load(text, _Loader)
    except (*BROKEN, UserError):
        value = ()
    inside = text.lstrip()[:1] in ("[", "{")
    if isinstance(value, bool | int | float | str | None) or (inside and isinstance(value, list | dict)):
        return cast(object, value)
    raise UserError(f"{text!r} is not a value: use a number, a word, true, false, or a list such as [1, 0, 0].")


def split_values(text: str) -> list[str]:
    """The parts of ``V1,V2,…``; commas inside brackets and quotes separate nothing."""
    parts: list[str] = []
    start, depth, quote = 0, 0, ""
    for at, letter in enumerate(text):
        quote = ("" if letter == quote else quote) if quote else letter if letter in "'\"" and depth else ""
        depth += 0 if quote else (letter in "[{") - (letter in "]}")
        if letter == "," and depth <= 0 and not quote:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def read(path: Path) -> object:
    """What a file holds. Raises ``UserError`` with line and column for anything that is not plain data."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} has {path.stat().st_size} bytes; a sweep file has up to {MOST_BYTES}.")
        return yaml.load(path.read_text(), _Loader)
    except BROKEN as error:
        raise UserError(f"{path.name} is not plain YAML: {_place_of(error)}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error


def _place_of(error: Exception) -> str:
    """Line, column and problem of a YAML error."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"  # type: ignore[attr-defined]
