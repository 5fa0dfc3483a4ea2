"""Before anything starts: does it fit, and how long will it take? Costs as measured on two cores with ray 2.60."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import UserError
from orchestrator.planning.tasks import Task

PROCESS_BYTES = 125e6  #: resident memory of one actor process
STARTS_PER_SECOND = 1.5  #: actor processes that one machine starts per second
SECONDS_PER_CALL = 1.2e-3  #: one call to one actor and back
SHARE = 0.8  #: of the free memory that a cell may take


@dataclass(frozen=True)
class Estimate:
    """What a cell's placement costs besides its arithmetic."""

    actors: int  #: processes that hold agents
    memory: float  #: bytes of these processes
    start: float  #: seconds until they are up
    calls: float  #: seconds of calls to them, all rounds and seeds together
    environments: float  #: bytes of the environments and of a round's messages


def estimate(task: Task, agents_per_actor: int | None) -> Estimate:
    """The cost of one process per ``agents_per_actor`` agents. None: the agents live in the trial's own process."""
    outlook = task.outlook
    if agents_per_actor is None:
        return Estimate(0, 0.0, 0.0, 0.0, outlook.memory)
    actors = task.hosts(agents_per_actor)
    seconds = task.cell.rounds * outlook.calls_per_round * SECONDS_PER_CALL * actors
    return Estimate(actors, actors * PROCESS_BYTES, actors / STARTS_PER_SECOND, seconds, outlook.memory)


def check_fits(task: Task, agents_per_actor: int | None, memory: float, nodes: int = 1) -> Estimate:
    """The cost of a task that fits into ``memory`` bytes on each of ``nodes``.

    Raises ``UserError`` for one that does not fit. The message names the packing or the number of agents that would.
    """
    agents, cost = task.cell.agents, estimate(task, agents_per_actor)
    if cost.environments > SHARE * memory:
        most = int(agents * SHARE * memory / cost.environments)
        raise UserError(
            f"agents is {agents}: their environments and messages take about {cost.environments / 1e9:.1f} GB, and "
            f"{memory / 1e9:.1f} GB are free. "
            + (f"About {most} agents would fit." if most else "Not even one would fit: the environment is too large.")
        )
    most = max(1, int(SHARE * memory / PROCESS_BYTES)) * nodes
    if cost.actors > most:
        packing = -(-agents // most)
        room = f"{memory / 1e9:.1f} GB are free" + (f" on each of {nodes} nodes" if nodes > 1 else "")
        raise UserError(
            f"agents_per_actor is {agents_per_actor}: {agents} agents need {cost.actors} processes, about "
            f"{cost.memory / 1e9:.1f} GB, and {room}. "
            f"It takes {packing} or more here, or auto, which needs no processes for agents."
        )
    return cost


def check_resources(task: Task, nodes: Sequence["Node"]) -> None:
    """Raises ``UserError`` where none of the cluster's ``nodes`` has what the coordinator reserves.

    Its trial would wait for ever.
    """
    needs = task.resources
    if any(all(node.resources.get(name, 0.0) >= amount for name, amount in needs.items()) for node in nodes):
        return
    there = sorted({_listed({name: node.resources.get(name, 0.0) for name in needs}) for node in nodes})
    raise UserError(
        f"{task.cell.algorithm_class.name} needs a node with {_listed(needs)}, and the cluster has only nodes with "
        f"{'; '.join(there)}."
    )


def _listed(resources: Mapping[str, float]) -> str:
    """For example ``2 CPU and 0.5 GPU``."""
    return " and ".join(f"{amount:g} {name}" for name, amount in sorted(resources.items()))


def instances(task: Task) -> int:
    """Environments that the seeds of a task need."""
    return len(task.seeds) if getattr(task.cell.environment_model, "instance", 0) == "seed" else 1


def reserved(processes: int, environments: float, memory: float) -> float:
    """Bytes to ask of a node with ``memory`` for so many processes and their ``environments``, in bytes.

    It is never more than the share that ``check_fits`` allows: a cell that passes it fits on an empty node.
    """
    return float(int(min(processes * PROCESS_BYTES + environments, SHARE * memory)))


def free_memory() -> float:
    """Bytes this machine (or this container) can still give."""
    limits: list[float] = []
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
    resources: Mapping[str, float]  #: what it gives to trials, by Ray's names

    @property
    def cpus(self) -> int:
        """Its CPUs, whole ones."""
        return int(self.resources.get("CPU", 0.0))

    @property
    def memory(self) -> float:
        """Bytes that Ray gives to tasks and actors."""
        return self.resources.get("memory", 0.0)
