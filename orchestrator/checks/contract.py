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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from orchestrator.checks.finding import Finding
from orchestrator.core.rounds import Fusible
from orchestrator.errors import UserError, error_place
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.tasks import Task
from orchestrator.running.checkpoint import Keeper, Snapshot, pack, unpack
from orchestrator.running.drive import CellRun, Outcome, Pulse, run_task

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
    diary = Diary()
    outcome = run_task(task, InlineFleet(), diary, fuse=False)
    expected = numbers(outcome)
    yield (ran := _ran(task, outcome))
    if ran.state == "wrong":
        return
    same = numbers(run_task(task, InlineFleet(), fuse=False)) == expected
    yield _same(
        "repeating",
        same,
        "the same numbers again",
        "Numbers must come from the seed's streams alone, not from a random state, the time or the order of a set of "
        "Python's own. Nothing else was tried: every run gives other numbers.",
    )
    if not same:
        return
    if interpreted and interpreted != expected:
        yield Finding(
            "compiling",
            "wrong",
            "the interpreted run gives other numbers",
            "A kernel means something else to the compiler: an integer that overflows, an array's type that changes, "
            "or an array that is read before it is written.",
        )
    cuts = sorted({count for count in (1, 2, task.cell.agents) if count <= task.cell.agents})
    differing = [count for count in cuts[1:] if numbers(run_task(task, InlineFleet(count), fuse=False)) != expected]
    yield _same(
        "placement",
        not differing,
        _blocks(cuts),
        "Key what is drawn by the member, and add over agents with ordered_sum or ordered_mean (docs/determinism.md).",
    )
    if issubclass(task.cell.algorithm_class, Fusible):
        yield _same(
            "leap",
            numbers(run_task(task, InlineFleet())) == expected,
            "the same numbers in fused rounds",
            "leap(blocks, m) has to do what m rounds do, bit for bit.",
        )
    yield _snapshots(task, diary, expected)
    yield _measuring(task, outcome)


def _blocks(cuts: Sequence[int]) -> str:
    """What is observed where the agents were cut into so many blocks."""
    if len(cuts) == 1:
        return "one agent cannot be cut into blocks; try --agents 3"
    return f"the same numbers in {', '.join(map(str, cuts[:-1]))} and {cuts[-1]} blocks"


def _same(what: str, same: bool, observed: str, meaning: str) -> Finding:
    return Finding(what, "ok" if same else "wrong", observed if same else "other numbers", meaning)


def _interpreted(task: Task) -> tuple[Finding, dict[int, str]]:
    """Run without compiling, in another process: a kernel's index outside its array is an error there."""
    what, meaning = "interpreted", "Compiled kernels do not look whether an index is inside its array."
    running, stopped = "running (kernels not compiled)", "It does not run."
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
        return Finding(running, "wrong", f"the process ended with {done.returncode}: {last}", stopped), {}
    answer: dict[str, Any] = pickle.loads(done.stdout)
    if answer["error"]:
        if answer["error"].startswith("IndexError"):
            return Finding(what, "wrong", answer["error"], meaning), {}
        return Finding(running, "wrong", answer["error"], stopped), {}
    return Finding(what, "ok", "no error, and every index inside its array", meaning), answer["numbers"]


def _ran(task: Task, outcome: Outcome) -> Finding:
    """Whether it ran to the end, spoke with its members and is random at all."""
    what, seeds = "running", outcome.replicas
    if error := next((_first_line(replica.error) for replica in seeds if replica.status != "done"), ""):
        return Finding(what, "wrong", error, "It does not run.")
    traffic = seeds[0].traffic
    agents = f"{task.cell.agents} agent{'' if task.cell.agents == 1 else 's'}"
    costs = f"{seeds[0].completed} rounds of {agents}: {traffic.calls} communications, "
    costs += f"{traffic.bytes_sent} bytes, {traffic.agent_steps} agent steps"
    if not traffic.calls or not traffic.agent_steps:
        return Finding(
            what, "note", costs, "Only what round() yields is counted, and the agent_steps that a Call states."
        )
    if len(seeds) > 1 and len({repr(replica.recorder.rows()) for replica in seeds}) == 1:
        return Finding(what, "note", f"{costs}; all seeds alike", "Nothing random is drawn, or not from the streams.")
    return Finding(what, "ok", costs, "What a run costs is counted from these.")


def _snapshots(task: Task, diary: Diary, expected: dict[int, str]) -> Finding:
    """Go on from every snapshot; where that gives other numbers, what is not in ``persistent`` and differs is named."""
    what = "snapshots"
    for at, data in sorted(diary.packed.items()):
        with _hushed():
            if numbers(run_task(task, InlineFleet(), Resumed(data), fuse=False)) == expected:
                continue
            names = sorted(_forgotten(task, at, data))
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


class Look(Keeper):
    """A keeper that looks at every attribute of coordinators and blocks at the start of one round.

    With a snapshot of that round it looks right after going on from it, before anything is computed anew.
    """

    due = True  # pyright: ignore[reportAssignmentType, reportIncompatibleVariableOverride]

    def __init__(self, task: Task, at: int, data: bytes = b""):
        super().__init__()
        self.seen: dict[str, str] = {}
        self._data, self._at = data, at
        self._fleet = InlineFleet()
        self._run = CellRun(task, self._fleet, self, fuse=False)
        while not self.seen and isinstance(self._run.advance(), Pulse):
            pass

    def resume(self) -> Snapshot | None:
        self.snapshot = unpack(self._data) if self._data else None
        return self.snapshot

    def keep(self, take: Callable[[], Snapshot]) -> None:
        if self._run.round != self._at or self.seen:
            return
        coordinators = {(replica.seed, ""): replica.coordinator for replica in self._run.replicas}
        for key, one in (coordinators | dict(self._fleet.hosts[0].blocks)).items():
            for name, value in vars(one).items():
                if name not in GIVEN and name not in one.persistent and not name.startswith("__"):
                    self.seen[f"{key} {type(one).__name__}.{name}"] = _exact(value)


def _forgotten(task: Task, at: int, data: bytes) -> set[str]:
    """Attributes that going on from a snapshot of round ``at`` does not bring back, of those that it does not hold."""
    before, after = Look(task, at).seen, Look(task, at, data).seen
    return {name.rpartition(" ")[2] for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


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
