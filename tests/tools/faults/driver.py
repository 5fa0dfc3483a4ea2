"""The command as a real process in a session of its own, with the Ray that it starts: watched, struck, waited for."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.tools.engine import ROOT

#: Seconds after which an attempt hangs.
PATIENCE = 180.0
#: Seconds that Ray's processes may live on after their driver. Some of them look for a lost GCS server for 60.
LEAVING = 90.0
#: Seconds between two looks.
PAUSE = 0.1
PROGRAM = "import sys\nfrom orchestrator import cli\nsys.argv = ['orchestrator', *sys.argv[1:]]\ncli.main()"


class Hang(Exception):
    """Something took longer than it may."""


def run(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself. Raises Hang."""
    command = [sys.executable, "-c", PROGRAM, *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Hang(f"{words[0]} has not ended in {PATIENCE:.0f} s") from None


def stored(results: Path) -> int:
    """Rows of ``runs`` in the files. A driver may replace the files at the same time."""
    count = 0
    for path in (results / "runs").glob("*.parquet"):
        with contextlib.suppress(OSError, pa.ArrowException):
            count += pq.read_metadata(path).num_rows
    return count


class Driver:
    """A command at work."""

    def __init__(self, words: Sequence[str], output: Path, environment: Mapping[str, str] | None = None):
        self.output, self.began = output, time.monotonic()
        self.ended: float | None = None  #: when it was seen to have ended
        command = [sys.executable, "-c", PROGRAM, *words]
        with output.open("wb") as stream:
            self.process = subprocess.Popen(
                command, stdout=stream, stderr=stream, cwd=ROOT, env=environment, start_new_session=True
            )

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self.output.read_text(errors="replace")

    @property
    def code(self) -> int | None:
        """Its exit code, None while it lives."""
        if (code := self.process.poll()) is not None and self.ended is None:
            self.ended = time.monotonic()
        return code

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return (self.ended or time.monotonic()) - self.began

    def find(self, words: Sequence[str]) -> list[int]:
        """Living processes of its session whose title or command line has one of the words, the oldest first."""
        return [pid for pid, title in sorted(session(self.process.pid).items()) if any(word in title for word in words)]

    def until(self, condition: Callable[[], object]) -> bool:
        """Wait for ``condition``; False if the driver ends before. Raises Hang."""
        while not condition():
            if self.code is not None:
                return False
            if self.seconds > PATIENCE:
                raise Hang(f"nothing came of it in {PATIENCE:.0f} s")
            time.sleep(PAUSE)
        return self.code is None

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit code. Raises Hang."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        if (code := self.code) is None:
            raise Hang(f"not finished {patience:.0f} s after the last fault")
        return code

    def left_behind(self) -> list[str]:
        """Titles of processes that do not leave after the driver."""
        deadline = (self.ended or time.monotonic()) + LEAVING
        while (there := session(self.process.pid)) and time.monotonic() < deadline:
            time.sleep(PAUSE)
        return sorted(there.values())

    def end(self) -> None:
        """Kill whatever is left of its session."""
        for pid in session(self.process.pid):
            strike(pid)
        self.process.wait()


def session(leader: int) -> dict[int, str]:
    """Processes of a session that are no zombies: pid -> title or command line."""
    found: dict[int, str] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found[int(place.name)] = line
    return found


def strike(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal; the process may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
