"""Averages over kappa-hop neighbourhoods: rows travel along the edges of a line, a ring or a small tree."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from orchestrator.core import Block, Call, Coordinator, Environment, Exchange, Graph, Instance, Parameters


class PlacesParameters(Parameters):
    """Nothing but the instance."""

    instance: Instance = 0


class Places(Environment):
    """Agent i stands at the number i + 1 + 10 * instance."""

    name, kind = "places", "numbers"
    Parameters = PlacesParameters

    def block(self, members: range) -> np.ndarray:
        return np.array(list(members), dtype=np.float64) + 1 + 10 * self.instance


class Speakers(Block):
    """One number each."""

    persistent = ("x",)

    def start(self) -> None:
        self.x = self.env.copy()

    def say(self) -> dict[str, np.ndarray]:
        return {"x": self.x}

    def say_unless(self) -> dict[str, np.ndarray]:
        """Agent 0 is silent by mistake: its rows have the wrong length."""
        return {"x": self.x[1:]}

    def mix(self, halo: dict[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> None:
        """x_i <- mean of the rows that member i may read, added in member order."""
        new = np.zeros(self.n)
        for i in range(self.n):
            for k in indices[indptr[i] : indptr[i + 1]]:
                new[i] += halo["x"][k]
            new[i] /= indptr[i + 1] - indptr[i]
        self.x = new

    def write(self) -> dict[str, np.ndarray]:
        """A word to everyone, and letters: the k-th of member j says 100 j + k."""
        letters = 100.0 * np.array(list(self.members))[:, None] + np.arange(9.0)
        return {"x": self.x, "letters": letters}

    def open(self, halo: dict[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> dict[str, np.ndarray]:
        """The letters each member got, side by side, none where it got fewer than nine."""
        got = np.full((self.n, 9), np.nan)
        for i in range(self.n):
            mine = halo["letters"][indptr[i] : indptr[i + 1]]
            got[i, : len(mine)] = mine
        return {"got": got}

    def peek(self, halo: dict[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> dict[str, np.ndarray]:
        """What is in the block's hands, told by every member: rows held, NaNs among them, and its own row's mean."""
        held = halo["x"]
        own = [held[indices[indptr[i] : indptr[i + 1]]].sum() for i in range(self.n)]
        return {
            "held": np.full(self.n, float(len(held))),
            "poisoned": np.full(self.n, float(np.isnan(held).sum())),
            "sum": np.array(own),
        }


class GossipParameters(Parameters):
    """The graph and how far a row travels."""

    kappa: Annotated[int, Field(ge=0, description="hops that a row travels")] = 1
    shape: Literal["line", "ring", "tree"] = Field("line", description="tree: agent i > 0 hangs on (i - 1) // 2")


def graph(shape: str, n: int) -> Graph:
    """The graph on ``n`` members."""
    if shape == "tree":
        return Graph(n, [((i - 1) // 2, i) for i in range(1, n)])
    return Graph(n, [(i, (i + 1) % n) for i in range(n if shape == "ring" else n - 1)])


class Gossip(Coordinator):
    """x_i <- mean of x over the agents within kappa hops."""

    name = "gossip"
    Parameters = GossipParameters
    kinds = ("numbers",)
    metrics = {"first": "x of agent 0", "last": "x of the last agent"}

    def blocks(self):
        return {"agents": Speakers}

    def start(self) -> None:
        self.graph = graph(self.parameters.shape, self.agents)

    def round(self):
        yield Exchange("say", "mix", self.graph, hops=self.parameters.kappa, agent_steps=1)

    def measure(self):
        agents = yield Call("say")
        return {"first": agents["x"][0], "last": agents["x"][-1]}

    def measure_agents(self):
        agents = yield Call("say")
        return {"x": agents["x"]}
