"""The memory of 100 000 agents in one process."""

import subprocess
import sys

from benchmarks.figure import Figure

AGENTS, STEPS, ROUNDS = 100_000, 100, 20

PROGRAM = f"""
import time
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task
from orchestrator.planning.cells import make_cell
from orchestrator.fleet.inline import InlineFleet
from orchestrator.running.rows import peak_memory
settings = {{"agents": {AGENTS}, "rounds": {ROUNDS}, "local_steps": {STEPS}}}
cell = make_cell("joint-average-td", "shared-subspace-mrp", settings, {{"every": {ROUNDS}, "per_decade": 1}})
start = time.perf_counter()
outcome = run_task(Task(cell, (0,)), InlineFleet())
assert outcome.replicas[0].status == "done", outcome.replicas[0].error
print(peak_memory() / 1e9, time.perf_counter() - start)
"""


def measure() -> list[Figure]:
    """One figure, from a new process, so that the peak memory is that of the run alone."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    memory, seconds = map(float, done.stdout.split())
    return [
        Figure(
            what=f"{AGENTS} agents, K={STEPS}, {ROUNDS} rounds, inline",
            measured=f"{memory:.1f} GB",
            target="< 8 GB",
            met=memory < 8,
            details=f"{seconds:.0f} s",
        )
    ]
