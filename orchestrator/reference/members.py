"""The documented members of a class: what its source says about attributes, properties and methods."""

import ast
import functools
import inspect
import io
import textwrap
import tokenize
from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A public attribute, property or method."""

    name: str
    signature: str  #: of a method, with its parentheses; empty for an attribute
    text: str  #: its docstring or the comment beside it


def members(cls: type) -> dict[str, Member]:
    """Public members of a class and of its bases by name; bases first, each in the order of its source.

    The text of an attribute is the comment ``#:`` beside or above it, that of a property or method its docstring. A
    member without text takes that of the base.
    """
    every: dict[str, Member] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ != "builtins":
            for name, member in _own(base).items():
                before = every.get(name)
                every[name] = before if before and not member.text else member
    return every


@functools.cache
def _own(cls: type) -> dict[str, Member]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # a class made by a function
        return {}
    beside, above = _comments(source)
    own = {}
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    for node in body.body:
        if isinstance(node, ast.FunctionDef):
            names, text = [node.name], ast.get_docstring(node) or ""
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            text = beside.get(node.end_lineno or 0) or _ending_at(above, node.lineno)
        else:
            continue
        for name in names:
            if not name.startswith("_"):
                own[name] = Member(name, _signature(node), text)
    return own


def _signature(node: ast.stmt) -> str:
    """``(a, b=1)`` of a method, nothing of a property or an attribute."""
    if not isinstance(node, ast.FunctionDef) or any("property" in ast.unparse(one) for one in node.decorator_list):
        return ""
    arguments = node.args
    names = [argument.arg for argument in arguments.args if argument.arg != "self"]
    defaults = [ast.unparse(default) for default in arguments.defaults]
    first = len(names) - len(defaults)
    return f"({', '.join(name if k < first else f'{name}={defaults[k - first]}' for k, name in enumerate(names))})"


def _comments(source: str) -> tuple[dict[int, str], dict[int, str]]:
    """Text of the comments ``#: text`` by line: of those beside code, and of those on lines of their own."""
    beside: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("#:"):
            place = alone if token.line.lstrip().startswith("#:") else beside
            place[token.start[0]] = token.string.removeprefix("#:").strip()
    return beside, alone


def _ending_at(comments: dict[int, str], line: int) -> str:
    """The comment lines directly above a line, joined."""
    first = line
    while first - 1 in comments:
        first -= 1
    return " ".join(comments[k] for k in range(first, line))
