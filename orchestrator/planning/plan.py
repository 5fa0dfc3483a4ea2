"""A plan: the cells of a sweep, and what of them is still to run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np

from orchestrator.errors import UserError, asked
from orchestrator.planning import preflight
from orchestrator.planning.batches import missing
from orchestrator.planning.preflight import Estimate, Node
from orchestrator.planning.sweep import Sweep
from orchestrator.planning.sweeps import Packing, read_packing
from orchestrator.planning.tasks import Task
from orchestrator.store import Store

Backend = Literal["ray", "inline"]

#: Problems that planning has built are kept for an inline run until they take so many bytes together.
KEPT_BYTES = 256e6


@dataclass(frozen=True)
class Plan:
    """What a sweep comes to: its cells, and what of them is still to run."""

    sweep: Sweep
    tasks: list[Task]
    agents_per_actor: int | None  #: None: a cell's agents live in one process
    nodes: list[Node] | None  #: of the cluster, empty until its first worker is there; None: this machine alone
    costs: dict[str, Estimate]  #: cell id -> cost of its placement
    finished: int  #: replicates that the store holds already
    total: int  #: replicates of the whole sweep
    warnings: list[str] = field(default_factory=list[str])  #: about parameters, and about claims that cannot be decided
    portraits: dict[str, np.ndarray] = field(
        default_factory=dict[str, np.ndarray]
    )  #: title -> uint8 [height, width, 3]

    @property
    def seeds(self) -> str:
        """Of a sweep whose seeds grow: ``, 8 of up to 64 seeds``."""
        return f", {self.sweep.seed_words} seeds" if self.sweep.until else ""

    @property
    def environments(self) -> dict[str, float]:
        """Cell id -> bytes of its environments."""
        return {cell: cost.environments for cell, cost in self.costs.items()}


def plan(
    sweep: Sweep,
    store: Store | None,
    backend: Backend,
    per_actor: Packing | None,
    retry_failed: bool = False,
    nodes: Sequence[Node] | None = None,
) -> Plan:
    """Find what is missing, and build each missing cell's problem once to see whether it fits.

    Raises ``UserError`` for parameters that an environment or algorithm refuses, for a packing that does not fit, and
    for resources that no node has.
    """
    if backend not in ("ray", "inline"):
        raise UserError(f"backend is {backend!r}; it takes ray or inline.")
    packing = read_packing(sweep.placement.agents_per_actor if per_actor is None else per_actor)
    agents_per_actor = None if backend == "inline" or packing == "auto" else packing
    cells = list({cell.id: cell for _, cell in sweep.cells}.values())
    finished = store.finished([cell.id for cell in cells]) if store else {}
    tasks = missing(cells, sweep.seeds, finished, retry_failed)
    memory = min((node.memory for node in nodes or ()), default=preflight.free_memory())
    sharing = len(nodes) if nodes and sweep.placement.strategy == "spread" else 1
    costs: dict[str, Estimate] = {}
    portraits: dict[str, np.ndarray] = {}
    for task in tasks:
        if backend == "ray" and nodes:
            preflight.check_resources(task, nodes)
        costs[task.cell.id] = preflight.check_fits(task, agents_per_actor, memory, sharing)
        _add_portrait(portraits, task)
        if backend == "ray" or sum(cost.environments for cost in costs.values()) > KEPT_BYTES:
            task.release()
    total = len(cells) * len(sweep.seeds)
    left = sum(len(task.seeds) for task in tasks)
    warnings = [*_parameter_warnings(tasks), *sweep.undecidable_claims()]
    known = None if nodes is None else list(nodes)
    return Plan(sweep, tasks, agents_per_actor, known, costs, total - left, total, warnings, portraits)


def _add_portrait(portraits: dict[str, np.ndarray], task: Task) -> None:
    """Add a picture of the task's environment, if it can draw itself and none with its title is there."""
    title = f"{task.cell.environment_class.name}, {task.cell.agents} agents"
    if title in portraits:
        return
    with asked(task.cell.environment_class.name, "portrait()"):
        picture: object = task.problem(task.seeds[0]).portrait()
        if picture is not None:
            portraits[title] = _checked_picture(picture)


def _checked_picture(picture: object) -> np.ndarray:
    if isinstance(picture, np.ndarray):
        array = cast("np.ndarray[Any, Any]", picture)
        if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3:
            return array
    raise TypeError("it takes an array uint8 [height, width, 3] or None")


def _parameter_warnings(tasks: Sequence[Task]) -> list[str]:
    """What algorithms and environments warn of: each sentence once, with the number of cells it is about."""
    about = Counter(text for task in tasks for text in task.outlook.warnings)
    return [f"{text} ({cells} cells)" if cells > 1 else text for text, cells in about.items()]
