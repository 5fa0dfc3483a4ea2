"""The nodes of the cluster that this process is connected to, and whether they share the results folder."""

import logging
import uuid
from collections.abc import Mapping, Sequence

from orchestrator.errors import UserError, line
from orchestrator.planning.preflight import Node
from orchestrator.process import release
from orchestrator.store import Store

log = logging.getLogger("orchestrator")

#: Seconds to wait for each node's answer.
PATIENCE = 60.0
MISMATCH = "Install the same on every node."


def usable(labels: Mapping[str, str]) -> list[Node]:
    """Nodes that are up, have a CPU to give and carry all ``labels``. Raises ``UserError`` if labels exclude all."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    fitting = [node for node in alive if labels.items() <= node.get("Labels", {}).items()]
    if alive and not fitting:
        raise UserError(
            f"placement.labels is {_shown(labels)}: no node of the cluster has these labels. There are "
            f"{'; '.join(sorted({_shown(_own(node)) or 'nodes without labels' for node in alive}))}."
        )
    return [Node(node["NodeID"], node["NodeManagerAddress"], node["Resources"]) for node in fitting]


def check_nodes(nodes: Sequence[Node], location: str, token: str) -> list[Node]:
    """The nodes that do not see the results folder. A trial that is lost there starts its cells from the beginning.

    Raises UserError for a node that has another version of this program, or none, or does not answer.
    """
    import ray
    from ray.exceptions import GetTimeoutError, NodeDiedError, RayError, TaskUnschedulableError, WorkerCrashedError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote_answer = ray.remote(answer)
    where = [NodeAffinitySchedulingStrategy(node.id, soft=False) for node in nodes]
    refs = [
        remote_answer.options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote(location, token)
        for there in where
    ]
    blind: list[Node] = []
    for node, ref in zip(nodes, refs, strict=True):
        try:
            there, sees_folder = ray.get(ref, timeout=PATIENCE)
        except (GetTimeoutError, NodeDiedError, WorkerCrashedError, TaskUnschedulableError) as error:
            if not any(alive["NodeID"] == node.id and alive["Alive"] for alive in ray.nodes()):
                log.warning("node %s was lost", node.address)
                continue
            raise UserError(
                f"Node {node.address} did not answer within {PATIENCE:.0f} s. Try again, or remove it."
            ) from error
        except RayError as error:
            raise UserError(
                f"Node {node.address} cannot run marl-orchestrator ({line(error, -1)}). Install {release()} there."
            ) from error
        if there != release():
            raise UserError(mismatch(node.address, there, release()))
        if not sees_folder:
            blind.append(node)
    return blind


def mismatch(address: str, there: str, here: str) -> str:
    """The message about a node that has another version of this program."""
    return f"Node {address} has {there}, this process {here}. {MISMATCH}"


def answer(location: str, token: str) -> tuple[str, bool]:
    """A node's version of this program, and whether it sees the results folder."""
    return release(), sees(location, token)


def sees(location: str, token: str) -> bool:
    """Whether this process can read the blob ``token`` at ``location`` and write there."""
    try:
        checkpoints = Store.open(location).checkpoints
        if checkpoints.read(token) is None:
            return False
        own = f"{token}-{uuid.uuid4().hex[:8]}"
        checkpoints.write(own, b"")
        checkpoints.delete(own)
    except UserError:
        return False
    return True


def _own(node: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {key: value for key, value in node.get("Labels", {}).items() if not key.startswith("ray.io/node-id")}


def _shown(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
