"""10 to 100 000 agents on one machine: in one process, in a few actors, and with one actor per agent."""

import os
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.scaling import clock, points
from orchestrator.cluster.connection import ray_connection
from orchestrator.fleet.inline import InlineFleet
from orchestrator.fleet.ray import RayFleet
from orchestrator.running.drive import compile_for

AGENTS = (10, 100, 1000, 10_000, 100_000)
ACTORS = (1, 2, 8)
#: One actor per agent.
ALONE = (10, 32)
#: Replies of 64 numbers each, so that bytes do not only grow with agents.
WIDE, WIDE_AGENTS = 64, (100, 1000, 10_000)


def inline(agents: int, **options: int) -> list[dict[str, Any]]:
    """Rows with all agents in the coordinator's process."""
    clock.forget_peak([os.getpid()])
    rows = clock.timed(clock.task(agents, clock.rounds_for(agents), **options), InlineFleet())
    return [row | {"actors": 0, "peak_memory_bytes": clock.peak([os.getpid()])} for row in rows]


def on_actors(fleet: RayFleet, agents: int, **options: int) -> list[dict[str, Any]]:
    """Rows with the agents on the actors of ``fleet``, which run already."""
    processes = [os.getpid(), *(process.pid for process in fleet._processes)]
    clock.forget_peak(processes)
    rows = clock.timed(clock.task(agents, clock.rounds_for(agents), **options), fleet)
    return [row | {"actors": fleet.count, "peak_memory_bytes": clock.peak(processes)} for row in rows]


def in_one_process() -> Iterator[dict[str, Any]]:
    """All rows without actors."""
    compile_for(clock.task(40, 1))
    for agents in AGENTS:
        yield from inline(agents)
        if agents > clock.CHAINS:
            yield from inline(agents, chains=0)
    for agents in WIDE_AGENTS:
        yield from inline(agents, features=WIDE)


def on(fleet: RayFleet) -> Iterator[dict[str, Any]]:
    """All rows for the number of actors of ``fleet``."""
    clock.timed(clock.task(40, 10), fleet)  # starts every actor and loads its kernels
    actors = fleet.count
    for agents in AGENTS if actors in ACTORS else (actors,):
        if agents >= actors:
            yield from on_actors(fleet, agents, chains=0 if agents % clock.CHAINS else clock.CHAINS)
    for agents in WIDE_AGENTS if actors == 2 else ():
        yield from on_actors(fleet, agents, features=WIDE)


def measure() -> None:
    """Measure the points of study ``packed``."""
    print("in one process", file=sys.stderr)
    points.add("packed", in_one_process())
    with ray_connection(None):
        fleet = RayFleet(0)
        for actors in (*ACTORS, *ALONE):
            print(f"{actors} actors", file=sys.stderr)
            fleet.resize(actors)
            points.add("packed", on(fleet))
        fleet.close()
