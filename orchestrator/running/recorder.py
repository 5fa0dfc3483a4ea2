"""What is recorded when: measured rounds, log-spaced rows, means over the window between rows and over the tail."""

import math
from bisect import bisect_right
from typing import Any, TypeAlias, cast

import numpy as np

from orchestrator.core.calls import Traffic
from orchestrator.planning.cells import Record
from orchestrator.running.checkpoint import Tree

#: The metrics of one measurement; None where one is not defined.
Values: TypeAlias = tuple[float | None, ...]


def record_rounds(rounds: int, per_decade: int) -> list[int]:
    """Rounds that become rows: 0, log-spaced from 1, and the last."""
    spaced, k = {0, rounds}, 0
    while (r := _tenth_power(k, per_decade)) <= rounds:
        spaced.add(r)
        k += 1
    return sorted(spaced)


def _tenth_power(k: int, parts: int) -> int:
    """10^(k / parts) rounded to a whole number, by whole numbers alone: the C library's power is another elsewhere."""
    r = round(10.0 ** (k / parts))
    while (2 * r - 1) ** parts > 2**parts * 10**k:
        r -= 1
    while (2 * r + 1) ** parts <= 2**parts * 10**k:
        r += 1
    return r


class Recorder:
    """The measurements of one seed. Rows and means are derived from them at the end, by additions in round order."""

    def __init__(self, schedule: Record | None = None, rounds: int = 0):
        schedule = schedule or Record.model_validate({})
        self.interval = schedule.interval(rounds)
        self.rows_at = record_rounds(rounds, schedule.per_decade)
        self._row_set = frozenset(self.rows_at)
        self.rounds = rounds
        self.names: tuple[str, ...] = ()
        self._measured: list[tuple[int, int, int]] = []
        self._values: list[Values] = []
        self._defined: set[str] = set()

    def due(self, completed: int) -> bool:
        """Whether the state after ``completed`` rounds is measured."""
        return completed % self.interval == 0 or completed in self._row_set

    def next_due(self, completed: int) -> int:
        """The first measured round after ``completed``."""
        regular = (completed // self.interval + 1) * self.interval
        after = bisect_right(self.rows_at, completed)
        row = self.rows_at[after] if after < len(self.rows_at) else self.rounds
        return min(regular, row, self.rounds)

    @property
    def last(self) -> int:
        """The round of the newest measurement; -1 before the first."""
        return self._measured[-1][0] if self._measured else -1

    def add(self, completed: int, traffic: Traffic, metrics: object) -> str:
        """Take a measurement. Returns the name of a metric that is not finite, or an empty string.

        None is a metric that is not defined, such as the return of an episode before the first one has ended. A NaN is
        the same as long as the metric has never been a number. Raises ``TypeError`` or ``ValueError`` for anything but
        a dict of the same metrics as at first.
        """
        if not isinstance(metrics, dict):
            raise TypeError(f"measure() must return a dict of metrics, not {type(metrics).__name__}")
        if self.names and metrics.keys() != set(self.names):
            raise ValueError(f"measure() returned the metrics {sorted(metrics)}; at first {sorted(self.names)}")
        if not self.names:
            self.names = tuple(metrics)
        for name in self.names:
            if metrics[name] is not None and np.ndim(metrics[name]):
                raise TypeError(f"measure() gave {name!r} the shape {np.shape(metrics[name])}; it takes one number")
        values = tuple(self._value(name, metrics[name]) for name in self.names)
        self._measured.append((completed, traffic.agent_steps, traffic.bytes_sent))
        self._values.append(values)
        infinite = (n for n, v in zip(self.names, values, strict=True) if v is not None and not math.isfinite(v))
        return next(infinite, "")

    def _value(self, name: str, given: object) -> float | None:
        value = math.nan if given is None else float(cast(float, given))
        if math.isfinite(value):
            self._defined.add(name)
        elif given is None or (math.isnan(value) and name not in self._defined):
            return None
        # A NaN has a sign and a payload that mean nothing and differ between code paths.
        return math.nan if math.isnan(value) else value

    def rows(self) -> list[dict[str, Any]]:
        """One dict per row of ``metrics``: round, costs, window, and each metric with its mean since the last row."""
        rows: list[dict[str, Any]] = []
        window: list[Values] = []
        last = len(self._measured) - 1
        for k, (completed, steps, sent) in enumerate(self._measured):
            window.append(self._values[k])
            if completed not in self._row_set and k != last:
                continue
            row: dict[str, Any] = {
                "round": completed,
                "agent_steps": steps,
                "bytes_sent": sent,
                "window": len(window),
            }
            for name, value, mean in zip(self.names, self._values[k], _means(window), strict=True):
                row[name], row[f"{name}_window"] = value, mean
            rows.append(row)
            window = []
        return rows

    def summary(self) -> dict[str, Any]:
        """``<metric>_final``, and ``<metric>_tail``: the mean over measured rounds in the last half of those taken."""
        if not self._measured:
            return {}
        half = self._measured[-1][0] / 2
        tail = [v for (completed, _, _), v in zip(self._measured, self._values, strict=True) if completed >= half]
        finals = {f"{name}_final": value for name, value in zip(self.names, self._values[-1], strict=True)}
        return finals | {f"{name}_tail": mean for name, mean in zip(self.names, _means(tail), strict=True)}

    def state(self) -> Tree:
        """Everything measured so far."""
        return {
            "names": list(self.names),
            "measured": np.array(self._measured, dtype=np.int64).reshape(-1, 3),
            "values": np.array(self._values, dtype=np.float64).reshape(len(self._values), len(self.names)),
            "undefined": np.array([[v is None for v in row] for row in self._values], dtype=bool).reshape(
                len(self._values), len(self.names)
            ),
        }

    def load(self, state: Tree) -> None:
        """Take over what ``state()`` gave."""
        self.names = tuple(state["names"])
        self._measured = [(int(a), int(b), int(c)) for a, b, c in state["measured"]]
        pairs = zip(state["values"].tolist(), state["undefined"].tolist(), strict=True)
        self._values = [tuple(None if no else v for v, no in zip(*row, strict=True)) for row in pairs]
        self._defined = {n for row in self._values for n, v in zip(self.names, row, strict=True) if v is not None}


def _means(rows: list[Values]) -> list[float | None]:
    """Column means by sequential addition, over the rows in which a metric is defined; None where it never is."""
    totals, counts = [0.0] * len(rows[0]), [0] * len(rows[0])
    for row in rows:
        for j, value in enumerate(row):
            if value is not None:
                totals[j] += value
                counts[j] += 1
    return [total / count if count else None for total, count in zip(totals, counts, strict=True)]
