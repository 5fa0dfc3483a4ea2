"""Stores for tests and rows to put into them."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.store import Store
from tests.tools.rows import Rows, put, replicate


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
