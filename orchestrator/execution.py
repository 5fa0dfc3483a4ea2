"""A sweep: cases x grid minus what the store holds, run inline or as batches of cells in Ray Tune trials."""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from orchestrator.cluster.connection import connected
from orchestrator.cluster.tune import PROBE, run_trials
from orchestrator.fleet.base import Failure
from orchestrator.planning.plan import Backend, Plan
from orchestrator.planning.tasks import Task, left
from orchestrator.progress.watcher import Watcher
from orchestrator.running.inline import run_inline
from orchestrator.running.writer import Writer
from orchestrator.store import Store
from orchestrator.store.schema import table

log = logging.getLogger("orchestrator")


def execute(
    planned: Plan,
    store: Store,
    backend: Backend,
    address: str | None,
    watcher: Watcher,
    on_failure: Callable[[Failure], None] | None = None,
) -> None:
    """Run what is missing and store it.

    ``watcher`` receives the events of the cells; ``on_failure`` the errors of seeds, inline only.
    """
    sweep = planned.sweep
    rows = [{"sweep": sweep.name, "sweep_hash": sweep.hash, "case": c, "cell_id": cell.id} for c, cell in sweep.cells]
    # The definition first: a sweep that has members can be read.
    store.folder.write(f"sweeps/{sweep.name}.json", json.dumps(sweep.located().model_dump(), indent=1).encode())
    store.append({"members": table("members", rows)})
    if not planned.tasks:
        return
    writer = Writer(store, watcher)
    if backend == "ray" and planned.nodes is None:
        watcher.on_preparing("starting Ray on this machine")
    with connected(address) if backend == "ray" else nullcontext():
        try:
            if backend == "ray":
                run_trials(planned, store, writer)
            else:
                run_inline(planned, store, writer, on_failure)
        finally:
            writer.flush()  # before Ray is shut down, which takes seconds and may be interrupted
    _sweep_up(store, {task.cell.id for task in left(planned.tasks, writer.finished)}, planned.tasks, sweep.hash)


def _sweep_up(store: Store, unfinished: set[str], tasks: Sequence[Task], mark: str) -> None:
    """Delete the checkpoints of finished cells, those of an earlier start with another cut of the seeds, too.

    Also the probes that killed drivers of the sweep whose hash is ``mark`` left.
    """
    finished = {task.cell.id for task in tasks} - unfinished
    for name in store.checkpoints.names():
        if name.partition("-")[0] in finished or name.startswith(f"{PROBE}-{mark}"):
            store.checkpoints.delete(name)
