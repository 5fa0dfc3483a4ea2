"""What is missing, cut into batches that keep every core busy."""

import heapq
import math
from collections.abc import Mapping, Sequence

from orchestrator.core.hooks import checked_number
from orchestrator.errors import asked
from orchestrator.planning.cells import Cell
from orchestrator.planning.classes import algorithm_class
from orchestrator.planning.preflight import SECONDS_PER_CALL
from orchestrator.planning.tasks import Task, Unit

#: Seconds of work that are worth the start of a trial.
WORTH = 30.0
#: A long task's seeds are divided into parts of about so many seconds. A part's own start is small beside that.
PART = 10.0
#: Rough costs in seconds, for balance only: no number depends on them.
SECONDS_PER_STEP = 60e-9
SECONDS_PER_MEASUREMENT = 150e-6


def missing(
    cells: Sequence[Cell], seeds: Sequence[int], finished: Mapping[tuple[str, int], str], retry_failed: bool = False
) -> list[Task]:
    """The cells with the seeds that the store lacks. A failed seed counts as stored unless it is retried."""
    tasks: list[Task] = []
    for cell in {cell.id: cell for cell in cells}.values():
        stored = {s for s in seeds if (cell.id, s) in finished}
        if retry_failed:
            stored = {s for s in stored if finished[cell.id, s] != "failed"}
        if rest := tuple(s for s in seeds if s not in stored):
            tasks.append(Task(cell, rest))
    return tasks


def units(tasks: Sequence[Task], agents_per_actor: int | None, seeds: Sequence[int]) -> list[Unit]:
    """One unit per task. Where agents live in the trial itself, a long task's seeds are divided.

    The cut depends on the cell and on all ``seeds`` of the sweep. It does not depend on what is left to run or on the
    cluster: a checkpoint belongs to a cell with certain seeds, and a later start has to ask for the same ones.
    """
    parted: list[Unit] = []
    for task in tasks:
        whole = effort(Task(task.cell, tuple(seeds)), agents_per_actor)
        parts = 1 if agents_per_actor is not None else min(len(seeds), max(1, math.ceil(whole / PART)))
        for k in range(parts):
            if own := tuple(seed for seed in seeds[k::parts] if seed in task.seeds):
                parted.append(Unit(Task(task.cell, own), agents_per_actor))
    return parted


def batches(units: Sequence[Unit], slots: int) -> list[list[Unit]]:
    """Batches of about ``WORTH`` seconds, at least one per slot. The units of a batch reserve the same resources."""
    alike: dict[tuple[tuple[str, float], ...], list[Unit]] = {}
    for unit in units:
        alike.setdefault(tuple(sorted(unit.task.resources.items())), []).append(unit)
    return [batch for own in alike.values() for batch in _balanced(own, slots)]


def _balanced(units: Sequence[Unit], slots: int) -> list[list[Unit]]:
    """``batches`` of units that may share one: the heaviest go first, each to the lightest batch."""
    total = sum(effort(unit.task, unit.agents_per_actor) for unit in units)
    count = min(len(units), max(slots, math.ceil(total / WORTH)))
    heap: list[tuple[float, int]] = [(0.0, k) for k in range(count)]
    cut: list[list[Unit]] = [[] for _ in range(count)]
    for unit in sorted(units, key=lambda unit: -effort(unit.task, unit.agents_per_actor)):
        load, k = heapq.heappop(heap)
        cut[k].append(unit)
        heapq.heappush(heap, (load + effort(unit.task, unit.agents_per_actor), k))
    return cut


def effort(task: Task, agents_per_actor: int | None) -> float:
    """Rough number of seconds that a task takes."""
    cell = task.cell
    algorithm = algorithm_class(cell.algorithm)
    with asked(algorithm.name, "steps_per_round()"):
        steps = cell.agents * checked_number("steps_per_round()", algorithm.steps_per_round(cell.algorithm_model))
        own = checked_number("seconds_per_round", algorithm.seconds_per_round)
    each = cell.rounds * (own + steps * SECONDS_PER_STEP)
    each += (1 + cell.rounds / cell.schedule.interval(cell.rounds)) * SECONDS_PER_MEASUREMENT  # round 0 is one, too
    calls = 0 if agents_per_actor is None else cell.rounds * task.hosts(agents_per_actor) * SECONDS_PER_CALL
    return calls + each * len(task.seeds)
