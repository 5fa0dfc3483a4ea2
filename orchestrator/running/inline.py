"""A plan run in this process, cell after cell."""

import os
from collections.abc import Callable

from orchestrator.fleet.base import Failure
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.plan import Plan
from orchestrator.running.checkpoint import Keeper
from orchestrator.running.drive import run_task
from orchestrator.running.rows import tables
from orchestrator.running.writer import Writer
from orchestrator.store import Store


def run_inline(
    planned: Plan, store: Store, writer: Writer, on_failure: Callable[[Failure], None] | None = None
) -> None:
    """Run the tasks that are left and hand their rows to ``writer``. ``on_failure`` as in ``run_task``."""
    for task in planned.tasks:
        keeper = Keeper(task.cell.id, task.seeds, store.checkpoints)
        about = (task.cell.id, task.seeds)
        writer.watcher.on_start(*about)
        outcome = run_task(
            task,
            InlineFleet(),
            keeper,
            on_pulse=lambda pulse, about=about: writer.watcher.on_progress(*about, pulse.share, pulse.steps),
            on_failure=on_failure,
        )
        writer.add(tables(task, outcome, f"inline-{os.getpid()}"), keeper.name)
        task.release()
