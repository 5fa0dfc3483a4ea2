"""Blocks in this process: for small cells, for debugging, and as the reference every other placement must equal."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.fleet.base import Failure, Request, States, cut, gathered
from orchestrator.fleet.host import Host, frozen, share, slices


class InlineFleet:
    """``count`` hosts in this process, one after the other."""

    def __init__(self, count: int = 1):
        self.count = count
        self.hosts: list[Host] = []
        self._sizes: dict[str, int] = {}
        self.agents_seconds = 0.0
        self.nodes = 1

    def load(self, task: Any, states: States | None) -> None:
        """Build the blocks of ``task``, at their start or with the given states."""
        self._sizes = task.sizes
        self.hosts = [Host(task, k, self.count, share(states, task, k, self.count)) for k in range(self.count)]

    def call(self, requests: Sequence[Request]) -> list[dict[str, np.ndarray] | Failure | None]:
        """Run the requests in order; replies as ``Fleet.call`` says."""
        began = time.perf_counter()
        replies = [self._one(request) for request in requests]
        self.agents_seconds += time.perf_counter() - began
        return replies

    def _one(self, request: Request) -> dict[str, np.ndarray] | Failure | None:
        replies = []
        size = self._sizes[request.group]
        for k, host in enumerate(self.hosts):
            members = cut(size, self.count, k)
            if not members:
                continue
            sent = frozen(request.shared)
            if request.part is not None:
                sent |= frozen(request.part(members))
            reply = host.run(request.seed, request.group, request.method, sent)
            if isinstance(reply, Failure):
                return reply
            replies.append(reply)
        return gathered(replies)

    def states(self) -> States:
        """States of all blocks, joined in member order."""
        return slices([host.states() for host in self.hosts])

    def sole_blocks(self, seed: int) -> Mapping[str, Any] | None:
        """group -> block, if there is one host and it holds this seed; else None."""
        if self.count != 1 or seed in self.hosts[0].broken:
            return None
        return {group: block for (of, group), block in self.hosts[0].blocks.items() if of == seed}

    def close(self) -> None:
        """Let go of the blocks."""
        self.hosts = []
