"""A plan run in this process, cell after cell."""

import os

from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.plan import Plan
from orchestrator.running.checkpoint import Keeper
from orchestrator.running.drive import run_task
from orchestrator.running.rows import tables
from orchestrator.running.writer import Writer
from orchestrator.store import Store


def run_inline(planned: Plan, store: Store, writer: Writer) -> None:
    for task in planned.tasks:
        keeper = Keeper(task.cell.id, task.seeds, store.checkpoints)
        about = (task.cell.id, task.seeds)
        writer.watcher.began(*about)
        outcome = run_task(
            task,
            InlineFleet(),
            keeper,
            tell=lambda pulse, about=about: writer.watcher.went(*about, pulse.share, pulse.steps),
        )
        writer.add(tables(task, outcome, f"inline-{os.getpid()}"), keeper.name)
        task.release()
