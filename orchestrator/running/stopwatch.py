"""Where the time of a cell goes."""

from dataclasses import dataclass

from orchestrator.fleet.base import Fleet
from orchestrator.fleet.clock import Clock


@dataclass
class Seconds:
    """Where the time of a cell went."""

    startup: float  #: building environments and agents, starting processes, compiling
    agents: float  #: in members' methods, those of the slowest host in every call
    transport: float  #: between coordinator and members
    coordinator: float  #: in the coordinator: the rest

    @property
    def total(self) -> float:
        """All of it."""
        return self.startup + self.agents + self.transport + self.coordinator


class Stopwatch:
    """The clocks of one run on a ``fleet`` that has worked before, perhaps for other cells."""

    def __init__(self, fleet: Fleet) -> None:
        self.all = Clock()
        self.loading, self.calling, self.leaping = Clock(), Clock(), Clock()  #: parts of ``all``
        self._fleet = fleet
        self._agents, self._compiling = fleet.agents_seconds, fleet.compile_seconds

    def seconds(self) -> Seconds:
        """Where the time has gone so far."""
        agents = self._fleet.agents_seconds - self._agents
        compiling = self._fleet.compile_seconds - self._compiling
        elsewhere = max(0.0, compiling - self.calling.compiling)  # by other processes
        parts = sum(clock.working for clock in (self.loading, self.calling, self.leaping))
        return Seconds(
            startup=self.loading.working + self.all.compiling + elsewhere,
            agents=agents + self.leaping.working,
            transport=max(0.0, self.calling.working - agents - elsewhere),
            coordinator=self.all.working - parts,
        )
