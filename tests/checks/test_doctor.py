"""The findings of ``orchestrator doctor`` on a healthy machine, and for each fault that it knows."""

import re
import sys
from pathlib import Path

import pytest

from orchestrator.checks import doctor
from orchestrator.checks.doctor import examine
from orchestrator.checks.finding import Finding
from orchestrator.planning import preflight

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(name="quick")
def _quick(monkeypatch) -> None:
    """No Ray is started."""
    monkeypatch.setattr(doctor, "RAY_TRIAL", "pass")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def finding(what: str, results: Path) -> Finding:
    """The finding of one check."""
    [one] = [finding for finding in examine(str(results)) if finding.what == what]
    return one


def test_the_tested_versions_are_those_of_constraints_txt():
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert doctor.tested_versions() == pinned
    assert set(doctor.LIBRARIES) < set(pinned)
    assert set(doctor.MAKING_NUMBERS) < set(doctor.LIBRARIES)


def test_the_oldest_python_is_that_of_the_package():
    [oldest] = re.findall(r'requires-python = ">=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert tuple(map(int, oldest)) == doctor.OLDEST_PYTHON


def test_a_healthy_machine_with_a_ray_that_really_starts(call, tmp_path, monkeypatch):
    """Two lines per finding, meanings of at most 80 columns, exit code 0, and no file is created."""
    monkeypatch.setattr(preflight, "free_memory", lambda: 10e9)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    code, out, err = call("doctor", "--results", str(tmp_path / "r"))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line[6:].split(":")[0] for line in lines if re.match(r"(ok|note|wrong) ", line)] == [
        *["Python", "libraries", "extras", "names", "BLAS threads", "CPU", "cores", "free memory", "kernel cache"],
        *["results", "Ray"],
    ]
    assert "ok    BLAS threads: 1" in lines
    assert "      Enough for 64 agent processes (agents_per_actor: 1)." in lines
    assert lines[-4:] == ["ok    Ray: starts", "      A local Ray started and ran a task.", "", "All is well."]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_something_wrong_ends_with_exit_code_1(call, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(preflight, "free_memory", lambda: 0.5e9)
    monkeypatch.setattr(doctor, "RAY_TRIAL", "raise SystemExit('no room')")
    code, out, _ = call("doctor", "--results", str(tmp_path / "file"))
    assert code == 1
    assert "wrong free memory: 0.5 GB\n      This is too little for Ray: close other programs.\n" in out
    assert f"wrong results: {tmp_path / 'file'}\n" in out
    assert "wrong Ray: no room\n      It does not start: use --backend inline, which does not need it.\n" in out
    assert out.endswith("\nNot well: free memory, results, Ray.\n")


@pytest.mark.usefixtures("quick")
def test_each_fault_has_its_sentence(tmp_path, monkeypatch):
    results = tmp_path / "r"
    tested = doctor.tested_versions()
    monkeypatch.setattr(doctor, "tested_versions", lambda: tested | {"numpy": "1.0", "pandas": "1.0"})
    assert finding("numpy", results)[1:] == (
        "note",
        sys.modules["numpy"].__version__,
        "The tested version is 1.0. Results may differ in the last digits.",
    )
    assert finding("pandas", results).meaning == "The tested version is 1.0. It should work."
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (9, 9))
    assert finding("Python", results)[1::2] == ("wrong", "Python 9.9 or newer is needed: create a new environment.")
    monkeypatch.setitem(doctor.EXTRAS, "deep", ("no_such_module",))
    assert finding("extras", results)[1:] == (
        "note",
        "deep not installed",
        "Only needed for RLlib's PPO and PettingZoo faces: pip install 'marl-orchestrator[deep]'.",
    )
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert finding("Ray", results).meaning == "Runs use this cluster: unset it for a local Ray."
    monkeypatch.setattr("os.access", lambda place, how: False)
    assert finding("results", results)[1::2] == (
        "wrong",
        "Not writable: change its permissions or choose another --results.",
    )
    assert finding("kernel cache", results)[1::2] == (
        "wrong",
        "Not writable: set XDG_CACHE_HOME to a writable folder.",
    )
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [{"internal_api": "openblas", "num_threads": 8}])
    assert finding("BLAS threads", results)[1:3] == ("wrong", "openblas 8")
