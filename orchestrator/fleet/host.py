"""A host: one block of every group, for every seed of a cell, in one process."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.core.blocks import Block
from orchestrator.fleet.base import Failure, States, cut


class Host:
    """Host ``index`` of ``count``: it builds its members' blocks and runs their methods."""

    def __init__(self, task: Any, index: int, count: int, states: States | None):
        self.blocks: dict[tuple[int, str], Block] = {}
        self.broken: dict[int, Failure] = {}
        for seed in task.seeds:
            try:
                self._build(task, seed, index, count, states)
            except Exception as error:
                self.broken[seed] = Failure.of(error)

    def _build(self, task: Any, seed: int, index: int, count: int, states: States | None) -> None:
        coordinator = task.coordinator(seed)
        sizes = coordinator.groups()
        for group, block_class in coordinator.blocks().items():
            if group not in sizes:
                raise ValueError(f"blocks() names the group {group!r}; the groups are {', '.join(sizes)}")
            members = cut(sizes[group], count, index)
            if not members:
                continue
            block = block_class(group, members, coordinator.parameters, coordinator.problem, seed)
            block.start()
            _check_state(block)
            if states is not None and (seed, group) in states:
                block.load(states[seed, group])
            self.blocks[seed, group] = block

    def run(
        self, seed: int, group: str, method: str, sent: Mapping[str, Any]
    ) -> dict[str, np.ndarray] | Failure | None:
        """One method of one block. Returns fresh C-contiguous arrays [n, ...], None, or what went wrong."""
        if seed in self.broken:
            return self.broken[seed]
        block = self.blocks.get((seed, group))
        if block is None:
            return None
        try:
            reply = getattr(block, method)(**sent)
            return None if reply is None else {name: _fresh(name, rows, block.n) for name, rows in reply.items()}
        except Exception as error:
            return Failure.of(error)

    def states(self) -> States:
        """State of each block."""
        return {key: block.state() for key, block in self.blocks.items()}


def _check_state(block: Block) -> None:
    """State is cut and joined along the member axis; anything else would be torn when it moves to other hosts."""
    for name, array in block.state().items():
        if np.shape(array)[:1] != (block.n,):
            shape = np.shape(array)
            raise ValueError(f"the state {name!r} has shape {shape}; its leading axis must be the {block.n} members")


def _fresh(name: str, rows: Any, n: int) -> np.ndarray:
    """A copy as float64 or int64: a reply must not change when the block takes its next step."""
    rows = np.asarray(rows)
    if not rows.ndim or len(rows) != n:
        raise ValueError(f"the reply {name!r} has shape {rows.shape}; its leading axis must be the block's {n} members")
    return np.array(rows, dtype=np.float64 if rows.dtype.kind == "f" else np.int64, order="C")


def frozen(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Read-only copies of the arrays in ``sent``, as an actor would receive them."""
    return {name: _frozen(value) for name, value in sent.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = np.array(value, order="C")
        value.flags.writeable = False
    elif isinstance(value, dict):  # the halo of an exchange
        value = frozen(value)
    return value


def slices(states: Sequence[States]) -> States:
    """Join the blocks' states of several hosts, given in host order, along the member axis."""
    whole: States = {}
    for key in dict.fromkeys(key for state in states for key in state):
        parts = [state[key] for state in states if key in state]
        whole[key] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return whole


def share(states: States | None, task: Any, index: int, count: int) -> States | None:
    """The rows of joined ``states`` that host ``index`` of ``count`` holds."""
    if states is None:
        return None
    own: States = {}
    for (seed, group), arrays in states.items():
        members = cut(len(arrays["rng"]), count, index)
        if members:
            own[seed, group] = {name: array[members.start : members.stop] for name, array in arrays.items()}
    return own
