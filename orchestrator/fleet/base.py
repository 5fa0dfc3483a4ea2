"""Where blocks live: in this process (``inline``) or one Ray actor a block (``ray``), behind one interface."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np


@dataclass(frozen=True, slots=True)
class Request:
    """A method of every member of ``group`` for one seed; ``part(members)`` is what a block of them is sent besides."""

    seed: int
    group: str
    method: str
    shared: Mapping[str, Any]
    part: Callable[[range], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in a member's method: the exception's type and words, and where."""

    kind: str
    message: str
    trace: str
    #: Called with every exception first, by ``run --pdb``.
    inspect: ClassVar[Callable[[BaseException], None] | None] = None

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """The failure that an exception stands for."""
        import traceback

        if cls.inspect is not None:
            cls.inspect(error)
        # The compiler's own words come second: "Failed in nopython mode pipeline" says nothing.
        said = re.sub(r"^Failed in nopython mode pipeline[^\n]*\n+", "", str(error))
        return cls(type(error).__name__, said, "".join(traceback.format_exception(error)))


class HostsLost(Exception):
    """Blocks are gone: the processes that held them died. ``hosts`` says which, in words."""

    def __init__(self, hosts: Sequence[str]):
        super().__init__(", ".join(hosts))
        self.hosts = list(hosts)


class HostsGone(Exception):
    """Lost processes did not come back within the time allowed: other nodes may still run the cell."""


class Deadly(HostsGone):
    """Processes died over and over without a step forward: what the cell does kills them."""


#: (seed, group) -> name -> array [members, ...]
States = dict[tuple[int, str], dict[str, np.ndarray]]


class Fleet(Protocol):
    """Runs requests on blocks. ``Task`` (orchestrator.planning.tasks) says which blocks there are."""

    #: Seconds spent in members' methods so far, those of the slowest host in every call.
    agents_seconds: float

    @property
    def nodes(self) -> int: ...

    def load(self, task: Any, states: States | None) -> None:
        """Build the blocks of ``task``, at their start or with the given states. Opens a new epoch."""
        ...

    def call(self, requests: Sequence[Request]) -> list[dict[str, np.ndarray] | Failure | None]:
        """Run the requests concurrently; replies joined in member order, C-contiguous, read-only.

        Raises ``HostsLost`` when a process that holds blocks is gone: nothing of the call counts then.
        """
        ...

    def states(self) -> States:
        """States of all blocks, joined in member order."""
        ...

    def sole_blocks(self, seed: int) -> Mapping[str, Any] | None:
        """group -> block, if one block in this process holds all members of each group; else None."""
        ...

    def close(self) -> None:
        """Let go of the blocks."""
        ...


def cut(size: int, parts: int, index: int) -> range:
    """Members of block ``index`` when ``size`` members are cut into ``parts`` runs of equal length but the last."""
    length = -(-size // parts)
    return range(min(index * length, size), min((index + 1) * length, size))


def gathered(parts: Sequence[Any]) -> dict[str, np.ndarray] | Failure | None:
    """The blocks' replies to one request as one: the first failure, nothing, or the joined arrays."""
    failure = next((part for part in parts if isinstance(part, Failure)), None)
    if failure or all(part is None for part in parts):
        return failure
    try:
        return joined(parts)
    except Exception as error:  # blocks that reply in different shapes fail their seed, not the cell
        return Failure.of(error)


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of several blocks along the member axis, in the order given, read-only."""
    whole = parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for array in whole.values():
        array.flags.writeable = False
    return dict(whole)
