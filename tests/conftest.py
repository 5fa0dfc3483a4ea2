"""Settings and fixtures of all tests."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


#: Tests that run one after the other in one process, by the beginning of their path; the rest is "numbers".
TOGETHER = {
    "tests/cluster": "hosts",
    "tests/orchestrator/test_submission": "jobs",
    # Long ones of the engine that start no Ray.
    "tests/orchestrator/test_contract": "numbers",
    "tests/orchestrator/test_extending": "numbers",
    "tests/orchestrator/test_golden": "numbers",
    "tests/orchestrator/test_plugins": "numbers",
    "tests/orchestrator/test_export": "jobs",
    "tests/orchestrator/test_check": "jobs",
    "tests/orchestrator/test_own_mistakes": "jobs",
    "tests/orchestrator/test_what_breaks_bits": "jobs",
    "tests/store": "jobs",
    "tests/orchestrator": "ray",
}


class Together(LoadScopeScheduling):
    """Where several processes run the tests, what shares a Ray or real hosts stays in one of them."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for begin, group in TOGETHER.items() if nodeid.startswith(begin)), "numbers")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
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
