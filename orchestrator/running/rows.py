"""The rows of a finished cell in the store's tables."""

import pyarrow as pa

from orchestrator.planning.tasks import Task
from orchestrator.running.drive import Outcome
from orchestrator.running.versions import cpu, versions
from orchestrator.store.schema import table


def tables(task: Task, outcome: Outcome, attempt: str) -> dict[str, pa.Table]:
    """Rows of ``metrics``, ``agents``, ``timings`` and ``runs`` of a finished cell; failed seeds have no metrics."""
    runs, metrics, agents = [], [], []
    identity = _identity(task)
    for replica in outcome.replicas:
        own = {"replicate_id": f"{task.cell.id}-{replica.seed}"}
        runs.append(
            own
            | identity
            | {"seed": replica.seed}
            | {"status": replica.status, "error": replica.error or None, "note": replica.note}
            | {"rounds": replica.completed, "agent_steps": replica.traffic.agent_steps}
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
        "startup_seconds": seconds.startup,
        "agents_seconds": seconds.agents,
        "transport_seconds": seconds.transport,
        "coordinator_seconds": seconds.coordinator,
        "peak_memory_bytes": peak_memory(),
        "nodes": outcome.nodes,
        "events": "\n".join(outcome.events) or None,
    }
    parts = {"metrics": metrics, "agents": agents, "timings": [timing], "runs": runs}
    return {name: table(name, rows) for name, rows in parts.items() if rows}


def failures(task: Task, error: str) -> dict[str, pa.Table]:
    """Rows of a cell whose process ended before the cell did."""
    same = {**_identity(task), "status": "failed", "error": error}
    rows = [{"replicate_id": f"{task.cell.id}-{seed}", "seed": seed, **same} for seed in task.seeds]
    return {"runs": table("runs", rows)}


def _identity(task: Task) -> dict[str, object]:
    """The columns that all seeds of a cell share."""
    return {"cell_id": task.cell.id, **task.cell.columns(), "versions": versions(task.cell), "cpu": cpu()}


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
