"""A sweep: cases x grid minus what the store holds, run inline or as batches of cells in Ray Tune trials."""

import json
import logging
import os
import socket
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from orchestrator import preflight, references
from orchestrator.batches import batches, missing, units
from orchestrator.cell import Task, run_task
from orchestrator.checkpoint import Keeper
from orchestrator.errors import UserError, line
from orchestrator.fleet.inline import InlineFleet
from orchestrator.nodes import Node, check, usable
from orchestrator.process import environment, release
from orchestrator.progress import Watcher
from orchestrator.rows import failures, tables
from orchestrator.store import Store
from orchestrator.store.schema import table, united
from orchestrator.sweepfile import Sweep, check_agents_per_actor

log = logging.getLogger("orchestrator")

#: Finished replicates are stored when so many wait, or so many seconds have passed.
FLUSH_REPLICATES = 256
FLUSH_SECONDS = 3.0
#: Empty blobs that show a process whether it sees this very results folder.
PROBE = "probe"
#: A trial whose process dies is started again so often; a cell that has died in two trials is recorded as failed.
RETRIES = 1
#: Batches to cut, at least, for nodes that are still to come: so many trials Tune has waiting at a time.
WAITING = 16

REACH = "Check that it is HOST:PORT of a cluster that is up, and that its tunnel, if it needs one, is open."
TOKEN = (
    "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to a copy of the cluster's token file "
    "(~/.ray/auth_token on its nodes)."
)

Backend = Literal["ray", "inline"]


@dataclass(frozen=True)
class Plan:
    """What a sweep comes to: its cells, and what of them is still to run."""

    sweep: Sweep
    tasks: list[Task]
    agents_per_actor: int | None  #: None: a cell's agents live in one process
    nodes: list[Node] | None  #: of the cluster, empty until its first worker is there; None: this machine alone
    held: dict[str, float]  #: cell id -> bytes of its environments
    finished: int  #: replicates that the store holds already
    total: int  #: replicates of the whole sweep


def plan(
    sweep: Sweep,
    store: Store | None,
    backend: Backend,
    per_actor: Any,
    retry_failed: bool = False,
    nodes: Sequence[Node] | None = None,
) -> Plan:
    """Work out what is missing and whether it fits. Raises ``UserError`` for a packing that does not."""
    if backend not in ("ray", "inline"):
        raise UserError(f"backend is {backend!r}; it takes ray or inline.")
    packing = check_agents_per_actor(sweep.placement.agents_per_actor if per_actor is None else per_actor)
    agents_per_actor = None if backend == "inline" or packing == "auto" else packing
    cells = list({cell.id: cell for _, cell in sweep.cells}.values())
    finished = store.finished([cell.id for cell in cells]) if store else {}
    tasks = missing(cells, sweep.seeds, finished, retry_failed)
    memory = min((node.memory for node in nodes or ()), default=preflight.free_memory())
    sharing = len(nodes) if nodes and sweep.placement.strategy == "spread" else 1
    held = {task.cell.id: preflight.check(task, agents_per_actor, memory, sharing).held for task in tasks}
    _warn(tasks)
    _warn_of_claims(sweep)
    total = len(cells) * len(sweep.seeds)
    left = sum(len(task.seeds) for task in tasks)
    found = None if nodes is None else list(nodes)
    return Plan(sweep, tasks, agents_per_actor, found, held, total - left, total)


def _warn(tasks: Sequence[Task]) -> None:
    """Tell what the algorithms warn of, once however many cells it is about."""
    about: dict[str, int] = {}
    for task in tasks:
        for text in task.coordinator(task.seeds[0]).cautions():
            about[text] = about.get(text, 0) + 1
        task.release()
    for text, cells in about.items():
        log.warning("%s%s", text, f" ({cells} cells)" if cells > 1 else "")


def _warn_of_claims(sweep: Sweep) -> None:
    """Tell which claims the sweep's cells cannot decide, however they end."""
    if not sweep.claims:
        return
    import pandas as pd

    from orchestrator.analysis.laws import foreseen
    from orchestrator.analysis.samples import PLANNED_ROUNDS

    rows = [
        {"case": case, "cell_id": cell.id, "seed": 0, PLANNED_ROUNDS: cell.rounds, **cell.columns()}
        for case, cell in sweep.cells
    ]
    for claim in sweep.judged:
        if reason := foreseen(claim, pd.DataFrame(rows), sweep.name):
            log.warning("claim %r cannot be decided: %s", claim.name, reason)


class Writer:
    """The only writer of a sweep's results: gathers finished cells and stores a few seconds' worth at a time."""

    def __init__(self, store: Store, watcher: Watcher):
        self._store, self.watcher = store, watcher
        self._waiting: list[dict[str, pa.Table]] = []
        self._checkpoints: list[str] = []
        self._replicates = 0
        self._flushed = time.monotonic()
        self.finished: set[tuple[str, int]] = set()

    def add(self, found: dict[str, pa.Table], checkpoint: str = "") -> None:
        """Take a cell's rows; ``checkpoint`` is no longer needed once they are stored."""
        told = ["cell_id", "seed", "status", "error", "algorithm", "agents", "agent_steps"]
        runs = found["runs"].select(told).to_pylist()
        self._waiting.append(found)
        self._checkpoints += [checkpoint] if checkpoint else []
        self._replicates += len(runs)
        self.finished |= {(run["cell_id"], run["seed"]) for run in runs}
        if self._replicates >= FLUSH_REPLICATES or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()
        self.watcher.ended(runs)

    def flush(self) -> None:
        """Store what waits."""
        if self._waiting:
            names = dict.fromkeys(name for found in self._waiting for name in found)
            parts = {name: [found[name] for found in self._waiting if name in found] for name in names}
            self._store.append({name: united(found) for name, found in parts.items()})
        for name in self._checkpoints:
            self._store.checkpoints.delete(name)
        self._waiting, self._checkpoints, self._replicates = [], [], 0
        self._flushed = time.monotonic()


def execute(planned: Plan, store: Store, backend: Backend, address: str | None, watcher: Watcher) -> None:
    """Run what is missing and store it; ``watcher`` is told of the cells' courses and ends."""
    sweep = planned.sweep
    rows = [{"sweep": sweep.name, "sweep_hash": sweep.hash, "case": c, "cell_id": cell.id} for c, cell in sweep.cells]
    # The definition first: a sweep that has members can be read.
    store.folder.write(f"sweeps/{sweep.name}.json", json.dumps(sweep.located().model_dump(), indent=1).encode())
    store.append({"members": table("members", rows)})
    if not planned.tasks:
        return
    writer = Writer(store, watcher)
    if backend == "ray" and planned.nodes is None:
        watcher.prepares("starting Ray on this machine")
    with connected(address) if backend == "ray" else nullcontext():
        try:
            (_tune if backend == "ray" else _inline)(planned, store, writer)
        finally:
            writer.flush()  # before Ray is shut down, which takes seconds and may be interrupted
    _sweep_up(store, {task.cell.id for task in _left(planned.tasks, writer.finished)}, planned.tasks, sweep.hash)


def _sweep_up(store: Store, unfinished: set[str], tasks: Sequence[Task], mark: str) -> None:
    """Delete the checkpoints of finished cells, those of an earlier start with another cut of the seeds, too.

    Also the probes that killed drivers of the sweep whose hash is ``mark`` left.
    """
    finished = {task.cell.id for task in tasks} - unfinished
    for name in store.checkpoints.names():
        if name.partition("-")[0] in finished or name.startswith(f"{PROBE}-{mark}"):
            store.checkpoints.delete(name)


def _inline(planned: Plan, store: Store, writer: Writer) -> None:
    for task in planned.tasks:
        keeper = Keeper(task.cell.id, task.seeds, store.checkpoints)
        about = (task.cell.id, task.seeds)
        writer.watcher.began(*about)
        outcome = run_task(
            task,
            InlineFleet(),
            keeper,
            tell=lambda pulse, about=about: writer.watcher.went(*about, pulse.share, pulse.steps),
        )
        writer.add(tables(task, outcome, f"inline-{os.getpid()}"), keeper.name)
        task.release()


@contextmanager
def connected(address: str | None, plugins: Iterable[str] = ()) -> Iterator[None]:
    """A connection to the cluster at ``address`` (or RAY_ADDRESS), or a Ray of our own for as long as it takes.

    The files of pinned ``plugins`` are shipped to a cluster's nodes. Raises ``UserError`` if it cannot be had.
    """
    import ray
    from ray.exceptions import AuthenticationError

    if ray.is_initialized():
        yield
        return
    found = address or os.environ.get("RAY_ADDRESS")
    own: dict[str, Any] = {} if found else {"include_dashboard": False, "num_cpus": max(1, os.cpu_count() or 1)}
    runtime: dict[str, Any] = {"env_vars": environment()}
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        if found and plugins and not _in_job():  # a job brought them along
            references.ship(plugins, Path(folder))
            runtime["working_dir"] = folder
        try:
            ray.init(
                address=found or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env=runtime,
                **own,
            )
        except AuthenticationError as error:
            raise UserError(f"address {found}: the cluster does not accept this token. {TOKEN}") from error
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            hint = f" If the cluster asks for a token: {TOKEN}" if found else ""
            raise UserError(f"address {found or 'local'}: no Ray answers there ({line(error)}).{hint}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _in_job() -> bool:
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


@contextmanager
def joined(address: str | None, sweep: Sweep) -> Iterator[list[Node] | None]:
    """The nodes that ``sweep`` may use of the cluster at ``address`` (or RAY_ADDRESS), or of a Ray that runs already.

    None if there is neither: a local Ray is started when it is needed.
    """
    if not (address or os.environ.get("RAY_ADDRESS") or _running()):
        yield None
        return
    check_reachable(address)
    with connected(address, sweep.plugins):
        yield usable(sweep.placement.labels)


def _running() -> bool:
    import sys

    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


def check_reachable(address: str | None) -> None:
    """Ray itself tries for minutes. Raises ``UserError`` if nothing listens at HOST:PORT of a cluster's address."""
    address = address or os.environ.get("RAY_ADDRESS", "")
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            raise UserError(f"address {address}: nothing answers there ({error.strerror or error}). {REACH}") from error


def _tune(planned: Plan, store: Store, writer: Writer) -> None:
    """Run until nothing is missing; a process that dies takes only its unfinished cells with it."""
    probe = f"{PROBE}-{planned.sweep.hash}-{uuid.uuid4().hex[:8]}"
    store.checkpoints.write(probe, b"")
    try:
        nodes = planned.nodes or []
        if blind := check(nodes, _absolute(store), probe):
            log.warning(
                "%d of %d nodes do not see the results folder %s (%s): cells keep no checkpoints there",
                *(len(blind), len(nodes), store.folder.title, ", ".join(node.address for node in blind)),
            )
        _attempts(planned, store, writer, probe)
    finally:
        store.checkpoints.delete(probe)


def _attempts(planned: Plan, store: Store, writer: Writer, probe: str) -> None:
    from orchestrator.trial import bundles

    nodes = planned.nodes or usable(planned.sweep.placement.labels)
    slots = sum(node.cpus for node in nodes) or WAITING
    reason = ""
    for alone in (False, True):
        tasks = _left(planned.tasks, writer.finished)
        if not tasks:
            return
        found = units(tasks, planned.agents_per_actor, planned.sweep.seeds)
        # After a crash every unit has a trial of its own, so that one bad cell takes no other with it.
        cut = [[unit] for unit in found] if alone else batches(found, slots)
        placements = [bundles(batch, planned.sweep.placement, nodes, planned.held) for batch in cut]
        given = {"batches": list(cut), "location": _absolute(store), "probe": probe, "release": release()}
        writer.watcher.prepares("starting processes, compiling")
        # On a cluster trials may wait for nodes: that is how it knows that more are wanted.
        reason = _trials(given, placements, slots if planned.nodes is None else None, writer)
    for task in _left(planned.tasks, writer.finished):
        writer.add(failures(task, f"Its process ended early {2 * (1 + RETRIES)} times, the last time with: {reason}"))


def _left(tasks: Sequence[Task], finished: set[tuple[str, int]]) -> list[Task]:
    left = [Task(task.cell, tuple(s for s in task.seeds if (task.cell.id, s) not in finished)) for task in tasks]
    return [task for task in left if task.seeds]


def _trials(given: dict[str, Any], placements: list[Any], most: int | None, writer: Writer) -> str:
    """Work off the batches, at ``most`` so many at once. Returns why a trial ended early, if one did."""
    from ray import tune

    from orchestrator.trial import CellTrial, Receiver

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what matters of its errors is told below
    trainable = tune.with_resources(
        tune.with_parameters(CellTrial, **given), lambda config: placements[config["batch"]]
    )
    receiver = Receiver(writer.add, given["batches"], writer.watcher)
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as scratch:
        tuner = tune.Tuner(
            trainable,
            param_space={"batch": tune.grid_search(list(range(len(placements)))), "finished": 0},
            tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=most),
            run_config=tune.RunConfig(
                storage_path=scratch,
                name="cells",
                verbose=0,
                callbacks=[receiver],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
            ),
        )
        try:
            reasons = [line(error, -1) for error in tuner.fit().errors]
        except tune.TuneError as error:
            raise receiver.refused or error from None
    for reason in reasons:
        log.warning("a trial ended early: %s", reason)
    return reasons[-1] if reasons else ""


def _absolute(store: Store) -> str:
    return store.location if "://" in store.location else os.path.abspath(os.path.expanduser(store.location))
