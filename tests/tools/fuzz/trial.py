"""One command in a forked child: its exit code, its output, its time, and what it wrote where nobody asked for it."""

import contextlib
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

#: Seconds of processor time that a command may take. Machines are shared: its wall clock says little.
PATIENCE = 20
#: Seconds of wall clock after which a command that waits is given up.
WALL = 150
#: Bytes of memory of a command.
MEMORY = 12 << 30
#: Exit codes that the documentation knows.
CODES = (0, 1, 2, 130)
TRACE = "Traceback (most recent call last)"
#: What changes the file system, by Python's name of the event, with the places of the paths in its arguments.
CHANGES = {
    **dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.utime"), (0,)),
    **dict.fromkeys(("os.rename", "os.link"), (0, 1)),
    "os.symlink": (1,),
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Ended(NamedTuple):
    """How a command ended: exit code (a signal as its negative number), all that it printed, seconds, wrong writes.

    ``errors`` is what it printed on stderr. On stdout a traceback may be the stored error of a failed replicate.
    """

    code: int
    output: str
    seconds: float
    elsewhere: tuple[str, ...] = ()
    errors: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong, in a few words; empty if nothing is."""
        if TRACE in self.errors:
            return "a traceback"
        if self.code in (-signal.SIGXCPU, -signal.SIGALRM):
            return f"no end after {self.seconds:.0f} s"
        if self.code not in CODES:
            return f"exit code {self.code}"
        return f"changed {', '.join(self.elsewhere)}" if self.elsewhere else ""


def attempt(words: Sequence[str], place: Path) -> Ended:
    """Run ``orchestrator WORDS`` in the folder ``place``, in a child of this process."""
    roots = _roots(words, place)
    before = _seen(place, roots)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as changes:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            _command(words, place, roots, (output.fileno(), errors.fileno()), changes.fileno())
        code, seconds = _wait(child)
        for file in (output, errors, changes):
            file.seek(0)
        told = [line.decode() for line in changes.read().splitlines()]
        said, wrong = (file.read().decode("utf-8", "backslashreplace") for file in (output, errors))
    after = _seen(place, roots)
    stored = os.path.realpath(place / "results") + "/"
    silent = [
        path
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
        and (path in before or not path.startswith(stored))  # rows are only ever added
        and not (path.startswith(stored) and "compact" in words)
    ]
    return Ended(code, said + wrong, seconds, tuple(sorted({*told, *silent})), wrong)


def _roots(words: Sequence[str], place: Path) -> tuple[str, ...]:
    """The folders and files that a command may write: those that its words name, and the default ones."""
    named = [text for word in words for text in (word, word.partition("=")[2]) if text and "\0" not in text]
    return tuple(os.path.realpath(place / name) for name in ("results", ".tmp", *named))


def _below(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def _seen(place: Path, roots: Sequence[str]) -> dict[str, Any]:
    """What must stay as it is: files beside the roots, and the stored tables, of which no segment ever changes."""
    seen: dict[str, Any] = {str(place.parent): sorted(os.listdir(place.parent))}
    results = os.path.join(os.path.realpath(place), "results") + "/"
    for folder, _, names in os.walk(os.path.realpath(place)):
        for name in names:
            path = os.path.join(folder, name)
            if not _below(path, roots) or (path.startswith(results) and name.endswith(".parquet")):
                of = os.lstat(path)
                seen[path] = (of.st_size, of.st_mtime_ns)
    return {path: state for path, state in seen.items() if ".tmp" not in path}


def _wait(child: int) -> tuple[int, float]:
    """Exit code and seconds of processor time of a child. One that takes too long is ended."""
    deadline, late = time.monotonic() + WALL, False
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            seconds = usage.ru_utime + usage.ru_stime
            return (-signal.SIGALRM, WALL) if late else (os.waitstatus_to_exitcode(status), seconds)
        if time.monotonic() > deadline and not late:
            os.kill(child, signal.SIGKILL)
            late = True
        time.sleep(0.005)


def _command(
    words: Sequence[str], place: Path, roots: tuple[str, ...], output: tuple[int, int], changes: int
) -> NoReturn:
    """The child: run the command and leave, whatever it does."""
    code: Any = 70
    try:
        _settle(place, output)
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _watch(place, roots, changes)
        sys.argv = ["orchestrator", *words]
        from orchestrator import cli

        cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = 120  # Python's own
            except ValueError:  # it is closed
                pass
        os._exit(code if isinstance(code, int) else 1 if code else 0)


def _settle(place: Path, output: tuple[int, int]) -> None:
    """Streams, current folder and folder of temporary files of the child; and no Ray, which would take its time."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output[0], 1)
    os.dup2(output[1], 2)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - they stay open
    os.chdir(place)
    temporary = place / ".tmp"
    temporary.mkdir(exist_ok=True)
    tempfile.tempdir = str(temporary)
    sys.dont_write_bytecode = True
    os.environ |= {"TMPDIR": tempfile.tempdir, "HOME": tempfile.tempdir, "RAY_API_SERVER_ADDRESS": "http://127.0.0.1:9"}
    os.environ.pop("RAY_ADDRESS", None)

    from orchestrator.cluster import connection
    from orchestrator.errors import UserError

    def no_ray(*_: Any, **__: Any) -> NoReturn:
        raise UserError("There is no Ray here.")

    connection.local_ray = no_ray


def _watch(place: Path, roots: tuple[str, ...], changes: int) -> None:
    """Tell of each change outside of the roots, and refuse it outside of the child's folder."""
    kept = (os.environ.get("NUMBA_CACHE_DIR", os.devnull), os.devnull)
    allowed, own = (*roots, *map(os.path.realpath, kept), "/dev"), (os.path.realpath(place),)

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            paths = given[:1] if isinstance(given[2], int) and given[2] & WRITING else ()
        else:
            paths = [given[at] for at in CHANGES.get(event, ())]
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike) and b"\0" not in os.fsencode(path):
                real = os.path.realpath(os.fsdecode(path))
                if not _below(real, allowed):
                    os.write(changes, f"{real!r}\n".encode())
                    if not _below(real, own):
                        raise PermissionError(13, "Permission denied", real)

    sys.addaudithook(hook)


def emptied(place: Path) -> Path:
    """The folder, new and empty."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def warm(*commands: Sequence[str]) -> None:
    """Run commands in this process: children are forked from here, with all libraries, kernels and fonts loaded."""
    from orchestrator import cli

    argv = sys.argv
    for words in commands:
        sys.argv = ["orchestrator", *words]
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                cli.main()
            except SystemExit as end:
                code = end.code
        assert code == 0, output.getvalue()
    sys.argv = argv
