"""A sweep's log file: all output of the program and its libraries during a run, instead of on the terminal.

The file is ``logs/SWEEP.log`` in the results folder. Every driver appends to it.
"""

import contextlib
import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from orchestrator.errors import UserError

if TYPE_CHECKING:
    from orchestrator.store.folder import Folder

STDOUT, STDERR = 1, 2


def log_path(folder: "Folder", sweep: str) -> Path:
    """Path of the log of ``sweep``: in the results folder, or in ./logs if the results are in a bucket.

    Raises ``UserError`` if it leads out of the folder.
    """
    return folder.within(f"logs/{sweep}.log")


def running(path: Path) -> bool:
    """Whether a driver on this machine writes the log now. It holds a lock that ends with its process."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextlib.contextmanager
def kept(path: Path, title: str) -> Iterator[TextIO]:
    """Within this context, everything printed or logged goes to the log. Yields the original stderr.

    Raises ``UserError`` if the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Lines reach the file at once, also those of C++ libraries, so that ``logs --follow`` shows them.
        log, lock = open(path, "a", buffering=1), open(path, "rb")  # noqa: SIM115 - closed by the stack below
    except OSError as error:
        raise UserError(f"The log {path} cannot be written: {error.strerror}.") from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(log)
        stack.enter_context(lock)  # not the log itself: Ray's processes inherit it and would keep the lock
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        stack.enter_context(_recorded(log))
        people = stack.enter_context(_diverted(log))
        ours = logging.getLogger("orchestrator")
        ours.info("%s begins", title)
        try:
            yield people
        except BaseException as error:
            ours.info("%s stops: %s", title, " ".join(filter(None, (type(error).__name__, str(error)))))
            raise
        ours.info("%s ends", title)


@contextlib.contextmanager
def _recorded(log: TextIO) -> Iterator[None]:
    """Send loggers and warnings to the log."""
    root, ours = logging.getLogger(), logging.getLogger("orchestrator")
    handler, level = logging.StreamHandler(log), ours.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        ours.setLevel(level)
        root.removeHandler(handler)


@contextlib.contextmanager
def _diverted(log: TextIO) -> Iterator[TextIO]:
    """Redirect stdout and stderr to the log, for Python and for C++. Yields the original stderr."""
    before = sys.stdout, sys.stderr
    for stream in before:
        stream.flush()
    try:
        whole = (sys.stdout.fileno(), sys.stderr.fileno()) == (STDOUT, STDERR)
    except (OSError, ValueError):  # streams of a notebook or a test
        whole = False
    if not whole:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield before[1]
        return
    saved = {number: os.dup(number) for number in (STDOUT, STDERR)}
    with os.fdopen(os.dup(STDERR), "w", buffering=1) as people:
        try:
            for number in saved:
                os.dup2(log.fileno(), number)
            yield people
        finally:
            for stream in before:
                with contextlib.suppress(OSError, ValueError):  # closed by a plug-in's code
                    stream.flush()
            for number, copy in saved.items():
                os.dup2(copy, number)
                os.close(copy)
