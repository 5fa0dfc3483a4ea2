"""A block: consecutive members of a group, their private state as arrays with the member as leading axis."""

import copy
from typing import Any, ClassVar

import numpy as np

from orchestrator.core import kernels
from orchestrator.core.streams import member_streams


class Persistent:
    """Something whose state between rounds is an explicit dict of arrays and scalars, never a pickled self."""

    #: Attributes that are the whole changing state.
    persistent: ClassVar[tuple[str, ...]] = ()

    def state(self) -> dict[str, Any]:
        """A copy of the state: name -> array or scalar."""
        return {name: _copied(getattr(self, name)) for name in self.persistent}

    def load(self, state: dict[str, Any]) -> None:
        """Take over what ``state()`` gave."""
        for name in self.persistent:
            setattr(self, name, _copied(state[name]))


class Block(Persistent):
    """``n`` members of one group for one seed, held by one process.

    A subclass creates its arrays in ``start`` and lists them in ``persistent``; its public methods are what calls
    name. They take what the call sends (read-only arrays) and return None or a dict of arrays [n, ...]. ``rng`` is
    the members' stream for steps; ``stream(role)`` gives others, which start afresh at every call. A method used
    by ``measure`` must leave ``persistent`` and ``rng`` untouched.
    """

    def __init__(self, group: str, members: range, parameters: Any, problem: Any, seed: int):
        self.group = group
        self.members = members
        self.n = len(members)
        self.parameters = parameters
        self.problem = problem
        self.seed = seed
        self.rng = self.stream("steps")

    @property
    def env(self) -> Any:
        """The environment's arrays for these members (``problem.block``), built once for all seeds that share them."""
        built = self.problem.__dict__.setdefault("_blocks", {})
        if self.members not in built:
            built[self.members] = self.problem.block(self.members)
        return built[self.members]

    def start(self) -> None:
        """Create the members' state before round 1."""

    def state(self) -> dict[str, Any]:
        return {"rng": self.rng.copy(), **super().state()}

    def load(self, state: dict[str, Any]) -> None:
        self.rng = np.array(state["rng"])
        super().load(state)

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


def _copied(value: Any) -> Any:
    """Nothing of the copy is shared with the original: what runs on must not reach into a snapshot."""
    return np.array(value, order="C") if isinstance(value, np.ndarray) else copy.deepcopy(value)
