"""One cell: its coordinators and blocks, built and driven to the end, whatever dies on the way."""

import logging
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from orchestrator.core.rounds import Coordinator
from orchestrator.fleet.base import Deadly, Failure, Fleet, HostsLost
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.tasks import Task
from orchestrator.plugins import registry
from orchestrator.process import single_thread
from orchestrator.running.checkpoint import Keeper
from orchestrator.running.lockstep import Replica, Traffic, converse
from orchestrator.running.recorder import Recorder

log = logging.getLogger("orchestrator")

#: Losses without a step forward after which a cell is given up: what it does kills its processes.
LOSSES = 10
#: Fused rounds between two looks at the clock.
LONGEST_LEAP = 100_000
#: Seconds between two pulses of a running cell.
PULSE = 1.0


@dataclass
class Outcome:
    """What came of a cell: its replicas, finished one way or another, and what it took."""

    replicas: list[Replica]
    seconds: dict[str, float]
    events: list[str]
    nodes: int


@dataclass(frozen=True)
class Pulse:
    """How far a running cell is; it touches no number."""

    share: float  #: of its rounds, from 0 to 1
    steps: int  #: environment transitions so far, of all its seeds


#: A cell under way: a pulse now and then, its outcome at the end.
Course = Generator[Pulse, None, Outcome]


class _Timed:
    """A fleet that counts the time spent in it."""

    def __init__(self, fleet: Fleet):
        self._fleet = fleet
        self.seconds = 0.0

    def call(self, requests: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._fleet.call(requests)
        finally:
            self.seconds += time.perf_counter() - began

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fleet, name)


def run_task(
    task: Task,
    fleet: Fleet,
    keeper: Keeper | None = None,
    fuse: bool = True,
    tell: Callable[[Pulse], None] = lambda pulse: None,
) -> Outcome:
    """Run a cell's seeds to their ends on a fleet.

    Lost hosts are healed by rolling back to the newest snapshot. ``fuse=False`` never uses ``leap``. An error in the
    algorithm or a member marks its seed failed; ``HostsGone`` ends the call: lost hosts did not come back, or
    (``Deadly``) were lost ``LOSSES`` times without a step forward. ``tell`` is told how far it is.
    """
    course = begun(task, fleet, keeper, fuse)
    while isinstance(found := proceed(course), Pulse):
        tell(found)
    return found


def begun(task: Task, fleet: Fleet, keeper: Keeper | None = None, fuse: bool = True) -> Course:
    """``run_task`` for who wants to look up every ``PULSE`` seconds: ``proceed`` until the outcome is there."""
    return _Drive(task, fleet, keeper or Keeper(), fuse).finish()


def proceed(course: Course) -> Pulse | Outcome:
    """Go on with a cell to its next pulse or its end."""
    single_thread()
    with np.errstate(all="ignore"):  # divergence is found by the recorder, not by warnings
        try:
            return next(course)
        except StopIteration as end:
            return end.value


def compile_for(task: Task) -> None:
    """Have the kernels of a task compiled and on disk before many processes need them at once.

    Each would compile them for itself otherwise, for ten seconds and more: one round is run here and thrown away.
    """
    run_task(Task(replace(task.cell, rounds=1), task.seeds[:1]), InlineFleet(), fuse=False)


class _Drive:
    def __init__(self, task: Task, fleet: Fleet, keeper: Keeper, fuse: bool):
        self.task, self.keeper = task, keeper
        self.fuse = fuse and registry.algorithm(task.cell.algorithm).leap is not None
        self.fleet: Any = _Timed(fleet)
        self.replicas: list[Replica] = []
        self.events: list[str] = []
        self.round = 0
        self.cost_of_round: dict[int, Traffic] = {}
        self.fused = 0.0  # seconds in leaps
        self.away = 0.0  # seconds in which whoever drives it did something else
        self.told = time.monotonic()

    def finish(self) -> Course:
        """Run to the end."""
        began, agents_before = time.perf_counter(), self.fleet.agents_seconds
        furthest, losses = -1, 0
        if self.keeper.resume() is not None:
            self._event(f"cell {self.task.cell.id}: going on from its checkpoint")
        while True:
            try:
                self._load(self.keeper.snapshot)
                yield from self._proceed()
                break
            except HostsLost as lost:
                at = self.round
                losses = 1 if at > furthest else losses + 1
                furthest = max(furthest, at)
                if losses == LOSSES:
                    raise Deadly(f"{lost} died {LOSSES} times after round {at}") from lost
                back = 0 if self.keeper.snapshot is None else self.keeper.snapshot["round"]
                self._event(f"cell {self.task.cell.id}: lost {lost} after round {at}; replaying from round {back}")
        seconds = {
            "total": time.perf_counter() - began - self.away,
            "fleet": self.fleet.seconds + self.fused,
            "agents": self.fleet.agents_seconds - agents_before + self.fused,
        }
        return Outcome(self.replicas, seconds, self.events, self.fleet.nodes)

    def _event(self, text: str) -> None:
        log.warning(text)
        self.events.append(text)

    def _load(self, snapshot: dict[str, Any] | None) -> None:
        """Start afresh, or from a snapshot."""
        states = None if snapshot is None else {(seed, group): state for seed, group, state in snapshot["blocks"]}
        self.fleet.load(self.task, states)
        self.round = 0 if snapshot is None else snapshot["round"]
        self.cost_of_round = {}
        self.replicas = [self._replica(seed) for seed in self.task.seeds]
        if snapshot is not None:
            for replica, saved in zip(self.replicas, snapshot["replicas"], strict=True):
                _restore(replica, saved)

    def _replica(self, seed: int) -> Replica:
        cell = self.task.cell
        nobody = Coordinator(None, None, cell.agents, cell.rounds, seed)
        replica = Replica(seed, nobody, Recorder(cell.schedule, cell.rounds))
        try:
            coordinator = self.task.coordinator(seed)
            coordinator.start()
            replica.coordinator = coordinator
        except Exception as error:
            replica.fail(Failure.of(error))
        return replica

    def _snapshot(self) -> dict[str, Any]:
        for replica in self._running():
            try:
                replica.coordinator.state()
            except Exception as error:
                replica.fail(Failure.of(error))
        return {
            "round": self.round,
            "blocks": [(seed, group, state) for (seed, group), state in self.fleet.states().items()],
            "replicas": [_saved(replica) for replica in self.replicas],
        }

    def _running(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.status == "running"]

    def _pulse(self) -> Generator[Pulse, None, None]:
        if time.monotonic() - self.told >= PULSE:
            left = time.perf_counter()
            steps = sum(replica.traffic.agent_steps for replica in self.replicas)
            yield Pulse(self.round / self.task.cell.rounds, steps)
            self.away += time.perf_counter() - left
            self.told = time.monotonic()

    def _proceed(self) -> Generator[Pulse, None, None]:
        """Measure, end what has ended, take a snapshot, advance: until every seed has ended."""
        while running := self._running():
            recorder = running[0].recorder
            due = recorder.due(self.round)
            self._measure([r for r in running if r.recorder.last < self.round and (due or r.coordinator.done)])
            last = self.round == self.task.cell.rounds
            self._end([r for r in self._running() if last or r.coordinator.done])
            running = self._running()
            if running and self.keeper.due:
                self.keeper.keep(self._snapshot)
            if running:
                self._advance(running, recorder.next_due(self.round))
                yield from self._pulse()

    def _measure(self, replicas: list[Replica]) -> None:
        talks = [(replica, replica.coordinator.measure) for replica in replicas]
        measured = converse(self.fleet, self.task.sizes, talks, charged=False)
        for replica in replicas:
            if replica.seed not in measured:
                continue
            try:
                if replica.recorder.last < 0:
                    self._check_metrics(measured[replica.seed])
                metric = replica.recorder.add(self.round, replica.traffic, measured[replica.seed])
            except Exception as error:
                replica.fail(Failure.of(error))
                continue
            if metric:
                replica.status = "diverged"
                replica.error = f"{metric} was not finite at round {self.round}"

    def _check_metrics(self, metrics: Any) -> None:
        announced = self.task.cell.metrics()
        if isinstance(metrics, Mapping) and set(metrics) != set(announced):
            raise ValueError(f"measure() returned the metrics {sorted(metrics)}; announced are {sorted(announced)}")

    def _end(self, replicas: list[Replica]) -> None:
        if replicas and self.task.cell.schedule.agents:
            talks = [(replica, replica.coordinator.measure_agents) for replica in replicas]
            measured = converse(self.fleet, self.task.sizes, talks, charged=False)
            for replica in replicas:
                try:
                    replica.agents = _of_each(measured.get(replica.seed, {}), self.task.cell.agents)
                except Exception as error:
                    replica.fail(Failure.of(error))
        for replica in replicas:
            if replica.status == "running":
                replica.status = "done"

    def _advance(self, running: list[Replica], target: int) -> None:
        """One round, or all rounds up to ``target`` fused where one block in this process holds everyone."""
        if self.fuse and all(replica.seed in self.cost_of_round for replica in running):
            rounds = min(target - self.round, LONGEST_LEAP)
            for replica in running:
                self._leap(replica, rounds)
        else:
            rounds = 1
            before = [replace(replica.traffic) for replica in running] if self.fuse else []
            talks = [(replica, replica.coordinator.round) for replica in running]
            converse(self.fleet, self.task.sizes, talks, charged=True)
            for replica, traffic in zip(running, before, strict=False):
                if self.fleet.sole_blocks(replica.seed) is None or not replica.coordinator.fusible:
                    self.fuse = False
                self.cost_of_round[replica.seed] = replica.traffic.since(traffic)
        self.round += rounds
        for replica in self._running():
            replica.coordinator.completed = self.round

    def _leap(self, replica: Replica, rounds: int) -> None:
        began = time.perf_counter()
        try:
            replica.coordinator.leap(self.fleet.sole_blocks(replica.seed), rounds)
        except Exception as error:
            replica.fail(Failure.of(error))
        else:
            replica.traffic.charge(self.cost_of_round[replica.seed], rounds)
        self.fused += time.perf_counter() - began


def _of_each(metrics: Any, agents: int) -> dict[str, np.ndarray]:
    """Final metrics of each agent, checked."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f"measure_agents() must return a dict of arrays, not {type(metrics).__name__}")
    found = {name: np.asarray(values, dtype=np.float64) for name, values in metrics.items()}
    for name, values in found.items():
        if values.shape != (agents,):
            raise ValueError(f"measure_agents() gave {name!r} the shape {values.shape}; it takes one number an agent")
    return found


def _saved(replica: Replica) -> dict[str, Any]:
    return {
        "coordinator": {} if replica.status == "failed" else replica.coordinator.state(),
        "done": replica.coordinator.done,
        "completed": replica.coordinator.completed,
        "recorder": replica.recorder.state(),
        "traffic": asdict(replica.traffic),
        "status": replica.status,
        "error": replica.error,
        "agents": replica.agents,
    }


def _restore(replica: Replica, saved: dict[str, Any]) -> None:
    if saved["status"] != "failed":
        replica.coordinator.load(saved["coordinator"])
    replica.coordinator.done = saved["done"]
    replica.coordinator.completed = saved["completed"]  # a seed that has ended stays at the round of its end
    replica.recorder.load(saved["recorder"])
    replica.traffic = Traffic(**saved["traffic"])
    replica.status, replica.error, replica.agents = saved["status"], saved["error"], saved["agents"]
