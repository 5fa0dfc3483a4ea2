"""A world whose clock, network, processes and storage misbehave by a seed. The same seed misbehaves in the same way."""

import contextlib
import importlib
import pickle
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Any
from unittest import mock

from orchestrator.errors import UserError
from orchestrator.fleet.hosts import Away, Died, HostProcess, ProcessId, Stale
from orchestrator.running import checkpoint, drive, writer
from orchestrator.store import folder, segments, store
from orchestrator.store.folder import Folder

compact = importlib.import_module("orchestrator.store.compact")  # the package has a function of this name

#: Seconds between two looks at the clock: work, a snapshot that is due, a flush, a checkpoint that is due.
STEPS = (0.01, 0.3, 1.5, 4.0, 45.0)


class Killed(BaseException):
    """The driver is killed at this moment. Nothing of it runs any more; what it has written stays."""


class World:
    """Draws what goes wrong. ``faults`` bounds their number, so that every run ends."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.faults = self.random.choice((1, 2, 4, 8, 16))
        self.rate = self.random.choice((0.01, 0.05, 0.2))
        self.clock = 1000.0 * self.random.random()
        self.pids = 0
        self.told: list[str] = []
        self.others: list[Callable[[], object]] = []  #: what other processes may do between two steps of this one
        self._alone = False

    def strikes(self, what: str, chance: float = 1.0) -> bool:
        """Whether this goes wrong now."""
        if self.faults <= 0 or self._alone or self.random.random() > chance * self.rate:
            return False
        self.faults -= 1
        self.told.append(what)
        return True

    def step(self, where: str) -> None:
        """A moment between two steps: the driver may be killed, or another process may do something."""
        if self.strikes(f"killed {where}", 0.5):
            raise Killed
        if self.others and self.strikes(f"another process {where}", 0.5):
            other = self.random.choice(self.others)
            with contextlib.suppress(Killed, UserError), mock.patch.object(self, "others", []):
                other()

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Nothing goes wrong inside."""
        before, self._alone = self._alone, True
        try:
            yield
        finally:
            self._alone = before

    # The clock.

    def monotonic(self) -> float:
        """Seconds; some pass at every look."""
        self.clock += self.random.choice(STEPS)
        return self.clock

    time = perf_counter = monotonic

    def time_ns(self) -> int:
        """The same in nanoseconds."""
        return int(1e9 * self.monotonic())

    def now(self, zone: tzinfo) -> datetime:
        """The date."""
        return datetime.fromtimestamp(self.monotonic(), zone)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.clock += seconds

    def uuid4(self) -> uuid.UUID:
        """A name nobody else has."""
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        """The product's clock, names and storage are those of this world inside."""
        with contextlib.ExitStack() as stack:
            for module in (checkpoint, drive, writer, folder, segments, compact):
                stack.enter_context(mock.patch.object(module, "time", self))
            stack.enter_context(mock.patch.object(folder, "uuid", self))
            stack.enter_context(mock.patch.object(store, "datetime", self))
            for name in ("write", "read", "delete", "_entries"):
                stack.enter_context(mock.patch.object(Folder, name, self._storage(name, getattr(Folder, name))))
            yield

    def _storage(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        """A folder's method that may refuse, or do its work and then fail to say so."""

        def method(own: Folder, path: str = "", *data: Any) -> Any:
            what = f"{name} {path.partition('/')[0]}"
            self.step(f"before {what}")
            if self.strikes(f"refused {what}"):
                raise UserError(f"{own.shown(path)} cannot be reached: the storage is away.")
            answer = plain(own, path, *data)
            if name == "write" and self.strikes(f"unanswered {what}"):
                raise UserError(f"{own.shown(path)} cannot be written: the connection broke.")
            self.step(f"after {what}")
            return answer

        return method


class SimulatedHost:
    """A process and its successors."""

    def __init__(self, world: World):
        self.world = world
        self.restart()

    def restart(self) -> None:
        """The process dies; a new one, which knows nothing, takes its place."""
        self.world.pids += 1
        pid = self.world.pids
        self.process = HostProcess(lambda: ProcessId("here", pid))

    def deliver(self, method: str, arguments: bytes) -> bytes:
        """Call a method with copies of what was sent. Returns a copy of the reply."""
        return pickle.dumps(getattr(self.process, method)(*pickle.loads(arguments)))


Message = tuple[SimulatedHost, str, bytes]


class SimulatedChannel:
    """Carries messages in any order; loses, repeats and delays them; ends processes before and after they answer."""

    def __init__(self, world: World):
        self.world = world
        self.late: list[Message] = []

    def start(self, k: int) -> SimulatedHost:
        """A new host."""
        return SimulatedHost(self.world)

    def end(self, handle: SimulatedHost) -> None:
        """Nothing is left to end."""

    def share(self, value: object) -> object:
        """The value itself: it is copied when it is sent."""
        return value

    def send(self, handle: SimulatedHost, method: str, *arguments: Any) -> Message:
        """The message. It is on its way when replies are gathered."""
        return handle, method, pickle.dumps(arguments)

    def gather(self, sent: Sequence[Message], timeout: float | None = None) -> list[Any]:
        """The replies, or the first thing that went wrong; all messages are on their way in either case."""
        world = self.world
        world.step("while waiting for hosts")
        for message in [message for message in self.late if world.random.random() < 0.5]:
            self.late.remove(message)
            with contextlib.suppress(Stale, AssertionError):  # nobody waits for the answer
                message[0].deliver(*message[1:])
        replies: dict[int, Any] = {}
        wrong: list[Exception] = []
        for k in world.random.sample(range(len(sent)), len(sent)):
            try:
                replies[k] = pickle.loads(self._carry(sent[k]))
            except (Away, Died, Stale) as error:
                wrong.append(error)
        if wrong:
            raise wrong[0]
        return [replies[k] for k in range(len(sent))]

    def _carry(self, message: Message) -> bytes:
        host, method, arguments = message
        strikes = self.world.strikes
        if strikes(f"{method} lost"):
            raise Away("lost")
        if strikes(f"{method} late"):
            self.late.append(message)
            raise Away("late")
        if strikes(f"died before {method}"):
            host.restart()
            raise Died("before")
        reply = host.deliver(method, arguments)
        if strikes(f"{method} twice"):
            self.late.append(message)
        if strikes(f"reply of {method} lost"):
            raise Away("unanswered")
        if strikes(f"died after {method}"):
            host.restart()
            raise Died("after")
        return reply

    def now(self) -> float:
        """The world's clock."""
        return self.world.clock

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.world.sleep(seconds)
