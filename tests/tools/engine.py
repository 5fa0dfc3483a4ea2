"""What the engine's tests share: tasks of the worked coordinators, and numbers in a form whose equality is bitwise."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.checks import contract
from orchestrator.checks.contract import Resumed, numbers
from orchestrator.fleet.base import Fleet, HostsLost, Request
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.checkpoint import Keeper
from orchestrator.running.drive import Outcome, run_task
from orchestrator.running.lockstep import Replica, converse

ROOT = Path(__file__).resolve().parents[2]
COORDINATORS = ROOT / "tests" / "tools" / "coordinators"
#: docs/extending.md, and its files by their names.
OWN_PAGE = (ROOT / "docs" / "extending.md").read_text()
OWN_FILES = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", OWN_PAGE, re.M | re.S))

__all__ = ["Diary", "Flaky", "Resumed", "numbers", "rows", "run", "say", "task"]

#: Worked coordinator -> (algorithm, environment), as plug-in references.
WORKED = {
    name: (f"{COORDINATORS / f'{name}.py'}:{algorithm}", f"{COORDINATORS / f'{name}.py'}:{environment}")
    for name, algorithm, environment in (
        ("shelves", "Inventory", "Nowhere"),
        ("gossip", "Gossip", "Places"),
        ("drift", "Drift", "Line"),
        ("doubling", "Doubling", "Nowhere"),
        ("trouble", "Trouble", "Nowhere"),
        ("market", "Market", "Town"),
        ("lonely", "Lonely", "Nowhere"),
        ("typed", "Typed", "Nowhere"),
        ("sleepy", "Sleepy", "Nowhere"),
        ("hungry", "Hungry", "Nowhere"),
    )
}


def task(
    of: str | tuple[str, str], seeds: Sequence[int] = (0,), record: dict | None = None, /, **settings: Any
) -> Task:
    """A task of a worked coordinator, or of (algorithm, environment); ``env__x`` sets the environment's ``x``."""
    algorithm, environment = WORKED[of] if isinstance(of, str) else of
    keyed = {key.replace("__", "."): value for key, value in settings.items()}
    return Task(make_cell(algorithm, environment, keyed, record), tuple(seeds))


def run(of: Task, hosts: int = 1, keeper: Keeper | None = None, fuse: bool = True) -> Outcome:
    """The task inline, its blocks cut over ``hosts`` hosts."""
    return run_task(of, InlineFleet(hosts), keeper, fuse)


def rows(outcome: Outcome, seed: int) -> dict[Any, dict[str, Any]]:
    """Round -> row of ``metrics``, of one seed."""
    replica = next(replica for replica in outcome.replicas if replica.seed == seed)
    return {int(row["round"]): row for row in replica.recorder.rows()}


def say(of: Task, fleet: Fleet, *said: Any, fresh: bool = True) -> tuple[list[Any], Replica]:
    """Have the first seed's coordinator yield these calls one after the other. Returns the replies and the replica.

    The fleet is loaded with the task before, unless ``fresh`` is false.
    """
    if fresh:
        fleet.load(of, None)
    replica = Replica(of.seeds[0], of.coordinator(of.seeds[0]))
    replies: list[Any] = []

    def talk():
        for call in said:
            reply = yield call
            replies.append(reply)

    converse(fleet, of.sizes, [(replica, talk)], charged=True)
    return replies, replica


class Diary(contract.Diary):
    """A keeper that takes a snapshot whenever it may (or at the chances in ``picks``) and packs each for later."""

    def __init__(self, picks: Sequence[bool] | None = None):
        super().__init__()
        self._picks = None if picks is None else iter(picks)

    @property
    def due(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._picks is None or next(self._picks, False)


class Flaky(InlineFleet):
    """Hosts in this process, all of which are lost at the calls whose numbers are in ``losses``."""

    def __init__(self, count: int, losses: Sequence[int]):
        super().__init__(count)
        self._losses = set(losses)
        self._calls = 0

    def call(self, requests: Sequence[Request]) -> list:
        self._calls += 1
        if self._calls in self._losses:
            for host in self.hosts:  # half of it is done when the processes die
                host.run(requests[0].seed, requests[0].group, requests[0].method, dict(requests[0].shared))
            self.hosts = []
            raise HostsLost([f"call {self._calls}"])
        return super().call(requests)
