"""Stores for tests and rows to put into them."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.store import Store
from orchestrator.store.schema import table

Rows = dict[str, list[dict]]


def replicate(cell: int, seed: int, status: str = "done", rounds: int = 4, **columns) -> Rows:
    """All rows of one replicate; every number in them follows from (cell, seed)."""
    cell_id = f"{cell:016x}"
    key = {"replicate_id": f"{cell_id}-{seed}"}
    value = 1.0 / (3 + 8 * cell + seed)
    run = {"cell_id": cell_id, "seed": seed, "algorithm": "td", "env": "mrp", "agents": 2, "status": status}
    counts = {"rounds": rounds, "agent_steps": 2 * rounds, "calls": rounds, "messages": 4, "bytes_sent": 64}
    records = [
        {**key, "round": t, "agent_steps": 2 * t, "bytes_sent": 16 * t, "window": 1, "loss": value / (t + 1)}
        for t in range(rounds + 1)
    ]
    return {
        "members": [{"sweep": "s", "sweep_hash": "h", "case": "joint", "cell_id": cell_id}],
        "runs": [{**key, **run, **counts, "loss_tail": value, "loss_final": value / 5, **columns}],
        "metrics": records,
    }


def together(*parts: Rows) -> Rows:
    """Rows of several replicates, table by table."""
    return {name: [row for part in parts for row in part.get(name, [])] for name in {n for part in parts for n in part}}


def put(store: Store, *parts: Rows) -> None:
    """Append all parts in one call."""
    store.append({name: table(name, rows) for name, rows in together(*parts).items()})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "results", create=True)


@pytest.fixture(scope="session")
def rows() -> Callable[..., Rows]:
    return replicate


@pytest.fixture(scope="session")
def append() -> Callable[..., None]:
    return put


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a tmpfs with the given options; skips where that is not allowed."""
    point = tmp_path / "mounted"
    point.mkdir()
    done = []

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs the right to mount a file system")
        done.append(point)
        return point

    yield mount
    for folder in done:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", str(folder)], check=True)
