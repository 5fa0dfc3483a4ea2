"""Sweeps as jobs of a cluster of one node: submit, join, refuse, follow, cancel; and how plug-ins travel."""

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from orchestrator import Results
from orchestrator.api import carry_out
from orchestrator.errors import UserError
from orchestrator.planning.batches import batches
from orchestrator.planning.preflight import PROCESS_BYTES, Node
from orchestrator.planning.sweep import Placement
from orchestrator.planning.sweeps import checked, load
from orchestrator.planning.tasks import Task, Unit
from orchestrator.plugins import references, registry
from orchestrator.process import HOME, release

BIN = Path(sys.executable).parent
SWEEP = """
name: mine
env: {name: shared-subspace-mrp, states: 8, features: 4}
cases: {joint: {algorithm: "./mine.py:Mine"}}
base: {rounds: 300}
grid: {agents: [2, 4]}
seeds: 0..1
"""
PLUGIN = """
from algorithms.shared_representation.joint_average_td import JointAverageTD

class Mine(JointAverageTD):
    name = "mine"
"""


#: Commands, one per line of stdin, and what each prints, in one process: to start one takes longer than most commands.
CLIENT = """
import contextlib, io, json, sys
from orchestrator import cli
answers = sys.stdout
for line in sys.stdin:
    sys.argv, out, err = ["orchestrator", *json.loads(line)], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]), file=answers, flush=True)
"""


class Answer(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


class Lone:
    """A cluster of one node and its clients: one process for the commands, and another for those with variables."""

    def __init__(self, folder: Path, address: str, variables: dict[str, str]) -> None:
        self.folder, self.address, self.variables = folder, address, variables
        self._client = self._start({})

    def run(self, *words: str, variables: dict[str, str] | None = None) -> Answer:
        client = self._start(variables) if variables else self._client
        assert client.stdin is not None
        assert client.stdout is not None
        words = words if "--address" in words else (*words, "--address", self.address)
        client.stdin.write(json.dumps(words) + "\n")
        client.stdin.flush()
        assert select.select([client.stdout], [], [], 300)[0], f"no answer to {words}"
        answer = Answer(*json.loads(client.stdout.readline()))
        if variables:
            _end(client)
        return answer

    def close(self) -> None:
        _end(self._client)

    def _start(self, variables: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT],
            env=self.variables | variables,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def jobs(self) -> dict[str, dict]:
        return {job["job"]: job for job in json.loads(self.run("jobs", "--format", "json").out)}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lone]:
    folder = tmp_path_factory.mktemp("lone")
    (folder / "mine.py").write_text(PLUGIN)
    (folder / "mine.yaml").write_text(SWEEP)
    (folder / "token").write_text(secrets.token_hex(32))
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    variables |= {"PATH": f"{BIN}:{os.environ['PATH']}", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token"}
    variables |= {"RAY_AUTH_TOKEN_PATH": str(folder / "token")}
    for attempt in range(3):
        cluster = Lone(folder, f"http://127.0.0.1:{_free_port()}", variables)
        ray = _head(cluster)
        if _is_up(cluster, ray):
            break
        # On a machine that does much else, Ray's own helpers give up after 30 seconds and take the head with them.
        _end(ray)
        cluster.close()
        assert attempt < 2, (folder / "ray.log").read_text()
    try:
        yield cluster
    finally:
        cluster.close()
        _end(ray)
        subprocess.run(["rm", "-rf", f"/tmp/lone{os.getpid()}"], check=True)


def _head(cluster: Lone) -> subprocess.Popen[bytes]:
    # Ray puts sockets there, whose paths must be short.
    command = [str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=2", "--object-store-memory=100000000"]
    dashboard = cluster.address.rpartition(":")[2]
    command += [f"--port={_free_port()}", f"--dashboard-port={dashboard}", f"--temp-dir=/tmp/lone{os.getpid()}"]
    # Another Ray on this machine has the usual ones.
    command += [f"--dashboard-agent-listen-port={_free_port()}", f"--ray-client-server-port={_free_port()}"]
    with open(cluster.folder / "ray.log", "wb") as log:
        return subprocess.Popen(command, env=cluster.variables, stdout=log, stderr=log, cwd=cluster.folder)


def _is_up(cluster: Lone, ray: subprocess.Popen[bytes]) -> bool:
    """Whether it answers within 90 seconds, and still does when Ray has looked after all its helpers once."""
    deadline = time.monotonic() + 90
    while ray.poll() is None and time.monotonic() < deadline:
        if b"--block" in (cluster.folder / "ray.log").read_bytes() and not cluster.run("jobs").code:
            time.sleep(3)
            return ray.poll() is None
        time.sleep(0.5)
    return False


def _end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def test_a_submitted_sweep_has_the_numbers_of_one_process(lone, tmp_path, monkeypatch):
    monkeypatch.chdir(lone.folder)  # the sweep names its plug-in from there
    done = lone.run("submit", "mine.yaml", "--results", str(tmp_path / "r"), "--follow")
    assert done.code == 0, done.out + done.err
    assert "The sweep has started." in done.out
    (job,) = [job for job in lone.jobs().values() if job["results"] == str(tmp_path / "r")]
    assert (job["status"], job["sweep"], job["release"]) == ("succeeded", "mine", release())
    alone = carry_out(load(str(lone.folder / "mine.yaml")), tmp_path / "alone", backend="inline", quiet=True)
    assert Results(tmp_path / "r").fingerprint("mine") == alone.fingerprint("mine")
    assert "4 of 4 replicates" in lone.run("logs", "mine").out
    again = lone.run("submit", "mine.yaml", "--results", str(tmp_path / "r"), "--follow")
    assert "all 4 replicates are stored; nothing to run" in again.out


def test_a_running_sweep_is_joined_or_left_alone_and_can_be_cancelled(lone, tmp_path):
    long = ("submit", "mine.yaml", "rounds=20000000", "--results", str(tmp_path / "r"))
    first = lone.run(*long)
    assert first.code == 0, first.err
    job = first.out.split()[-1].rstrip(".")
    second = lone.run(*long)
    assert (second.code, second.out) == (
        0,
        f"mine is running already as job {job}, with the settings it was started with.\n",
    )
    other = lone.run("submit", "mine.yaml", "rounds=7", "--results", str(tmp_path / "r"))
    assert other.code == 2
    assert f"running with other cells or seeds into {tmp_path / 'r'}, as job {job}" in other.err
    assert lone.run("cancel", "mine").out == f"Job {job} is being stopped.\n"
    deadline = time.monotonic() + 90
    while lone.jobs()[job]["status"] != "stopped":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert "What was finished is stored" in lone.run("logs", job).out
    assert lone.run("cancel", job).out == f"Job {job} had ended already.\n"


REFUSED: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "relative": (("--results", "r"), {}, "absolute path"),
    "unwritable": (("--results", "/proc/nowhere/r"), {}, "/proc/nowhere/r/store.json cannot be written"),
    "too small": (("--results", "/tmp/none", "agents=5000", "--agents-per-actor", "1"), {}, "need 5000 processes"),
    "labels": (("--results", "/tmp/none", "--label", "zone=moon"), {}, "no node of the cluster has these labels"),
    "silent": (("--results", "/tmp/none", "--address", "http://127.0.0.1:9"), {}, "nothing answers there"),
    "no token": (("--results", "/tmp/none"), {"RAY_AUTH_TOKEN_PATH": "/nowhere"}, "does not accept this token"),
    "token": (("--results", "/tmp/none"), {"RAY_AUTH_TOKEN": "0" * 64}, "does not accept this token"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_run_is_refused_at_once_in_a_sentence(lone, case):
    words, variables, said = REFUSED[case]
    done = lone.run("submit", "mine.yaml", *words, variables=variables)
    assert done.code == 2, done.out + done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not Path("/tmp/none").exists()


def test_a_client_of_another_version_is_refused_with_both_named(lone):
    client = (
        "import orchestrator.cluster.job_server as s, orchestrator.cli as c, sys; s.release = lambda: 'another 9.9'; "
        f"sys.argv = ['orchestrator', 'submit', 'mine.yaml', '--results', '/tmp/none', '--address', '{lone.address}']; "
        "c.main()"
    )
    command = [sys.executable, "-c", client]
    done = subprocess.run(command, env=lone.variables, cwd=lone.folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert f"The client has another 9.9, the cluster {release()}." in done.stderr


def test_a_plugin_is_found_where_it_was_shipped_to(tmp_path, monkeypatch):
    mine = tmp_path / "home" / "mine.py"
    mine.parent.mkdir()
    mine.write_text(PLUGIN.replace('"mine"', '"shipped"'))
    reference = references.pinned(f"{mine}:Mine")
    (tmp_path / "job").mkdir()
    references.ship([reference, "joint-average-td"], tmp_path / "job")
    mine.unlink()
    with pytest.raises(UserError, match="no such file"):
        registry.algorithm(reference)
    monkeypatch.syspath_prepend(str(tmp_path / "job"))
    assert registry.algorithm(reference).name == "shipped"
    (shipped,) = [path for path in (tmp_path / "job").iterdir() if path.name.startswith(references.SHIPPED)]
    assert [path.name for path in shipped.iterdir()] == ["mine.py"]


def test_a_trial_reserves_a_cpu_and_memory():
    from orchestrator.cluster.trial import bundles

    def reserved(per_actor: int | None, count: int, **placement) -> tuple[list[dict], str]:
        content = {"name": "m", "env": {"name": "shared-subspace-mrp"}, "cases": {"a": {"algorithm": "independent-td"}}}
        sweep = checked(content | {"base": {"agents": 6, "rounds": 1}}, "m")
        task = Task(sweep.cells[0][1], (0,))
        nodes = [Node(str(k), "", {"CPU": 4, "memory": 1e9}) for k in range(count)]
        found = bundles([Unit(task, per_actor)], Placement.model_validate(placement), nodes, {task.cell.id: 3e7})
        return [{name: round(size, 3) for name, size in b.items()} for b in found.bundles], found.strategy

    def own(processes: int) -> dict[str, float]:
        return {"CPU": 1.0, "memory": processes * PROCESS_BYTES + 3e7}

    assert reserved(None, 3, strategy="spread") == ([own(1)], "PACK")
    assert reserved(3, 3) == ([own(3)], "PACK")
    assert reserved(1, 3) == ([{"CPU": 1.0, "memory": 0.8e9}], "PACK")  # 905 MB: no more than a cell may take
    assert reserved(1, 0, strategy="spread") == ([{"CPU": 1.0}], "PACK")  # no node is known yet
    assert reserved(1, 3, strategy="spread") == ([own(3), *[{"memory": 2 * PROCESS_BYTES}] * 2], "SPREAD")
    assert reserved(3, 3, strategy="spread") == ([own(2), {"memory": PROCESS_BYTES}], "SPREAD")


def test_a_trial_reserves_what_its_coordinators_need(monkeypatch):
    """By Ray's names, and none of what it does not need. Coordinators with other needs are in other batches."""
    from orchestrator.cluster.trial import bundles

    def unit(algorithm: str, needs: dict[str, float] | None) -> Unit:
        if needs is not None:
            monkeypatch.setattr(registry.algorithm(algorithm), "resources", classmethod(lambda cls, parameters: needs))
        content = {"name": "m", "env": {"name": "shared-subspace-mrp"}, "cases": {"a": {"algorithm": algorithm}}}
        sweep = checked(content | {"base": {"agents": 6, "rounds": 1}}, "m")
        return Unit(Task(sweep.cells[0][1], (0,)), None)

    def reserved(*batch: Unit) -> list[dict]:
        return bundles(batch, Placement.model_validate({}), [], {}).bundles

    assert reserved(unit("joint-average-td", None)) == [{"CPU": 1.0}]
    deep = unit("independent-td", {"cpu": 2, "gpu": 0.5, "licence": 1})
    assert reserved(deep) == [{"CPU": 2.0, "GPU": 0.5, "licence": 1.0}]
    more = unit("fedtd", {"cpu": 1, "gpu": 1, "licence": 0})
    assert [reserved(*batch) for batch in batches([deep, more, deep], 1)] == [
        reserved(deep),
        [{"CPU": 1.0, "GPU": 1.0}],
    ]


def test_the_job_runs_this_very_source(lone):
    """The cluster's Python finds the package of this checkout: otherwise the tests above test another one."""
    program = "import orchestrator.process as p; print(p.HOME)"
    done = subprocess.run(["python", "-c", program], env=lone.variables, cwd="/", capture_output=True, text=True)
    assert done.stdout.strip() == str(HOME)
