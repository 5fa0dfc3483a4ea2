"""Settings and fixtures of all tests."""

import faulthandler
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


#: Tests that run one after the other in one process where several processes run tests: a name -> folders and files, of
#: which the innermost counts. Any other folder is a group of its own. Those that wait long begin first; tests that
#: compile the same kernels are together, and those that use all kernels come last, when they are on disk.
GROUPS = {
    "hosts": ("tests/hosts",),
    "ray": (
        *("tests/fleet", "tests/running/test_sweeps.py", "tests/running/test_until_decided.py"),
        "tests/store/test_remote.py",
    ),
    "mean field": ("tests/algorithms/mean_field", "tests/envs/mean_field", "tests/envs/graphon"),
    "jobs": ("tests/cluster",),
    "reciprocity": ("tests/algorithms/policy_reciprocity", "tests/envs/grids"),
    "utilities": ("tests/algorithms/general_utilities", "tests/envs/networks"),
    "representation": ("tests/algorithms/shared_representation", "tests/envs/linear"),
    "others": ("tests",),
    "all kernels": ("tests/checks/test_contract.py", "tests/running/test_golden.py"),
}
PLACES = {place: group for group, places in GROUPS.items() for place in places}


def group_of(nodeid: str) -> str:
    """The group of a test, or its folder."""
    path = PurePosixPath(nodeid.partition("::")[0])
    group = next(PLACES[str(place)] for place in (path, *path.parents) if str(place) in PLACES)
    return group if group != "others" else str(path.parent)


class Together(LoadScopeScheduling):
    """Where several processes run the tests, what shares a Ray, real hosts or kernels stays in one of them."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    assert not [place for place in PLACES if not (config.rootpath / place).exists()]
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = list(GROUPS)
    items.sort(key=lambda item: order.index(group if (group := group_of(item.nodeid)) in GROUPS else "others"))


@pytest.fixture
def call(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; returns (exit code, stdout, stderr)."""

    from orchestrator import cli

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["orchestrator", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


#: Seconds after which a test that waits for processes is given up, with every thread's stack.
PATIENCE = 240


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """A Ray of this file's own with two CPUs. It ends with the file: commands of later tests would find its nodes."""
    from orchestrator.cluster import connection

    with connection.local_ray(2):
        yield


@pytest.fixture
def watchdog() -> Iterator[None]:
    """Ends the whole run if a test waits for ever: a hang must not look like patience."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(name="table", scope="session")
def _table():
    from tests.tools.rows import summary_table

    return summary_table


@pytest.fixture(name="verdict_of")
def _verdict_of():
    """Judge a claim given by its fields against a summary."""
    import pandas as pd

    from orchestrator.claims.claim import read_claim
    from orchestrator.claims.judge import judge

    def verdict_of(summary, curves=None, varied: Literal["seeds", "instances"] = "seeds", **fields):
        defaults = {"name": "test", "case": "joint", "metric": "error_tail", "law": "power"}
        if fields.get("law", "power") not in ("order", "value"):
            defaults["versus"] = "agents"
        return judge(read_claim(defaults | fields), summary, curves if curves is not None else pd.DataFrame(), varied)

    return verdict_of
