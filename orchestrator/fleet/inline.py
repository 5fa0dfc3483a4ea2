"""Blocks in this process: for small cells, for debugging, and as the reference every other placement must equal."""

from collections.abc import Mapping, Sequence

from orchestrator.core.blocks import Block
from orchestrator.fleet.base import Buildable, Failure, Key, Request, Result, State, States
from orchestrator.fleet.clock import Clock
from orchestrator.fleet.gather import cut, cut_states, frozen, joined_reply, joined_states
from orchestrator.fleet.host import Host


class InlineFleet:
    """``count`` hosts in this process, one after the other."""

    def __init__(self, count: int = 1):
        self.count = count
        self.hosts: list[Host] = []
        self._sizes: Mapping[str, int] = {}
        self._clock = Clock()
        self.nodes = 1

    @property
    def agents_seconds(self) -> float:
        """Seconds spent in members' methods so far."""
        return self._clock.working

    @property
    def compile_seconds(self) -> float:
        """Seconds that these methods spent compiling, on top."""
        return self._clock.compiling

    def load(self, task: Buildable, states: Mapping[Key, State] | None) -> None:
        """Build the blocks of ``task``, at their start or with the given states."""
        self._sizes = task.sizes
        self.hosts = [Host(task, k, self.count, cut_states(states, k, self.count)) for k in range(self.count)]

    def call(self, requests: Sequence[Request]) -> list[Result]:
        """Run the requests in order; replies as ``Fleet.call`` says."""
        with self._clock:
            return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Result:
        replies: list[Result] = []
        for k, host in enumerate(self.hosts):
            members = cut(self._sizes[request.group], self.count, k)
            if not members:
                continue
            try:
                sent = frozen(request.sent(members))
            except BaseException as error:
                return Failure.of(error, called=True)
            reply = host.run(request.seed, request.group, request.method, sent)
            if isinstance(reply, Failure):
                return reply
            replies.append(reply)
        return joined_reply(replies)

    def states(self) -> States:
        """States of all blocks, joined in member order."""
        return joined_states([host.states() for host in self.hosts])

    def sole_blocks(self, seed: int) -> Mapping[str, Block] | None:
        """group -> block, if there is one host and it holds this seed; else None."""
        if self.count != 1 or seed in self.hosts[0].broken:
            return None
        return {group: block for (of, group), block in self.hosts[0].blocks.items() if of == seed}

    def close(self) -> None:
        """Let go of the blocks."""
        self.hosts = []
