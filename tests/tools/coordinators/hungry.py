"""Agents that need so much memory for a round that somebody ends their process."""

import time

import numpy as np
from pydantic import Field

from orchestrator.core import Block, Call, Coordinator, Environment, Parameters

#: Bytes that are taken at once, and the seconds between two: whoever watches has time to see it.
BITE, PAUSE = 50_000_000, 0.02


class NowhereParameters(Parameters):
    """None."""


class Nowhere(Environment):
    """An environment in which nothing happens."""

    name, kind = "nowhere", "nothing"
    Parameters = NowhereParameters


class HungryParameters(Parameters):
    """How much they take."""

    appetite: int = Field(0, ge=0, description="bytes that the first agent needs for a round")


class Eaters(Block):
    """Rounds done, x [n]."""

    persistent = ("x",)

    def start(self) -> None:
        self.x = self.zeros()

    def eat(self) -> dict[str, np.ndarray]:
        eaten: list[np.ndarray] = []
        if 0 in self.members:
            for _ in range(0, self.parameters.appetite, BITE):
                eaten.append(np.ones(BITE // 8))  # ones: memory that is only promised costs nothing
                time.sleep(PAUSE)
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
