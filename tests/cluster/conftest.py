"""Fixtures of the tests that need several hosts; the modules beside this file are importable from them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A head and two workers of one CPU each, up, shared by a module's tests; ``cluster.hosts`` are its hosts."""
    from hosts import Hosts
    from launch import Cluster
    from machine import missing

    if reason := missing():
        pytest.skip(reason)
    with Hosts(3) as hosts:
        running = Cluster(hosts, cpus=1)
        running.up()
        yield running
