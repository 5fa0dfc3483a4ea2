"""Execution: what a plan finds missing is run inline or on Ray, and stored."""

from collections.abc import Callable, Collection
from contextlib import nullcontext

import pyarrow as pa

from orchestrator.cluster.connection import ray_connection
from orchestrator.cluster.tune import PROBE, run_trials
from orchestrator.fleet.base import Failure
from orchestrator.planning.plan import Backend, Plan
from orchestrator.planning.registered import register
from orchestrator.planning.stored import StoredSweep, portraits_to_bytes, read_portraits
from orchestrator.planning.tasks import unfinished
from orchestrator.progress.watcher import Watcher
from orchestrator.running.inline import run_inline
from orchestrator.running.writer import Writer
from orchestrator.store import Store
from orchestrator.store.schema import table


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
    _store_sweep(planned, store)
    if not planned.tasks:
        return
    writer = Writer(store, watcher)
    if backend == "ray" and planned.nodes is None:
        watcher.on_preparing("starting Ray on this machine")
    with ray_connection(address) if backend == "ray" else nullcontext():
        try:
            if backend == "ray":
                run_trials(planned, store, writer)
            else:
                run_inline(planned, store, writer, on_failure)
        finally:
            writer.flush()  # before Ray is shut down, which takes seconds and may be interrupted
    rest = {task.cell.id for task in unfinished(planned.tasks, writer.finished)}
    _delete_blobs(store, {task.cell.id for task in planned.tasks} - rest, planned.sweep.hash)


def _store_sweep(planned: Plan, store: Store) -> None:
    """Store what reading needs of the sweep, and then its members: a sweep that has members can be read.

    Its claims are registered first of all, before any of its replicates runs.
    """
    sweep = planned.sweep
    register(sweep, store)
    store.folder.write(f"sweeps/{sweep.name}.json", StoredSweep.of(sweep).to_bytes())
    if planned.portraits:
        name = f"sweeps/{sweep.name}.npz"
        store.folder.write(
            name, portraits_to_bytes(read_portraits(sweep.name, store.folder.read(name)) | planned.portraits)
        )
    if planned.tasks:
        store.expect(_columns(planned))
    rows = [{"sweep": sweep.name, "sweep_hash": sweep.hash, "case": c, "cell_id": cell.id} for c, cell in sweep.cells]
    store.append({"members": table("members", rows)})


def _columns(planned: Plan) -> dict[str, pa.Table]:
    """A row of ``runs`` for each cell that is run, and one of ``metrics``: the columns that their rows will have."""
    runs: list[dict[str, object]] = []
    metrics: dict[str, object] = {"replicate_id": "", "round": 0}
    for task in planned.tasks:
        names = task.cell.metrics()
        runs.append({"replicate_id": "", **task.cell.columns()})
        runs[-1] |= {f"{name}_{end}": 0.0 for name in names for end in ("final", "tail")}
        metrics |= {column: 0.0 for name in names for column in (name, f"{name}_window")}
    return {"runs": table("runs", runs), "metrics": table("metrics", [metrics])}


def _delete_blobs(store: Store, finished: Collection[str], sweep_hash: str) -> None:
    """Delete the checkpoints of finished cells, whatever cut of the seeds they belong to.

    Probes of the sweep that killed drivers have left are deleted as well.
    """
    for name in store.checkpoints.names():
        if name.partition("-")[0] in finished or name.startswith(f"{PROBE}-{sweep_hash}"):
            store.checkpoints.delete(name)
