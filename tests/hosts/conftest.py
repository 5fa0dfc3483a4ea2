"""Fixtures of the tests that need several hosts; the modules beside this file are importable from them."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A head and two workers of one CPU each, up, shared by a module's tests; ``cluster.hosts`` are its hosts."""
    from tests.tools.hosts.hosts import Hosts
    from tests.tools.hosts.launch import Cluster
    from tests.tools.hosts.machine import missing

    if reason := missing():
        pytest.skip(reason)
    with Hosts(3) as hosts:
        running = Cluster(hosts, cpus=1)
        running.up()
        yield running
