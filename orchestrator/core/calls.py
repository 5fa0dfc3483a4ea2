"""What a coordinator yields: a communication with its members, and what that communication costs."""

from collections import deque
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from orchestrator.core.graphs import Graph

#: What members reply, joined in member order: name -> array [members, ...].
Reply: TypeAlias = Mapping[str, np.ndarray]


_MADE: ContextVar["deque[Call | Exchange]"] = ContextVar("made")


def latest_calls() -> "deque[Call | Exchange]":
    """The calls that this thread made last. The driver compares them with those that were yielded."""
    try:
        return _MADE.get()
    except LookupError:
        _MADE.set(calls := deque["Call | Exchange"](maxlen=100))
        return calls


@dataclass(slots=True)
class Traffic:
    """What communication costs. ``measure`` is never counted."""

    calls: int = 0  #: communications
    messages: int = 0  #: to each member that is sent arrays, from each that replies; one per edge of an exchange
    bytes_sent: int = 0  #: bytes of the arrays in those messages
    agent_steps: int = 0  #: environment transitions, summed over the members

    def charge(self, other: "Traffic", times: int = 1) -> None:
        """Add ``times`` the cost of another count."""
        self.calls += times * other.calls
        self.messages += times * other.messages
        self.bytes_sent += times * other.bytes_sent
        self.agent_steps += times * other.agent_steps

    def since(self, earlier: "Traffic") -> "Traffic":
        """The cost between two counts."""
        now = Traffic()
        now.charge(self)
        now.charge(earlier, -1)
        return now


@dataclass(frozen=True, slots=True)
class Call:
    """One communication: a method of every member of a group, what it is sent and what comes back.

    ``shared`` goes to every member as it is; each array in ``scattered`` is cut along its leading axis, one row per
    member. The method returns nothing or a dict of arrays with the member as leading axis; the replies of all blocks
    are joined in member order. Arrays keep their dtype: float64, float32, int64, int32, uint64, uint32, uint8 or bool.
    ``agent_steps`` is the number of environment transitions that each member takes.

    ``sensed`` names arrays, sent or replied, that stand for observations of a simulated environment. They are not
    communication and are not counted.
    """

    method: str
    on: str = "agents"
    shared: Mapping[str, object] = field(default_factory=dict[str, object])
    scattered: Mapping[str, object] = field(default_factory=dict[str, object])
    agent_steps: int = 0
    sensed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        latest_calls().append(self)

    def cost(self, reply: Reply | None, rows: Reply | None, members: int) -> Traffic:
        """The cost for a group of ``members`` that sent ``reply``. A call has no ``rows``."""
        shared = array_bytes(self.shared, self.sensed)
        scattered = sum(np.asarray(array).nbytes for name, array in self.scattered.items() if name not in self.sensed)
        replied = array_bytes(reply, self.sensed)
        messages = members * (bool(shared or scattered) + bool(replied))
        return Traffic(1, messages, members * shared + scattered + replied, members * int(self.agent_steps))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One communication between neighbours: rows travel hop by hop, at most ``hops`` edges, and no further.

    Every member's row is what its method ``send`` returns. The method ``receive`` then gets ``shared`` and, for the
    n members of its block, ``halo`` (name -> rows of every member within ``hops`` of one of them, each once, in
    member order), ``indptr`` int64 [n + 1] and ``indices`` int64: the rows of ``halo`` that member i may read are
    ``indices[indptr[i]:indptr[i + 1]]``, in member order, its own among them. The block gets no other rows.

    Rows named in ``addressed`` have the receiver as second axis: entry k of a row is a letter to the k-th member
    within ``hops`` of the sender, in member order, and only that member gets it. ``halo`` then holds the letters to
    the block's members, aligned with ``indices``: those to member i are ``indptr[i]:indptr[i + 1]``, one from each
    member that it may read.

    Charged edge by edge: a row reaches each member within ``hops`` along a breadth-first tree, one message per edge; a
    letter is one message on every edge of a shortest path. ``sensed`` is as in ``Call``, for what ``receive`` is sent
    besides the rows and for what it replies.
    """

    send: str
    receive: str
    graph: Graph
    hops: int = 1
    on: str = "agents"
    shared: Mapping[str, object] = field(default_factory=dict[str, object])
    agent_steps: int = 0
    sensed: tuple[str, ...] = ()
    addressed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.graph, Graph):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"Exchange: graph is a {type(self.graph).__name__}; pass a Graph, such as named_graph('ring', n)"
            )
        latest_calls().append(self)

    def cost(self, reply: Reply | None, rows: Reply | None, members: int) -> Traffic:
        """The cost for a group of ``members`` that sent ``rows`` to each other and ``reply`` to the coordinator."""
        sent = rows or {}
        shared, replied = array_bytes(self.shared, self.sensed), array_bytes(reply, self.sensed)
        edges = self.graph.deliveries(self.hops)
        along = edges * (array_bytes(sent, self.addressed) // members)
        if self.addressed:
            edges = self.graph.passages(self.hops)
            along += edges * sum(sent[name].nbytes // (members * sent[name].shape[1]) for name in self.addressed)
        messages = edges + members * (bool(shared) + bool(replied))
        return Traffic(1, messages, members * shared + along + replied, members * int(self.agent_steps))


#: What ``round()`` and ``measure()`` are where they call: generators that yield calls and are sent the replies, one
#: for a call, a list of them for a tuple.
Conversation: TypeAlias = Generator[Call | Exchange | tuple[Call | Exchange, ...], Any, Any]


def array_bytes(values: Mapping[str, object] | None, left_out: tuple[str, ...]) -> int:
    """Bytes of the arrays in ``values`` except those named.

    Scalars are step sizes and counts, which every member could work out.
    """
    total = 0
    for name, value in (values or {}).items():
        if isinstance(value, np.ndarray) and name not in left_out:
            total += value.nbytes
    return total
