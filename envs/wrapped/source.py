"""What the faces of a wrapped environment share: where its processes come from, and which agent has which process."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from envs.common.instances import PROCESS, stream
from envs.wrapped.discrete import Process
from envs.wrapped.keywords import WrappedParameters, draw_keywords, has_range, keywords, spans, whole
from orchestrator.core import Environment, package_identity


@dataclass(frozen=True)
class Built:
    """The processes of one set of keywords."""

    processes: list[Process]
    coordinates: np.ndarray  #: coordinates of the states, int64 [S, d]
    estimated: str = ""  #: how they were estimated; empty if they are exact


@dataclass(frozen=True)
class Source:
    """Where processes come from: a set of keywords gives one for each role (each agent of one joint environment)."""

    title: str
    signature: Mapping[str, inspect.Parameter]  #: the keywords that become parameters
    given: Mapping[str, object]  #: keyword -> default, where it is not the function's own default
    steps: int | None  #: steps of an episode, if the environment limits them
    #: (repr of the sorted pairs of keyword and value, samples, seed) -> one process for each role
    build: Callable[[str, int, int], Built]
    #: The same pairs -> the process if the environment has a table of it, else None; and the packages of its classes
    look: Callable[[str], tuple[Process | None, frozenset[str]]]
    libraries: tuple[str, ...]  #: packages whose code makes its numbers, as far as its name tells


class Wrapped(Environment):
    """Base of the faces of a wrapped environment: it says which agent has which process."""

    source: ClassVar[Source]
    version = 2
    Base: ClassVar[type[WrappedParameters]]
    parameters: WrappedParameters

    @classmethod
    def identity(cls, parameters: BaseModel) -> str:
        """The hash of the process if the environment has a table, else its packages with versions and source files.

        With ranged keywords there is one process for each draw: then the source files count. Raises ValueError if the
        environment cannot be made.
        """
        given = keywords(parameters, cls.Base)
        values = draw_keywords(given, whole(cls.Parameters), np.random.default_rng(0))
        process, packages = cls.source.look(repr(sorted(values.items())))
        if process is not None and not has_range(given):
            return f"process {process.digest}"
        return ", ".join(package_identity(name) for name in sorted({*cls.libraries, *packages}))

    @classmethod
    def derived(cls, parameters: BaseModel) -> Mapping[str, float]:
        """The middle and the width of every keyword that may have a range, as ``K_mean`` and ``K_width``."""
        return spans(parameters, cls.Base)

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
        self.groups = (parameters.processes or groups) if has_range(self._keywords) else 1
        if groups % self.groups:
            raise ValueError(
                f"agents must be a multiple of {self.groups * self.roles}, so that every process counts equally; got"
                f" {agents}."
            )
        self.process_count = self.groups * self.roles
        self.size = self.states, self.actions = built.processes[0].reward.shape

    def warnings(self) -> list[str]:
        """One sentence if the processes are estimated: how."""
        return [f"{self.source.title} has no table of transitions: {self._estimated}."] if self._estimated else []

    def _built(self, group: int) -> Built:
        rng = stream(self.instance, PROCESS, group)
        values = draw_keywords(self._keywords, whole(self.Parameters), rng)
        return self.source.build(repr(sorted(values.items())), self.parameters.samples, int(rng.integers(2**31)))

    def process(self, number: int) -> Process:
        """Process ``number`` of ``process_count``: role ``number`` mod ``roles`` of one environment."""
        built = self._built(number // self.roles)
        process = built.processes[number % self.roles]
        if process.reward.shape != self.size or built.coordinates.shape != self.coordinates_of.shape:
            raise ValueError(
                f"{self.source.title}: agents must have equally many states and actions, but environment"
                f" {number // self.roles} has {process.reward.shape}, environment 0 has {self.size}."
            )
        return process
