"""Before anything starts: does it fit, and how long will it take? Costs as measured on two cores with ray 2.60."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import UserError
from orchestrator.planning.tasks import Task

PROCESS_BYTES = 125e6  #: resident memory of one actor process
STARTS_PER_SECOND = 1.5  #: actor processes that one machine starts a second
SECONDS_PER_CALL = 1.2e-3  #: one call to one actor and back
SHARE = 0.8  #: of the free memory may be taken


@dataclass(frozen=True)
class Estimate:
    """What a cell's placement costs, beyond its arithmetic."""

    actors: int
    memory: float  #: bytes of the actors' processes
    start: float  #: seconds
    rounds: float  #: seconds spent in calls, all rounds and all seeds together
    held: float = 0.0  #: bytes of the environments, those of all agents together


def estimate(task: Task, agents_per_actor: int | None) -> Estimate:
    """The cost of one process per ``agents_per_actor`` agents; None: the agents live in the trial's own process."""
    if agents_per_actor is None:
        return Estimate(0, 0.0, 0.0, 0.0)
    actors = task.hosts(agents_per_actor)
    calls = task.coordinator(task.seeds[0]).calls_per_round()
    seconds = task.cell.rounds * calls * SECONDS_PER_CALL * actors
    return Estimate(actors, actors * PROCESS_BYTES, actors / STARTS_PER_SECOND, seconds)


def check(task: Task, agents_per_actor: int | None, memory: float, nodes: int = 1) -> Estimate:
    """Refuse what cannot fit into ``memory`` bytes on each of ``nodes``. Raises ``UserError`` naming what would fit.

    An environment may say what it holds, an algorithm what a round takes: ``memory``, in bytes for all agents.
    """
    agents = task.cell.agents
    coordinator = task.coordinator(task.seeds[0])
    held = getattr(coordinator.problem, "memory", 0.0) + coordinator.memory
    task.release()
    if held > SHARE * memory:
        most = int(agents * SHARE * memory / held)
        raise UserError(
            f"agents is {agents}: their environments and messages take about {held / 1e9:.1f} GB, and "
            f"{memory / 1e9:.1f} GB are free. "
            + (f"About {most} agents would fit." if most else "Not even one would fit: the environment is too large.")
        )
    needed = estimate(task, agents_per_actor)
    most = max(1, int(SHARE * memory / PROCESS_BYTES)) * nodes
    if needed.actors > most:
        packing = -(-agents // most)
        room = f"{memory / 1e9:.1f} GB are free" + (f" on each of {nodes} nodes" if nodes > 1 else "")
        raise UserError(
            f"agents_per_actor is {agents_per_actor}: {agents} agents need {needed.actors} processes, about "
            f"{needed.memory / 1e9:.1f} GB, and {room}. "
            f"It takes {packing} or more here, or auto, which needs no processes for agents."
        )
    return replace(needed, held=held)


def instances(task: Task) -> int:
    """Environments that the seeds of a task need."""
    return len(task.seeds) if getattr(task.cell.environment_model, "instance", 0) == "seed" else 1


def reserved(processes: int, held: float, memory: float) -> float:
    """Bytes to ask of a node with ``memory`` for so many processes that hold ``held`` bytes together.

    Never more than the share that ``check`` lets a cell take: what it admits fits on a node that is empty.
    """
    return float(int(min(processes * PROCESS_BYTES + held, SHARE * memory)))


def free_memory() -> float:
    """Bytes this machine (or this container) can still give."""
    limits = []
    for line in Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []:
        if line.startswith("MemAvailable:"):
            limits.append(float(line.split()[1]) * 1024)
    try:
        most = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = float(Path("/sys/fs/cgroup/memory.current").read_text())
        if most != "max":
            limits.append(float(most) - used)
    except (OSError, ValueError):
        pass
    return min(limits) if limits else float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


class Node(NamedTuple):
    """A node that can run trials."""

    id: str
    address: str
    cpus: int
    memory: float  #: bytes that Ray gives to tasks and actors
