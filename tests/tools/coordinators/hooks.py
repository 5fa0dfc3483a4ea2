"""Hooks that end, raise or answer nonsense, on demand: for seed 1 alone where a hook knows the seed."""

import sys
from typing import Any

import numpy as np

from orchestrator.core import Block, Call, Coordinator, Environment, Parameters


class Speechless(Exception):
    """An exception that cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


#: How code ends, and how the error begins.
ENDS = {
    "exit": "SystemExit: 0",
    "exit text": "SystemExit: goodbye",
    "generator exit": "GeneratorExit",
    "speechless": "Speechless",
    "half": "ValueError: \\udc80",
}


def end(how: str) -> None:
    """End in the way that ``ENDS`` names."""
    if how == "exit":
        sys.exit(0)
    if how == "exit text":
        sys.exit("goodbye")
    if how == "generator exit":
        raise GeneratorExit
    if how == "speechless":
        raise Speechless
    raise ValueError("\udc80")


class QuietParameters(Parameters):
    """What the environment does."""

    where: str = ""
    how: str = "exit"


class Quiet(Environment):
    """An environment in which nothing happens."""

    name, kind, Parameters = "quiet", "quiet", QuietParameters

    parameters: QuietParameters

    def _at(self, where: str) -> None:
        if self.parameters.where == where:
            end(self.parameters.how)

    def __init__(self, parameters: QuietParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        self._at("environment")

    @classmethod
    def identity(cls, parameters: Any) -> str:
        if parameters.where == "identity":
            end(parameters.how)
        return ""

    @property
    def memory(self) -> float:
        self._at("memory")
        return 0.0

    def warnings(self):
        self._at("environment warnings")
        return ()

    def portrait(self):
        self._at("portrait")
        return np.zeros(3) if self.parameters.where == "no picture" else None


class HookParameters(Parameters):
    """Where it ends and how, and for which seed."""

    where: str = ""
    how: str = "exit"
    value: Any = 1


class Members(Block):
    """Members without anything."""

    def start(self) -> None:
        self.x = self.zeros()
        if self.seed == 1 and self.parameters.where == "block start":
            end(self.parameters.how)

    def state(self):
        if self.seed == 1 and self.parameters.where == "block state":
            end(self.parameters.how)
        return super().state()

    def step(self, **sent: Any):
        if self.seed == 1 and self.parameters.where == "member":
            end(self.parameters.how)
        return {"x": self.x}


#: Arguments of a call that make no sense, each with its error message.
ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "shared=5": ({"shared": 5}, "TypeError: Call: shared is 5; it takes a dict of names and values"),
    "shared={5: 1}": ({"shared": {5: 1}}, "TypeError: "),
    "scattered=5": ({"scattered": 5}, "TypeError: Call: scattered is 5; it takes a dict of names and values"),
    "sensed=5": (
        {"sensed": 5, "shared": {"a": np.zeros(2)}},
        "TypeError: Call: sensed is 5; it takes a tuple of names",
    ),
    "on=5": ({"on": 5}, "TypeError: Call: on is 5; it takes a name"),
    "on=[]": ({"on": []}, "TypeError: Call: on is a list; it takes a name"),
    "a lock": ({"shared": {"lock": sys.stdout}}, "TypeError: shared 'lock' is a "),
}


class Hooks(Coordinator):
    """A mean of nothing."""

    name, kinds, Parameters = "hooks", ("quiet",), HookParameters
    metrics = {"nothing": "always 0"}

    def _at(self, where: str) -> None:
        if self.parameters.where == where and self.seed == 1:
            end(self.parameters.how)

    @classmethod
    def _planned(cls, parameters: Any, where: str) -> None:
        if parameters.where == where:
            end(parameters.how)

    @classmethod
    def metrics_for(cls, parameters: Any, environment: Any, agents: int):
        cls._planned(parameters, "metrics_for")
        return 5 if parameters.where == "no metrics" else ("nothing",)

    @classmethod
    def steps_per_round(cls, parameters: Any):
        cls._planned(parameters, "steps_per_round")
        return "many" if parameters.where == "no steps" else 1.0

    @classmethod
    def resources(cls, parameters: Any):
        cls._planned(parameters, "resources")
        return {"cpu": "all"} if parameters.where == "no resources" else {"cpu": 1}

    def calls_per_round(self):
        if self.parameters.where == "no calls":
            return float("nan")
        self._planned(self.parameters, "calls_per_round")
        return 1.0

    def warnings(self):
        self._at("warnings")
        if self.parameters.where == "planned warnings":
            end(self.parameters.how)
        return [5] if self.parameters.where == "no sentences" else ()

    def cautions(self):
        self._at("cautions")
        return super().cautions()

    def groups(self):
        self._at("groups")
        other = {"many": 10**9, "none": 0, "half": 1.5, "word": "two"}
        if (where := self.parameters.where) in other:
            return {"agents": other[where]}
        if where == "a list":
            return ["agents"]
        return {"agents": self.agents + (where == "other groups" and self.seed == 1)}

    def blocks(self):
        self._at("blocks")
        return {"agents": object if self.parameters.where == "no blocks" and self.seed == 1 else Members}

    def start(self) -> None:
        self._at("start")

    def state(self):
        self._at("state")
        odd = {"no state": 5, "a stream": {"x": iter(())}, "no name": {5: 1}}
        return odd.get(self.parameters.where, super().state()) if self.seed == 1 else super().state()

    def round(self):
        self._at("round")
        wrong = ARGUMENTS.get(self.parameters.where) if self.seed == 1 else None
        yield Call("step", **(wrong[0] if wrong else {}))
        if self.parameters.where == "done" and self.seed == 1:
            self.done = np.zeros(2)  # type: ignore[assignment]

    def measure(self):
        self._at("measure")
        return {"nothing": 0.0}

    def measure_agents(self):
        self._at("measure_agents")
        return {}


class MisfitParameters(HookParameters):
    """A default that is not of its own type."""

    speed: tuple[int, ...] = 1.0  # type: ignore[assignment]


class ImaginaryParameters(HookParameters):
    """A default that is plain data until it is read by its type."""

    speed: complex = 1.0


class Imaginary(Hooks):
    """A mean of nothing that no cell can be made of, either."""

    name, Parameters = "imaginary", ImaginaryParameters


class Misfit(Hooks):
    """A mean of nothing that no cell can be made of."""

    name, Parameters = "misfit", MisfitParameters
