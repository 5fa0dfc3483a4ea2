"""Run a cell through the real engine and time every round."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from orchestrator.fleet.base import Request
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

ALGORITHM, ENVIRONMENT = "fedtd", "shared-subspace-mrp"
#: The method that a round of the algorithm calls; ``measure`` calls others.
METHOD = "step_from"
STEPS, CHAINS, REPEATS = 100, 10, 3


class Lap(NamedTuple):
    """One call of a round."""

    start: float
    end: float
    agents: float
    payload: int
    cpu: float  #: CPU time of this process so far, at ``start``


class Stopwatch:
    """A fleet that records the start, the end and the payload of each call of a round."""

    def __init__(self, fleet: Any):
        self._fleet = fleet
        self.laps: list[Lap] = []

    def call(self, requests: Sequence[Request]) -> Any:
        before, cpu, start = self._fleet.agents_seconds, time.process_time(), time.perf_counter()
        replies = self._fleet.call(requests)
        end = time.perf_counter()
        if requests[0].method == METHOD:
            payload = sum(array.nbytes for reply in replies if isinstance(reply, Mapping) for array in reply.values())
            self.laps.append(Lap(start, end, self._fleet.agents_seconds - before, payload, cpu))
        return replies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fleet, name)


def task(agents: int, rounds: int, features: int = 8, chains: int = CHAINS) -> Task:
    """FedTD with one seed, measured only at the start and at the end. With 0 chains every agent has its own."""
    settings = {"agents": agents, "rounds": rounds, "local_steps": STEPS}
    settings |= {"env.features": features, "env.states": features + 12, "env.processes": chains}
    cell = make_cell(ALGORITHM, ENVIRONMENT, settings, {"every": rounds, "per_decade": 1})
    return Task(cell, (0,))


def rounds_for(agents: int) -> int:
    """A number of rounds that takes a few seconds."""
    return int(np.clip(300_000 // agents, 15, 300))


def timed(work: Task, fleet: Any) -> list[dict[str, Any]]:
    """Run ``work`` on ``fleet``. Returns one row per third of its rounds, without the first round, which warms up."""
    watch: Any = Stopwatch(fleet)
    outcome = run_task(work, watch, fuse=False)
    if outcome.replicas[0].status != "done":
        raise RuntimeError(outcome.replicas[0].error)
    laps = watch.laps[1:]
    starts = np.array([lap.start for lap in laps])
    ends = np.array([lap.end for lap in laps])
    agents = np.array([lap.agents for lap in laps])[:-1]
    parts = {
        "seconds_per_round": np.diff(starts),
        "seconds_agents": agents,
        "seconds_coordinator": starts[1:] - ends[:-1],
        "seconds_transport": (ends - starts)[:-1] - agents,
        "cpu_coordinator": np.diff([lap.cpu for lap in laps]),
    }
    environment = work.cell.environment_model.model_dump()
    configuration = {
        "reduction": "rows",
        "agents": work.cell.agents,
        "features": environment["features"],
        "local_steps": STEPS,
        "chains": environment["processes"] or work.cell.agents,
        "payload_bytes": laps[0].payload,
        "nodes": outcome.nodes,
        "cores": os.cpu_count() or 1,
    }
    thirds = np.array_split(np.arange(len(agents)), REPEATS)
    return [
        configuration
        | {"repeat": k, "rounds": len(third)}
        | {name: float(np.median(values[third])) for name, values in parts.items()}
        for k, third in enumerate(thirds)
    ]


def forget_peak(pids: Sequence[int]) -> None:
    """Reset the peak memory of these processes to what they use now."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pids: Sequence[int]) -> int:
    """Sum of the peak resident memory of these processes, in bytes."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return total
