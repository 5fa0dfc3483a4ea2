"""Settings and fixtures of all tests."""

import faulthandler
import logging
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


#: Folder or file -> the tests that run one after the other in one process where several processes run tests.
#: The entry of the file counts, else that of its folder, else that of the folder above.
TOGETHER = {
    "tests": "numbers",
    "tests/hosts": "hosts",
    "tests/cluster": "jobs",
    "tests/store": "jobs",
    "tests/checks": "jobs",
    "tests/checks/test_contract.py": "numbers",
    "tests/commands": "ray",
    "tests/commands/test_export.py": "jobs",
    "tests/fleet": "ray",
    "tests/planning": "ray",
    "tests/progress": "ray",
    "tests/core": "ray",
    "tests/running": "ray",
    "tests/running/test_golden.py": "numbers",
}


class Together(LoadScopeScheduling):
    """Where several processes run the tests, what shares a Ray or real hosts stays in one of them."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        return next(TOGETHER[str(place)] for place in (path, *path.parents) if str(place) in TOGETHER)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    assert not [place for place in TOGETHER if not (config.rootpath / place).exists()]
    return Together(config, log)


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


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of this session's own with two CPUs."""
    import ray

    from orchestrator.process import environment

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": environment()},
    )
    yield
    ray.shutdown()


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
