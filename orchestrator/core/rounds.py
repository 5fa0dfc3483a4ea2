"""What an algorithm says: calls to its members, one communication at a time, and the coordinator that says them."""

from abc import abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np

from orchestrator.core.blocks import Block, Persistent
from orchestrator.core.graphs import Graph
from orchestrator.core.streams import generator

Reply: TypeAlias = Mapping[str, np.ndarray]
#: What ``round()`` and ``measure()`` are: generators that yield calls and are sent the replies.
Conversation: TypeAlias = Generator[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One communication: a method of every member of a group, what it is sent and what comes back.

    ``shared`` goes to every member as it is; each array in ``scattered`` is cut along its leading axis, one row a
    member. The method returns nothing or a dict of arrays with the member as leading axis; the replies of all blocks
    are joined in member order. ``agent_steps`` is the number of environment transitions each member takes.
    ``sensed`` names arrays, sent or replied, that stand for what members sense of a simulated environment (and what it
    senses of them): they are charged to nobody.
    """

    method: str
    on: str = "agents"
    shared: Mapping[str, Any] = field(default_factory=dict)
    scattered: Mapping[str, np.ndarray] = field(default_factory=dict)
    agent_steps: int = 0
    sensed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One communication between neighbours: rows travel hop by hop, at most ``hops`` edges, and no further.

    Every member's row is what its method ``send`` returns. The method ``receive`` then gets ``shared`` and, for the
    n members of its block, ``halo`` (name -> rows of every member within ``hops`` of one of them, each once, in
    member order), ``indptr`` int64 [n + 1] and ``indices`` int64: the rows of ``halo`` that member i may read are
    ``indices[indptr[i]:indptr[i + 1]]``, in member order, its own among them. Nothing else is in the block's hands.

    Of rows named in ``addressed`` the second axis is for whom: entry k of a row is a letter to the k-th member within
    ``hops`` of the sender, in member order, and no one else gets it. ``halo`` then holds the letters to the block's
    members, aligned with ``indices``: those to member i are ``indptr[i]:indptr[i + 1]``, one from each it may read.

    Charged edge by edge: a row reaches each member within ``hops`` along a breadth-first tree, one message an edge; a
    letter is a message on every edge of a shortest way. ``sensed`` as in ``Call``, for what ``receive`` is sent
    besides and replies.
    """

    send: str
    receive: str
    graph: Graph
    hops: int = 1
    on: str = "agents"
    shared: Mapping[str, Any] = field(default_factory=dict)
    agent_steps: int = 0
    sensed: tuple[str, ...] = ()
    addressed: tuple[str, ...] = ()


class Coordinator(Persistent):
    """An algorithm: it schedules its members' steps and communication rounds and holds the shared state.

    A subclass names its parameters and metrics, the block class of each group, and writes ``start``, ``round`` and
    ``measure``. ``persistent`` lists the attributes that, with the blocks' own, are the whole state between rounds.
    ``leap`` is optional: ``leap(blocks, m)`` does what m calls of ``round()`` do, on the one block of each group
    that holds everyone, bit for bit, where every round communicates alike; it is not used where ``fusible`` is False.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    Parameters: ClassVar[type]
    #: Kinds of environment it runs on.
    kinds: ClassVar[tuple[str, ...]]
    #: Methods that it asks of an environment besides, which not all of the kind have.
    needs: ClassVar[tuple[str, ...]] = ()
    #: metric -> what it is, with its unit. ``metrics_for`` narrows them to a configuration.
    metrics: ClassVar[Mapping[str, str]]
    #: metric -> what an axis calls it, where its own name says too little.
    labels: ClassVar[Mapping[str, str]] = {}
    #: Communications a round at the most, for the estimate of a run's time.
    calls_per_round: Any = 1
    #: ``leap(self, blocks: Mapping[str, Block], rounds: int) -> None`` or None.
    leap: ClassVar[Any] = None
    #: Whether its numbers are those of every placement and after every fault. One that is not promises nothing of the
    #: kind, says so in ``warnings`` and is left out of the contract and golden tests.
    reproducible: ClassVar[bool] = True
    #: What a round takes besides its members' steps, roughly, in seconds: for balance only, it touches no number.
    seconds_per_round: ClassVar[float] = 3e-6

    def __init__(self, parameters: Any, problem: Any, agents: int, rounds: int, seed: int):
        self.parameters = parameters
        self.problem = problem
        self.agents = agents
        self.rounds = rounds
        self.seed = seed
        self.done = False  #: set by the algorithm: this seed has converged and takes no further round
        self.completed = 0  #: rounds done so far, kept by the engine

    @property
    def memory(self) -> float:
        """Bytes that a round takes besides the environments, those of all agents together, roughly."""
        return 0.0

    @property
    def fusible(self) -> bool:
        """Whether ``leap`` may stand for rounds under these parameters."""
        return True

    def warnings(self) -> Sequence[str]:
        """Sentences about these parameters that change no status: they are told once and kept in ``runs.note``."""
        return ()

    def cautions(self) -> list[str]:
        """The sentences of the environment, which may have ``warnings()`` as well, and of the algorithm."""
        return [*getattr(self.problem, "warnings", tuple)(), *self.warnings()]

    @classmethod
    def metrics_for(cls, parameters: Any, environment: Any, agents: int) -> tuple[str, ...]:
        """Names of the metrics that ``measure`` returns under these parameters."""
        return tuple(cls.metrics)

    def groups(self) -> Mapping[str, int]:
        """Name and size of each group of members."""
        return {"agents": self.agents}

    @abstractmethod
    def blocks(self) -> Mapping[str, type[Block]]:
        """The class that holds the members of each group."""
        raise NotImplementedError  # abstract

    def stream(self, role: str, index: int = 0) -> np.random.Generator:
        """A fresh generator keyed (seed, coordinator, role, index): the same at every call, so it is no state."""
        return generator(self.seed, "coordinator", role, index)

    def start(self) -> None:
        """Set the shared state before round 1."""

    @abstractmethod
    def round(self) -> Conversation | None:
        """One round: yields calls (or tuples of calls, which run concurrently) and is sent their replies.

        A round without communication may be a plain function.
        """
        raise NotImplementedError  # abstract

    @abstractmethod
    def measure(self) -> Conversation | Mapping[str, float]:
        """Metrics of the present state, by calls that change nothing. Returns metric -> float.

        May be a plain function if no call is needed.
        """
        raise NotImplementedError  # abstract

    def measure_agents(self) -> Conversation | Mapping[str, np.ndarray]:
        """Optional metrics of each agent at the end of a run. Returns metric -> float64 [agents].

        May be a plain function if no call is needed.
        """
        return {}
