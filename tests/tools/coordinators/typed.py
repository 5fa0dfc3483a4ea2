"""Counters of any dtype: what is sent, replied, exchanged and kept has it, and every way of doing that wrong."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from orchestrator.core import Block, Call, Coordinator, Environment, Exchange, Graph, Parameters


class NowhereParameters(Parameters):
    """No parameters."""


class Nowhere(Environment):
    """An environment in which nothing happens."""

    name, kind = "nowhere", "nothing"
    Parameters = NowhereParameters


What = Literal[
    "nothing", "reply", "list", "mixed", "names", "shared", "scattered", "exchanged", "state", "late state", "shadow",
    "mixed state", "coordinator", "key",
]  # fmt: skip


class TypedParameters(Parameters):
    """A dtype, what goes wrong and where."""

    dtype: str = Field("float32", description="dtype of everything")
    wrong: What = Field("nothing", description="what has another dtype")
    other: str = Field("complex128", description="that other dtype")


class Counters(Block):
    """x [n, 2] of the dtype; a network's weights, kept by name, are [n, 3]."""

    persistent = ("x",)

    def start(self) -> None:
        p = self.parameters
        kind = p.other if p.wrong == "state" else p.dtype
        self.x = np.ones((self.n, 2)).astype(kind)
        self.weights = {"first": np.zeros((self.n, 3), p.dtype)}
        if p.wrong == "shadow":
            self.state = 0  # pyright: ignore[reportAttributeAccessIssue]

    def tensors(self) -> dict[str, np.ndarray]:
        return {f"weights {name}": array for name, array in self.weights.items()}

    def load_tensors(self, tensors: Any) -> None:
        self.weights = {name.removeprefix("weights "): array for name, array in tensors.items()}

    def add(self, step: np.ndarray, own: np.ndarray) -> Any:
        """x | step | own, which no dtype rounds; ``own`` [n], ``step`` [4]."""
        p = self.parameters
        assert step.dtype == own.dtype == p.dtype
        self.x = np.maximum(self.x, np.maximum(step[0], own[:, None])).astype(p.dtype)
        self.weights["first"] = np.maximum(self.weights["first"], step[:3])
        reply = self.x.astype(p.other) if self._other() else self.x
        if p.wrong == "late state" or (p.wrong == "mixed state" and 0 in self.members):
            self.x = self.x.astype(p.other)
        if p.wrong == "list":
            return [self.x]
        if p.wrong == "names" and 0 in self.members:
            return {"y": self.x}
        return {"x": reply, "weights": self.weights["first"]}

    def _other(self) -> bool:
        return self.parameters.wrong == "reply" or (self.parameters.wrong == "mixed" and 0 in self.members)

    def send(self) -> dict[str, np.ndarray]:
        p = self.parameters
        return {"x": self.x.astype(p.other if p.wrong == "exchanged" else p.dtype)}

    def receive(self, halo: dict[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> dict[str, np.ndarray]:
        """The largest of the neighbours' first numbers, [n]."""
        assert halo["x"].dtype == self.parameters.dtype
        rows = [halo["x"][indices[indptr[i] : indptr[i + 1]], 0] for i in range(self.n)]
        return {"most": np.array([row.max() for row in rows], self.parameters.dtype)}


class Typed(Coordinator):
    """Largest numbers so far. A seed's dtypes are checked on the way: what arrives has what was sent."""

    name = "typed"
    Parameters = TypedParameters
    kinds = ("nothing",)
    metrics = {"x": "sum of x", "most": "sum of the neighbours' largest"}
    persistent = ("last", "most", "pair")

    def calls_per_round(self) -> float:
        return 2

    def blocks(self):
        return {"agents": Counters}

    def start(self) -> None:
        p = self.parameters
        self.graph = Graph(self.agents, [(i, i + 1) for i in range(self.agents - 1)])
        self.last: Any = {1, 2} if p.wrong == "coordinator" else {(1, 2): 0} if p.wrong == "key" else np.zeros(1)
        self.most: Any = np.zeros(self.agents, p.dtype)
        self.pair = (np.ones(1, p.dtype)[0], "word", (1, None))

    def round(self):
        p, n = self.parameters, self.completed + self.seed
        assert self.pair[0].dtype == p.dtype
        assert self.pair[1:] == ("word", (1, None))
        step = np.full((2, 4), n % 2, p.other if p.wrong == "shared" else p.dtype)[1]
        own = np.arange(self.agents).astype(p.other if p.wrong == "scattered" else p.dtype)
        reply = yield Call("add", shared={"step": step}, scattered={"own": own}, agent_steps=1)
        assert reply["x"].dtype == reply["weights"].dtype == p.dtype
        self.last = reply["x"]
        reply = yield Exchange("send", "receive", self.graph)
        assert reply["most"].dtype == p.dtype
        self.most = reply["most"]

    def measure(self):
        assert self.most.dtype == self.parameters.dtype
        return {"x": float(np.float64(self.last).sum()), "most": float(np.float64(self.most).sum())}
