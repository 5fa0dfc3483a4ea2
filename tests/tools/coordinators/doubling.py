"""Phases and per-seed stopping: everybody doubles until the sum passes a limit, then counts down and is done."""

import numpy as np
from pydantic import Field

from orchestrator.core import Block, Call, Coordinator, Environment, Parameters, ordered_sum


class NowhereParameters(Parameters):
    """No parameters."""


class Nowhere(Environment):
    """An environment in which nothing happens."""

    name, kind = "nowhere", "nothing"
    Parameters = NowhereParameters


class Purses(Block):
    """x_i, at first seed + 1."""

    persistent = ("x",)

    def start(self) -> None:
        self.x = self.zeros() + self.seed + 1

    def double(self) -> dict[str, np.ndarray]:
        self.x = 2 * self.x
        return {"x": self.x}

    def pay(self, price: np.ndarray) -> None:
        self.x = self.x - price[0]

    def count(self) -> dict[str, np.ndarray]:
        return {"x": self.x}


class DoublingParameters(Parameters):
    """When the first phase ends, and how long the second is."""

    limit: float = Field(100.0, description="sum at which doubling ends")
    payments: int = Field(2, ge=0, description="rounds of the second phase")


class Doubling(Coordinator):
    """Phase 1: double until the sum is at least ``limit``. Phase 2: pay 1 in each of ``payments`` rounds. Then done."""

    name = "doubling"
    Parameters = DoublingParameters
    kinds = ("nothing",)
    metrics = {"sum": "sum of all x"}
    persistent = ("phase", "paid")

    def blocks(self):
        return {"agents": Purses}

    def start(self) -> None:
        self.phase, self.paid = "grow", 0

    def round(self):
        yield from getattr(self, self.phase)()

    def grow(self):
        reply = yield Call("double")
        if ordered_sum(reply["x"]) >= self.parameters.limit:
            self.phase = "spend"
            self.done = self.parameters.payments == 0

    def spend(self):
        yield Call("pay", shared={"price": np.ones(1)})
        self.paid += 1
        self.done = self.paid == self.parameters.payments

    def measure(self):
        reply = yield Call("count")
        return {"sum": float(ordered_sum(reply["x"]))}
