"""References to plug-in files, ``./file.py:Name``: finding them in texts, pinning their contents, shipping the files.

Planning a sweep pins its references, ``/path/file.py:Name@HASH``, so that what runs is what was planned. A graph may
have arguments, ``./file.py:Name:k=2``, which are pinned as they are written: ``/path/file.py:Name@HASH:k=2``.
"""

import importlib.util
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from orchestrator.errors import UserError
from orchestrator.plugins.sources import Sources, read

#: The name of a folder with a shipped plug-in's files begins so and ends with the hash of their contents.
SHIPPED = "marl_orchestrator_plugin_"

#: A reference among the words of a text. Its path may contain spaces if it begins with . or /.
_REFERENCE = re.compile(r"(?<!\S)(?:[./].*?|\S*?)\.py:[A-Za-z_]\w*(?:@[0-9a-f]{16})?(?::[A-Za-z_]\w*=[^\s:]+)*(?!\S)")
_VERSION = re.compile(r"(?<!\S)(\S+)@[0-9]{1,9}(?!\S)")
#: What may follow the name of a graph: ``:k=2``, and more of the kind.
_ARGUMENTS = re.compile(r"((?::[A-Za-z_]\w*=[^\s:]+)+)$")


def split(reference: str) -> tuple[str, str]:
    """The name, and the arguments that follow it as they are written: ``:k=2:seed=1``, or nothing."""
    found = _ARGUMENTS.search(reference)
    return (reference[: found.start()], found[1]) if found else (reference, "")


def arguments(reference: str) -> dict[str, bool | int | float | str]:
    """The arguments that follow a name, by their own names: numbers, true, false and words.

    Raises ``ValueError`` for one that is given twice.
    """
    found: dict[str, bool | int | float | str] = {}
    for text in split(reference)[1].split(":")[1:]:
        name, _, value = text.partition("=")
        if name in found:
            raise ValueError(f"{name} is given twice in {reference}")
        found[name] = _value(value)
    return found


def _value(text: str) -> bool | int | float | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parts(reference: str) -> tuple[Path, str, str]:
    """Path, class name and pin of a plug-in's reference; the name is empty for a registered one."""
    path, colon, name = split(reference)[0].rpartition(":")
    if colon and path.endswith(".py"):
        name, _, pin = name.partition("@")
        return Path(path).resolve(), name, pin
    return Path(), "", ""


def located(reference: str) -> str:
    """The reference with an absolute path, since worker processes start in another folder."""
    path, name, pin = parts(reference)
    return f"{path}:{name}" + (f"@{pin}" if pin else "") + split(reference)[1] if name else reference


def pinned(reference: str) -> str:
    """``located``, with the hash of the present contents of its sources. Raises ``UserError`` if one cannot be read."""
    path, name, pin = parts(reference)
    return f"{path}:{name}@{pin or read(path).pin}{split(reference)[1]}" if name else reference


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
    return replaced(text, lambda reference: "{1}@{2}".format(*parts(pinned(reference))) + split(reference)[1])


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
            sources_of(path, pin).write(folder / f"{SHIPPED}{pin}")


def sources_of(path: Path, pin: str) -> Sources:
    """The sources with the pinned contents: the shipped copy if there is one, else those of ``path``.

    Raises ``UserError`` if the contents are no longer those that were pinned.
    """
    shipped = importlib.util.find_spec(f"{SHIPPED}{pin}")
    for root in map(Path, shipped.submodule_search_locations or () if shipped else ()):
        # The path is that of another machine; how much of it lies below the root is not known here.
        for name in map(PurePosixPath, ["/".join(path.parts[-k:]) for k in range(1, len(path.parts))]):
            if (root / name).is_file() and (own := read(root / name, root)).pin == pin:
                return own
    own = read(path)
    if own.pin != pin:
        edited = "or a file that it imports was edited" if len(own.files) > 1 else "was edited"
        raise UserError(f"{path} {edited} after this sweep was planned. Run the same command again.")
    return own
