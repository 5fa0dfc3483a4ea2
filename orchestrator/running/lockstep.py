"""The driver's inner loop: all seeds' coordinators speak in lockstep, and what they say together travels together."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.core.rounds import Call, Conversation, Coordinator, Exchange
from orchestrator.fleet.base import Failure, Fleet, Request


@dataclass(slots=True)
class Traffic:
    """What a seed's rounds have cost so far. ``measure`` is never counted."""

    calls: int = 0  #: communications
    messages: int = 0  #: one to each member that is sent arrays, one from each that replies; one an edge of an exchange
    bytes_sent: int = 0  #: bytes of the arrays in those messages
    agent_steps: int = 0  #: environment transitions, summed over the members

    def charge(self, other: "Traffic", times: int = 1) -> None:
        """Add ``times`` the cost of another count."""
        self.calls += times * other.calls
        self.messages += times * other.messages
        self.bytes_sent += times * other.bytes_sent
        self.agent_steps += times * other.agent_steps

    def since(self, earlier: "Traffic") -> "Traffic":
        """The cost between two counts."""
        now = Traffic()
        now.charge(self)
        now.charge(earlier, -1)
        return now


@dataclass(slots=True)
class Replica:
    """One seed of a cell while it runs."""

    seed: int
    coordinator: Coordinator
    recorder: Any
    traffic: Traffic = field(default_factory=Traffic)
    status: str = "running"  #: running, done, diverged or failed
    error: str = ""
    agents: dict[str, np.ndarray] = field(default_factory=dict)  #: final metrics of each agent, if asked for

    def fail(self, failure: Failure) -> None:
        """Give this seed up; the others go on."""
        self.status = "failed"
        self.error = f"{failure.kind}: {failure.message}\n{failure.trace}"


def converse(
    fleet: Fleet,
    sizes: Mapping[str, int],
    talks: Iterable[tuple[Replica, Callable[[], Any]]],
    charged: bool,
) -> dict[int, Any]:
    """Drive each seed's conversation to its end; what is yielded at the same step travels in one fleet call.

    A plain function that yields nothing is a conversation without calls. Returns seed -> what the generator or function
    returned; a seed whose code or member raised is marked failed and left out.
    """
    results: dict[int, Any] = {}
    started = [(replica, _start(replica, talk, results)) for replica, talk in talks]
    speaking = [(replica, talk, None) for replica, talk in started if talk is not None]
    while True:
        said = [
            (replica, talk, yielded)
            for replica, talk, reply in speaking
            if (yielded := _advance(replica, talk, reply, results)) is not None
        ]
        if not said:
            return results
        speaking = _answered(fleet, sizes, said, charged)


def _start(replica: Replica, talk: Callable[[], Any], results: dict[int, Any]) -> Conversation | None:
    """The generator to drive, or None where ``talk`` is a plain function: its result is there already."""
    try:
        value = talk()
        if isinstance(value, Generator):
            return value
        for call in value if isinstance(value, tuple) else (value,):
            if isinstance(call, Call | Exchange):
                raise TypeError(f"{talk.__qualname__}() returned a {type(call).__name__}; a call must be yielded")
        results[replica.seed] = value
    except Exception as error:
        replica.fail(Failure.of(error))
    return None


def _advance(replica: Replica, talk: Conversation, reply: Any, results: dict[int, Any]) -> Any:
    try:
        return talk.send(reply)
    except StopIteration as end:
        results[replica.seed] = end.value
    except Exception as error:
        replica.fail(Failure.of(error))
    return None


def _answered(fleet: Fleet, sizes: Mapping[str, int], said: list, charged: bool) -> list:
    """Ask the fleet everything that was said, charge it and hand each seed its replies."""
    requests: list[Request] = []
    spoken = []
    for replica, talk, yielded in said:
        calls = yielded if isinstance(yielded, tuple) else (yielded,)
        try:
            asked = [_request(replica.seed, call, sizes) for call in calls]
        except Exception as error:
            talk.close()
            replica.fail(Failure.of(error))
            continue
        spoken.append((replica, talk, yielded, calls))
        requests += asked
    replies = fleet.call(requests) if requests else []
    replies = _delivered(fleet, spoken, replies)
    answered = []
    at = 0
    for replica, talk, yielded, calls in spoken:
        mine = replies[at : at + len(calls)]
        at += len(calls)
        failure = next((reply for reply in mine if isinstance(reply, Failure)), None)
        if failure is not None:
            talk.close()
            replica.fail(failure)
            continue
        if charged:
            for call, reply in zip(calls, mine, strict=True):
                _charge(replica.traffic, call, reply, sizes)
        answered.append((replica, talk, [reply for reply, _ in mine] if yielded is calls else mine[0][0]))
    return answered


def _request(seed: int, call: Call | Exchange, sizes: Mapping[str, int]) -> Request:
    if not isinstance(call, Call | Exchange):
        raise TypeError(f"a coordinator yields Call, Exchange or a tuple of them, not {type(call).__name__}")
    if isinstance(call.agent_steps, bool) or not isinstance(call.agent_steps, int | np.integer):
        raise TypeError(f"agent_steps is {call.agent_steps!r}; it takes a whole number, transitions of every member")
    if call.on not in sizes:
        raise ValueError(f"call of {call!r} names the group {call.on!r}; the groups are {', '.join(sizes)}")
    if isinstance(call, Exchange):
        if call.graph.n != sizes[call.on]:
            raise ValueError(f"the graph has {call.graph.n} members; the group {call.on!r} has {sizes[call.on]}")
        call.graph.within(call.hops)  # refuses a negative radius here, where only this seed fails
        return Request(seed, call.on, call.send, {})
    if not call.scattered:
        return Request(seed, call.on, call.method, call.shared)
    rows = {name: np.asarray(array) for name, array in call.scattered.items()}
    for name, array in rows.items():
        if not array.ndim or len(array) != sizes[call.on]:
            raise ValueError(f"scattered {name!r} has shape {array.shape}; the group has {sizes[call.on]} members")
    return Request(
        seed, call.on, call.method, call.shared, lambda of: {k: v[of.start : of.stop] for k, v in rows.items()}
    )


def _delivered(fleet: Fleet, spoken: list, replies: Sequence) -> list:
    """Second half of every exchange: members receive their halo. Returns (reply, rows sent or None) or Failure each."""
    final: list = [reply if isinstance(reply, Failure) else (reply, None) for reply in replies]
    calls = [(replica.seed, call) for replica, _, _, calls in spoken for call in calls]
    for k, (_, call) in enumerate(calls):
        if isinstance(call, Exchange) and not isinstance(replies[k], Failure) and (wrong := _unfit(call, replies[k])):
            final[k] = Failure("ValueError", f"the method {call.send!r} of an Exchange must return {wrong}", "")
    waiting = [k for k, (_, call) in enumerate(calls) if isinstance(call, Exchange) and isinstance(final[k], tuple)]
    if not waiting:
        return final
    requests = [_receive(calls[k][0], calls[k][1], replies[k]) for k in waiting]
    for k, reply in zip(waiting, fleet.call(requests), strict=True):
        final[k] = reply if isinstance(reply, Failure) else (reply, replies[k])
    return final


def _unfit(exchange: Exchange, rows: Mapping[str, np.ndarray] | None) -> str:
    """What is missing of the rows to send; empty if nothing is."""
    if rows is None:
        return "rows to send"
    widest = int(np.diff(exchange.graph.within(exchange.hops)[0]).max())
    for name in exchange.addressed:
        if name not in rows or rows[name].ndim < 2 or rows[name].shape[1] < widest:
            return f"rows {name!r} with a letter to each of up to {widest} members along the second axis"
    return ""


def _receive(seed: int, exchange: Exchange, rows: Mapping[str, np.ndarray]) -> Request:
    indptr, indices = exchange.graph.within(exchange.hops)
    places = exchange.graph.places(exchange.hops) if exchange.addressed else indices

    def part(members: range) -> dict[str, Any]:
        """Only rows within reach, each once: a member beyond ``hops`` is not in the block's hands at all."""
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

    return Request(seed, exchange.on, exchange.receive, exchange.shared, part)


def _charge(traffic: Traffic, call: Call | Exchange, answer: tuple, sizes: Mapping[str, int]) -> None:
    reply, rows = answer
    members = sizes[call.on]
    traffic.calls += 1
    traffic.agent_steps += members * call.agent_steps
    if shared := _size(call.shared, call.sensed):
        traffic.bytes_sent += members * shared
    if isinstance(call, Exchange):
        edges = call.graph.deliveries(call.hops)
        traffic.bytes_sent += edges * (_size(rows, call.addressed) // members)
        if call.addressed:
            letters = [rows[name].nbytes // (members * rows[name].shape[1]) for name in call.addressed]
            edges = call.graph.passages(call.hops)
            traffic.bytes_sent += edges * sum(letters)
        traffic.messages += edges
        scattered = 0
    else:
        scattered = _size(call.scattered, call.sensed)
        traffic.bytes_sent += scattered
    if shared or scattered:
        traffic.messages += members
    if reply and (replied := _size(reply, call.sensed)):
        traffic.messages += members
        traffic.bytes_sent += replied


def _size(sent: Mapping[str, Any], but: tuple[str, ...]) -> int:
    """Bytes of the arrays communicated, ``but`` those named.

    Scalars are step sizes and counts, which every member could work out.
    """
    total = 0
    for name, value in sent.items():
        if isinstance(value, np.ndarray) and name not in but:
            total += value.nbytes
    return total
