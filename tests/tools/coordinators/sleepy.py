"""Everybody sleeps: so long to be built, to start, to compile, to take a step and to do a round."""

import time
from typing import Any

import numpy as np
from numba.core import event
from pydantic import Field

from orchestrator.core import Block, Call, Coordinator, Environment, Parameters


class NowhereParameters(Parameters):
    """How long the environment takes to be built."""

    building: float = 0.0


class Nowhere(Environment):
    """An environment in which nothing happens."""

    name, kind = "nowhere", "nothing"
    Parameters = NowhereParameters

    def __init__(self, parameters: Any, agents: int, instance: int):
        super().__init__(parameters, agents, instance)
        time.sleep(parameters.building)


class Sleepers(Block):
    """Members that take a step in ``step`` seconds; the first one of a block compiles."""

    persistent = ("steps",)

    def start(self) -> None:
        time.sleep(self.parameters.start)
        self.steps = np.zeros(self.n)

    def step(self) -> dict[str, np.ndarray]:
        if self.steps[0] == 0:
            compiling(self.parameters.compiling)
        time.sleep(self.parameters.step)
        self.steps = self.steps + 1
        return {"steps": self.steps}


class SleepyParameters(Parameters):
    """Seconds."""

    start: float = Field(0.0, description="that the coordinator, and each block, takes to start")
    compiling: float = Field(0.0, description="that the first round and the first step compile")
    step: float = Field(0.0, description="of a step of a block")
    think: float = Field(0.0, description="of a round of the coordinator")


class Sleepy(Coordinator):
    """Rounds of one call."""

    name = "sleepy"
    Parameters = SleepyParameters
    kinds = ("nothing",)
    metrics = {"done": "rounds"}

    def blocks(self):
        return {"agents": Sleepers}

    def start(self) -> None:
        time.sleep(self.parameters.start)

    def round(self):
        yield Call("step", agent_steps=1)
        if not self.completed:
            compiling(self.parameters.compiling)
        time.sleep(self.parameters.think)

    def measure(self):
        return {"done": self.completed}


def compiling(seconds: float) -> None:
    """What numba reports of a function that calls another one, both compiled in so many seconds."""
    event.start_event("numba:compiler_lock")
    event.start_event("numba:compiler_lock")
    time.sleep(seconds)
    event.end_event("numba:compiler_lock")
    event.end_event("numba:compiler_lock")
