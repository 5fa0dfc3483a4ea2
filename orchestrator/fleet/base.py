"""Where blocks live: in this process (``inline``) or one Ray actor per block (``ray``), behind one interface."""

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

import numpy as np

from orchestrator.core.blocks import Block
from orchestrator.core.calls import Reply
from orchestrator.core.rounds import Coordinator
from orchestrator.errors import ends_process, error_place, said, writable

#: Codes that colour text on a terminal.
COLOURS = re.compile("\x1b\\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Request:
    """A method of every member of ``group`` for one seed.

    All blocks are sent ``shared``, and each one ``part(members)`` besides.
    """

    seed: int
    group: str
    method: str
    shared: Mapping[str, object]
    part: Callable[[range], Mapping[str, object]] | None = None

    def sent(self, members: range) -> dict[str, object]:
        """Everything that the block of ``members`` is sent."""
        return {**self.shared, **(self.part(members) if self.part else {})}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error in a seed: the exception's type and message, and where it was raised."""

    kind: str
    message: str
    trace: str
    #: The exception itself, where it was raised in this process.
    cause: BaseException | None = field(default=None, compare=False, repr=False)

    #: Whether a call brought it: the line of the call then says where, if nothing else does.
    called: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, error: BaseException, called: bool = False) -> "Failure":
        """The failure that an exception of an author's code stands for. One that ends the process is raised again."""
        if ends_process(error):
            raise error
        # The compiler colours its messages where colorama is installed, and puts a line that says nothing first.
        message = re.sub(r"^Failed in nopython mode pipeline[^\n]*\n+", "", COLOURS.sub("", said(error)))
        trace = COLOURS.sub("", writable("".join(traceback.format_exception(error))))
        return cls(type(error).__name__, message, trace, error, called)

    def placed(self, place: str) -> "Failure":
        """The same with ``place``, the line of the call, as the end of a traceback that has none in a user's file."""
        if not self.called or error_place(self.trace):
            return self
        return replace(self, trace=f"{self.trace}{place}")

    def __reduce__(self) -> tuple[object, ...]:
        return Failure, (self.kind, self.message, self.trace, None, self.called)  # an exception may not be picklable


class HostsLost(Exception):
    """Blocks are gone: the processes that held them died. ``hosts`` names them."""

    def __init__(self, hosts: Sequence[str]):
        super().__init__(", ".join(hosts))
        self.hosts = list(hosts)


class HostsGone(Exception):
    """Lost processes did not come back within the time allowed: other nodes may still run the cell."""


class Deadly(HostsGone):
    """Processes died again and again without progress: what the cell does kills them."""


#: (seed, group) of a block.
Key: TypeAlias = tuple[int, str]
#: name -> array [members, ...]
State: TypeAlias = dict[str, np.ndarray]


class States(dict[Key, State]):
    """States of blocks; ``failures`` has the error of each seed one of whose blocks has none."""

    def __init__(self, states: Mapping[Key, State] | None = None):
        super().__init__(states or {})
        self.failures: dict[int, Failure] = {}


#: What a request comes to: the joined reply, nothing, or what went wrong.
Result: TypeAlias = Reply | Failure | None


class Buildable(Protocol):
    """What blocks are built from: a ``Task`` (orchestrator.planning.tasks)."""

    @property
    def seeds(self) -> tuple[int, ...]: ...

    @property
    def sizes(self) -> Mapping[str, int]: ...

    def coordinator(self, seed: int) -> Coordinator: ...


class Fleet(Protocol):
    """Runs requests on the blocks of a task."""

    @property
    def agents_seconds(self) -> float:
        """Seconds spent in members' methods so far, those of the slowest host in every call."""
        ...

    @property
    def compile_seconds(self) -> float:
        """Seconds that these methods spent compiling; they are not part of ``agents_seconds``."""
        ...

    @property
    def nodes(self) -> int:
        """Machines that the blocks are on."""
        ...

    def load(self, task: Buildable, states: Mapping[Key, State] | None) -> None:
        """Build the blocks of ``task``, at their start or with the given states. Opens a new epoch."""
        ...

    def call(self, requests: Sequence[Request]) -> list[Result]:
        """Run the requests concurrently; replies joined in member order, C-contiguous, read-only.

        Raises ``HostsLost`` when a process that holds blocks is gone: nothing of the call counts then.
        """
        ...

    def states(self) -> States:
        """States of all blocks, joined in member order. Raises ``HostsLost``."""
        ...

    def sole_blocks(self, seed: int) -> Mapping[str, Block] | None:
        """group -> block, if one block in this process holds all members of each group; else None."""
        ...

    def close(self) -> None:
        """Let go of the blocks."""
        ...
