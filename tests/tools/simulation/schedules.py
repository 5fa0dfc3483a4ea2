"""A sweep under one schedule of faults: driven again and again until nothing is left, then compared with no faults."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest import mock

from orchestrator import Results
from orchestrator.errors import UserError
from orchestrator.execution import execute
from orchestrator.fleet.base import HostsGone
from orchestrator.fleet.hosts import HostFleet
from orchestrator.planning.plan import plan
from orchestrator.planning.sweep import Sweep
from orchestrator.planning.sweeps import checked
from orchestrator.progress.watcher import Watcher
from orchestrator.running import inline
from orchestrator.store import Store
from orchestrator.store.store import existing
from tests.tools.engine import WORKED
from tests.tools.simulation.world import Killed, SimulatedChannel, World

#: Times that a driver is started; far more than a schedule has faults.
STARTS = 60
#: One schedule in so many is compacted at its end and compared again.
COMPACTED = 4
#: Worked coordinators and their settings: exchanges, several groups with phases, scattered rows, a state per agent.
CASES = {
    "gossip": {"agents": [3, 4], "rounds": [6]},
    "market": {"agents": [3], "rounds": [9]},
    "drift": {"agents": [2, 3], "rounds": [7]},
    "shelves": {"agents": [3], "rounds": [4]},
}
ROWS = "SELECT * EXCLUDE (write_number, written, versions, cpu) FROM runs ORDER BY replicate_id"


@cache
def sweep(case: str) -> Sweep:
    """A small sweep of one worked coordinator."""
    algorithm, environment = WORKED[case]
    content = {
        "name": f"simulated/{case}",
        "env": {"name": environment},
        "cases": {case: {"algorithm": algorithm}},
        "grid": CASES[case],
        "seeds": [0, 1, 2],
        "record": {"every": 1, "agents": True},
    }
    made = checked(content, case)
    made.check()
    return made


def drive(of: Sweep, folder: Path) -> None:
    """What the command does: plan, run what is missing, store it."""
    planned = plan(of, existing(folder), "inline", None)
    execute(planned, Store.open(folder, create=True), "inline", None, Watcher())


@cache
def expected(case: str) -> tuple[str, str]:
    """Fingerprint and rows without faults."""
    with scratch() as folder:
        drive(sweep(case), folder)
        return outcome(case, folder)


def outcome(case: str, folder: Path) -> tuple[str, str]:
    """Fingerprint of the sweep, and its runs as a text."""
    results = Results(folder)
    return results.fingerprint(sweep(case).name), results.sql(ROWS).to_csv(index=False)


def simulate(seed: int) -> World:
    """One schedule. Raises AssertionError, with all faults, if a number differs, is lost or doubled."""
    world = World(seed)
    case = world.random.choice(sorted(CASES))
    hosts = world.random.choice((1, 2, 3))
    fingerprint, rows = expected(case)
    fleet = mock.patch.object(inline, "InlineFleet", side_effect=lambda: HostFleet(hosts, SimulatedChannel(world)))
    with scratch() as folder, world.patched(), fleet:
        world.others = [
            lambda: drive(sweep(case), folder),
            lambda: Store.open(folder).compact(),
            lambda: look(rows, folder),
        ]
        for _ in range(STARTS):
            try:
                drive(sweep(case), folder)
                break
            except (Killed, UserError, HostsGone):
                world.told.append("started again")
        else:
            raise AssertionError(f"not finished after {STARTS} starts: {world.told}")
        with world.quiet():
            drive(sweep(case), folder)
            assert outcome(case, folder) == (fingerprint, rows), world.told
            if seed % COMPACTED == 0:
                Store.open(folder).compact()
                assert outcome(case, folder) == (fingerprint, rows), ("after compaction", world.told)
    return world


def look(rows: str, folder: Path) -> None:
    """A reader at any moment: each row that it sees is a row of the end, once."""
    seen = Results(folder).sql(ROWS).to_csv(index=False).splitlines()[1:]
    assert len(set(seen)) == len(seen), f"doubled: {seen}"
    assert not (other := set(seen) - set(rows.splitlines())), f"rows that are not of the end: {other}"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder in memory, if the machine has such a place."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    try:
        yield folder / "results"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
