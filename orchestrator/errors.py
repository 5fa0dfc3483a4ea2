"""The one exception that stands for a mistake of the user's, not of the program's; others' errors in one line."""

import difflib
import os
import re
from collections.abc import Iterable


class UserError(Exception):
    """Bad input, told in one or two plain sentences that name the field and what it accepts.

    The command line prints the sentences on stderr and exits with code 2; a notebook sees the exception.
    """


def place(trace: str) -> str:
    """Where in a file of the user's a traceback ends, as `` (mine.py, line 20, in pull)``; empty if in none."""
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', trace)
    ours = (f"{os.sep}orchestrator{os.sep}", f"{os.sep}site-packages{os.sep}", f"{os.sep}lib{os.sep}python")
    own = [frame for frame in frames if not any(part in frame[0] for part in ours)]
    return f" ({os.path.basename(own[-1][0])}, line {own[-1][1]}, in {own[-1][2]})" if own else ""


def line(error: BaseException, number: int = 0) -> str:
    """One line of what an exception says: its first, or -1 where Ray has put a worker's own words last."""
    return (str(error).strip().splitlines() or [type(error).__name__])[number].rstrip(".")


#: Names listed where none is near; ``orchestrator list`` has them all.
MOST_KNOWN = 12


def nearest(name: str, known: Iterable[str], most: int = 3) -> str:
    """The known names, those nearest to ``name`` alone if any is near: the end of an error message."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, most, 0.5)
    if "/" not in name:  # the last part of a sweep's name
        tails = {word.rpartition("/")[2]: word for word in known if "/" in word}
        near = [tails[tail] for tail in difflib.get_close_matches(name, tails, 1, 0.8)] or near
    if near:
        return f"did you mean {' or '.join(repr(word) for word in near)}?"
    more = f" and {len(known) - MOST_KNOWN} more" if len(known) > MOST_KNOWN else ""
    return f"known: {', '.join(known[:MOST_KNOWN]) or 'none'}{more}."
