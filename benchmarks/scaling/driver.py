"""The coordinator's process of a study on several nodes. It runs on the head: one JSON line in, one line of rows out.

A line has ``nodes``, ``actors``, ``tree`` and the arguments of ``clock.task``. Its sender shapes the links.
"""

import json
import sys
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from benchmarks.scaling import clock
from benchmarks.scaling.dyadic import TreeFleet, TreeTask
from orchestrator.cluster.connection import ray_connection
from orchestrator.fleet.ray import RayFleet
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import compile_for


class Stage:
    """The fleet of the last line. It is kept if the next line needs the same one."""

    def __init__(self) -> None:
        self._of: tuple[int, int, bool] | None = None
        self._fleet: RayFleet | None = None
        self._group: Any = None

    def fleet(self, nodes: int, actors: int, tree: bool) -> RayFleet:
        """Actors assigned in turn to the first ``nodes`` nodes, which have the resources host0, host1, …"""
        if self._of != (nodes, actors, tree):
            self.clear()
            self._group = placement_group([{f"host{k}": 1} for k in range(nodes)], strategy="STRICT_SPREAD")
            ray.get(self._group.ready(), timeout=60)
            self._fleet = (TreeFleet if tree else RayFleet)(actors, self._group)
            self._of = nodes, actors, tree
            clock.timed(tree_task(clock.task(40, 10), tree), self._fleet)  # starts them and loads their kernels
            assert self._fleet.nodes == nodes
        assert self._fleet is not None
        return self._fleet

    def clear(self) -> None:
        """End the actors."""
        if self._fleet is not None:
            self._fleet.close()
            remove_placement_group(self._group)
            self._fleet = None


def tree_task(task: Task, tree: bool) -> Task:
    """The task with one of the two reductions."""
    return TreeTask(task.cell, task.seeds) if tree else task


def answer(stage: Stage, nodes: int, actors: int, tree: bool, agents: int, rounds: int, features: int) -> list:
    """Rows of one configuration."""
    fleet = stage.fleet(nodes, actors, tree)
    rows = clock.timed(tree_task(clock.task(agents, rounds, features), tree), fleet)
    share = sum(k % nodes != 0 for k in range(actors)) / actors
    remote = int(rows[0]["payload_bytes"] * share)
    return [row | {"actors": actors, "remote_bytes": remote, "reduction": "tree" if tree else "rows"} for row in rows]


def main() -> None:
    """Answer lines until the input ends."""
    compile_for(clock.task(40, 1))
    with ray_connection("auto"):
        stage = Stage()
        print("ready", flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(stage, **json.loads(line))), flush=True)
        stage.clear()


if __name__ == "__main__":
    main()
