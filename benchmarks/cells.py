"""What a sweep costs per cell when a cell does almost nothing."""

import tempfile
import time
from typing import Any

from orchestrator import api
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning import sweeps
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

CELLS = 200


def measure() -> list[dict[str, Any]]:
    """One row: 200 trivial cells through Ray Tune, Ray's start included."""
    content = {
        "name": "benchmark/cells",
        "env": {"name": "shared-subspace-mrp"},
        "cases": {"joint": {"algorithm": "joint-average-td"}},
        "base": {"rounds": 10, "agents": 2},
        "grid": {"alpha": [0.1 + 0.001 * k for k in range(CELLS)]},
        "seeds": [0],
    }
    sweep = sweeps.checked(content, "benchmark")
    work = 0.0
    for _, cell in sweep.cells:
        work += run_task(Task(cell, (0,)), InlineFleet()).seconds.total
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        api.carry_out(sweep, folder, quiet=True)
        seconds = time.perf_counter() - began
    above = (seconds - work / 2) / CELLS
    return [
        {
            "what": f"{CELLS} trivial cells on 2 cores",
            "measured": f"{above * 1e3:.0f} ms a cell above their work",
            "target": "<= 100 ms",
            "met": above <= 0.1,
            "details": f"{seconds:.1f} s in all, Ray's start included",
        }
    ]
