"""A plan: the cells of a sweep, and what of them is still to run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.errors import UserError
from orchestrator.planning import preflight
from orchestrator.planning.batches import missing
from orchestrator.planning.preflight import Node
from orchestrator.planning.sweeps import Sweep, check_agents_per_actor
from orchestrator.planning.tasks import Task
from orchestrator.store import Store

log = logging.getLogger("orchestrator")


Backend = Literal["ray", "inline"]


@dataclass(frozen=True)
class Plan:
    """What a sweep comes to: its cells, and what of them is still to run."""

    sweep: Sweep
    tasks: list[Task]
    agents_per_actor: int | None  #: None: a cell's agents live in one process
    nodes: list[Node] | None  #: of the cluster, empty until its first worker is there; None: this machine alone
    held: dict[str, float]  #: cell id -> bytes of its environments
    finished: int  #: replicates that the store holds already
    total: int  #: replicates of the whole sweep


def plan(
    sweep: Sweep,
    store: Store | None,
    backend: Backend,
    per_actor: Any,
    retry_failed: bool = False,
    nodes: Sequence[Node] | None = None,
) -> Plan:
    """Work out what is missing and whether it fits. Raises ``UserError`` for a packing that does not."""
    if backend not in ("ray", "inline"):
        raise UserError(f"backend is {backend!r}; it takes ray or inline.")
    packing = check_agents_per_actor(sweep.placement.agents_per_actor if per_actor is None else per_actor)
    agents_per_actor = None if backend == "inline" or packing == "auto" else packing
    cells = list({cell.id: cell for _, cell in sweep.cells}.values())
    finished = store.finished([cell.id for cell in cells]) if store else {}
    tasks = missing(cells, sweep.seeds, finished, retry_failed)
    memory = min((node.memory for node in nodes or ()), default=preflight.free_memory())
    sharing = len(nodes) if nodes and sweep.placement.strategy == "spread" else 1
    held = {task.cell.id: preflight.check(task, agents_per_actor, memory, sharing).held for task in tasks}
    _warn(tasks)
    _warn_of_claims(sweep)
    total = len(cells) * len(sweep.seeds)
    left = sum(len(task.seeds) for task in tasks)
    found = None if nodes is None else list(nodes)
    return Plan(sweep, tasks, agents_per_actor, found, held, total - left, total)


def _warn(tasks: Sequence[Task]) -> None:
    """Tell what the algorithms warn of, once however many cells it is about."""
    about: dict[str, int] = {}
    for task in tasks:
        for text in task.coordinator(task.seeds[0]).cautions():
            about[text] = about.get(text, 0) + 1
        task.release()
    for text, cells in about.items():
        log.warning("%s%s", text, f" ({cells} cells)" if cells > 1 else "")


def _warn_of_claims(sweep: Sweep) -> None:
    """Tell which claims the sweep's cells cannot decide, however they end."""
    if not sweep.claims:
        return
    from orchestrator.claims.columns import PLANNED_ROUNDS
    from orchestrator.claims.judge import foreseen

    rows = [
        {"case": case, "cell_id": cell.id, "seed": 0, PLANNED_ROUNDS: cell.rounds, **cell.columns()}
        for case, cell in sweep.cells
    ]
    for claim in sweep.judged:
        if reason := foreseen(claim, rows):
            log.warning("claim %r cannot be decided: %s", claim.name, reason)
