"""An algorithm: the coordinator that calls its members, one communication at a time."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel

from orchestrator.core.blocks import Block, E, P, Persistent
from orchestrator.core.calls import Call, Conversation, Exchange, Reply
from orchestrator.core.streams import generator

__all__ = ["Call", "Conversation", "Coordinator", "Exchange", "Fusible", "Reply"]


@runtime_checkable
class Fusible(Protocol):
    """An algorithm that can run many rounds at once. Any coordinator with the method ``leap`` is one."""

    def leap(self, blocks: Mapping[str, Any], rounds: int) -> None:
        """Do what so many calls of ``round()`` do, bit for bit, on the one block of each group that holds everyone.

        Used where one block in this process holds all members and every round communicates alike; never where the
        coordinator's ``fusible`` is False.
        """
        ...


class Coordinator(Persistent, Generic[P, E]):
    """An algorithm: it schedules its members' steps and communication rounds and holds the shared state.

    A subclass names its parameters and metrics, the block class of each group, and writes ``start``, ``round`` and
    ``measure``. ``persistent`` lists the attributes that, with the blocks' own, are the whole state between rounds.
    A method ``leap`` is optional (see ``Fusible``). ``Coordinator[SomeParameters, SomeEnvironment]`` types
    ``parameters`` and ``problem``.

    A complete example, the file ``toy.py``. Each agent keeps a running mean of what it sees, the server averages them::

        import numpy as np
        from pydantic import Field
        from orchestrator.core import Block, Call, Coordinator, Environment, Parameters, kernel, normal, ordered_mean

        class NoiseParameters(Parameters):
            centre: float = Field(1.0, description="the number that all agents look for")

        class Noise(Environment):
            '''The number, with standard normal noise.'''
            name, kind, Parameters = "noise", "noise", NoiseParameters

            def block(self, members):
                return self.parameters.centre

        class MeanParameters(Parameters):
            samples: int = Field(10, ge=1, description="samples that an agent takes per round")

        @kernel
        def look(total, centre, samples, rng):  # total [n]; row i of rng is agent i's own random stream
            for i in range(total.shape[0]):
                for _ in range(samples):
                    total[i] += centre + normal(rng, i)

        class Lookers(Block):
            persistent = ("total",)

            def start(self):
                self.total = self.zeros()

            def look(self, samples):
                look(self.total, self.env, samples, self.rng)
                return {"total": self.total}

        class Mean(Coordinator):
            '''The mean over all agents of all samples so far.'''
            name, kinds, Parameters = "mean", ("noise",), MeanParameters
            metrics = {"mean_error": "distance to the number"}
            persistent = ("mean",)

            def blocks(self):
                return {"agents": Lookers}

            def start(self):
                self.mean = 0.0

            def round(self):
                samples = self.parameters.samples
                reply = yield Call("look", shared={"samples": samples}, agent_steps=samples)
                self.mean = float(ordered_mean(reply["total"])) / (samples * (self.completed + 1))

            def measure(self):
                return {"mean_error": abs(self.mean - self.problem.parameters.centre)}

    It runs from a shell, ``orchestrator run ./toy.py:Mean ./toy.py:Noise --agents 4,64 --rounds 25``, or from Python:

        >>> import orchestrator
        >>> results = orchestrator.run(
        ...     "./toy.py:Mean", "./toy.py:Noise", agents=[4, 64], rounds=25, backend="inline", name="toy"
        ... )
        >>> runs = results.summary("toy")
        >>> runs.groupby("agents")["mean_error_final"].mean().round(3).to_dict()
        {4: 0.017, 64: 0.009}
        >>> runs.groupby("agents")["bytes_sent"].first().to_dict()  # one float64 from each agent in every round
        {4: 800, 64: 12800}
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    Parameters: ClassVar[type[BaseModel]]
    #: Kinds of environment it runs on.
    kinds: ClassVar[tuple[str, ...]]
    #: Methods that it needs of an environment and that not all of the kind have.
    needs: ClassVar[tuple[str, ...]] = ()
    #: metric -> what it is, with its unit. ``metrics_for`` narrows them to a configuration.
    metrics: ClassVar[Mapping[str, str]]
    #: metric -> name on an axis, where the metric's own name says too little.
    labels: ClassVar[Mapping[str, str]] = {}
    #: Metrics that are returns of episodes or gaps between them. Figures show their interquartile means.
    scores: ClassVar[tuple[str, ...]] = ()
    #: Whether its numbers are those of every placement and after every fault. If False, the algorithm promises nothing
    #: of the kind: ``warnings`` should say so, and it is left out of the contract and golden tests.
    reproducible: ClassVar[bool] = True
    #: Other packages whose code makes its numbers, by import name; ``runs.versions`` has their versions.
    libraries: ClassVar[Sequence[str]] = ()
    #: Seconds that a round takes besides its members' steps, roughly. Used to balance work; it changes no number.
    seconds_per_round: ClassVar[float] = 3e-6

    engine_sets = frozenset({"parameters", "problem", "agents", "rounds", "seed", "completed"})
    declares = (
        "name",
        "version",
        "kinds",
        "needs",
        "metrics",
        "labels",
        "scores",
        "libraries",
        "reproducible",
        "persistent",
    )
    built_from = "parameters, problem, agents, rounds, seed"

    def __init__(self, parameters: P, problem: E, agents: int, rounds: int, seed: int):
        self.parameters = parameters
        self.problem = problem
        self.agents = agents
        self.rounds = rounds
        self.seed = seed
        self.done = False  #: set by the algorithm: this seed has converged and takes no further round
        self.completed = 0  #: rounds done so far, kept by the engine

    @property
    def memory(self) -> float:
        """Bytes that a round takes for all agents together besides the environments, roughly."""
        return 0.0

    @property
    def fusible(self) -> bool:
        """Whether ``leap``, if there is one, may replace rounds under these parameters."""
        return True

    def calls_per_round(self) -> float:
        """Communications per round, at most. Used to estimate a run's time."""
        return 1.0

    @classmethod
    def steps_per_round(cls, parameters: P) -> float:
        """Environment transitions of each agent per round, roughly. Used to balance work; it changes no number."""
        return 1.0

    @classmethod
    def resources(cls, parameters: P) -> Mapping[str, float]:
        """What a trial reserves for the coordinator: ``cpu``, ``gpu`` and any other resource by Ray's name."""
        return {"cpu": 1.0, "gpu": 0.0}

    def warnings(self) -> Sequence[str]:
        """Warnings about the parameters, printed before a run and stored in ``runs.note``. They change no status."""
        return ()

    def cautions(self) -> list[str]:
        """The warnings of the environment and of the algorithm."""
        return [*self.problem.warnings(), *self.warnings()]

    @classmethod
    def metrics_for(cls, parameters: P, environment: Any, agents: int) -> tuple[str, ...]:
        """Names of the metrics that ``measure`` returns under these parameters of algorithm and environment."""
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
