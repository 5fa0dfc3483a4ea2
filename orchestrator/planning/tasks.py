"""Tasks: a cell with the seeds to run, as plain data from which any process builds the coordinators."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestrator.core.rounds import Coordinator
from orchestrator.planning.cells import Cell
from orchestrator.plugins import registry


@dataclass(frozen=True)
class Task:
    """A cell and the seeds to run, as plain data that any process can build the coordinators from."""

    cell: Cell
    seeds: tuple[int, ...]

    @cached_property
    def _problems(self) -> dict[int, Any]:
        return {}

    def coordinator(self, seed: int) -> Coordinator:
        """A new coordinator for ``seed``, before its start. Seeds with the same instance share the problem."""
        cell = self.cell
        instance = getattr(cell.environment_model, "instance", 0)
        instance = seed if instance == "seed" else instance
        if instance not in self._problems:
            problem = cell.problem(cell.environment_model, cell.agents, instance)
            self._problems[instance] = problem
        algorithm = registry.algorithm(cell.algorithm)
        return algorithm(cell.algorithm_model, self._problems[instance], cell.agents, cell.rounds, seed)

    def release(self) -> None:
        """Let go of the problems and their tables: they are built again when needed."""
        self._problems.clear()

    @property
    def sizes(self) -> Mapping[str, int]:
        """Size of each group."""
        return self._sizes

    @cached_property
    def _sizes(self) -> Mapping[str, int]:
        for seed in self.seeds:
            with contextlib.suppress(Exception):  # a seed without a problem fails by itself, with its error
                return self.coordinator(seed).groups()
        return {"agents": self.cell.agents}

    def hosts(self, agents_per_actor: int | None) -> int:
        """Hosts that hold the cell's blocks with so many agents each; None: one."""
        return 1 if agents_per_actor is None else -(-self.cell.agents // min(agents_per_actor, self.cell.agents))

    def __getstate__(self) -> dict[str, Any]:
        return {"cell": self.cell, "seeds": self.seeds}


@dataclass(frozen=True)
class Unit:
    """A task and its packing: what a trial runs in one go."""

    task: Task
    agents_per_actor: int | None  #: None: in the trial's own process


def left(tasks: Sequence[Task], finished: set[tuple[str, int]]) -> list[Task]:
    left = [Task(task.cell, tuple(s for s in task.seeds if (task.cell.id, s) not in finished)) for task in tasks]
    return [task for task in left if task.seeds]
