"""References to plug-in files, ``./file.py:Name``: found in texts, pinned to the files' contents, shipped elsewhere.

A reference is pinned when a sweep is planned, ``/path/file.py:Name@HASH``: what runs is what was planned.
"""

import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from orchestrator.errors import UserError

SHIPPED = "marl_orchestrator_plugin_"  #: and the file's hash: its name where it was shipped to

#: A reference among the words of a text. Only one that begins with . or / may have spaces in its path.
_REFERENCE = re.compile(r"(?<!\S)(?:[./].*?|\S*?)\.py:[A-Za-z_]\w*(?:@[0-9a-f]{16})?(?!\S)")
_VERSION = re.compile(r"(?<!\S)(\S+)@[0-9]{1,9}(?!\S)")


def parts(reference: str) -> tuple[Path, str, str]:
    """Path, class name and pin of a plug-in's reference; the name is empty for a registered one."""
    path, colon, name = reference.rpartition(":")
    if colon and path.endswith(".py"):
        name, _, pin = name.partition("@")
        return Path(path).resolve(), name, pin
    return Path(), "", ""


def located(reference: str) -> str:
    """The reference with a plug-in file's path made absolute, since a worker process starts in another folder."""
    path, name, pin = parts(reference)
    return f"{path}:{name}" + (f"@{pin}" if pin else "") if name else reference


def pinned(reference: str) -> str:
    """``located``, with the hash of the plug-in file's present contents. Raises ``UserError`` if there is no file."""
    path, name, pin = parts(reference)
    return f"{path}:{name}@{pin or contents(path)}" if name else reference


def fingerprint(reference: str) -> str:
    """Contents and class of a pinned plug-in, part of its cells' ids; empty for a registered name, with its version."""
    _, name, pin = parts(reference)
    return f"{pin}:{name}" if name else ""


def words(text: str) -> list[str]:
    """The words of a text, a reference being one even if its path has spaces."""
    found, last = [], 0
    for match in _REFERENCE.finditer(text):
        found += [*text[last : match.start()].split(), match[0]]
        last = match.end()
    return found + text[last:].split()


def within(text: str) -> list[str]:
    """The references to files in a text, such as the value of a parameter."""
    return _REFERENCE.findall(text)


def replaced(text: str, change: Callable[[str], str]) -> str:
    """The text with every reference to a file changed."""
    return _REFERENCE.sub(lambda match: change(match[0]), text)


def placeless(text: str) -> str:
    """The text with ``Name@HASH`` for every reference to a file: equal for equal contents, wherever they are."""
    return replaced(text, lambda reference: "{1}@{2}".format(*parts(pinned(reference))))


def plain(text: str) -> str:
    """``placeless``, and without the versions of other packages' names: how the tables show a parameter."""
    return _VERSION.sub(r"\1", placeless(text)) if "@" in text else text


def title(reference: str) -> str:
    """What a plug-in is called in a sentence: its class or its name alone."""
    return parts(reference)[1] or reference.partition("@")[0]


def ship(references: Iterable[str], folder: Path) -> None:
    """Write the plug-in files of pinned ``references`` into ``folder``, which processes elsewhere import from."""
    for reference in references:
        path, name, pin = parts(reference)
        if name:
            (folder / f"{SHIPPED}{pin}.py").write_bytes(place(path, pin).read_bytes())


def contents(path: Path) -> str:
    """16 hex digits: the hash of the file's contents. Raises ``UserError`` if there is no such file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UserError(f"There is no file {path} that could be read.") from error


def place(path: Path, pin: str) -> Path:
    """Where the plug-in file is as it was when it was pinned: where it was shipped to, or its own path."""
    shipped = importlib.util.find_spec(f"{SHIPPED}{pin}")
    found = Path(shipped.origin) if shipped and shipped.origin else path
    if contents(found) != pin:
        raise UserError(f"{path} was edited after this sweep was planned. Run the same command again.")
    return found
