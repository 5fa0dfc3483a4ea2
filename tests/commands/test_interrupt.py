"""Ctrl-C on a real process, and what a second terminal sees while it runs."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator import Results
from tests.tools.engine import COORDINATORS

#: One cell that is over at once, and one that nobody waits for.
SWEEP = """
name: test/endless
env: {name: shared-subspace-mrp, states: 6, features: 3}
cases: {joint: {algorithm: joint-average-td}}
base: {agents: 2}
grid: {rounds: [5, 2000000000]}
seeds: 0
"""
PROGRAM = "import sys\nfrom orchestrator import cli\nsys.argv = ['orchestrator', *sys.argv[1:]]\ncli.main()"
PATIENCE = 120.0


def until(what, process: subprocess.Popen) -> None:
    """Wait for ``what()`` while the process lives."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def living(group: int) -> list[str]:
    """Processes of a session that are no zombies."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == group and fields[0] != "Z":
            found.append(place.parent.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("backend", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(call, tmp_path, backend, how):
    """``kill`` and the end of a batch job send SIGTERM, to the driver alone."""
    (tmp_path / "endless.yaml").write_text(SWEEP)
    log, where = tmp_path / "r" / "logs" / "test" / "endless.log", ["--results", str(tmp_path / "r")]
    words = ["sweep", str(tmp_path / "endless.yaml"), "--backend", backend, *where]
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background has them ignore it, and children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,
    )
    try:
        until(lambda: log.exists() and log.read_text().count(" begin\n") == 2 and " done\n" in log.read_text(), started)

        _, out, err = call("status", "test/endless", *where)
        assert f"test/endless is running; its log is {log}." in err
        done = re.findall(r"cell (\w{16}) \(joint\): seeds 0 done", log.read_text())
        code, out, _ = call("logs", "test/endless", *where)
        assert (code, out) == (0, log.read_text())
        code, out, _ = call("logs", done[0], *where)
        assert code == 0
        assert out.splitlines()[0].startswith(f"cell {done[0]} (case joint of test/endless)")
        assert f"cell {done[0]} (joint): seeds 0 begin" in out

        if how == signal.SIGINT:
            os.killpg(started.pid, how)  # as a terminal does: to all its processes
        else:
            started.send_signal(how)
        out, err = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 130
    assert out == ""
    starting = ["starting Ray on this machine", "starting processes, compiling"] if backend == "ray" else []
    assert [line for line in err.splitlines() if " passed" not in line] == [
        "test/endless: 2 of 2 replicates to run (2 cells).",
        f"Log: {log}",
        *(f"test/endless: {what}" for what in starting),
        "Stopped. 1 of 2 replicates are stored. To continue:",
        f"  orchestrator {' '.join(words)}",
    ]
    assert log.read_text().splitlines()[-1].endswith("INFO orchestrator: test/endless stops: KeyboardInterrupt")
    status = Results(tmp_path / "r").status().to_dict("records")
    assert [(row["planned"], row["done"], row["missing"]) for row in status] == [(2, 1, 1)]
    assert list((tmp_path / "r" / "checkpoints").glob("probe-*")) == []
    deadline = time.monotonic() + 20
    while living(started.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert living(started.pid) == []
    _, _, err = call("status", *where)
    assert "is running" not in err


def test_logs_of_a_replicate_that_failed(call, tmp_path, monkeypatch):
    """The whole error of that seed alone; and a name that is nowhere."""
    trouble = COORDINATORS / "trouble.py"
    where = ["--results", str(tmp_path / "r")]
    words = ["run", f"{trouble}:Trouble", f"{trouble}:Nowhere", "what=round", "--name", "bad", "--rounds", "4"]
    code, _, err = call(*words, "--seeds", "0..1", "--backend", "inline", *where)
    assert code == 1, err
    cell = Results(tmp_path / "r").sql("SELECT cell_id FROM runs WHERE status = 'failed'")["cell_id"][0]
    assert f"cell {cell} (trouble, 2 agents), seed 1: failed: " in err
    code, whole, _ = call("logs", cell, *where)
    assert [line for line in whole.splitlines() if line.startswith("seed ")] == [
        "seed 0: done after 4 rounds",
        "seed 1: failed after 2 rounds",
    ]
    code, out, _ = call("logs", f"{cell}-1", *where)
    assert code == 0
    assert out.splitlines()[0].endswith(" of bad), trouble on nowhere, 2 agents")
    assert "seed 0: done" not in out
    assert "    RuntimeError: the server fell ill" in out.splitlines()
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9")
    code, out, err = call("logs", "bda", *where)
    assert (code, out) == (2, "")
    assert err == (
        f"{tmp_path}/r holds no sweep and no cell 'bda': did you mean 'bad'? For a job of a cluster give --address.\n"
    )
