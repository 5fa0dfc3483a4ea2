"""A sum over a fixed binary tree of agents, and FedTD with it. Blocks send partial sums; any cut gives the same bits.

Node (level l, index k) of the tree covers the agents k 2^l .. (k + 1) 2^l - 1; its sum is its left child's plus its
right child's. A block [a, b) sums the largest complete subtrees inside it, at most 2 log2(b - a) of them, and sends
those; the coordinator continues with the same tree. If the number of agents is not a power of two, children beyond the
last agent are missing, and their parent is the child that exists.
"""

import time
from typing import Any

import numpy as np

from algorithms.shared_representation.fedtd import FedTD
from orchestrator.core.blocks import Block
from orchestrator.core.kernels import kernel
from orchestrator.core.rounds import Call, Conversation, Coordinator
from orchestrator.fleet.base import Failure
from orchestrator.fleet.gather import cut
from orchestrator.fleet.hosts import Answers, Ask, HostProcess
from orchestrator.fleet.ray import RayFleet
from orchestrator.planning.tasks import Task

#: The largest number of levels. The stack never holds more than two subtrees of one level.
DEPTH = 64


@kernel
def merged(levels, sums, start):
    """Merge neighbouring subtrees, given in order, as far as the tree allows.

    ``sums`` [n, m] of subtrees of ``levels`` int64 [n]; the first covers agents from ``start`` on. Returns levels and
    sums of the k subtrees that remain, in order.
    """
    n, m = sums.shape
    level = np.empty(2 * DEPTH, np.int64)
    total = np.empty((2 * DEPTH, m))
    top = 0
    position = start
    for i in range(n):
        level[top] = levels[i]
        for j in range(m):
            total[top, j] = sums[i, j]
        first = position  # first agent under the subtree on top
        position += np.int64(1) << levels[i]
        # A right child whose left sibling is complete is added to it; the parent may be a right child in turn.
        while top > 0 and level[top - 1] == level[top] and (first >> level[top]) & 1:
            first -= np.int64(1) << level[top]
            for j in range(m):
                total[top - 1, j] += total[top, j]
            top -= 1
            level[top] += 1
        top += 1
    return level[:top].copy(), total[:top].copy()


@kernel
def folded(sums):
    """The root's sum [m] of the subtrees [k, m] that remain of all agents: the last ones have no right siblings."""
    k, m = sums.shape
    out = sums[k - 1].copy()
    for i in range(k - 2, -1, -1):
        for j in range(m):
            out[j] = sums[i, j] + out[j]
    return out


def partial_sums(rows: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels int64 [k] and sums [k, m] of the subtrees of a block whose first of n agents [n, m] is ``start``."""
    return merged(np.zeros(len(rows), np.int64), rows, start)


def tree_sum(levels: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Sum over all agents [m] from all blocks' partial sums, joined in agent order."""
    return folded(merged(levels, sums, 0)[1])


class TreeFedTD(FedTD):
    """FedTD with a mean over the tree; the reply of ``step_from`` has partial sums."""

    def round(self) -> Conversation:
        p = self.parameters
        sent = {"theta": self.theta, "alpha": self.alpha(), "gain_step": p.gain_step, "steps": p.local_steps}
        reply = yield Call("step_from", shared=sent, agent_steps=p.local_steps)
        self.theta = tree_sum(reply["levels"], reply["sums"]) / self.agents


class TreeTask(Task):
    """The same cell with ``TreeFedTD`` as its coordinator."""

    def coordinator(self, seed: int) -> Coordinator:
        base = super().coordinator(seed)
        return TreeFedTD(base.parameters, base.problem, base.agents, base.rounds, base.seed)


class TreeProcess(HostProcess):
    """A host actor that replies to ``step_from`` with the partial sums of its blocks."""

    def call(self, epoch: int, number: int, asked: list[Ask]) -> Answers:
        answers = super().call(epoch, number, asked)
        start = time.perf_counter()
        assert self._host is not None
        out = [
            _reduced(reply, self._host.blocks[seed, group]) if method == "step_from" else reply
            for (seed, group, method, _), reply in zip(asked, answers.replies, strict=True)
        ]
        return answers._replace(replies=out, seconds=answers.seconds + time.perf_counter() - start)


def _reduced(reply: Any, block: Block) -> Any:
    if reply is None or isinstance(reply, Failure):
        return reply
    levels, sums = partial_sums(reply["theta"], block.members.start)
    return {"levels": levels, "sums": sums}


class TreeFleet(RayFleet):
    """A fleet of ``TreeProcess`` actors."""

    process_class = TreeProcess


def blocks_of(agents: int, count: int) -> list[range]:
    """The cut that a fleet of ``count`` hosts makes."""
    return [cut(agents, count, k) for k in range(count)]
