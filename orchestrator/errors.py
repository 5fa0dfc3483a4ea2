"""The one exception that stands for a mistake of the user's, not of the program's; others' errors in one line."""

import os
import re


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
