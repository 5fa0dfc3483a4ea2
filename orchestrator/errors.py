"""The exception for bad input, and what messages need: where an error was, its first line, the nearest name."""

import difflib
import os
import re
import traceback
import unicodedata
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: The engine's own files.
ENGINE = Path(__file__).resolve().parent
#: Python's own files, on this machine or another.
LIBRARY = re.compile(r"/lib(64)?/python\d\.\d+/")


class UserError(Exception):
    """Bad input, in one or two plain sentences that name the field and what it accepts.

    The command line prints the sentences on stderr and exits with code 2. A notebook shows the exception.
    """


#: What terminals obey besides the control characters: the direction of text, and lines of their own.
_UNSEEN = frozenset("\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def plain(text: str) -> str:
    """``text`` as a terminal may have it: control characters other than tabs and ends of lines are written as codes.

    Names and messages that come out of a results folder are somebody else's.
    """
    if text.isprintable():
        return text
    return "".join(
        _code(c) if c in _UNSEEN or (unicodedata.category(c) == "Cc" and c not in "\n\t") else c for c in text
    )


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode()


def uncoloured(text: str) -> str:
    """``plain`` without the colours that libraries write into their logs."""
    return plain(_COLOURS.sub("", text))


def error_place(trace: str) -> str:
    """Where a traceback ends in a file that is not the engine's or a library's, as `` (mine.py, line 20, in pull)``.

    Empty if there is no such file.
    """
    frames = [
        (Path(path), line, name) for path, line, name in re.findall(r'File "([^"]+)", line (\d+), in (\S+)', trace)
    ]
    own = [frame for frame in frames if not _is_foreign(frame[0])]
    if not own:
        return ""
    path, number, name = own[-1]
    return f" ({path.name}, line {number}, in {name})"


def _is_foreign(path: Path) -> bool:
    library = "site-packages" in path.parts or LIBRARY.search(path.as_posix()) is not None
    return library or path.is_relative_to(ENGINE) or path.name.startswith("<")  # such as a method of dataclasses


def ends_process(error: BaseException) -> bool:
    """Whether an exception ends this process, whatever runs in it: Ctrl-C, and Ray's word for a worker that has to go.

    Whatever else an author's code raises is an error of that code, the ``SystemExit`` of ``sys.exit(0)`` included.
    """
    return isinstance(error, KeyboardInterrupt) or hasattr(error, "ray_terminate_msg")


@contextmanager
def staying() -> Generator[None]:
    """The working folder is afterwards what it was, whatever an author's code does: results are kept relative to it."""
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        yield
        return
    try:
        yield
    finally:
        os.chdir(here)


@contextmanager
def asked(owner: str, what: str) -> Generator[None]:
    """Ask a class of an author's for ``what``, such as ``warnings()``: any exception but Ctrl-C becomes a sentence."""
    try:
        with staying():
            yield
    except UserError:
        raise
    except BaseException as error:
        if ends_process(error):
            raise
        where = error_place("".join(traceback.format_exception(error)))
        raise UserError(f"{owner}: {what} failed: {type(error).__name__}: {line(error)}{where}.") from error


def said(error: BaseException) -> str:
    """An exception's text. It is empty where the exception cannot even say it."""
    try:
        return writable(str(error))
    except BaseException as other:
        if ends_process(other):
            raise
        return ""


def writable(text: str) -> str:
    """``text`` with what cannot be written in UTF-8, such as half of a surrogate pair, as a backslash and a number."""
    return text.encode("utf-8", "backslashreplace").decode()


def sentence(text: str) -> str:
    """``text`` with a full stop, unless it has an end already."""
    return text if text.endswith(("?", ".")) else f"{text}."


def line(error: BaseException, number: int = 0) -> str:
    """One line of an exception's text: the first, or -1 for the last, where Ray puts the words of a worker's error."""
    return (said(error).strip().splitlines() or [type(error).__name__])[number].rstrip(".")


#: Number of names in a message where none is near.
MOST_KNOWN = 12


def nearest(name: str, known: Iterable[str], most: int = 3) -> str:
    """The end of an error message: the known names nearest to ``name``, or some of all if none is near."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, most, 0.5)
    if "/" not in name:  # the last part of a sweep's name
        tails = {word.rpartition("/")[2]: word for word in known if "/" in word}
        near = [tails[tail] for tail in difflib.get_close_matches(name, tails, 1, 0.8)] or near
    if near:
        return f"did you mean {' or '.join(repr(word) for word in near)}?"
    more = f" and {len(known) - MOST_KNOWN} more" if len(known) > MOST_KNOWN else ""
    return f"known: {', '.join(known[:MOST_KNOWN]) or 'none'}{more}."


def input_path(error: "ErrorDetails", values: Mapping[str, object]) -> list[str]:
    """Keys and positions that lead through ``values`` to the place of a pydantic error.

    Pydantic's own location also names the members of unions that it tried, such as ``int`` or ``list[int]``. They are
    left out because the input has no such key. A missing key is the last part of its location.
    """
    path: list[str] = []
    here: object = values
    for part in error["loc"]:
        if isinstance(here, Mapping) and part in here:
            here = cast("Mapping[object, object]", here)[part]
        elif isinstance(here, list | tuple) and isinstance(part, int) and part < len(cast("list[object]", here)):
            here = cast("list[object]", here)[part]
        else:
            continue
        path.append(str(part))
    return [*path, str(error["loc"][-1])] if error["type"] == "missing" else path
