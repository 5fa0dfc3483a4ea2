"""A Ray Tune trial: it runs a batch of cells one after the other and hands each cell's rows to the driver."""

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from ray import tune
from ray.tune.experiment import Trial
from ray.util import get_current_placement_group

from orchestrator import process
from orchestrator.cluster.nodes import MISMATCH, mismatch, sees
from orchestrator.errors import UserError
from orchestrator.fleet.base import Deadly, HostsGone
from orchestrator.fleet.inline import InlineFleet
from orchestrator.fleet.ray import RayFleet
from orchestrator.planning.preflight import Node, instances, reserved
from orchestrator.planning.sweep import Placement
from orchestrator.planning.tasks import Task, Unit
from orchestrator.process import prepare
from orchestrator.progress.watcher import Watcher
from orchestrator.running.checkpoint import Blobs, Keeper
from orchestrator.running.drive import CellRun, Pulse, compile_for
from orchestrator.running.rows import failures, tables
from orchestrator.store import Store

log = logging.getLogger("orchestrator")

#: What Ray's error (2.60) for an actor that was lost with its node contains.
NODE_LOST = "its node has died"


def bundles(
    batch: Sequence[Unit], placement: Placement, nodes: Sequence[Node], environments: Mapping[str, float]
) -> tune.PlacementGroupFactory:
    """What a batch's trial reserves: what each of its coordinators needs, usually one CPU, and memory.

    The memory is that of its process, its actors and its environments (``environments``: cell id -> bytes). Spread over
    ``nodes``, each of the other nodes gives memory for its own actors. Hosts take no CPU slot: they work while the
    trial waits for them. Where no node is known yet, no memory is reserved: a wrong guess could wait for ever.
    """
    hosts = max(0 if unit.agents_per_actor is None else unit.task.hosts(unit.agents_per_actor) for unit in batch)
    count = max(1, min(hosts, len(nodes))) if placement.strategy == "spread" else 1
    least, each = min((node.memory for node in nodes), default=0.0), -(-hosts // count)
    tables = max(environments.get(unit.task.cell.id, 0.0) * instances(unit.task) for unit in batch)
    own = {"memory": reserved(1 + each, tables, least)} if least else {}
    away = {"memory": reserved(each, 0.0, least)}
    labels = {"bundle_label_selector": [placement.labels] * count} if placement.labels else {}
    return tune.PlacementGroupFactory(
        [batch[0].task.resources | own, *[away] * (count - 1)], strategy="SPREAD" if count > 1 else "PACK", **labels
    )


class CellTrial(tune.Trainable):
    """Runs the units of ``batches[config["batch"]]``. Its process and its host actors serve many batches."""

    def setup(self, config: dict[str, int], batches: list[list[Unit]], location: str, probe: str, release: str) -> None:
        """Called once per process by Tune."""
        prepare()
        if process.release() != release:
            raise UserError(mismatch(ray.util.get_node_ip_address(), process.release(), release))
        self._batches = batches
        # A process that does not see the store's own folder runs without checkpoints.
        self._blobs: Blobs | None = Store.open(location).checkpoints if sees(location, probe) else None
        here = ray.util.get_node_ip_address()
        self._events = [] if self._blobs else [f"{here} does not see the results folder: its cells keep no checkpoints"]
        self._fleet: RayFleet | None = None
        self._compiled: set[str] = set()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, int]) -> bool:
        """Take the next batch in the same process: what is left of it, if an earlier process was lost."""
        self._number = new_config["batch"]
        self._left = self._batches[self._number][new_config["finished"] :]
        self._run: CellRun | None = None
        return True

    def step(self) -> dict[str, object]:
        """Go on with a unit: how far it is, or its rows, which travel in the result as Arrow IPC streams."""
        unit = self._left[0]
        try:
            if self._run is None:
                began = time.perf_counter()
                self._keeper = Keeper(unit.task.cell.id, unit.task.seeds, self._blobs)
                self._run = CellRun(unit.task, self._fleet_for(unit), self._keeper)
                self._startup = time.perf_counter() - began
            outcome = self._run.advance()
            if isinstance(outcome, Pulse):
                return {"pulse": outcome, "done": False}
            outcome.seconds.startup += self._startup
            outcome.events += self._events
            self._events = []
            parts = tables(unit.task, outcome, self._attempt())
        except Deadly as deadly:
            self._drop_fleet()
            parts = failures(unit.task, str(deadly))
        except HostsGone:
            self._drop_fleet()
            raise  # Tune starts the trial again, where there is room for it
        self._run = None
        self._left.pop(0)
        sent = {name: _stream(rows) for name, rows in parts.items()}
        return {"tables": sent, "checkpoint_name": self._keeper.name, "done": not self._left}

    def _attempt(self) -> str:
        return f"{ray.get_runtime_context().get_job_id()}-{os.getpid()}-{self._number}-{len(self._left) - 1}"

    def _fleet_for(self, unit: Unit) -> InlineFleet | RayFleet:
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


def _last_error(file: str | None) -> str:
    """The newest failure in Tune's error file of a trial, in the driver's own copy."""
    try:
        return Path(file).read_text().rpartition("Failure #")[2] if file else ""
    except OSError:
        return ""


def why_lost(error: str) -> str:
    """Why a trial ended, in a line of Ray's error text: its exception, or what Ray knows of its process's end."""
    if (detail := re.search(r"Worker exit detail: (.+)", error)) is not None:
        return detail[1].strip().rstrip(".")
    lines = [line.strip() for line in error.splitlines() if line.strip() and not re.match(r"\s+\w+: ", line)]
    return lines[-1].rstrip(".") if lines else "its process ended"


class Receiver(tune.Callback):
    """Hands every step's rows to the driver's ``receive`` and the events of the ``batches`` to ``watcher``.

    Tune pickles it; the copy does not need the driver.
    """

    def __init__(
        self,
        receive: Callable[[dict[str, pa.Table], str], None],
        batches: Sequence[Sequence[Unit]],
        watcher: Watcher,
    ):
        self._receive, self._batches, self._watcher = receive, batches, watcher
        self.refused: UserError | None = None  #: what Tune would wrap: the store could not be written

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """Called by Tune when a trial gets its process."""
        if task := self._task(trial):
            self._watcher.on_start(task.cell.id, task.seeds)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: object,
    ) -> None:
        """Called by Tune in the driver's process."""
        task = self._task(trial)
        if pulse := result.pop("pulse", None):
            if task:
                self._watcher.on_progress(task.cell.id, task.seeds, pulse.share, pulse.steps)
            return
        tables = _tables(result.pop("tables"))
        for timing in tables["timings"].to_pylist() if "timings" in tables else []:
            if events := timing.get("events"):  # what was lost and replayed where the cell ran
                log.warning(events)
        try:
            self._receive(tables, result.pop("checkpoint_name"))
        except UserError as error:
            self.refused = error
            raise
        trial.config["finished"] += 1  # another process would go on here
        trial.run_metadata.num_failures = 0
        if task := self._task(trial):
            self._watcher.on_start(task.cell.id, task.seeds)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """Called by Tune when a trial's process died too often."""
        if task := self._task(trial):
            self._watcher.on_lost(task.cell.id, task.seeds)

    def _task(self, trial: Trial) -> Task | None:
        """The task that the trial runs, None once its batch is finished."""
        left = self._batches[trial.config["batch"]][trial.config["finished"] :]
        return left[0].task if left else None

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: object) -> None:
        """Called by Tune when a trial's process died and it will be started again."""
        error = _last_error(trial.error_file)
        if MISMATCH in error:  # a node that came later, with another version
            self.refused = UserError(error.strip().splitlines()[-1].partition("UserError: ")[2])
            raise self.refused
        log.warning("a trial was lost (%s); running its unfinished cells again", why_lost(error))
        if NODE_LOST in error:
            trial.run_metadata.num_failures -= 1  # the cell is not to blame for a lost node

    def __getstate__(self) -> dict[str, object]:
        return {}


def _stream(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def _tables(sent: dict[str, bytes]) -> dict[str, pa.Table]:
    return {name: pa.ipc.open_stream(data).read_all() for name, data in sent.items()}
