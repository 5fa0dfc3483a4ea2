"""What the doctor says of a healthy machine, and of every illness it knows."""

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
    """Without starting a Ray."""
    monkeypatch.setattr(doctor, "RAY_TRIAL", "pass")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def found(what: str, results: Path) -> Finding:
    """One finding."""
    [one] = [finding for finding in examine(str(results)) if finding.what == what]
    return one


def test_the_tested_versions_are_those_of_constraints_txt():
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert {name: pinned[name] for name in doctor.TESTED} == doctor.TESTED


def test_the_oldest_python_is_that_of_the_package():
    [oldest] = re.findall(r'requires-python = ">=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert tuple(map(int, oldest)) == doctor.OLDEST_PYTHON


def test_a_healthy_machine_with_a_ray_that_really_starts(call, tmp_path, monkeypatch):
    """Two lines a finding, at most 80 columns of meaning, exit code 0, nothing made."""
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
    assert "      Up to 64 agent processes (agents_per_actor 1)." in lines
    assert lines[-4:] == ["ok    Ray: starts", "      A local Ray started and ran a task.", "", "All is well."]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_what_is_wrong_ends_with_1(call, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(preflight, "free_memory", lambda: 0.5e9)
    monkeypatch.setattr(doctor, "RAY_TRIAL", "raise SystemExit('no room')")
    code, out, _ = call("doctor", "--results", str(tmp_path / "file"))
    assert code == 1
    assert "wrong free memory: 0.5 GB\n      Too little for Ray: close something.\n" in out
    assert f"wrong results: {tmp_path / 'file'}\n" in out
    assert "wrong Ray: no room\n      It does not start here; --backend inline runs without it.\n" in out
    assert out.endswith("\nNot well: free memory, results, Ray.\n")


@pytest.mark.usefixtures("quick")
def test_each_illness_has_its_sentence(tmp_path, monkeypatch):
    results = tmp_path / "r"
    monkeypatch.setitem(doctor.TESTED, "numpy", "1.0")
    assert found("numpy", results)[1:] == (
        "note",
        sys.modules["numpy"].__version__,
        "Tested is 1.0. Last digits, and so fingerprints, may differ.",
    )
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (9, 9))
    assert found("Python", results)[1::2] == ("wrong", "9.9 or newer is needed: make a virtual environment with one.")
    monkeypatch.setitem(doctor.EXTRAS, "deep", ("no_such_module",))
    assert found("extras", results)[1:] == (
        "note",
        "without deep",
        "Needed only for RLlib's PPO and PettingZoo faces: pip install 'marl-orchestrator[deep]'.",
    )
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert found("Ray", results).meaning == "Runs join that cluster; unset it for a local Ray."
    monkeypatch.setattr("os.access", lambda place, how: False)
    assert found("results", results)[1::2] == (
        "wrong",
        "Not writable: change its permissions, or name another --results.",
    )
    assert found("kernel cache", results)[1::2] == (
        "wrong",
        "Not writable: set XDG_CACHE_HOME to a folder that is.",
    )
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [{"internal_api": "openblas", "num_threads": 8}])
    assert found("BLAS threads", results)[1:3] == ("wrong", "openblas 8")
