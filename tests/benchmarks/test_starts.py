"""``python -m benchmarks starts`` knows every algorithm, and counts the CPU seconds of child processes."""

import pytest
import yaml

from benchmarks import starts
from orchestrator.planning.cells import make_cell
from orchestrator.plugins import registry


def test_every_algorithm_has_a_small_run():
    """Its settings are valid, and it runs on the environment."""
    assert set(starts.RUNS) == set(registry.names("algorithm"))
    for algorithm, (environment, *words) in starts.RUNS.items():
        settings = {key: yaml.safe_load(value) for key, _, value in (word.partition("=") for word in words)}
        cell = make_cell(algorithm, environment, settings | {"agents": 4, "rounds": starts.ROUNDS})
        assert (cell.algorithm, cell.rounds) == (algorithm, starts.ROUNDS)


def test_cpu_seconds_include_child_processes(monkeypatch):
    """A child that computes for a while, below a parent that only waits."""
    work = "import time\nwhile time.process_time() < 0.5: pass"
    monkeypatch.setattr(starts, "PROGRAM", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])")
    assert starts.cpu_seconds([]) >= 0.5


def test_a_command_that_fails_is_no_measurement(monkeypatch):
    monkeypatch.setattr(starts, "PROGRAM", "raise SystemExit(2)")
    with pytest.raises(RuntimeError, match=r"^orchestrator run x ended with exit code 2$"):
        starts.cpu_seconds(["run", "x"])
