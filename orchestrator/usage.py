"""Typer's complaints about words of the command line, in this program's words."""

import difflib
import re
from typing import Any


def sentence(error: Any) -> str:
    """A usage error in two sentences: what is wrong, what it takes, and the command that says more."""
    path = error.ctx.command_path if error.ctx else "orchestrator"
    wrong = _wrong(error, path)
    return f"{wrong}{'' if wrong.endswith(('?', '.')) else '.'} See {path} --help."


def _wrong(error: Any, path: str) -> str:
    kind, param, text = type(error).__name__, getattr(error, "param", None), error.format_message()
    if kind == "NoSuchOption":
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), 1)
        return f"{path} has no option {error.option_name}" + (f": did you mean {near[0]}?" if near else "")
    if kind == "MissingParameter" and param is not None:
        return f"{path} needs {param.metavar or param.opts[0]}"
    if found := re.search(r"value for '(\S+?)':.* '(.*)' is not one of (.*)", text):
        return f"{found[1].strip('[]')} is {found[2]!r}; it takes {found[3].replace(chr(39), '').rstrip('.')}"
    if found := re.match(r"No such command '(.*?)'\.(?: Did you mean '(.*?)'\?)?", text):
        return f"There is no command {found[1]!r}" + (f": did you mean {_either(found[2])}?" if found[2] else "")
    return text


def _either(names: str) -> str:
    """The nearest two of ``a', 'b``, as typer lists them."""
    return " or ".join(repr(name) for name in names.split("', '")[:2])
