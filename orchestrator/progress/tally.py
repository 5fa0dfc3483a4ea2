"""Counts of a running sweep: cells, replicates, steps and the time left."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.progress.watcher import Watcher


class Tally(Watcher):
    """Counts cells, replicates and steps. ``cases`` are the cells of each case, ``todo`` the seeds to run of each cell.

    ``weights`` are the expected run times of the cells, in any unit. They give the share of the work that is done.
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
        self.preparing = ""  #: what is being prepared before the first cell reports progress
        self.lock = threading.RLock()  #: the display draws in its own thread
        self._todo = {cell: set(seeds) for cell, seeds in todo.items()}
        self._planned = {cell: len(seeds) for cell, seeds in todo.items()}
        self._weights, self._clock = weights, clock
        self._running: dict[tuple[str, tuple[int, ...]], tuple[float, int]] = {}
        self._steps = dict.fromkeys(todo, 0)  # steps of finished replicates
        self._failed: set[str] = set()
        self._busy = dict.fromkeys(cases, 0.0)  # seconds during which a case had a running cell
        self._begun = self._last = clock()
        self._first: tuple[float, float] | None = None  # elapsed seconds and share at the first progress report

    def on_start(self, cell: str, seeds: Sequence[int]) -> None:
        with self.lock:
            self._tick()
            self._running[cell, tuple(seeds)] = (0.0, 0)

    def on_preparing(self, what: str) -> None:
        self.preparing = what

    def on_progress(self, cell: str, seeds: Sequence[int], share: float, steps: int) -> None:
        with self.lock:
            self.preparing = ""
            self._running[cell, tuple(seeds)] = (share, steps)
            self._note_first()

    def on_lost(self, cell: str, seeds: Sequence[int]) -> None:
        with self.lock:
            self._tick()
            self._running.pop((cell, tuple(seeds)), None)

    def on_end(self, runs: Sequence[Mapping[str, Any]]) -> None:
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
        """Names of the cases that contain a cell."""
        return ", ".join(case for case, cells in self.cases.items() if cell in cells)

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._begun

    @property
    def replicates(self) -> int:
        """Number of replicates that ended since the start."""
        return sum(self._planned.values()) - sum(map(len, self._todo.values()))

    def share(self) -> float:
        """Share of the work that is done, from 0 to 1."""
        done = 0.0
        for cell, planned in self._planned.items():
            under_way = sum(share * len(seeds) for (of, seeds), (share, _) in self._running.items() if of == cell)
            done += self._weights[cell] * (planned - len(self._todo[cell]) + under_way) / planned
        return min(1.0, done / (sum(self._weights.values()) or 1.0))

    def left(self) -> float | None:
        """Seconds left at the pace since the first progress report; None before there is one.

        The time before it (starting processes, compiling kernels) does not count.
        """
        share = self.share()
        if self._first is None:
            return None
        began, before = self._first
        return (self.passed - began) * (1 - share) / (share - before) if share - before > 0.005 else None

    def counts(self, case: str) -> dict[str, int]:
        """Numbers of a case's cells: all, done, running, failed. A cell with only some seeds finished is not done."""
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
        """Environment steps per second: of a case while it ran, or of all; 0 before the first step."""
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
