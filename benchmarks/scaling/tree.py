"""A reduction over a fixed tree of agents, compared with all rows at the coordinator: 2 actors here, 6 on nodes."""

import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.scaling import clock, points
from benchmarks.scaling.driver import tree_task
from benchmarks.scaling.dyadic import TreeFleet
from benchmarks.scaling.lab import Lab, lab
from benchmarks.scaling.nodes import AGENTS, BOTH
from orchestrator.cluster.connection import ray_connection
from orchestrator.fleet.ray import RayFleet
from orchestrator.running.drive import compile_for

KINDS = ("rows", "tree")


def packed() -> Iterator[dict[str, Any]]:
    """Two actors on this machine. The kinds take turns, so that other work of the machine slows both."""
    compile_for(clock.task(40, 1))
    with ray_connection(None):
        fleets = {"rows": RayFleet(2), "tree": TreeFleet(2)}
        for kind, fleet in fleets.items():
            clock.timed(tree_task(clock.task(40, 10), kind == "tree"), fleet)
        for agents in AGENTS:
            for turn in range(2):
                for kind, fleet in fleets.items():
                    task = tree_task(clock.task(agents, clock.rounds_for(agents)), kind == "tree")
                    for row in clock.timed(task, fleet):
                        again = row["repeat"] + clock.REPEATS * turn
                        yield row | {"actors": 2, "reduction": kind, "repeat": again}


def spread(here: Lab) -> Iterator[dict[str, Any]]:
    """Six actors on three nodes, links of 1 ms one way and 100 Mbit/s."""
    here.shape(*BOTH)
    for kind in KINDS:
        for agents in AGENTS:
            yield from here.rows(3, 6, agents, tree=kind == "tree")


def measure() -> None:
    """Measure the points of study ``tree``."""
    print("2 actors", file=sys.stderr)
    points.add("tree", packed())
    with lab() as here:
        points.add("tree", spread(here))
