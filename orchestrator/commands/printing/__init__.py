"""What commands print."""

from orchestrator.commands.printing.frames import console, frame, grid, records, rows, shown, table
from orchestrator.commands.printing.sweeps import (
    announce,
    findings,
    outcome,
    own_files,
    plan_table,
    running_sweeps,
    stopped,
    verdicts,
)

__all__ = [
    "announce",
    "console",
    "findings",
    "frame",
    "grid",
    "outcome",
    "own_files",
    "plan_table",
    "records",
    "rows",
    "running_sweeps",
    "shown",
    "stopped",
    "table",
    "verdicts",
]
