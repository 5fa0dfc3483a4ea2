"""A plan run as Ray Tune trials: batches of cells, tried again where a process dies."""

import logging
import os
import tempfile
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from orchestrator.cluster.nodes import check_nodes, usable
from orchestrator.errors import line
from orchestrator.planning.batches import batches, units
from orchestrator.planning.plan import Plan
from orchestrator.planning.preflight import check_resources
from orchestrator.planning.tasks import Unit, unfinished
from orchestrator.process import release
from orchestrator.running.rows import failures
from orchestrator.running.writer import Writer
from orchestrator.store import Store

if TYPE_CHECKING:
    from ray import tune

log = logging.getLogger("orchestrator")

#: Prefix of empty blobs. A process that can read one sees this very results folder.
PROBE = "probe"
#: How often a trial whose process dies is started again. A cell that has died in two trials is stored as failed.
RETRIES = 1
#: Least number of batches while no node is there yet: Tune has so many trials waiting at a time.
WAITING = 16


class Work(TypedDict):
    """What every trial is given: the arguments of ``CellTrial.setup``."""

    batches: list[list[Unit]]
    location: str
    probe: str
    release: str


def run_trials(planned: Plan, store: Store, writer: Writer) -> None:
    """Run until nothing is missing. A process that dies loses only its unfinished cells."""
    probe = f"{PROBE}-{planned.sweep.hash}-{uuid.uuid4().hex[:8]}"
    store.checkpoints.write(probe, b"")
    try:
        nodes = planned.nodes or []
        if blind := check_nodes(nodes, _absolute(store), probe):
            log.warning(
                "%d of %d nodes do not see the results folder %s (%s): cells keep no checkpoints there",
                *(len(blind), len(nodes), store.folder.title, ", ".join(node.address for node in blind)),
            )
        _attempts(planned, store, writer, probe)
    finally:
        store.checkpoints.delete(probe)


def _attempts(planned: Plan, store: Store, writer: Writer, probe: str) -> None:
    from orchestrator.cluster.trial import bundles

    nodes = planned.nodes or usable(planned.sweep.placement.labels)
    if planned.nodes is None:  # a Ray that was started just now: planning did not know what it has
        for task in planned.tasks:
            check_resources(task, nodes)
    slots = sum(node.cpus for node in nodes) or WAITING
    reason = ""
    for alone in (False, True):
        tasks = unfinished(planned.tasks, writer.finished)
        if not tasks:
            return
        parts = units(tasks, planned.agents_per_actor, planned.sweep.seeds)
        # After a crash every unit has a trial of its own, so that one bad cell takes no other with it.
        cut = [[unit] for unit in parts] if alone else batches(parts, slots)
        placements = [bundles(batch, planned.sweep.placement, nodes, planned.environments) for batch in cut]
        work = Work(batches=list(cut), location=_absolute(store), probe=probe, release=release())
        writer.watcher.on_preparing("starting processes, compiling")
        # On a cluster trials may wait for nodes: that is how it knows that more are wanted.
        reason = _trials(work, placements, slots if planned.nodes is None else None, writer)
    for task in unfinished(planned.tasks, writer.finished):
        writer.add(failures(task, f"Its process ended early {2 * (1 + RETRIES)} times, the last time with: {reason}"))


def _trials(work: Work, placements: "Sequence[tune.PlacementGroupFactory]", most: int | None, writer: Writer) -> str:
    """Work off the batches, at ``most`` so many at once. Returns why a trial ended early, if one did."""
    from ray import tune

    from orchestrator.cluster.losses import losses_known
    from orchestrator.cluster.trial import CellTrial, Receiver

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what matters of its errors is logged below
    trainable = tune.with_resources(tune.with_parameters(CellTrial, **work), lambda config: placements[config["batch"]])
    receiver = Receiver(writer.add, work["batches"], writer.watcher)
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
            with losses_known():
                reasons = [line(error, -1) for error in tuner.fit().errors]
        except tune.TuneError as error:
            raise receiver.refused or error from None
    for reason in reasons:
        log.warning("a trial ended early: %s", reason)
    return reasons[-1] if reasons else ""


def _absolute(store: Store) -> str:
    return store.location if "://" in store.location else os.path.abspath(os.path.expanduser(store.location))
