"""The driver's inner loop: the coordinators of all seeds run in lockstep, and their calls travel together."""

import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Protocol

import numpy as np

from orchestrator.core.calls import Call, Conversation, Exchange, Reply, latest_calls
from orchestrator.errors import ends_process
from orchestrator.fleet.base import Failure, Request, Result
from orchestrator.fleet.gather import halo, scattered_rows, shared_values
from orchestrator.running.replica import Replica

#: References to a call that only one variable holds: that one, and the argument of ``getrefcount``.
ALONE = 2


class Caller(Protocol):
    """A fleet, or whatever passes requests on to one."""

    def call(self, requests: Sequence[Request]) -> list[Result]:
        """As ``Fleet.call``."""
        ...


@dataclass(slots=True)
class Answer:
    """What a call brought."""

    reply: Reply | None
    rows: Reply | None = None  #: what the members of an exchange sent to each other


@dataclass(slots=True)
class Turn:
    """A seed's conversation: what it yielded last, and what it will be sent next."""

    replica: Replica
    talk: Conversation
    name: str  #: of the coordinator's method
    calls: tuple[Call | Exchange, ...] = ()
    single: bool = True  #: it yielded a call, not a tuple of calls
    reply: Reply | Sequence[Reply | None] | None = None
    made: list[Call | Exchange] = field(default_factory=list[Call | Exchange])  #: but not yielded so far

    def step(self, results: dict[int, object]) -> bool:
        """Go on to the next yield. False at the end, where the result is in ``results``, or after an error."""
        latest = latest_calls()
        latest.clear()
        try:
            yielded = self.talk.send(self.reply)
        except StopIteration as end:
            self._end(end.value, results)
            return False
        except BaseException as error:
            self.replica.fail(Failure.of(error))
            return False
        self.single = not isinstance(yielded, tuple)
        self.calls = yielded if isinstance(yielded, tuple) else (yielded,)
        if self.made or len(latest) != 1 or latest[0] is not yielded:  # mostly it yields the one that it made
            self.made = [call for call in (*self.made, *latest) if not any(call is one for one in self.calls)]
        return True

    def _end(self, result: object, results: dict[int, object]) -> None:
        self.calls = ()  # or they would be held here
        try:
            if self.made or latest_calls():
                _check_yielded(self.name, self.made)
        except BaseException as error:
            self.replica.fail(Failure.of(error))
        else:
            results[self.replica.seed] = result

    def fail(self, failure: Failure) -> None:
        """End the conversation and give the seed up."""
        self.replica.fail(failure.placed(_place(self.talk)))
        try:
            self.talk.close()
        except BaseException as error:  # a finally clause that raises: the seed has failed before
            if ends_process(error):
                raise


def _place(talk: object) -> str:
    """The line at which a conversation waits, in the form of a traceback's."""
    text = ""
    while isinstance(talk, GeneratorType) and (frame := talk.gi_frame) is not None:
        text = f'  File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}\n'
        talk = talk.gi_yieldfrom
    return text


def _check_yielded(name: str, made: list[Call | Exchange]) -> None:
    """Raises ``RuntimeError`` for a call that was made, was not yielded and is held by nobody who could still do so."""
    made += latest_calls()
    latest_calls().clear()
    made.reverse()
    while made:
        call = made.pop()
        if sys.getrefcount(call) == ALONE:
            what, method = ("a Call", call.method) if isinstance(call, Call) else ("an Exchange", call.send)
            word = type(call).__name__
            raise RuntimeError(f"{name}() made {what} of {method!r} that it did not yield; write yield {word}(...)")


def converse(
    caller: Caller,
    sizes: Mapping[str, int],
    talks: Iterable[tuple[Replica, Callable[[], object]]],
    charged: bool,
) -> dict[int, object]:
    """Drive each seed's conversation to its end; what is yielded at the same step travels in one fleet call.

    A plain function that yields nothing is a conversation without calls. Returns seed -> what the generator or function
    returned; a seed whose code or member raised is marked failed and left out.
    """
    results: dict[int, object] = {}
    turns = [turn for replica, talk in talks if (turn := _start(replica, talk, results)) is not None]
    while turns := [turn for turn in turns if turn.step(results)]:
        turns = _answered(caller, sizes, turns, charged)
    return results


def _start(replica: Replica, talk: Callable[[], object], results: dict[int, object]) -> Turn | None:
    """The conversation to drive, or None where ``talk`` is a plain function: its result is there already."""
    latest_calls().clear()
    try:
        value = talk()
        name = getattr(talk, "__name__", type(talk).__name__)
        if isinstance(value, Generator):
            return Turn(replica, value, name)
        for call in value if isinstance(value, tuple) else (value,):
            if isinstance(call, Call | Exchange):
                whole = getattr(talk, "__qualname__", name)
                raise TypeError(f"{whole}() returned a {type(call).__name__}; a call must be yielded")
        if latest_calls():
            _check_yielded(name, [])
        results[replica.seed] = value
    except BaseException as error:
        replica.fail(Failure.of(error))
    return None


def _answered(caller: Caller, sizes: Mapping[str, int], turns: Sequence[Turn], charged: bool) -> list[Turn]:
    """Make the calls of all turns, charge them and hand each turn its replies. Returns the turns that go on."""
    requests: list[Request] = []
    asking: list[Turn] = []
    for turn in turns:
        try:
            own = [_request(turn.replica.seed, call, sizes) for call in turn.calls]
        except BaseException as error:
            turn.fail(_refusal(turn.calls, error))
            continue
        asking.append(turn)
        requests += own
    calls = [(turn.replica.seed, call) for turn in asking for call in turn.calls]
    answers = iter(_answers(caller, calls, caller.call(requests) if requests else []))
    going_on: list[Turn] = []
    for turn in asking:
        mine = [next(answers) for _ in turn.calls]
        failure = next((answer for answer in mine if isinstance(answer, Failure)), None)
        if failure is not None:
            turn.fail(failure)
            continue
        own = [answer for answer in mine if isinstance(answer, Answer)]
        if charged:
            try:
                for call, answer in zip(turn.calls, own, strict=True):
                    turn.replica.traffic.charge(call.cost(answer.reply, answer.rows, sizes[call.on]))
            except BaseException as error:
                turn.fail(_refusal(turn.calls, error))
                continue
        replies = [answer.reply for answer in own]
        turn.reply = replies[0] if turn.single else replies
        going_on.append(turn)
    return going_on


def _request(seed: int, call: Call | Exchange, sizes: Mapping[str, int]) -> Request:
    """The first request of a call. Raises ``TypeError`` or ``ValueError`` where the call makes no sense."""
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
        shared_values(call.shared)  # and arrays that cannot be sent
        return Request(seed, call.on, call.send, {})
    shared = shared_values(call.shared)
    if not call.scattered:
        return Request(seed, call.on, call.method, shared)
    rows = scattered_rows(call.scattered, sizes[call.on])
    return Request(
        seed, call.on, call.method, shared, lambda of: {name: row[of.start : of.stop] for name, row in rows.items()}
    )


def _refusal(calls: Iterable[object], error: BaseException) -> Failure:
    """The failure of a seed whose calls cannot be made: what is wrong with an argument, or ``error`` itself."""
    try:
        for call in calls:
            if isinstance(call, Call | Exchange):
                _check_call(call)
    except TypeError as wrong:
        error = wrong
    return Failure.of(error, called=True)


def _check_call(call: Call | Exchange) -> None:
    """Raises ``TypeError`` for an argument of the wrong type. It is looked for only after an error: calls are many."""
    title = type(call).__name__
    texts = {"method": call.method} if isinstance(call, Call) else {"send": call.send, "receive": call.receive}
    for name, value in {**texts, "on": call.on}.items():
        if not isinstance(value, str):
            raise TypeError(f"{title}: {name} is {_shown(value)}; it takes a name")
    mappings = (
        {"shared": call.shared, "scattered": call.scattered} if isinstance(call, Call) else {"shared": call.shared}
    )
    for name, value in mappings.items():
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise TypeError(f"{title}: {name} is {_shown(value)}; it takes a dict of names and values")
    for name in ("sensed", "addressed"):
        value = getattr(call, name, ())
        if not isinstance(value, tuple | list) or not all(isinstance(part, str) for part in value):
            raise TypeError(f"{title}: {name} is {_shown(value)}; it takes a tuple of names")


def _shown(value: object) -> str:
    """A value that may be anything, for a message."""
    return repr(value) if isinstance(value, bool | int | float | str | None) else f"a {type(value).__name__}"


def _answers(
    caller: Caller, calls: Sequence[tuple[int, Call | Exchange]], results: Sequence[Result]
) -> list[Answer | Failure]:
    """The answers to (seed, call). Here members of an exchange receive the rows that the others sent."""
    answers = [result if isinstance(result, Failure) else Answer(result) for result in results]
    waiting: list[int] = []
    requests: list[Request] = []
    for k, ((seed, call), answer) in enumerate(zip(calls, answers, strict=True)):
        if not isinstance(call, Exchange) or isinstance(answer, Failure):
            continue
        try:
            missing = "rows to send" if answer.reply is None else _missing_rows(call, answer.reply)
        except BaseException as error:
            answers[k] = _refusal((call,), error)
            continue
        if answer.reply is None or missing:
            said = f"the method {call.send!r} of an Exchange must return {missing}"
            answers[k] = Failure("ValueError", said, "", called=True)
            continue
        answer.rows = answer.reply
        waiting.append(k)
        requests.append(_receive(seed, call, answer.rows))
    for k, result in zip(waiting, caller.call(requests) if requests else [], strict=True):
        answer = answers[k]
        assert isinstance(answer, Answer)
        answers[k] = result if isinstance(result, Failure) else Answer(result, answer.rows)
    return answers


def _missing_rows(exchange: Exchange, rows: Reply) -> str:
    """What is missing of the rows to send; empty if nothing is."""
    widest = int(np.diff(exchange.graph.within(exchange.hops)[0]).max())
    for name in exchange.addressed:
        if name not in rows or rows[name].ndim < 2 or rows[name].shape[1] < widest:
            return f"rows {name!r} with a letter to each of up to {widest} members along the second axis"
    return ""


def _receive(seed: int, exchange: Exchange, rows: Reply) -> Request:
    """The second request of an exchange."""
    shared = shared_values(exchange.shared)
    return Request(seed, exchange.on, exchange.receive, shared, lambda members: halo(exchange, rows, members))
