"""Agents that take memory round by round, until somebody ends their process."""

import numpy as np
from pydantic import Field

from orchestrator.core import Block, Call, Coordinator, Environment, Parameters


class NowhereParameters(Parameters):
    """None."""


class Nowhere(Environment):
    """An environment in which nothing happens."""

    name, kind = "nowhere", "nothing"
    Parameters = NowhereParameters


class HungryParameters(Parameters):
    """How much they take."""

    appetite: int = Field(0, ge=0, description="bytes that the first agent takes in a round")
    most: int = Field(6_000_000_000, ge=0, description="bytes at which it has had enough, for the machine's sake")


class Eaters(Block):
    """Rounds done, x [n]. What was eaten is no state: it is gone with the process."""

    persistent = ("x",)

    def start(self) -> None:
        self.x = self.zeros()
        self.eaten: list[np.ndarray] = []

    def eat(self) -> dict[str, np.ndarray]:
        p = self.parameters
        if p.appetite and 0 in self.members and (1 + len(self.eaten)) * p.appetite <= p.most:
            self.eaten.append(np.ones(p.appetite // 8))  # ones: memory that is only promised costs nothing
        self.x = self.x + 1
        return {"x": self.x}


class Hungry(Coordinator):
    """Rounds of one meal."""

    name = "hungry"
    Parameters = HungryParameters
    kinds = ("nothing",)
    metrics = {"meals": "rounds"}

    def blocks(self):
        return {"agents": Eaters}

    def round(self):
        yield Call("eat", agent_steps=1)

    def measure(self):
        return {"meals": self.completed}
