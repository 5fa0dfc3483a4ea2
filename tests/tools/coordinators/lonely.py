"""A coordinator whose rounds and measurements are plain functions: it asks its members only when phases say so."""

from typing import Any

from pydantic import BaseModel

from orchestrator.core import Block, Call, Coordinator, Parameters


class NowhereParameters(BaseModel, frozen=True, extra="forbid"):
    """No parameters."""


class Nowhere:
    """An environment in which nothing happens."""

    name, kind, version = "nowhere", "nothing", 1
    Parameters = NowhereParameters

    def __init__(self, parameters: Any, agents: int, instance: int):
        pass

    def block(self, members: range) -> None:
        return None


class Listeners(Block):
    """Members that hear and say nothing."""

    def hear(self) -> None:
        return None


class Lonely(Coordinator):
    """x <- x / 2 + 1 without any call, from x = seed; every third round it also calls, as a generator."""

    name = "lonely"
    Parameters = Parameters
    kinds = ("nothing",)
    metrics = {"x": "the number"}
    persistent = ("x",)

    def blocks(self):
        return {"agents": Listeners}

    def start(self) -> None:
        self.x = float(self.seed)

    def round(self):
        self.x = self.x / 2 + 1
        return self._call() if self.completed % 3 == 2 else None

    def _call(self):
        yield Call("hear", agent_steps=1)

    def measure(self):
        return {"x": self.x}

    def measure_agents(self):
        return {"place": list(range(self.agents))}
