"""The contract of an algorithm, tried on a small cell: what the tests ask of those that ship, for the user's own.

The same numbers interpreted and compiled, run again, cut into any blocks, leapt over, continued from any snapshot, and
however often they are measured. ``orchestrator check`` prints the findings.
"""

import contextlib
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from orchestrator.checks.finding import Finding
from orchestrator.core.rounds import Fusible
from orchestrator.errors import UserError, error_place
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.tasks import Task
from orchestrator.running.checkpoint import Keeper, Snapshot, pack, unpack
from orchestrator.running.drive import Outcome, run_task

log = logging.getLogger("orchestrator")

#: Seconds that the interpreted run may take.
PATIENCE = 120
#: Attributes of blocks and coordinators that are no state of an algorithm's own.
GIVEN = frozenset(
    {"parameters", "problem", "group", "members", "n", "seed", "rng", "agents", "rounds", "completed", "environments"}
)


class Diary(Keeper):
    """A keeper that takes a snapshot after every round that it can and packs each for later, by round."""

    due = True  # pyright: ignore[reportAssignmentType, reportIncompatibleVariableOverride]

    def __init__(self) -> None:
        super().__init__()
        self.packed: dict[int, bytes] = {}

    def keep(self, take: Callable[[], Snapshot]) -> None:
        self.snapshot = take()
        self.packed[self.snapshot["round"]] = pack(self.snapshot)


class Resumed(Keeper):
    """A keeper that hands out a packed snapshot and takes none."""

    due = False  # pyright: ignore[reportAssignmentType, reportIncompatibleVariableOverride]

    def __init__(self, data: bytes):
        super().__init__()
        self._data = data

    def resume(self) -> Snapshot | None:
        self.snapshot = unpack(self._data)
        return self.snapshot


def numbers(outcome: Outcome) -> dict[int, str]:
    """Seed -> everything that was computed. Equal texts mean equal bits: repr of a float is exact, -0.0 included."""
    texts: dict[int, str] = {}
    for replica in outcome.replicas:
        agents = {name: values.tolist() for name, values in replica.agents.items()}
        rest = (replica.recorder.rows(), replica.recorder.summary(), asdict(replica.traffic), agents)
        texts[replica.seed] = repr((replica.status, replica.completed, *rest))
    return texts


def examine(task: Task) -> Iterator[Finding]:
    """Try one thing after the other; after an error in the algorithm itself nothing more.

    Raises ``UserError`` for an algorithm that promises nothing.
    """
    if not task.cell.algorithm_class.reproducible:
        name = task.cell.algorithm_class.name
        raise UserError(f"{name} is outside the placement promise: there is nothing to check.")
    task = replace(task, cell=replace(task.cell, record={"every": 1, "agents": True}))
    finding, interpreted = _interpreted(task)
    yield finding
    if finding.state == "wrong":
        return
    diary, fleet = Diary(), InlineFleet()
    outcome = run_task(task, fleet, diary, fuse=False)
    expected = numbers(outcome)
    yield (ran := _ran(task, outcome))
    if ran.state == "wrong":
        return
    if interpreted and interpreted != expected:
        yield Finding(
            "compiling",
            "wrong",
            "the interpreted run gives other numbers",
            "A kernel means something else to the compiler: an integer that overflows, an array's type that changes, "
            "or an array that is read before it is written.",
        )
    yield _same(
        "repeating",
        numbers(run_task(task, InlineFleet(), fuse=False)) == expected,
        "the same numbers again",
        "Numbers come from the seed's streams alone: no random state, time or order of a set of Python's own.",
    )
    cuts = [count for count in (2, task.cell.agents) if count <= task.cell.agents]
    differing = [count for count in cuts if numbers(run_task(task, InlineFleet(count), fuse=False)) != expected]
    yield _same(
        "placement",
        not differing,
        f"the same numbers in 1, {' and '.join(map(str, cuts))} blocks",
        "Key what is drawn by the member, and add over agents with ordered_sum or ordered_mean (docs/determinism.md).",
    )
    if issubclass(task.cell.algorithm_class, Fusible):
        yield _same(
            "leap",
            numbers(run_task(task, InlineFleet())) == expected,
            "the same numbers in fused rounds",
            "leap(blocks, m) has to do what m rounds do, bit for bit.",
        )
    yield _snapshots(task, diary, expected, outcome, fleet)
    yield _measuring(task, outcome)


def _same(what: str, same: bool, observed: str, meaning: str) -> Finding:
    return Finding(what, "ok" if same else "wrong", observed if same else "other numbers", meaning)


def _interpreted(task: Task) -> tuple[Finding, dict[int, str]]:
    """Run without compiling, in another process: a kernel's index outside its array is an error there."""
    what, meaning = "interpreted", "Compiled kernels do not look whether an index is inside its array."
    command = [sys.executable, "-W", "ignore", "-m", "orchestrator.checks.contract"]
    try:
        done = subprocess.run(
            command,
            input=pickle.dumps(task),
            capture_output=True,
            timeout=PATIENCE,
            env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        )
    except subprocess.TimeoutExpired:
        slow = f"not known: interpreted it takes longer than {PATIENCE} s"
        return Finding(what, "note", slow, f"{meaning} Try fewer agents or rounds."), {}
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        return Finding(what, "wrong", f"the interpreted run ended with {done.returncode}: {last}", meaning), {}
    answer: dict[str, Any] = pickle.loads(done.stdout)
    if answer["error"]:
        return Finding(what, "wrong", answer["error"], meaning), {}
    return Finding(what, "ok", "no error, and every index inside its array", meaning), answer["numbers"]


def _ran(task: Task, outcome: Outcome) -> Finding:
    """Whether it ran to the end, spoke with its members and is random at all."""
    what, seeds = "running", outcome.replicas
    if error := next((_first_line(replica.error) for replica in seeds if replica.status != "done"), ""):
        return Finding(what, "wrong", error, "The algorithm has to run before anything else can be tried.")
    traffic = seeds[0].traffic
    costs = f"{seeds[0].completed} rounds of {task.cell.agents} agents: {traffic.calls} communications, "
    costs += f"{traffic.bytes_sent} bytes, {traffic.agent_steps} agent steps"
    if not traffic.calls or not traffic.agent_steps:
        return Finding(
            what, "note", costs, "A call that is not yielded does nothing; agent_steps of a Call are counted."
        )
    if len(seeds) > 1 and len({repr(replica.recorder.rows()) for replica in seeds}) == 1:
        return Finding(what, "note", f"{costs}; all seeds alike", "Nothing random is drawn, or not from the streams.")
    return Finding(what, "ok", costs, "What a run costs is counted from these.")


def _snapshots(task: Task, diary: Diary, expected: dict[int, str], outcome: Outcome, fleet: InlineFleet) -> Finding:
    """Go on from every snapshot; where that gives other numbers, what is not in ``persistent`` and differs is named."""
    what = "snapshots"
    for at, data in sorted(diary.packed.items()):
        again = InlineFleet()
        with _hushed():
            resumed = run_task(task, again, Resumed(data), fuse=False)
        if numbers(resumed) != expected:
            names = sorted(_forgotten(outcome, fleet, resumed, again))
            who = f": {', '.join(names)} {'is' if len(names) == 1 else 'are'} not in persistent" if names else ""
            return Finding(
                what,
                "wrong",
                f"other numbers after going on from round {at}{who}",
                "persistent has to name every attribute that a later round reads; what is not named is lost with a "
                "process that dies.",
            )
    rounds = f"rounds {min(diary.packed)} to {max(diary.packed)}" if diary.packed else "no round"
    return Finding(what, "ok", f"the same numbers after going on from {rounds}", "A lost process changes no number.")


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Going on from snapshots is no news here."""
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _forgotten(outcome: Outcome, fleet: InlineFleet, resumed: Outcome, again: InlineFleet) -> Iterator[str]:
    """Attributes that differ between a run and one from a snapshot, of those that the snapshot does not hold."""
    pairs = [
        (one.coordinator, other.coordinator) for one, other in zip(outcome.replicas, resumed.replicas, strict=True)
    ]
    pairs += [(block, again.hosts[0].blocks[key]) for key, block in fleet.hosts[0].blocks.items()]
    names: set[str] = set()
    for one, other in pairs:
        for name in vars(one).keys() | vars(other).keys():
            left_out = name not in GIVEN and name not in one.persistent and not name.startswith("__")
            if left_out and _exact(getattr(one, name, None)) != _exact(getattr(other, name, None)):
                names.add(f"{type(one).__name__}.{name}")
    yield from names


def _measuring(task: Task, outcome: Outcome) -> Finding:
    """Measure at the end alone: the last numbers have to be those of a run that was measured after every round."""
    rounds = task.cell.rounds
    seldom = replace(task, cell=replace(task.cell, record={"every": rounds, "per_decade": 1, "agents": True}))
    once = run_task(seldom, InlineFleet(), fuse=False)
    same = all(
        [one.recorder.rows()[-1][name] for name in one.recorder.names]
        == [other.recorder.rows()[-1][name] for name in other.recorder.names]
        for one, other in zip(outcome.replicas, once.replicas, strict=True)
    )
    return _same(
        "measuring",
        same,
        "how often it is measured changes nothing",
        "What measure asks of a block must leave its state and its rng alone; stream(role) gives other random numbers.",
    )


def _exact(value: object) -> str:
    """Equal texts mean equal bits."""
    if isinstance(value, Mapping):
        return repr({key: _exact(held) for key, held in value.items()})
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.tolist()}"
    return repr(value) if isinstance(value, bool | int | float | str | list | tuple | None) else type(value).__name__


def _first_line(error: str) -> str:
    """The first line of a replica's error, and where in the user's file it came from."""
    return error.splitlines()[0] + error_place(error)


def main() -> None:
    """Run the task on stdin and write its numbers to stdout: the interpreted side of ``examine``."""
    task: Task = pickle.loads(sys.stdin.buffer.read())
    with contextlib.redirect_stdout(sys.stderr):
        outcome = run_task(task, InlineFleet(), fuse=False)
    error = next((_first_line(replica.error) for replica in outcome.replicas if replica.status == "failed"), "")
    sys.stdout.buffer.write(pickle.dumps({"error": error, "numbers": numbers(outcome)}))


if __name__ == "__main__":
    main()
