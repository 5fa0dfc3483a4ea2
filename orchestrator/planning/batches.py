"""What is missing, and how it is cut into batches that keep every core busy."""

import heapq
import math
from collections.abc import Mapping, Sequence

from orchestrator.planning.cells import Cell
from orchestrator.planning.tasks import Task, Unit
from orchestrator.plugins import registry

#: Work that makes a trial's start worth while, in seconds.
WORTH = 30.0
#: A long task's seeds are divided into parts of about so many seconds: enough to make a part's own start small.
PART = 10.0
#: Rough costs, for balance only; they touch no number.
SECONDS_PER_STEP = 60e-9
SECONDS_PER_MEASUREMENT = 150e-6
SECONDS_PER_CALL = 1.2e-3


def missing(
    cells: Sequence[Cell], seeds: Sequence[int], finished: Mapping[tuple[str, int], str], retry_failed: bool = False
) -> list[Task]:
    """The cells, each once, with the seeds that the store does not hold; failed ones count as held unless retried."""
    tasks = []
    for cell in {cell.id: cell for cell in cells}.values():
        held = {s for s in seeds if (cell.id, s) in finished}
        if retry_failed:
            held = {s for s in held if finished[cell.id, s] != "failed"}
        if left := tuple(s for s in seeds if s not in held):
            tasks.append(Task(cell, left))
    return tasks


def units(tasks: Sequence[Task], agents_per_actor: int | None, seeds: Sequence[int]) -> list[Unit]:
    """One unit a task; where agents live in the trial itself, a long task's seeds are divided.

    The cut depends on the cell and all ``seeds`` of the sweep, not on what is left of it or on the cluster: a
    checkpoint belongs to a cell with certain seeds, and a later start has to ask for the same ones.
    """
    found = []
    for task in tasks:
        whole = effort(Task(task.cell, tuple(seeds)), agents_per_actor)
        parts = 1 if agents_per_actor is not None else min(len(seeds), max(1, math.ceil(whole / PART)))
        for k in range(parts):
            if own := tuple(seed for seed in seeds[k::parts] if seed in task.seeds):
                found.append(Unit(Task(task.cell, own), agents_per_actor))
    return found


def batches(found: Sequence[Unit], slots: int) -> list[list[Unit]]:
    """Batches of about ``WORTH`` seconds, at least one a slot; the heaviest units first, each to the lightest batch."""
    total = sum(effort(unit.task, unit.agents_per_actor) for unit in found)
    count = min(len(found), max(slots, math.ceil(total / WORTH)))
    heap: list[tuple[float, int]] = [(0.0, k) for k in range(count)]
    cut: list[list[Unit]] = [[] for _ in range(count)]
    for unit in sorted(found, key=lambda unit: -effort(unit.task, unit.agents_per_actor)):
        load, k = heapq.heappop(heap)
        cut[k].append(unit)
        heapq.heappush(heap, (load + effort(unit.task, unit.agents_per_actor), k))
    return cut


def effort(task: Task, agents_per_actor: int | None) -> float:
    """Seconds that a task takes, roughly."""
    cell = task.cell
    steps = cell.agents * cell.parameters.get("local_steps", 1)
    each = cell.rounds * (registry.algorithm(cell.algorithm).seconds_per_round + steps * SECONDS_PER_STEP)
    each += (1 + cell.rounds / cell.schedule.interval(cell.rounds)) * SECONDS_PER_MEASUREMENT  # round 0 is one, too
    calls = 0 if agents_per_actor is None else cell.rounds * task.hosts(agents_per_actor) * SECONDS_PER_CALL
    return calls + each * len(task.seeds)
