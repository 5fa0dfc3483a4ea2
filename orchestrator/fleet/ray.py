"""One Ray actor per host: exactly-once calls keyed (epoch, call), healing by restart and roll-back."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayTaskError
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from orchestrator.fleet.base import (
    Buildable,
    Failure,
    HostsGone,
    HostsLost,
    Key,
    Request,
    Result,
    State,
    States,
)
from orchestrator.fleet.clock import COMPILER, Clock
from orchestrator.fleet.gather import cut, cut_states, joined_reply, joined_states
from orchestrator.fleet.host import Host

log = logging.getLogger("orchestrator")

#: Seconds to wait for lost actors to come back, and for new ones to start.
HEALING = 90.0
#: Seconds between two tries of a call whose actor is away.
PAUSE = 0.05


class ProcessId(NamedTuple):
    """A process of the cluster."""

    node: str
    pid: int


class Ask(NamedTuple):
    """A method of one block, with what it is sent."""

    seed: int
    group: str
    method: str
    sent: dict[str, object]


class Answers(NamedTuple):
    """What a host replied to a call."""

    replies: list[State | Failure | None]  #: in the order of what it was asked
    seconds: float  #: spent in its members' methods
    compiling: float  #: seconds of these methods spent compiling, on top


class Stale(Exception):
    """A call of an epoch that this host has left, or never entered because its process is new."""


class HostProcess:
    """A generic host actor: it takes any cell, so it stays alive from cell to cell.

    ``load`` opens an epoch. A call carries its epoch and number: calls of an old epoch are rejected, and repeating the
    newest call returns its cached reply, so a retry after a network error is executed exactly once.
    """

    def __init__(self) -> None:
        self._epoch = -1
        self._number = -1
        self._answers: Answers | None = None
        self._host: Host | None = None

    def ready(self) -> ProcessId:
        """Where this process is."""
        return ProcessId(ray.get_runtime_context().get_node_id(), os.getpid())

    def load(self, epoch: int, task: Buildable, index: int, count: int, states: States | None) -> ProcessId:
        """Build the blocks of host ``index`` of ``count`` and enter ``epoch``. Returns where this process is."""
        COMPILER.listen()
        self._host = Host(task, index, count, states)
        self._epoch, self._number, self._answers = epoch, -1, None
        return self.ready()

    def call(self, epoch: int, number: int, asked: list[Ask]) -> Answers:
        """Run each method that is asked for."""
        self._check(epoch)
        if number < self._number:
            raise Stale(f"call {number} came after call {self._number}")
        if number > self._number or self._answers is None:
            assert self._host is not None
            with Clock() as clock:
                replies = [self._host.run(*one) for one in asked]
            self._answers = Answers(replies, clock.working, clock.compiling)
            self._number = number
        return self._answers

    def states(self, epoch: int) -> States:
        """State of each block."""
        self._check(epoch)
        assert self._host is not None
        return self._host.states()

    def _check(self, epoch: int) -> None:
        if epoch != self._epoch:
            raise Stale(f"this host is in epoch {self._epoch}, not {epoch}")


class RayFleet:
    """``count`` host actors inside a placement group's bundles (or anywhere), taking no CPU slot of their own.

    Where the group has several bundles, hosts are dealt to them in turn.
    """

    def __init__(self, count: int, placement_group: PlacementGroup | None = None):
        self._placement_group = placement_group
        self._actor_class = ray.remote(HostProcess)
        self._actors: list[Any] = []
        self._processes: list[ProcessId] = []
        self._epoch = 0
        self._number = 0
        self._sizes: Mapping[str, int] = {}
        self.agents_seconds = self.compile_seconds = 0.0
        self.resize(count)

    def resize(self, count: int) -> None:
        """Have ``count`` hosts for the next ``load``; those that stay keep their processes."""
        for actor in self._actors[count:]:
            ray.kill(actor, no_restart=True)
        self._actors = self._actors[:count]
        self._actors += [self._host(k) for k in range(len(self._actors), count)]
        self.count = count

    def _host(self, k: int) -> Any:
        strategy: str | PlacementGroupSchedulingStrategy = "DEFAULT"
        if (group := self._placement_group) is not None:
            strategy = PlacementGroupSchedulingStrategy(group, k % group.bundle_count, True)
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": 0, "scheduling_strategy": strategy}
        return self._actor_class.options(**options).remote()

    @property
    def nodes(self) -> int:
        """Nodes that the hosts are on."""
        return len({process.node for process in self._processes})

    def load(self, task: Buildable, states: Mapping[Key, State] | None) -> None:
        """Build the blocks of ``task`` on every host; waits for hosts that are starting or coming back.

        Raises ``HostsGone`` when one is not there within ``HEALING`` seconds (and a second more per actor).
        """
        self._sizes = task.sizes
        deadline = time.monotonic() + HEALING + self.count
        parts = [cut_states(states, k, self.count) for k in range(self.count)]
        while True:
            self._epoch += 1
            self._number = 0
            sent = ray.put(task)
            refs = [
                actor.load.remote(self._epoch, sent, k, self.count, parts[k]) for k, actor in enumerate(self._actors)
            ]
            try:
                self._processes = ray.get(refs, timeout=max(deadline - time.monotonic(), 0.1))
                return
            except (ActorUnavailableError, ActorDiedError) as error:
                if time.monotonic() > deadline or _for_good(error):
                    raise HostsGone(f"an agent process did not come back within {HEALING:.0f} s: {error}") from error
                time.sleep(PAUSE)
            except GetTimeoutError as error:
                raise HostsGone(
                    f"{self.count} agent processes did not start within {HEALING + self.count:.0f} s; "
                    "more agents per actor need fewer processes."
                ) from error

    def call(self, requests: Sequence[Request]) -> list[Result]:
        """Run the requests on every host that has members of their groups. Raises ``HostsLost``."""
        self._number += 1
        asked: dict[int, list[Ask]] = {}
        spots: list[list[tuple[int, int]]] = []  # of each request: (host, position in what that host is asked)
        for request in requests:
            spots.append([])
            for k in range(self.count):
                if not (members := cut(self._sizes[request.group], self.count, k)):
                    continue
                own = asked.setdefault(k, [])
                spots[-1].append((k, len(own)))
                own.append(Ask(request.seed, request.group, request.method, request.sent(members)))
        answers: dict[int, Answers] = self._all("call", [(k, (self._number, own)) for k, own in asked.items()])
        slowest = max(answers.values(), key=lambda answer: answer.seconds + answer.compiling)
        self.agents_seconds += slowest.seconds
        self.compile_seconds += slowest.compiling
        return [joined_reply([answers[k].replies[position] for k, position in own]) for own in spots]

    def states(self) -> States:
        """States of all blocks, joined in member order. Raises ``HostsLost``."""
        replies = self._all("states", [(k, ()) for k in range(self.count)])
        return joined_states([replies[k] for k in range(self.count)])

    def sole_blocks(self, seed: int) -> None:
        """None: no block of this fleet is in this process."""
        return

    def close(self) -> None:
        """End the host actors."""
        for actor in self._actors:
            ray.kill(actor, no_restart=True)
        self._actors = []

    def _all(self, method: str, asked: list[tuple[int, tuple[object, ...]]]) -> dict[int, Any]:
        """``method`` of several hosts at once, retried while an actor is away. Raises ``HostsLost``."""
        deadline = None  # counted from the first refusal: a call itself may take long
        while True:
            refs = [getattr(self._actors[k], method).remote(self._epoch, *arguments) for k, arguments in asked]
            try:
                replies = ray.get(refs)
                return {k: reply for (k, _), reply in zip(asked, replies, strict=True)}
            except ActorUnavailableError as error:
                # The process may be restarting, or only the connection broke; the same call again tells which.
                deadline = deadline or time.monotonic() + HEALING
                if time.monotonic() > deadline:
                    raise HostsGone(f"an agent process was away for {HEALING:.0f} s: {error}") from error
                time.sleep(PAUSE)
            except (ActorDiedError, RayTaskError) as error:
                if isinstance(error, RayTaskError) and not isinstance(error.cause, Stale):
                    raise
                raise HostsLost(self._lost()) from None

    def _lost(self) -> list[str]:
        """Hosts that are no longer the processes they were, with their members of the first group."""
        group, size = next(iter(self._sizes.items()))
        lost = []
        for k, actor in enumerate(self._actors):
            try:
                process = ray.get(actor.ready.remote(), timeout=HEALING)
            except (ActorUnavailableError, ActorDiedError, GetTimeoutError):
                process = None
            if process != self._processes[k]:
                members = cut(size, self.count, k)
                lost.append(f"{group} {members.start}..{members.stop - 1} (process {self._processes[k].pid})")
        return lost or ["a connection"]


def _for_good(error: Exception) -> bool:
    """Whether Ray has given the actor up (killed on purpose, or its placement group is gone)."""
    return isinstance(error, ActorDiedError) and "ray.kill" in str(error)
