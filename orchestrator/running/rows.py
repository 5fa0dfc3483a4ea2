"""What came of a cell, as rows of the store's tables."""

import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestrator.core.rounds import Coordinator
from orchestrator.planning.tasks import Task
from orchestrator.process import source_hash
from orchestrator.running.drive import Outcome
from orchestrator.store.schema import table

LIBRARIES = ("marl-orchestrator", "numpy", "numba", "scipy", "ray", "pyarrow")


def tables(task: Task, outcome: Outcome, attempt: str) -> dict[str, pa.Table]:
    """Rows of ``metrics``, ``agents``, ``timings`` and ``runs`` of a finished cell; failed seeds have no metrics."""
    runs, metrics, agents = [], [], []
    for replica in outcome.replicas:
        own = {"replicate_id": f"{task.cell.id}-{replica.seed}"}
        runs.append(
            own
            | _identity(task, replica.seed)
            | {"status": replica.status, "error": replica.error or None, "note": _note(replica.coordinator)}
            | {"rounds": replica.coordinator.completed, "agent_steps": replica.traffic.agent_steps}
            | {"calls": replica.traffic.calls, "messages": replica.traffic.messages}
            | {"bytes_sent": replica.traffic.bytes_sent}
            | ({} if replica.status == "failed" else replica.recorder.summary())
        )
        if replica.status != "failed":
            metrics += [own | row for row in replica.recorder.rows()]
            agents += [
                own | {"agent": i} | {name: values[i] for name, values in replica.agents.items()}
                for i in range(task.cell.agents if replica.agents else 0)
            ]
    seconds = outcome.seconds
    timing = {
        "cell_id": task.cell.id,
        "attempt": attempt,
        "agents_seconds": seconds["agents"],
        "transport_seconds": max(0.0, seconds["fleet"] - seconds["agents"]),
        "coordinator_seconds": seconds["total"] - seconds["fleet"],
        "peak_memory_bytes": peak_memory(),
        "nodes": outcome.nodes,
        "events": "\n".join(outcome.events) or None,
    }
    found = {"metrics": metrics, "agents": agents, "timings": [timing], "runs": runs}
    return {name: table(name, rows) for name, rows in found.items() if rows}


def failures(task: Task, error: str) -> dict[str, pa.Table]:
    """Rows of a cell whose process could not finish it, for a reason that is not the cell's own."""
    rows = [
        {"replicate_id": f"{task.cell.id}-{seed}", **_identity(task, seed), "status": "failed", "error": error}
        for seed in task.seeds
    ]
    return {"runs": table("runs", rows)}


def _note(coordinator: Coordinator) -> str | None:
    return "\n".join(coordinator.cautions()) or None


def _identity(task: Task, seed: int) -> dict[str, Any]:
    return {
        "cell_id": task.cell.id,
        "seed": seed,
        **task.cell.columns(),
        "versions": versions(),
        "cpu": cpu(),
    }


@cache
def versions() -> str:
    """Versions of this program, its source tree and the libraries that make numbers, as JSON."""
    found = {"python": platform.python_version(), "source": source_hash()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    return json.dumps(found, sort_keys=True)


@cache
def cpu() -> str:
    """The CPU's model name: numbers are promised to agree within one class of CPUs."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
