"""The only writer of a results folder."""

import time

import pyarrow as pa

from orchestrator.progress.watcher import Watcher
from orchestrator.store import Store
from orchestrator.store.schema import united

#: Finished replicates are stored when so many wait, or so many seconds have passed.
FLUSH_REPLICATES = 256
FLUSH_SECONDS = 3.0


class Writer:
    """The only writer of a sweep's results: gathers finished cells and stores a few seconds' worth at a time."""

    def __init__(self, store: Store, watcher: Watcher):
        self._store, self.watcher = store, watcher
        self._waiting: list[dict[str, pa.Table]] = []
        self._checkpoints: list[str] = []
        self._replicates = 0
        self._flushed = time.monotonic()
        self.finished: set[tuple[str, int]] = set()

    def add(self, tables: dict[str, pa.Table], checkpoint: str = "") -> None:
        """Take a cell's rows; ``checkpoint`` is no longer needed once they are stored."""
        columns = ["cell_id", "seed", "status", "error", "algorithm", "agents", "agent_steps"]
        runs = tables["runs"].select(columns).to_pylist()
        self._waiting.append(tables)
        self._checkpoints += [checkpoint] if checkpoint else []
        self._replicates += len(runs)
        self.finished |= {(run["cell_id"], run["seed"]) for run in runs}
        if self._replicates >= FLUSH_REPLICATES or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()
        self.watcher.on_end(runs)

    def flush(self) -> None:
        """Store what waits."""
        if self._waiting:
            names = dict.fromkeys(name for tables in self._waiting for name in tables)
            parts = {name: [tables[name] for tables in self._waiting if name in tables] for name in names}
            self._store.append({name: united(rows) for name, rows in parts.items()})
        for name in self._checkpoints:
            self._store.checkpoints.delete(name)
        self._waiting, self._checkpoints, self._replicates = [], [], 0
        self._flushed = time.monotonic()
