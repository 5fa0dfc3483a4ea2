"""One to three nodes on links of several kinds: the cost of communication that leaves the machine.

All nodes share the cores of this machine, so more nodes do not compute faster.
"""

import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.scaling import points
from benchmarks.scaling.lab import Lab, lab

AGENTS = (100, 1000, 10_000, 100_000)
#: (delay in ms one way, Mbit/s)
PLAIN, LATE, NARROW, BOTH = (0.0, 0.0), (1.0, 0.0), (0.0, 100.0), (1.0, 100.0)
#: (nodes, actors, links)
PLAN = (
    (1, 6, (PLAIN,)),
    (2, 6, (PLAIN, BOTH)),
    (3, 3, (BOTH,)),
    (3, 6, (BOTH, PLAIN, LATE, NARROW)),
    (3, 12, (BOTH,)),
)


def rows(here: Lab, nodes: int, actors: int, link: tuple[float, float]) -> Iterator[dict[str, Any]]:
    """Rows for all numbers of agents, on this number of nodes and actors."""
    for agents in AGENTS:
        yield from here.rows(nodes, actors, agents)
    if actors == 6:
        yield from here.rows(nodes, actors, 10_000, features=64)


def measure() -> None:
    """Measure the points of study ``nodes``."""
    with lab() as here:
        shaped = None
        for nodes, actors, links in PLAN:
            for link in links:
                if link != shaped and nodes > 1:
                    here.shape(*link)
                    shaped = link
                print(f"{nodes} nodes, {actors} actors, {link}", file=sys.stderr)
                points.add("nodes", rows(here, nodes, actors, link))
