"""What the faces of an environment of another package share: where its processes come from, which agent is in which."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from envs.common.instances import PROCESS, stream
from envs.wrapped.discrete import Process
from envs.wrapped.keywords import WrappedParameters, drawn, keywords, spread, whole
from orchestrator.core import Environment


@dataclass(frozen=True)
class Built:
    """The processes of one set of keywords."""

    processes: list[Process]
    coordinates: np.ndarray  #: of the states, int64 [S, d]
    estimated: str = ""  #: how, where they are not exact


@dataclass(frozen=True)
class Source:
    """Where processes come from: ``roles`` of them (agents of one joint environment) for each set of keywords."""

    title: str
    signature: Callable[..., object]  #: whose keywords can be given
    given: Mapping[str, object]  #: keywords with other defaults
    steps: int | None  #: of an episode, where the environment says
    #: (keywords as repr of sorted pairs, samples, seed) -> a process for each role
    build: Callable[[str, int, int], "Built"]


class Wrapped(Environment):
    """What the faces of a wrapped environment share: which agent is in which process."""

    source: ClassVar[Source]
    version = 1
    Base: ClassVar[type[WrappedParameters]]
    parameters: WrappedParameters

    def _read(self, parameters: WrappedParameters, agents: int, instance: int) -> None:
        Environment.__init__(self, parameters, agents, instance)
        self._keywords = keywords(parameters, self.Base)
        try:
            built = self._built(0)
        except ValueError as error:
            raise ValueError(f"{self.source.title}: {error}.") from error
        self.coordinates_of, self._estimated = built.coordinates, built.estimated
        self.roles = len(built.processes)
        if agents % self.roles:
            raise ValueError(f"agents must be a multiple of {self.roles}, the agents that play together; got {agents}.")
        groups = agents // self.roles
        self.groups = (parameters.processes or groups) if spread(self._keywords) else 1
        if groups % self.groups:
            raise ValueError(
                f"agents must be a multiple of {self.groups * self.roles}, so that every process counts equally; got"
                f" {agents}."
            )
        self.process_count = self.groups * self.roles
        self.size = self.states, self.actions = built.processes[0].reward.shape

    def warnings(self) -> list[str]:
        """That a process is estimated, and how."""
        return [f"{self.source.title} has no table of transitions: {self._estimated}."] if self._estimated else []

    def _built(self, group: int) -> Built:
        rng = stream(self.instance, PROCESS, group)
        found = drawn(self._keywords, whole(self.Parameters), rng)
        return self.source.build(repr(sorted(found.items())), self.parameters.samples, int(rng.integers(2**31)))

    def process(self, number: int) -> Process:
        """Process ``number`` of ``process_count``: role ``number`` mod ``roles`` of one environment."""
        built = self._built(number // self.roles)
        found = built.processes[number % self.roles]
        if found.reward.shape != self.size or built.coordinates.shape != self.coordinates_of.shape:
            raise ValueError(
                f"{self.source.title}: agents must have equally many states and actions, but environment"
                f" {number // self.roles} has {found.reward.shape}, environment 0 has {self.size}."
            )
        return found
