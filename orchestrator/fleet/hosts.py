"""A process per host: exactly-once calls keyed (epoch, call), healing by restart and roll-back.

How processes are started and reached is a ``Channel``'s business: Ray's (``ray``), or that of the tests, which loses,
repeats and delays messages and ends processes by a seed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

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


class Away(Exception):
    """A process does not answer. It may be restarting, or only the connection broke: the same call again tells."""


class Died(Exception):
    """A process has died. Another one takes its place, unless it was ended for good."""

    def __init__(self, message: str, for_good: bool = False):
        super().__init__(message)
        self.for_good = for_good


class Channel(Protocol):
    """Starts the processes of hosts and carries calls to them. A handle stands for a process and its successors."""

    def start(self, k: int) -> Any:
        """The handle of host ``k``, whose process is being started."""
        ...

    def end(self, handle: Any) -> None:
        """End its process for good."""
        ...

    def share(self, value: object) -> Any:
        """``value`` in a form that many calls may carry."""
        ...

    def send(self, handle: Any, method: str, *arguments: Any) -> Any:
        """Call a method of ``HostProcess``. Returns what ``gather`` takes."""
        ...

    def gather(self, sent: Sequence[Any], timeout: float | None = None) -> list[Any]:
        """The replies. Raises ``Away``, ``Died``, ``Stale``, and TimeoutError after ``timeout`` seconds."""
        ...

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait."""
        ...


class HostProcess:
    """A generic host process: it takes any cell, so it stays alive from cell to cell.

    ``load`` opens an epoch. A call carries its epoch and number: calls of an old epoch are rejected, and repeating the
    newest call returns its cached reply, so a retry after a network error is executed exactly once.
    """

    def __init__(self, place: Callable[[], ProcessId]) -> None:
        self._place = place
        self._epoch = -1
        self._number = -1
        self._answers: Answers | None = None
        self._host: Host | None = None

    def ready(self) -> ProcessId:
        """Where this process is."""
        return self._place()

    def load(self, epoch: int, task: Buildable, index: int, count: int, states: States | None) -> ProcessId:
        """Build the blocks of host ``index`` of ``count`` and enter ``epoch``. Returns where this process is.

        A call that comes late or twice changes nothing: it would take back rounds that were done since.
        """
        if epoch <= self._epoch:
            raise Stale(f"this host is in epoch {self._epoch} already")
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


class HostFleet:
    """``count`` hosts that a channel starts and reaches."""

    def __init__(self, count: int, channel: Channel):
        self._channel = channel
        self._hosts: list[Any] = []
        self._processes: list[ProcessId] = []
        self._epoch = 0
        self._number = 0
        self._sizes: Mapping[str, int] = {}
        self.agents_seconds = self.compile_seconds = 0.0
        self.resize(count)

    def resize(self, count: int) -> None:
        """Have ``count`` hosts for the next ``load``; those that stay keep their processes."""
        for host in self._hosts[count:]:
            self._channel.end(host)
        self._hosts = self._hosts[:count]
        self._hosts += [self._channel.start(k) for k in range(len(self._hosts), count)]
        self.count = count

    @property
    def nodes(self) -> int:
        """Nodes that the hosts are on."""
        return len({process.node for process in self._processes})

    def load(self, task: Buildable, states: Mapping[Key, State] | None) -> None:
        """Build the blocks of ``task`` on every host; waits for hosts that are starting or coming back.

        Raises ``HostsGone`` when one is not there within ``HEALING`` seconds (and a second more per actor).
        """
        self._sizes = task.sizes
        channel = self._channel
        deadline = channel.now() + HEALING + self.count
        parts = [cut_states(states, k, self.count) for k in range(self.count)]
        while True:
            self._epoch += 1
            self._number = 0
            sent = channel.share(task)
            asked = [
                channel.send(host, "load", self._epoch, sent, k, self.count, parts[k])
                for k, host in enumerate(self._hosts)
            ]
            try:
                self._processes = channel.gather(asked, timeout=max(deadline - channel.now(), 0.1))
                return
            except (Away, Died) as error:
                if channel.now() > deadline or (isinstance(error, Died) and error.for_good):
                    raise HostsGone(f"an agent process did not come back within {HEALING:.0f} s: {error}") from error
                channel.pause(PAUSE)
            except TimeoutError as error:
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
        """End the processes."""
        for host in self._hosts:
            self._channel.end(host)
        self._hosts = []

    def _all(self, method: str, asked: list[tuple[int, tuple[object, ...]]]) -> dict[int, Any]:
        """``method`` of several hosts at once, retried while a process is away. Raises ``HostsLost``."""
        channel = self._channel
        deadline = None  # counted from the first refusal: a call itself may take long
        while True:
            sent = [channel.send(self._hosts[k], method, self._epoch, *arguments) for k, arguments in asked]
            try:
                replies = channel.gather(sent)
                return {k: reply for (k, _), reply in zip(asked, replies, strict=True)}
            except Away as error:
                deadline = deadline or channel.now() + HEALING
                if channel.now() > deadline:
                    raise HostsGone(f"an agent process was away for {HEALING:.0f} s: {error}") from error
                channel.pause(PAUSE)
            except (Died, Stale):
                raise HostsLost(self._lost()) from None

    def _lost(self) -> list[str]:
        """Hosts that are no longer the processes they were, with their members of the first group."""
        group, size = next(iter(self._sizes.items()))
        lost = []
        for k, host in enumerate(self._hosts):
            try:
                (process,) = self._channel.gather([self._channel.send(host, "ready")], timeout=HEALING)
            except (Away, Died, TimeoutError):
                process = None
            if process != self._processes[k]:
                members = cut(size, self.count, k)
                lost.append(f"{group} {members.start}..{members.stop - 1} (process {self._processes[k].pid})")
        return lost or ["a connection"]
