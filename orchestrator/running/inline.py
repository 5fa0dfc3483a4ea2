"""A plan run in this process, cell after cell."""

import os
from collections.abc import Callable

from orchestrator.errors import UserError
from orchestrator.fleet.base import Failure
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.plan import Plan
from orchestrator.running.checkpoint import Keeper
from orchestrator.running.drive import run_task
from orchestrator.running.rows import failures, tables
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
        try:
            outcome = run_task(
                task,
                InlineFleet(),
                keeper,
                on_pulse=lambda pulse, about=about: writer.watcher.on_progress(*about, pulse.share, pulse.steps),
                on_failure=on_failure,
            )
            rows = tables(task, outcome, f"inline-{os.getpid()}")
        except UserError:
            raise
        except Exception as error:  # one that no seed could be blamed for: the cell fails, and the others go on
            failure = Failure.of(error)
            rows = failures(task, f"{failure.kind}: {failure.message}\n{failure.trace}")
        writer.add(rows, keeper.name)
        task.release()
