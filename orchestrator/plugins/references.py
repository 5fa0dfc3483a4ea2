"""References to plug-in files, ``./file.py:Name``: finding them in texts, pinning their contents, shipping the files.

Planning a sweep pins its references, ``/path/file.py:Name@HASH``, so that what runs is what was planned.
"""

import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from orchestrator.errors import UserError

#: A shipped file's name begins so and ends with the hash of its contents.
SHIPPED = "marl_orchestrator_plugin_"

#: A reference among the words of a text. Its path may contain spaces if it begins with . or /.
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
    """The reference with an absolute path, since worker processes start in another folder."""
    path, name, pin = parts(reference)
    return f"{path}:{name}" + (f"@{pin}" if pin else "") if name else reference


def pinned(reference: str) -> str:
    """``located``, with the hash of the file's present contents. Raises ``UserError`` if the file cannot be read."""
    path, name, pin = parts(reference)
    return f"{path}:{name}@{pin or content_hash(path)}" if name else reference


def fingerprint(reference: str) -> str:
    """Hash and class of a pinned plug-in, a part of cell ids; empty for a registered name, whose version counts."""
    _, name, pin = parts(reference)
    return f"{pin}:{name}" if name else ""


def words(text: str) -> list[str]:
    """The words of a text. A reference is one word even if its path contains spaces."""
    parts: list[str] = []
    last = 0
    for match in _REFERENCE.finditer(text):
        parts += [*text[last : match.start()].split(), match[0]]
        last = match.end()
    return parts + text[last:].split()


def within(text: str) -> list[str]:
    """The references to files in a text, for example in the value of a parameter."""
    return _REFERENCE.findall(text)


def replaced(text: str, change: Callable[[str], str]) -> str:
    """The text with ``change`` applied to every reference to a file."""
    return _REFERENCE.sub(lambda match: change(match[0]), text)


def placeless(text: str) -> str:
    """The text with ``Name@HASH`` for every reference to a file: the same wherever the file lies."""
    return replaced(text, lambda reference: "{1}@{2}".format(*parts(pinned(reference))))


def unversioned(text: str) -> str:
    """``placeless``, and without the versions of registered names: the form of a parameter in the tables."""
    return _VERSION.sub(r"\1", placeless(text)) if "@" in text else text


def title(reference: str) -> str:
    """The name of a plug-in for sentences: that of its class, or its registered name."""
    return parts(reference)[1] or reference.partition("@")[0]


def ship(references: Iterable[str], folder: Path) -> None:
    """Write the files of pinned ``references`` into ``folder``, from which processes on other machines import them."""
    for reference in references:
        path, name, pin = parts(reference)
        if name:
            (folder / f"{SHIPPED}{pin}.py").write_bytes(file_of(path, pin).read_bytes())


def content_hash(path: Path) -> str:
    """The hash of the file's contents, 16 hex digits. Raises ``UserError`` if the file cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except FileNotFoundError as error:
        raise UserError(
            f"Cannot read {path}: no such file. Paths start at the current folder, not at the sweep file."
        ) from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error


def file_of(path: Path, pin: str) -> Path:
    """The file with the pinned contents: the shipped copy if there is one, else ``path``.

    Raises ``UserError`` if the contents are no longer those that were pinned.
    """
    shipped = importlib.util.find_spec(f"{SHIPPED}{pin}")
    file = Path(shipped.origin) if shipped and shipped.origin else path
    if content_hash(file) != pin:
        raise UserError(f"{path} was edited after this sweep was planned. Run the same command again.")
    return file
