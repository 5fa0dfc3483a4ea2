"""A bit of everything at once, for the property that placement never changes a number.

Buyers on a ring tell their neighbours their bids, stalls draw prices, phases alternate, seeds stop when they have had
enough. Sums run through the engine's ordered reductions alone.
"""

import numpy as np
from pydantic import Field

from orchestrator.core import (
    Block,
    Call,
    Coordinator,
    Environment,
    Exchange,
    Graph,
    Instance,
    Parameters,
    fill_normal,
    fill_uniform,
    ordered_mean,
)


class TownParameters(Parameters):
    """How far tastes differ."""

    spread: float = Field(0.3, ge=0, description="standard deviation of the tastes")
    instance: Instance = 0


class Town(Environment):
    """Agent i's taste comes from a stream of its own."""

    name, kind = "town", "town"
    Parameters = TownParameters
    parameters: TownParameters

    def block(self, members: range) -> np.ndarray:
        streams = [np.random.default_rng(np.random.SeedSequence(self.instance, spawn_key=(7, i))) for i in members]
        return np.array([1 + self.parameters.spread * stream.normal() for stream in streams])


class Buyers(Block):
    """Bids [n, 2]."""

    persistent = ("bid",)

    def start(self) -> None:
        self.bid = self.env[:, None] + 0.1 * self.normal(2)

    def tell(self) -> dict[str, np.ndarray]:
        return {"bid": self.bid}

    def haggle(self, halo: dict, indptr: np.ndarray, indices: np.ndarray, price: np.ndarray) -> dict[str, np.ndarray]:
        """Bids move to the neighbourhood's mean, the price and by chance."""
        noise = self.zeros(2)
        fill_normal(noise, self.rng)
        new = self.zeros(2)
        for i in range(self.n):
            near = np.ascontiguousarray(halo["bid"][indices[indptr[i] : indptr[i + 1]]])
            new[i] = ordered_mean(near) + 0.1 * (price - self.bid[i]) + 0.05 * noise[i]
        self.bid = new
        return {"bid": self.bid}

    def pay(self, amount: np.ndarray) -> dict[str, np.ndarray]:
        self.bid = self.bid - 0.01 * amount
        return {"spent": amount[:, 0], "bought": np.ones(self.n, dtype=np.int64)}


class Stalls(Block):
    """Prices [n]."""

    persistent = ("price",)

    def start(self) -> None:
        self.price = 1 + self.uniform()

    def quote(self) -> dict[str, np.ndarray]:
        drawn = self.zeros(1)
        fill_uniform(drawn, self.rng)
        self.price = 0.9 * self.price + 0.2 * drawn[:, 0]
        return {"price": self.price}

    def sample(self) -> dict[str, np.ndarray]:
        """For measurements: noise from a stream that starts afresh."""
        return {"price": self.price + 0.1 * self.normal(role="sample")}


class MarketParameters(Parameters):
    """Reach of the talk, and when a seed has had enough."""

    kappa: int = Field(1, ge=0, description="hops that a bid travels")
    enough: float = Field(1e9, description="sum of payments at which a seed stops")


class Market(Coordinator):
    """Haggle in even rounds, haggle and pay in odd ones."""

    name = "market"
    Parameters = MarketParameters
    kinds = ("town",)
    metrics = {"bid": "mean bid", "price": "mean price with sampling noise", "paid": "sum of payments"}
    calls_per_round = 3
    persistent = ("price", "paid", "phase")

    def groups(self):
        return {"agents": self.agents, "stalls": self.agents // 2 + 1}

    def blocks(self):
        return {"agents": Buyers, "stalls": Stalls}

    def start(self) -> None:
        self.price = 1 + self.stream("price").normal(size=2)
        self.paid, self.phase = 0.0, "talk"
        self.graph = Graph(self.agents, [(i, (i + 1) % self.agents) for i in range(self.agents)])

    def round(self):
        yield from getattr(self, self.phase)()
        self.phase = "trade" if self.phase == "talk" else "talk"

    def talk(self):
        talk = Exchange("tell", "haggle", self.graph, self.parameters.kappa, shared={"price": self.price})
        bids, prices = yield talk, Call("quote", on="stalls", agent_steps=2)
        self.price = 0.5 * ordered_mean(bids["bid"]) + 0.5 * ordered_mean(prices["price"])

    def trade(self):
        yield from self.talk()
        amount = np.stack([np.arange(1.0, self.agents + 1) * self.price[0], np.full(self.agents, self.price[1])], 1)
        reply = yield Call("pay", scattered={"amount": amount}, agent_steps=1)
        self.paid += float(ordered_mean(reply["spent"])) + float(ordered_mean(reply["bought"].astype(float)))
        self.done = self.paid > self.parameters.enough

    def measure(self):
        bids, prices = yield Call("tell"), Call("sample", on="stalls")
        return {
            "bid": float(ordered_mean(bids["bid"])[0]),
            "price": float(ordered_mean(prices["price"])),
            "paid": self.paid + self.stream("look", self.completed).normal(),
        }

    def measure_agents(self):
        bids = yield Call("tell")
        return {"bid": bids["bid"][:, 0]}
