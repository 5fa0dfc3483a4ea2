"""A Ray Tune trial: it works off a batch of cells, one a step, and hands each cell's rows to the driver."""

import contextlib
import os
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import ray
from ray import tune
from ray.util import get_current_placement_group

from orchestrator.cell import Unit, compile_for, run_task
from orchestrator.checkpoint import Blobs, Keeper
from orchestrator.errors import UserError
from orchestrator.fleet import HostsGone
from orchestrator.fleet.inline import InlineFleet
from orchestrator.fleet.ray import RayFleet
from orchestrator.process import prepare
from orchestrator.rows import failures, tables
from orchestrator.store import Store


class CellTrial(tune.Trainable):
    """Runs the units of ``batches[config["batch"]]``. Its process and its host actors serve many batches."""

    def setup(self, config: dict[str, Any], batches: list[list[Unit]], location: str) -> None:
        """Called once a process by Tune."""
        prepare()
        self._batches = batches
        self._blobs: Blobs | None = None
        with contextlib.suppress(UserError):  # a worker that cannot see the store runs without checkpoints
            self._blobs = Store.open(location).checkpoints
        self._fleet: RayFleet | None = None
        self._compiled: set[str] = set()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next batch in the same process."""
        self._number = new_config["batch"]
        self._left = list(self._batches[self._number])
        return True

    def step(self) -> dict[str, Any]:
        """Run one unit; its rows travel in the result as Arrow IPC streams."""
        unit = self._left.pop(0)
        keeper = Keeper(unit.task.cell.id, unit.task.seeds, self._blobs)
        attempt = f"{ray.get_runtime_context().get_job_id()}-{os.getpid()}-{self._number}-{len(self._left)}"
        try:
            outcome = run_task(unit.task, self._on(unit), keeper)
            found = tables(unit.task, outcome, attempt)
        except HostsGone as gone:
            self._drop_fleet()
            found = failures(unit.task, str(gone))
        sent = {name: _stream(rows) for name, rows in found.items()}
        return {"tables": sent, "checkpoint_name": keeper.name, "done": not self._left}

    def _on(self, unit: Unit) -> InlineFleet | RayFleet:
        if unit.agents_per_actor is None:
            return InlineFleet()
        count = unit.task.hosts(unit.agents_per_actor)
        if unit.task.cell.algorithm not in self._compiled:
            compile_for(unit.task)
            self._compiled.add(unit.task.cell.algorithm)
        if self._fleet is None:
            self._fleet = RayFleet(count, get_current_placement_group())
        self._fleet.resize(count)
        return self._fleet

    def cleanup(self) -> None:
        """Called by Tune when the process is no longer needed."""
        self._drop_fleet()

    def _drop_fleet(self) -> None:
        if self._fleet is not None:
            self._fleet.close()
            self._fleet = None


class Receiver(tune.Callback):
    """Hands every step's rows to the driver's ``receive``; Tune pickles it, and the copy has no use for the driver."""

    def __init__(self, receive: Callable[[dict[str, pa.Table], str], None]):
        self._receive = receive

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        """Called by Tune in the driver's process."""
        self._receive(_tables(result.pop("tables")), result.pop("checkpoint_name"))

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _stream(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def _tables(sent: dict[str, bytes]) -> dict[str, pa.Table]:
    return {name: pa.ipc.open_stream(data).read_all() for name, data in sent.items()}
