"""A block: consecutive members of a group, their private state as arrays with the member as leading axis."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, cast

import numpy as np
from pydantic import BaseModel
from typing_extensions import TypeVar

from orchestrator.core import kernels
from orchestrator.core.arrays import copied, frozen
from orchestrator.core.declared import Declared, assign
from orchestrator.core.environment import Environment
from orchestrator.core.streams import member_streams
from orchestrator.errors import nearest

#: A model of parameters, an environment and what its ``block`` returns. A class that names no types takes any.
P = TypeVar("P", bound=BaseModel, default=Any)
E = TypeVar("E", bound=Environment, default=Any)
Arrays = TypeVar("Arrays", default=Any)


class Persistent(Declared):
    """Something whose state between rounds is an explicit dict of arrays and scalars, never a pickled self."""

    declares = ("persistent",)
    #: Attributes that are the whole changing state, besides ``tensors``.
    persistent: ClassVar[tuple[str, ...]] = ()

    def tensors(self) -> Mapping[str, object]:
        """State that is not in attributes, such as the weights of a network: name -> array. None by default."""
        return {}

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take over what ``tensors()`` gave. A subclass that writes one writes the other."""
        raise NotImplementedError(f"{type(self).__name__} has no load_tensors; it cannot load {', '.join(tensors)}")

    def state(self) -> dict[str, Any]:
        """A copy of the state: name -> array or scalar.

        Raises ``TypeError`` for values that cannot be kept (see ``orchestrator.core.arrays``), ``ValueError`` for a
        name that is both in ``persistent`` and in ``tensors``, ``AttributeError`` for one that is not set.
        """
        tensors = self.tensors()
        if both := sorted(set(tensors) & set(self.persistent)):
            raise ValueError(f"{', '.join(both)}: named both in persistent and in tensors()")
        for name in self.persistent:
            if not hasattr(self, name):
                raise AttributeError(self._unset(name))
        values = {name: getattr(self, name) for name in self.persistent} | dict(tensors)
        return {name: copied(f"the state {name!r} of {type(self).__name__}", value) for name, value in values.items()}

    def _unset(self, name: str) -> str:
        kept = [other for other in vars(self) if other not in (*self.engine_sets, *self.persistent) and other[0] != "_"]
        hint = nearest(name, kept, 1) if kept else ""
        near = f": {hint}" if hint.startswith("did") else ""
        return f"persistent of {type(self).__name__} names {name!r}, which start() does not set{near}"

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state()`` gave."""
        own = {name: copied(f"the state {name!r}", value) for name, value in state.items()}
        for name in self.persistent:
            setattr(self, name, own.pop(name))
        if own and self.tensors():
            self.load_tensors(own)


class Block(Persistent, Generic[P, E, Arrays]):
    """``n`` members of one group for one seed, held by one process.

    A subclass creates its arrays in ``start`` and lists them in ``persistent``; its public methods are what calls
    name. They take what the call sends (read-only arrays) and return None or a dict of arrays [n, ...]. ``rng`` is
    the members' stream for steps; ``stream(role)`` gives others, which start afresh at every call. A method used
    by ``measure`` must leave ``persistent`` and ``rng`` untouched.

    ``Block[SomeParameters, SomeEnvironment, SomeArrays]`` types ``parameters``, ``problem`` and ``env``.
    """

    engine_sets = frozenset({"group", "members", "n", "parameters", "problem", "seed", "env", "environments", "rng"})
    built_from = "group, members, parameters, problem, seed"

    def __init__(self, group: str, members: range, parameters: P, problem: E, seed: int):
        self.group = group
        self.members = members
        self.n = len(members)
        self.parameters = parameters
        self.problem = problem
        self.seed = seed
        #: Arrays of the environment by members; the engine lets blocks of the same problem share it.
        self.environments: dict[range, Arrays] = {}
        self._env: Arrays | None = None
        self.rng = self.stream("steps")

    @property
    def env(self) -> Arrays:
        """The environment's arrays for these members (``problem.block``): read-only, and shared by all seeds.

        What can be changed, such as a simulator or a list, is built for every seed anew.
        """
        if self._env is None:
            shared = self.environments.get(self.members)
            if shared is None:
                fixed, shared = frozen(self.problem.block(self.members))
                if fixed:
                    self.environments[self.members] = shared
            self._env = cast(Arrays, shared)
        return self._env

    def start(self) -> None:
        """Create the members' state before round 1."""

    def state(self) -> dict[str, Any]:
        return {"rng": self.rng.copy(), **super().state()}

    def load(self, state: Mapping[str, Any]) -> None:
        assign(self, "rng", np.array(state["rng"]))
        super().load({name: value for name, value in state.items() if name != "rng"})

    def stream(self, role: str) -> np.ndarray:
        """Fresh random streams of the members, uint64 [n, 4], keyed (seed, group, role, member)."""
        return member_streams(self.seed, self.group, role, self.members)

    def zeros(self, *shape: int) -> np.ndarray:
        """float64 zeros [n, *shape]."""
        return np.zeros((self.n, *shape))

    def normal(self, *shape: int, role: str = "start") -> np.ndarray:
        """Standard normal draws [n, *shape] from the streams of ``role``."""
        out = self.zeros(*shape)
        kernels.fill_normal(out.reshape(self.n, -1), self.stream(role))
        return out

    def uniform(self, *shape: int, role: str = "start") -> np.ndarray:
        """Uniform draws in [0, 1), [n, *shape], from the streams of ``role``."""
        out = self.zeros(*shape)
        kernels.fill_uniform(out.reshape(self.n, -1), self.stream(role))
        return out

    def integers(self, upper: int, role: str = "start integers") -> np.ndarray:
        """Uniform integers in 0..upper-1, int64 [n], from the streams of ``role``."""
        out = np.zeros(self.n, dtype=np.int64)
        kernels.fill_integers(out, upper, self.stream(role))
        return out
