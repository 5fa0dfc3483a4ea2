"""Telling how far a sweep has come, on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from typing import Any

#: Seconds between two plain lines.
PAUSE = 10.0


class Progress:
    """Counts replicates as they finish. Use as a context manager; calling it takes the runs of a finished cell."""

    def __init__(self, title: str, total: int, done: int, quiet: bool = False):
        self._title, self._total, self._done, self._quiet = title, total, done, quiet
        self._failed = 0
        self._bar: Any = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> "Progress":
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
            from rich.progress import TimeRemainingColumn as Left

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), Left())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._row = self._bar.add_task(self._title, total=self._total, completed=self._done)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, runs: list[dict[str, Any]]) -> None:
        self._done += len(runs)
        for run in runs:
            if run["status"] != "done":
                self._failed += 1
                reason = (run["error"] or "").splitlines()[0]
                self._say(f"{run['algorithm']}, {run['agents']} agents, seed {run['seed']}: {run['status']}: {reason}")
        if self._bar is not None:
            self._bar.update(self._row, completed=self._done)
        elif not self._quiet and (time.monotonic() - self._told > PAUSE or self._done == self._total):
            self._told = time.monotonic()
            self._say(f"{self._title}: {self._done} of {self._total} replicates, {self._told - self._began:.0f} s")

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False)
        elif not self._quiet:
            print(text, file=sys.stderr)
