"""What goes wrong in algorithms, on demand: one seed raises somewhere, diverges, or takes its time."""

import os
import time
from typing import Any, Literal

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
    fill_uniform,
    ordered_mean,
)


class NowhereParameters(Parameters):
    """Nothing but the instance."""

    instance: Instance = 0


class Nowhere(Environment):
    """An environment in which nothing happens; instance 13 does not exist."""

    name, kind = "nowhere", "nothing"
    Parameters = NowhereParameters

    def __init__(self, parameters: NowhereParameters, agents: int, instance: int):
        super().__init__(parameters, agents, instance)
        if instance == 13:
            raise ValueError("instance 13 does not exist.")


What = Literal[
    "nothing", "block", "block start", "block class", "start", "round", "measure", "measure agents", "metric name",
    "metric value", "no metrics", "agent metrics", "not a call", "unknown group", "unknown method", "short reply",
    "silent send", "no letters", "far", "no dict", "not yielded", "ragged", "once", "state", "nan", "overflow",
]  # fmt: skip


class TroubleParameters(Parameters):
    """What goes wrong, when and for whom; how long a round takes."""

    what: What = "nothing"
    at: int = Field(3, description="round in which it happens, from 1")
    whose: int = Field(1, description="the seed to which it happens")
    member: int = Field(0, description="the agent to which it happens")
    pause: float = Field(0.0, ge=0, description="seconds that the first agent takes for a round")
    marker: str = Field(
        "", description="file that is made when the first round begins; its process dies if set to kill"
    )
    deaths: int = Field(0, ge=0, description="times that a process dies")
    dying: Literal["walking", "starting"] = Field("walking", description="what it is doing then")


class Patients(Block):
    """A walk of uniform steps, x [n]."""

    persistent = ("x",)

    def start(self) -> None:
        self.x = self.zeros()
        if self._hit("state"):
            self.x = np.zeros((self.n + 1, 2))
        if self.parameters.dying == "starting":
            _die(self.parameters)
        if self._hit("block start") and self.parameters.member in self.members:
            raise RuntimeError("no start")

    def walk(self, now: int) -> dict[str, np.ndarray]:
        p = self.parameters
        if p.pause and 0 in self.members:
            time.sleep(p.pause)
        if p.dying == "walking":
            _die(p)
        drawn = np.zeros((self.n, 1))
        fill_uniform(drawn, self.rng)
        self.x = self.x + drawn[:, 0]
        if now == p.at and p.member in self.members:
            if self._hit("block"):
                raise RuntimeError(f"agent {p.member} fell ill")
            if self._hit("once") and not os.path.exists(p.marker):
                raise RuntimeError("not mended")
            if self._hit("nan"):
                self.x[p.member - self.members.start] = np.nan
        if now >= p.at and self._hit("overflow"):
            self.x = (self.x + 1) * 1e200
        if now == p.at and self._hit("short reply"):
            return {"x": self.x[:-1]}
        if now == p.at and self._hit("ragged") and 0 in self.members:
            return {"x": self.x[:, None]}
        return {"x": self.x}

    def silent(self) -> None:
        return None

    def hear(self, **_: Any) -> None:
        return None

    def see(self) -> dict[str, np.ndarray]:
        return {"x": self.x}

    def _hit(self, what: str) -> bool:
        return self.parameters.what == what and self.seed == self.parameters.whose


def _die(p: TroubleParameters) -> None:
    """End this process without a word, the first ``deaths`` times."""
    for k in range(p.deaths):
        try:
            os.close(os.open(f"{p.marker}.{k}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        os._exit(1)


class Trouble(Coordinator):
    """Walks whose mean is watched."""

    name = "trouble"
    Parameters = TroubleParameters
    kinds = ("nothing",)
    metrics = {"mean": "mean of x"}
    persistent = ("mean",)

    def blocks(self):
        if self._hit("block class"):
            raise RuntimeError("no class")
        return {"agents": Patients}

    def start(self) -> None:
        self.mean = 0.0
        if self._hit("start"):
            raise RuntimeError("no start")

    def round(self):
        now = self.completed + 1
        reply = yield self._call(now)
        if self._due("round", now):
            raise RuntimeError("the server fell ill")
        self.mean = float(ordered_mean(reply["x"]))

    def _call(self, now: int) -> Any:
        if self._due("not a call", now):
            return "walk"
        if self._due("silent send", now):
            return Exchange("silent", "hear", Graph(self.agents, []))
        if self._due("no letters", now):
            return Exchange("see", "hear", Graph(self.agents, [(0, 1)]), addressed=("x",))
        if self._due("far", now):
            return Exchange("see", "hear", Graph(self.agents, []), hops=-1)
        group = "nobody" if self._due("unknown group", now) else "agents"
        return Call("dance" if self._due("unknown method", now) else "walk", on=group, shared={"now": now})

    def measure(self):
        reply = yield Call("see")
        now = self.completed
        if self._due("measure", now):
            raise RuntimeError("no eyes")
        if self._due("no metrics", now):
            return None
        name = "average" if self._due("metric name", now) else "mean"
        return {name: "much" if self._due("metric value", now) else float(ordered_mean(reply["x"]))}

    def measure_agents(self):
        if self._hit("not yielded"):
            return Call("see")
        return None if self._hit("no dict") else self._see_agents()

    def _see_agents(self):
        reply = yield Call("see")
        if self._hit("measure agents"):
            raise RuntimeError("no eyes")
        return {"x": reply["x"][1:] if self._hit("agent metrics") else reply["x"]}

    def _hit(self, what: str) -> bool:
        return self.parameters.what == what and self.seed == self.parameters.whose

    def _due(self, what: str, now: int) -> bool:
        return self._hit(what) and now == self.parameters.at
