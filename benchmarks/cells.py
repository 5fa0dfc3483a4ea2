"""The overhead of a sweep per cell, measured with cells that do almost nothing."""

import tempfile
import time

from benchmarks.figure import Figure
from orchestrator import api
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning import sweeps
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

CELLS = 200


def measure() -> list[Figure]:
    """One figure: 200 trivial cells through Ray Tune, including the start of Ray."""
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
        start = time.perf_counter()
        api.carry_out(sweep, folder, quiet=True)
        seconds = time.perf_counter() - start
    overhead = (seconds - work / 2) / CELLS
    return [
        Figure(
            what=f"{CELLS} trivial cells on 2 cores",
            measured=f"{overhead * 1e3:.0f} ms per cell beyond its work",
            target="<= 100 ms",
            met=overhead <= 0.1,
            details=f"{seconds:.1f} s in total, including the start of Ray",
        )
    ]
