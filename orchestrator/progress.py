"""How far a sweep has come: what execution tells of its cells, counted, and said on a terminal or in plain lines."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from orchestrator.display import Display, amount, duration

log = logging.getLogger("orchestrator")

#: Seconds between two plain lines at first; later a twentieth of what has passed.
PAUSE = 10.0


class Watcher:
    """What execution tells of a sweep's course. This one listens to nothing."""

    def prepares(self, what: str) -> None:
        """What is done before the first cell is heard of."""

    def began(self, cell: str, seeds: Sequence[int]) -> None:
        """Seeds of a cell have begun, together."""

    def went(self, cell: str, seeds: Sequence[int], share: float, steps: int) -> None:
        """They have come so far: share of their rounds, environment transitions."""

    def halted(self, cell: str, seeds: Sequence[int]) -> None:
        """They were lost and wait for another start."""

    def ended(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Replicates ended: their rows of ``runs``, the columns that say who they are and what came of them."""


class Tally(Watcher):
    """Counts cells, replicates and steps. ``cases`` are the cells of each case, ``todo`` the seeds to run of each cell.

    ``weights`` are the cells' expected seconds, in any unit: they say what share of the work is done.
    """

    def __init__(
        self,
        cases: Mapping[str, Sequence[str]],
        todo: Mapping[str, Sequence[int]],
        weights: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.cases = cases
        self.failures = 0  #: replicates that failed
        self.preparing = ""  #: what is done before the first cell is heard of
        self.lock = threading.RLock()  #: the display draws from a thread of its own
        self._todo = {cell: set(seeds) for cell, seeds in todo.items()}
        self._planned = {cell: len(seeds) for cell, seeds in todo.items()}
        self._weights, self._clock = weights, clock
        self._running: dict[tuple[str, tuple[int, ...]], tuple[float, int]] = {}
        self._steps = dict.fromkeys(todo, 0)  # of replicates that ended
        self._failed: set[str] = set()
        self._busy = dict.fromkeys(cases, 0.0)  # seconds in which a case had a running cell
        self._begun = self._last = clock()
        self._first: tuple[float, float] | None = None  # seconds and share when the first progress was told

    def began(self, cell: str, seeds: Sequence[int]) -> None:
        with self.lock:
            self._tick()
            self._running[cell, tuple(seeds)] = (0.0, 0)

    def prepares(self, what: str) -> None:
        self.preparing = what

    def went(self, cell: str, seeds: Sequence[int], share: float, steps: int) -> None:
        with self.lock:
            self.preparing = ""
            self._running[cell, tuple(seeds)] = (share, steps)
            self._note_first()

    def halted(self, cell: str, seeds: Sequence[int]) -> None:
        with self.lock:
            self._tick()
            self._running.pop((cell, tuple(seeds)), None)

    def ended(self, runs: Sequence[Mapping[str, Any]]) -> None:
        with self.lock:
            self._tick()
            self.preparing = ""
            for run in runs:
                cell = run["cell_id"]
                self._todo[cell].discard(run["seed"])
                self._steps[cell] += run["agent_steps"] or 0
                if run["status"] == "failed":
                    self._failed.add(cell)
                    self.failures += 1
            for cell, seeds in list(self._running):
                if not self._todo[cell].intersection(seeds):
                    del self._running[cell, seeds]
            self._note_first()

    def _note_first(self) -> None:
        if self._first is None and self.share() > 0:
            self._first = self.passed, self.share()

    def case(self, cell: str) -> str:
        """The case or cases that a cell belongs to."""
        return ", ".join(case for case, cells in self.cases.items() if cell in cells)

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._begun

    @property
    def replicates(self) -> int:
        """Replicates that ended since the start."""
        return sum(self._planned.values()) - sum(map(len, self._todo.values()))

    def share(self) -> float:
        """The part of the work that is done, from 0 to 1."""
        done = 0.0
        for cell, planned in self._planned.items():
            under_way = sum(share * len(seeds) for (of, seeds), (share, _) in self._running.items() if of == cell)
            done += self._weights[cell] * (planned - len(self._todo[cell]) + under_way) / planned
        return min(1.0, done / (sum(self._weights.values()) or 1.0))

    def left(self) -> float | None:
        """Seconds still to go at the pace since the first progress; None while there is none.

        What comes before it, processes that start and loops that compile, is no pace.
        """
        share = self.share()
        if self._first is None:
            return None
        began, before = self._first
        return (self.passed - began) * (1 - share) / (share - before) if share - before > 0.005 else None

    def counts(self, case: str) -> dict[str, int]:
        """Cells of a case: all, done, running and failed; one whose seeds are done in part is neither."""
        cells = self.cases[case]
        running = {cell for cell, _ in self._running}
        failed = self._failed.intersection(cells)
        done = [cell for cell in cells if not self._todo.get(cell) and cell not in failed]
        return {
            "cells": len(cells),
            "done": len(done),
            "running": len(running.intersection(cells)),
            "failed": len(failed),
        }

    def rate(self, case: str | None = None) -> float:
        """Environment transitions a second, of a case while it ran or of all; 0 before the first."""
        self._tick()
        of = set(self._todo) if case is None else self._todo.keys() & set(self.cases[case])
        seconds = self.passed if case is None else self._busy[case]
        steps = sum(self._steps[cell] for cell in of)
        steps += sum(steps for (cell, _), (_, steps) in self._running.items() if cell in of)
        return steps / seconds if seconds > 0 else 0.0

    def _tick(self) -> None:
        now = self._clock()
        running = {cell for cell, _ in self._running}
        for case, cells in self.cases.items():
            if running.intersection(cells):
                self._busy[case] += now - self._last
        self._last = now


class Progress(Watcher):
    """Shows a tally on ``stream``: live on a terminal, plain lines elsewhere. Use as a context manager.

    ``stored`` replicates of ``total`` are there already. What the program logs as a warning is told there as well.
    """

    def __init__(
        self, title: str, tally: Tally, stored: int, total: int, quiet: bool = False, stream: TextIO | None = None
    ):
        self._title, self._tally, self._stored, self._total = title, tally, stored, total
        self._quiet, self._stream = quiet, stream or sys.stderr
        self._display: Display | None = None
        self._handler = _Said(self._say)
        self._told = 0.0  # seconds after the start

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

    def prepares(self, what: str) -> None:
        self._tally.prepares(what)
        if not (self._quiet or self._display):
            self._say(f"{self._title}: {what}")

    def began(self, cell: str, seeds: Sequence[int]) -> None:
        self._tally.began(cell, seeds)
        log.info("cell %s (%s): seeds %s begin", cell, self._tally.case(cell), _words(seeds))

    def went(self, cell: str, seeds: Sequence[int], share: float, steps: int) -> None:
        self._tally.went(cell, seeds, share, steps)
        self._line()

    def halted(self, cell: str, seeds: Sequence[int]) -> None:
        self._tally.halted(cell, seeds)

    def ended(self, runs: Sequence[Mapping[str, Any]]) -> None:
        self._tally.ended(runs)
        if fine := [run for run in runs if run["status"] == "done"]:
            cell, seeds = fine[0]["cell_id"], [run["seed"] for run in fine]
            log.info("cell %s (%s): seeds %s done", cell, self._tally.case(cell), _words(seeds))
        for run in runs:
            if run["status"] != "done" and not self._quiet:
                reason = (run["error"] or "").splitlines()[0]
                who = f"cell {run['cell_id']} ({run['algorithm']}, {run['agents']} agents), seed {run['seed']}"
                log.warning("%s: %s: %s", who, run["status"], reason)
        self._line()

    def _line(self) -> None:
        """A plain line now and then, and the last one."""
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
        if self._display is not None:
            self._display.say(text)
        else:
            print(text, file=self._stream, flush=True)


class _Said(logging.Handler):
    """Passes on what the program itself warns of."""

    def __init__(self, say: Callable[[str], None]):
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


def _words(seeds: Sequence[int]) -> str:
    return ",".join(map(str, seeds))
