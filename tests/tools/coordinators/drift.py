"""Random walks with a common drift, one step a round: a K = 1 kernel, driven call by call or fused by ``leap``."""

import numpy as np
from pydantic import Field

from orchestrator.core import Block, Call, Coordinator, Environment, Parameters, kernel, mean_rows, normal


class LineParameters(Parameters):
    """Noise of a step."""

    noise: float = Field(1.0, ge=0, description="standard deviation of a step")


class Line(Environment):
    """The real line."""

    name, kind = "real-line", "line"
    Parameters = LineParameters
    parameters: LineParameters

    def block(self, members: range) -> float:
        return self.parameters.noise


@kernel
def step(x, centre, pull, noise, rng):
    """x_i <- x_i + pull (centre - x_i) + noise N(0, 1), [n, 1]."""
    for i in range(x.shape[0]):
        x[i, 0] += pull * (centre[0] - x[i, 0]) + noise * normal(rng, i)


@kernel
def steps(rounds, x, centre, pull, noise, rng):
    """``rounds`` rounds of one step each, fused."""
    for _ in range(rounds):
        step(x, centre, pull, noise, rng)
        centre = mean_rows(x)
    return centre


class Walkers(Block):
    """Positions x [n, 1]."""

    persistent = ("x",)

    def start(self) -> None:
        self.x = self.normal(1)

    def walk(self, centre: np.ndarray, pull: float) -> dict[str, np.ndarray]:
        step(self.x, centre, pull, self.env, self.rng)
        return {"x": self.x}

    def where(self) -> dict[str, np.ndarray]:
        return {"x": self.x}

    def guess(self) -> dict[str, np.ndarray]:
        """A noisy look at x: draws from a stream that is fresh at every call, so that looking changes nothing."""
        return {"x": self.x[:, 0] + self.uniform(role="look")}


class DriftParameters(Parameters):
    """How strongly walkers keep together."""

    pull: float = Field(0.1, ge=0, le=1, description="share of the way to the centre taken in a step")


class Drift(Coordinator):
    """Walkers that are pulled to their last common centre."""

    name = "drift"
    Parameters = DriftParameters
    kinds = ("line",)
    metrics = {"centre": "mean position", "looked": "mean noisy look", "dice": "a draw of the coordinator's own"}
    persistent = ("centre",)

    def blocks(self):
        return {"agents": Walkers}

    def start(self) -> None:
        self.centre = np.zeros(1)

    def round(self):
        reply = yield Call("walk", shared={"centre": self.centre, "pull": self.parameters.pull}, agent_steps=1)
        self.centre = mean_rows(reply["x"])

    def leap(self, blocks, rounds):
        block = blocks["agents"]
        self.centre = steps(rounds, block.x, self.centre, self.parameters.pull, block.env, block.rng)

    def measure(self):
        reply = yield Call("guess")
        looked = float(mean_rows(reply["x"].reshape(-1, 1))[0])
        return {"centre": self.centre[0], "looked": looked, "dice": self.stream("dice", self.completed).uniform()}
