"""The progress of a sweep: counted from the events of its cells, shown live on a terminal or in plain lines."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from orchestrator.errors import error_place, plain
from orchestrator.progress.display import Display, amount, duration
from orchestrator.progress.tally import Tally
from orchestrator.progress.watcher import Watcher

log = logging.getLogger("orchestrator")

#: Seconds between two plain lines at first; later a twentieth of the elapsed time.
PAUSE = 10.0


class Progress(Watcher):
    """Shows a tally on ``stream``: live on a terminal, plain lines elsewhere. Use as a context manager.

    ``stored`` of the ``total`` replicates are already in the store. Warnings of the program are printed there as well.
    """

    def __init__(
        self, title: str, tally: Tally, stored: int, total: int, quiet: bool = False, stream: TextIO | None = None
    ):
        self._title, self._tally, self._stored, self._total = title, tally, stored, total
        self._quiet, self._stream = quiet, stream or sys.stderr
        self._display: Display | None = None
        self._handler = _Said(self._say)
        self._told = 0.0  # when the last line was printed, in seconds after the start

    def __enter__(self) -> "Progress":
        if not self._quiet:
            log.addHandler(self._handler)
            if self._stream.isatty():
                self._display = Display(self._title, self._tally, self._stored, self._total, self._stream)
                self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        log.removeHandler(self._handler)
        if self._display is not None:
            self._display.stop()
            self._display = None

    def on_preparing(self, what: str) -> None:
        self._tally.on_preparing(what)
        if not (self._quiet or self._display):
            self._say(f"{self._title}: {what}")

    def on_start(self, cell: str, seeds: Sequence[int]) -> None:
        self._tally.on_start(cell, seeds)
        log.info("cell %s (%s): seeds %s begin", cell, self._tally.case(cell), _words(seeds))

    def on_progress(self, cell: str, seeds: Sequence[int], share: float, steps: int) -> None:
        self._tally.on_progress(cell, seeds, share, steps)
        self._line()

    def on_lost(self, cell: str, seeds: Sequence[int]) -> None:
        self._tally.on_lost(cell, seeds)

    def on_end(self, runs: Sequence[Mapping[str, Any]]) -> None:
        self._tally.on_end(runs)
        if fine := [run for run in runs if run["status"] == "done"]:
            cell, seeds = fine[0]["cell_id"], [run["seed"] for run in fine]
            log.info("cell %s (%s): seeds %s done", cell, self._tally.case(cell), _words(seeds))
        if not self._quiet:
            self._tell_ends(runs)
        self._line()

    def _tell_ends(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """One line for all seeds of a cell that ended badly in the same way."""
        alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for run in runs:
            if run["status"] != "done":
                error = run["error"] or " "
                alike.setdefault((run["status"], error.splitlines()[0] + error_place(error)), []).append(run)
        for (status, reason), same in alike.items():
            agents = f"{same[0]['agents']} agent{'s' * (same[0]['agents'] != 1)}"
            seeds = f"seed {same[0]['seed']}" if len(same) == 1 else f"{len(same)} seeds ({_span(same)})"
            who = f"cell {same[0]['cell_id']} ({same[0]['algorithm']}, {agents}), {seeds}"
            log.warning("%s: %s: %s", who, status, reason)

    def _line(self) -> None:
        """Print a plain line from time to time, and the last one."""
        tally, done = self._tally, self._stored + self._tally.replicates
        last = done == self._total
        if self._quiet or self._display or not (last or tally.passed - self._told > max(PAUSE, tally.passed / 20)):
            return
        self._told = tally.passed
        words = [f"{self._title}: {done} of {self._total} replicates"]
        words += [f"{tally.failures} failed"] if tally.failures else []
        words += [f"{amount(rate)} steps/s"] if (rate := tally.rate()) >= 1 else []
        words += [f"{duration(tally.passed)} passed"]
        left = tally.left()
        words += [f"about {duration(left)} left"] if left and not last else []
        self._say(", ".join(words))

    def _say(self, text: str) -> None:
        text = plain(text)
        if self._display is not None:
            self._display.say(text)
        else:
            print(text, file=self._stream, flush=True)


class _Said(logging.Handler):
    """Passes the program's own warnings on."""

    def __init__(self, say: Callable[[str], None]):
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


def _span(runs: Sequence[Mapping[str, Any]]) -> str:
    """The seeds, the first few of many."""
    seeds = [str(run["seed"]) for run in runs]
    return ", ".join(seeds[:8]) + (", …" if len(seeds) > 8 else "")


def _words(seeds: Sequence[int]) -> str:
    return ",".join(map(str, seeds))
