"""Rows of members: how they are cut over blocks, copied on the way and joined again in member order."""

import pickle
from collections.abc import Mapping, Sequence
from types import FunctionType

import numpy as np

from orchestrator.core.arrays import plain_array
from orchestrator.core.calls import Exchange, Reply
from orchestrator.fleet.base import Failure, Key, Result, State, States

#: Types of values that can be sent without a look at them.
SENDABLE = (bool, int, float, str, bytes, np.generic, FunctionType, type)


def cut(size: int, parts: int, index: int) -> range:
    """Members of block ``index`` when ``size`` members are cut into ``parts`` runs of equal length but the last."""
    length = -(-size // parts)
    return range(min(index * length, size), min((index + 1) * length, size))


def shared_values(values: Mapping[str, object]) -> dict[str, object]:
    """What all members are sent; arrays C-ordered. Raises ``TypeError`` for a dtype that is not sent."""
    return {
        name: plain_array(f"shared {name!r}", value) if isinstance(value, np.ndarray) else _sendable(name, value)
        for name, value in values.items()
    }


def _sendable(name: str, value: object) -> object:
    """``value`` if another process could be sent it. Raises ``TypeError`` for a lock, an open file and the like."""
    if isinstance(value, SENDABLE) or value is None:
        return value
    try:
        pickle.dumps(value)
    except Exception as error:
        raise TypeError(f"shared {name!r} is a {type(value).__name__}, which no other process can be sent") from error
    return value


def scattered_rows(values: Mapping[str, object], members: int) -> dict[str, np.ndarray]:
    """Arrays with one row per member. Raises ``TypeError`` for a dtype that is not sent, ``ValueError`` for a shape."""
    rows = {name: plain_array(f"scattered {name!r}", value) for name, value in values.items()}
    for name, array in rows.items():
        if not array.ndim or len(array) != members:
            raise ValueError(f"scattered {name!r} has shape {array.shape}; the group has {members} members")
    return rows


def halo(exchange: Exchange, rows: Reply, members: range) -> dict[str, object]:
    """What the block of ``members`` may read: rows within reach, each once, and where each member's are among them.

    Rows of members beyond ``hops`` are not sent to the block at all.
    """
    indptr, indices = exchange.graph.within(exchange.hops)
    places = exchange.graph.places(exchange.hops) if exchange.addressed else indices
    here = slice(indptr[members.start], indptr[members.stop])
    mine = indices[here]
    reached, local = np.unique(mine, return_inverse=True)
    return {
        "halo": {
            name: array[mine, places[here]] if name in exchange.addressed else array[reached]
            for name, array in rows.items()
        },
        "indptr": indptr[members.start : members.stop + 1] - indptr[members.start],
        "indices": local.astype(np.int64),
    }


def frozen(values: Mapping[str, object]) -> dict[str, object]:
    """Read-only copies of the arrays in ``values``, as an actor would receive them."""
    return {name: _frozen(value) for name, value in values.items()}


def _frozen(value: object) -> object:
    if isinstance(value, np.ndarray):
        value = np.array(value, order="C")
        value.flags.writeable = False
    elif isinstance(value, dict):  # the halo of an exchange
        value = frozen(value)
    return value


def reply_rows(method: str, reply: object, members: int) -> State | None:
    """Copies of a block's reply: it must not change when the block takes its next step.

    Raises ``TypeError`` for anything but None or a dict of arrays, ``ValueError`` for a shape.
    """
    if reply is None:
        return None
    if not isinstance(reply, Mapping):
        raise TypeError(f"the method {method!r} returned a {type(reply).__name__}; return a dict of arrays or nothing")
    rows: State = {}
    for name, value in reply.items():
        array = plain_array(f"the reply {name!r}", value)
        if not array.ndim or len(array) != members:
            raise ValueError(
                f"the reply {name!r} has shape {array.shape}; its leading axis must be the block's {members} members"
            )
        rows[name] = np.array(array, order="C")
    return rows


def joined_reply(parts: Sequence[Result]) -> Result:
    """The blocks' replies to one request as one: the first failure, nothing, or the joined arrays, read-only."""
    failure = next((part for part in parts if isinstance(part, Failure)), None)
    if failure or all(part is None for part in parts):
        return failure
    try:
        whole = _joined("reply", [part if isinstance(part, Mapping) else {} for part in parts])
    except ValueError as error:  # blocks that reply differently fail their seed, not the cell
        return Failure.of(error)
    for array in whole.values():
        array.flags.writeable = False
    return whole


def joined_states(parts: Sequence[States]) -> States:
    """The blocks' states of several hosts, given in host order, joined along the member axis."""
    whole = States()
    for part in reversed(parts):
        whole.failures |= part.failures
    for key in dict.fromkeys(key for part in parts for key in part):
        try:
            whole[key] = _joined("state", [part[key] for part in parts if key in part])
        except ValueError as error:
            whole.failures.setdefault(key[0], Failure.of(error))
    return whole


def cut_states(states: Mapping[Key, State] | None, index: int, count: int) -> States | None:
    """The rows of joined ``states`` that host ``index`` of ``count`` holds."""
    if states is None:
        return None
    own = States()
    for key, arrays in states.items():
        if members := cut(len(arrays["rng"]), count, index):
            own[key] = {name: array[members.start : members.stop] for name, array in arrays.items()}
    return own


def _joined(what: str, parts: Sequence[Mapping[str, np.ndarray]]) -> State:
    """Arrays of several blocks along the member axis. Raises ``ValueError`` if the blocks do not agree."""
    if len(parts) == 1:
        return dict(parts[0])
    names = list(parts[0])
    for part in parts:
        if set(part) != set(names):
            raise ValueError(f"the {what} of one block has the arrays {sorted(names)}, of another {sorted(part)}")
    whole: State = {}
    for name in names:
        arrays = [part[name] for part in parts]
        for title, found in (("dtype", [a.dtype for a in arrays]), ("row shape", [a.shape[1:] for a in arrays])):
            if other := next((one for one in found if one != found[0]), None):
                raise ValueError(f"the {what} {name!r} has the {title} {found[0]} in one block, {other} in another")
        whole[name] = np.concatenate(arrays)
    return whole
