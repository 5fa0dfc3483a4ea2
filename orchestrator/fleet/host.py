"""A host: one block of every group, for every seed of a cell, in one process."""

from collections.abc import Mapping

from orchestrator.core.arrays import plain_array
from orchestrator.core.blocks import Block
from orchestrator.core.declared import assign, built
from orchestrator.core.hooks import checked_blocks, checked_groups
from orchestrator.fleet.base import Buildable, Failure, Key, State, States
from orchestrator.fleet.explain import explained
from orchestrator.fleet.gather import cut, reply_rows


class Host:
    """Host ``index`` of ``count``: it builds its members' blocks and runs their methods."""

    def __init__(self, task: Buildable, index: int, count: int, states: States | None):
        self.blocks: dict[Key, Block] = {}
        self.broken: dict[int, Failure] = {}
        self._index, self._count = index, count
        #: id of a problem -> the problem, kept so that its id stays its own, and its arrays by members.
        self._environments: dict[int, tuple[object, dict[range, object]]] = {}
        for seed in task.seeds:
            try:
                self._build(task, seed, states)
            except BaseException as error:
                self.broken[seed] = Failure.of(error)

    def _build(self, task: Buildable, seed: int, states: States | None) -> None:
        coordinator = task.coordinator(seed)
        sizes = checked_groups(coordinator)
        if sizes != task.sizes:
            raise ValueError(f"groups() is {sizes} for this seed and {task.sizes} for another; all seeds have the same")
        for group, block_class in checked_blocks(coordinator).items():
            if group not in sizes:
                raise ValueError(f"blocks() names the group {group!r}; the groups are {', '.join(sizes)}")
            members = cut(sizes[group], self._count, self._index)
            if not members:
                continue
            block = built(block_class, group, members, coordinator.parameters, coordinator.problem, seed)
            assign(block, "environments", self._shared_by(coordinator.problem))
            _start(block)
            _state(block)
            if states is not None and (seed, group) in states:
                block.load(states[seed, group])
            self.blocks[seed, group] = block

    def _shared_by(self, problem: object) -> dict[range, object]:
        """The environment's arrays by members, for all seeds that have this problem."""
        return self._environments.setdefault(id(problem), (problem, {}))[1]

    def run(self, seed: int, group: str, method: str, sent: Mapping[str, object]) -> State | Failure | None:
        """One method of one block. Returns fresh C-contiguous arrays [n, ...], None, or what went wrong."""
        if seed in self.broken:
            return self.broken[seed]
        block = self.blocks.get((seed, group))
        if block is None:
            return None
        try:
            return reply_rows(method, getattr(block, method)(**sent), block.n)
        except BaseException as error:
            return Failure.of(explained(error, block, method, sent), called=True)

    def states(self) -> States:
        """State of each block."""
        states = States()
        for key, block in self.blocks.items():
            try:
                states[key] = _state(block)
            except BaseException as error:
                states.failures.setdefault(key[0], Failure.of(error))
        return states


def _start(block: Block) -> None:
    try:
        block.start()
    except BaseException as error:
        told = explained(error, block)
        if told is error:
            raise
        raise told from None


def _state(block: Block) -> State:
    """A block's state. It is cut and joined along the member axis; anything else would be torn when it moves."""
    state = {name: plain_array(f"the state {name!r}", value) for name, value in block.state().items()}
    for name, array in state.items():
        if array.shape[:1] != (block.n,):
            raise ValueError(
                f"the state {name!r} has shape {array.shape}; its leading axis must be the {block.n} members"
            )
    return state
