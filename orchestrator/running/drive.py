"""One cell: its coordinators and blocks, built and driven to the end, even if processes die on the way."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from orchestrator.core.calls import Traffic
from orchestrator.core.declared import assign
from orchestrator.core.hooks import checked_cautions, checked_state
from orchestrator.core.rounds import Fusible
from orchestrator.errors import staying
from orchestrator.fleet.base import Deadly, Failure, Fleet, HostsLost, Request, Result
from orchestrator.fleet.clock import COMPILER
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.tasks import Task
from orchestrator.process import single_thread
from orchestrator.running.checkpoint import Keeper, Snapshot
from orchestrator.running.fit import Misfit, check_fit
from orchestrator.running.lockstep import converse
from orchestrator.running.recorder import Recorder
from orchestrator.running.replica import Replica
from orchestrator.running.stopwatch import Seconds, Stopwatch

log = logging.getLogger("orchestrator")

#: Losses without progress after which a cell is given up: what it does kills its processes.
LOSSES = 10
#: Fused rounds between two looks at the clock.
LONGEST_LEAP = 100_000
#: Seconds between two pulses of a running cell.
PULSE = 1.0


@dataclass
class Outcome:
    """A finished cell: its replicas, whatever their status, and what it took."""

    replicas: list[Replica]
    seconds: Seconds
    events: list[str]  #: processes lost, and from where it went on
    nodes: int


@dataclass(frozen=True)
class Pulse:
    """The progress of a running cell; it touches no number."""

    share: float  #: of its rounds, from 0 to 1
    steps: int  #: environment transitions so far, of all its seeds


def run_task(
    task: Task,
    fleet: Fleet,
    keeper: Keeper | None = None,
    fuse: bool = True,
    on_pulse: Callable[[Pulse], None] = lambda pulse: None,
    on_failure: Callable[[Failure], None] | None = None,
) -> Outcome:
    """Run a cell's seeds to their ends on a fleet.

    Lost hosts are healed by rolling back to the newest snapshot. ``fuse=False`` never uses ``leap``. An error in the
    algorithm or a member marks its seed failed and is passed to ``on_failure``. Raises ``HostsGone`` if lost hosts do
    not come back, and ``Deadly`` if they are lost ``LOSSES`` times without progress.
    """
    run = CellRun(task, fleet, keeper, fuse, on_failure)
    while isinstance(step := run.advance(), Pulse):
        on_pulse(step)
    return step


def compile_for(task: Task) -> None:
    """Have the kernels of a task compiled and on disk before many processes need them at once.

    Each would compile them for itself otherwise, for ten seconds and more: one round is run here and thrown away.
    """
    run_task(Task(replace(task.cell, rounds=1), task.seeds[:1]), InlineFleet(), fuse=False)


class CellRun:
    """A cell that is run step by step: ``advance`` until it returns the outcome."""

    def __init__(
        self,
        task: Task,
        fleet: Fleet,
        keeper: Keeper | None = None,
        fuse: bool = True,
        on_failure: Callable[[Failure], None] | None = None,
    ):
        self.task, self.fleet, self.keeper = task, fleet, keeper or Keeper()
        self.replicas: list[Replica] = []
        self.events: list[str] = []
        self.round = 0
        self._on_failure = on_failure
        self._fuse = fuse and issubclass(task.cell.algorithm_class, Fusible)
        self._cost_of_round: dict[int, Traffic] = {}
        self._started = self._loaded = False
        self._furthest, self._losses = -1, 0  # round of the last loss, and losses since then
        self._watch = Stopwatch(fleet)

    def advance(self) -> Pulse | Outcome:
        """Go on for ``PULSE`` seconds or to the end."""
        single_thread()
        until = time.monotonic() + PULSE
        with staying(), self._watch.all, np.errstate(all="ignore"):  # the recorder finds divergence, not warnings
            while self._step():
                if time.monotonic() >= until:
                    steps = sum(replica.traffic.agent_steps for replica in self.replicas)
                    return Pulse(self.round / max(self.task.cell.rounds, 1), steps)
            for replica in self.replicas:
                self._caution(replica)
        return Outcome(self.replicas, self._watch.seconds(), self.events, self.fleet.nodes)

    def _caution(self, replica: Replica) -> None:
        """Ask a seed that has ended for its warnings, which become ``runs.note``."""
        if replica.algorithm is not None:
            replica.note = "\n".join(replica.ask(lambda: checked_cautions(replica.coordinator), [])) or None

    def call(self, requests: Sequence[Request]) -> list[Result]:
        """Pass requests on to the fleet and count the seconds."""
        with self._watch.calling:
            return self.fleet.call(requests)

    def _step(self) -> bool:
        """Load, or do a round with all that goes with it. False when every seed has ended."""
        try:
            if not self._loaded:
                with self._watch.loading:
                    self._load()
                self._loaded = True
            return self._go_on()
        except HostsLost as lost:
            self._loaded = False
            at = self.round
            self._losses = 1 if at > self._furthest else self._losses + 1
            self._furthest = max(self._furthest, at)
            if self._losses == LOSSES:
                raise Deadly(f"{lost} died {LOSSES} times after round {at}") from lost
            back = 0 if self.keeper.snapshot is None else self.keeper.snapshot["round"]
            self._event(f"cell {self.task.cell.id}: lost {lost} after round {at}; replaying from round {back}")
            return True

    def _event(self, text: str) -> None:
        log.warning(text)
        self.events.append(text)

    def _load(self) -> None:
        """Start afresh, or from the newest snapshot."""
        COMPILER.listen()
        if not self._started and self.keeper.resume() is not None and self._fits():
            self._event(f"cell {self.task.cell.id}: going on from its checkpoint")
        self._started = True
        snapshot = self.keeper.snapshot
        states = None if snapshot is None else {(seed, group): state for seed, group, state in snapshot["blocks"]}
        self.fleet.load(self.task, states)
        self.round = 0 if snapshot is None else snapshot["round"]
        self._cost_of_round = {}
        self.replicas = [self._replica(seed, self._on_failure) for seed in self.task.seeds]
        if snapshot is not None:
            for replica, saved in zip(self.replicas, snapshot["replicas"], strict=True):
                replica.load(saved)

    def _fits(self) -> bool:
        """Whether the snapshot of an earlier process has this cell's structure. One that has not is forgotten."""
        self.fleet.load(self.task, None)
        self.replicas = [self._replica(seed, None) for seed in self.task.seeds]
        try:
            check_fit(self.keeper.snapshot, self._snapshot(), self.task.seeds, self.task.cell.rounds)
        except Misfit as misfit:
            self.keeper.forget(str(misfit))
        return self.keeper.snapshot is not None

    def _replica(self, seed: int, on_failure: Callable[[Failure], None] | None) -> Replica:
        cell = self.task.cell
        replica = Replica(seed, None, Recorder(cell.schedule, cell.rounds), on_failure=on_failure)
        try:
            coordinator = self.task.coordinator(seed)
            coordinator.start()
            checked_state(coordinator)  # what cannot be kept fails here and not when a snapshot is due
            replica.algorithm = coordinator
        except BaseException as error:
            replica.fail(Failure.of(error))
        return replica

    def _snapshot(self) -> Snapshot:
        states = self.fleet.states()
        for replica in self._running():
            if replica.seed in states.failures:
                replica.fail(states.failures[replica.seed])
        return {
            "round": self.round,
            "blocks": [(seed, group, state) for (seed, group), state in states.items()],
            "replicas": [replica.state() for replica in self.replicas],
        }

    def _running(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.status == "running"]

    def _go_on(self) -> bool:
        """Measure, end what has ended, take a snapshot, do a round. False when every seed has ended."""
        if not (running := self._running()):
            return False
        recorder = running[0].recorder
        due = recorder.due(self.round)
        self._measure([r for r in running if r.recorder.last < self.round and (due or r.done)])
        last = self.round == self.task.cell.rounds
        self._end([r for r in self._running() if last or r.done])
        if self._running() and self.keeper.due:
            self.keeper.keep(self._snapshot)
        if not (running := self._running()):
            return False
        self._advance(running, recorder.next_due(self.round))
        return True

    def _talks(self, replicas: Sequence[Replica], name: str) -> list[tuple[Replica, Callable[[], object]]]:
        """The method ``name`` of each seed's coordinator. A seed whose coordinator does not give it fails."""
        talks = [(replica, replica.ask(lambda r=replica: getattr(r.coordinator, name), None)) for replica in replicas]
        return [(replica, talk) for replica, talk in talks if talk is not None]

    def _measure(self, replicas: list[Replica]) -> None:
        talks = self._talks(replicas, "measure")
        results = converse(self, self.task.sizes, talks, charged=False)
        for replica in replicas:
            if replica.seed not in results:
                continue
            try:
                if replica.recorder.last < 0:
                    self._check_metrics(results[replica.seed])
                metric = replica.recorder.add(self.round, replica.traffic, results[replica.seed])
            except BaseException as error:
                replica.fail(Failure.of(error))
                continue
            if metric:
                replica.status = "diverged"
                replica.error = f"{metric} was not finite at round {self.round}"

    def _check_metrics(self, metrics: object) -> None:
        announced = self.task.cell.metrics()
        if isinstance(metrics, Mapping) and set(metrics) != set(announced):
            raise ValueError(f"measure() returned the metrics {sorted(metrics)}; announced are {sorted(announced)}")

    def _end(self, replicas: list[Replica]) -> None:
        if replicas and self.task.cell.schedule.agents:
            talks = self._talks(replicas, "measure_agents")
            results = converse(self, self.task.sizes, talks, charged=False)
            for replica in replicas:
                try:
                    replica.agents = _of_each(results.get(replica.seed, {}), self.task.cell.agents)
                except BaseException as error:
                    replica.fail(Failure.of(error))
        for replica in replicas:
            if replica.status == "running":
                replica.status = "done"

    def _advance(self, running: list[Replica], target: int) -> None:
        """One round, or all rounds up to ``target`` fused where one block in this process holds everyone."""
        if self._fuse and all(replica.seed in self._cost_of_round for replica in running):
            rounds = min(target - self.round, LONGEST_LEAP)
            for replica in running:
                self._leap(replica, rounds)
        else:
            rounds = 1
            before = [replace(replica.traffic) for replica in running] if self._fuse else []
            talks = self._talks(running, "round")
            converse(self, self.task.sizes, talks, charged=True)
            for replica, traffic in zip(running, before, strict=False):
                if self.fleet.sole_blocks(replica.seed) is None or not replica.fusible:
                    self._fuse = False
                self._cost_of_round[replica.seed] = replica.traffic.since(traffic)
        self.round += rounds
        for replica in self._running():
            assign(replica.coordinator, "completed", self.round)

    def _leap(self, replica: Replica, rounds: int) -> None:
        coordinator, blocks = replica.coordinator, self.fleet.sole_blocks(replica.seed)
        assert isinstance(coordinator, Fusible)
        assert blocks is not None
        with self._watch.leaping:
            try:
                coordinator.leap(blocks, rounds)
            except BaseException as error:
                replica.fail(Failure.of(error))
            else:
                replica.traffic.charge(self._cost_of_round[replica.seed], rounds)


def _of_each(metrics: object, agents: int) -> dict[str, np.ndarray]:
    """Final metrics of each agent, checked."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f"measure_agents() must return a dict of arrays, not {type(metrics).__name__}")
    arrays = {str(name): np.asarray(values, dtype=np.float64) for name, values in metrics.items()}
    for name, values in arrays.items():
        if values.shape != (agents,):
            raise ValueError(f"measure_agents() gave {name!r} the shape {values.shape}; it takes one number per agent")
    return arrays
