"""Promise 3: a sweep is a set, not a job. Running it again does what is missing, whatever happened before."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow.parquet import read_metadata

from orchestrator import Results, execution
from orchestrator.api import carry_out
from orchestrator.cluster import tune
from orchestrator.errors import UserError
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.plan import Backend, plan
from orchestrator.planning.preflight import Node
from orchestrator.planning.sweeps import checked, load
from orchestrator.plugins import registry
from orchestrator.process import release, source_hash
from orchestrator.progress.watcher import Watcher
from orchestrator.running.checkpoint import Keeper, Tree, pack, unpack
from orchestrator.running.drive import run_task
from orchestrator.running.fit import Misfit, check_fit
from orchestrator.store import Store
from tests.tools.engine import ROOT, WORKED, Diary, numbers, run, task

pytestmark = pytest.mark.usefixtures("watchdog")

DRIFT, LINE = WORKED["drift"]
TROUBLE, NOWHERE = WORKED["trouble"]
GPU = {"cpu": 1, "gpu": 1}
KEY = "SELECT cell_id, seed, count(*) AS times FROM {} GROUP BY ALL"


def definition(**changes):
    """Six cells of random walks, quick and without any claim."""
    content = {
        "name": "walks",
        "env": {"name": LINE},
        "cases": {"loose": {"algorithm": DRIFT, "pull": 0.01}, "tight": {"algorithm": DRIFT, "pull": 0.5}},
        "base": {"rounds": 12},
        "grid": {"agents": [1, 2, 4]},
        "seeds": "0..3",
    }
    return checked(content | changes, "test")


def done(definition, results, backend: Backend = "inline", **options: Any) -> Results:
    return carry_out(definition, results, backend=backend, quiet=True, **options)


def stored(results: Results) -> int:
    """Rows of ``runs`` in the segments, before the view takes duplicates away."""
    return sum(read_metadata(path).num_rows for path in (Path(results.store.location) / "runs").glob("*.parquet"))


def assert_each_once(results: Results, cells: int, seeds: int) -> None:
    view = results.sql(KEY.format("runs"))
    assert len(view) == cells * seeds
    assert (view["times"] == 1).all()
    records = results.sql("SELECT replicate_id, round, count(*) AS times FROM metrics GROUP BY ALL")
    assert (records["times"] == 1).all()
    assert records["replicate_id"].nunique() == cells * seeds


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> str:
    """The fingerprint of the sweep left alone."""
    return done(definition(), tmp_path_factory.mktemp("alone") / "results").fingerprint("walks")


def test_running_again_runs_nothing(tmp_path, alone):
    first = done(definition(), tmp_path / "r")
    assert_each_once(first, 6, 4)
    assert stored(first) == 24
    again = done(definition(), tmp_path / "r")
    assert stored(again) == 24
    assert again.fingerprint("walks") == alone


def test_more_seeds_and_grid_values_run_only_those(tmp_path, alone):
    told: list[int] = []

    def announce(planned):
        told.append(sum(len(task.seeds) for task in planned.tasks))

    place = tmp_path / "r"
    done(definition(seeds="0..1", grid={"agents": [1, 2]}), place, announce=announce)
    done(definition(seeds="0..3", grid={"agents": [1, 2]}), place, announce=announce)
    done(definition(seeds="2..3"), place, announce=announce)
    last = done(definition(), place, announce=announce)
    assert told == [2 * 2 * 2, 2 * 2 * 2, 2 * 2, 2 * 2]
    assert stored(last) == 24
    assert_each_once(last, 6, 4)
    assert last.fingerprint("walks") == alone


def test_cells_are_shared_between_sweeps_of_one_folder(tmp_path):
    """A cell belongs to whoever names it: the second sweep finds half of its cells done."""
    done(definition(), tmp_path / "r")
    told = []
    other = definition(name="others", grid={"agents": [4, 8]})
    found = done(other, tmp_path / "r", announce=lambda planned: told.append((planned.finished, planned.total)))
    assert told == [(8, 16)]
    assert len(found.summary("others")) == 16
    assert len(found.summary("walks")) == 24


def test_a_parameter_may_be_a_number_in_one_cell_and_a_word_in_another(tmp_path):
    """Cells that are stored together, and later ones beside them."""
    mixed = {
        "name": "mixed",
        "env": {"name": "shared-subspace-mrp", "states": 4, "features": 3},
        "cases": {"any": {"algorithm": "fedtd"}},
        "base": {"agents": 2, "rounds": 2},
        "grid": {"env.instance": [0, "seed"]},
        "seeds": "0..1",
    }
    assert len(done(checked(mixed, "test"), tmp_path / "r").summary("mixed")) == 4
    more = checked(mixed | {"grid": {"env.instance": [0, "seed", 7]}}, "test")
    found = done(more, tmp_path / "r").summary("mixed")
    assert sorted(found["env_instance"]) == ["0", "0", "7", "7", "seed", "seed"]


def test_rounds_0_records_the_start(tmp_path):
    found = done(definition(base={"rounds": 0}, grid={"agents": [2]}, seeds="0..1"), tmp_path / "r")
    curves = found.curves("walks")
    assert list(curves["round"]) == [0] * 4
    assert list(curves["centre"]) == [0.0] * 4
    assert list(curves["agent_steps"]) == [0] * 4
    assert list(found.summary("walks")["rounds"]) == [0] * 4
    assert (found.summary("walks")["centre_tail"] == 0.0).all()


def troubled(**settings):
    """One cell of which seed 1 is in trouble, and one that is well."""
    cases = {"ill": {"algorithm": TROUBLE, **settings}, "well": {"algorithm": TROUBLE}}
    return checked(
        {
            "name": "ward",
            "env": {"name": NOWHERE},
            "cases": cases,
            "base": {"rounds": 6, "agents": 2},
            "seeds": "0..2",
        },
        "test",
    )


def test_a_failed_replicate_is_recorded_while_others_go_on(tmp_path):
    found = done(troubled(what="block", at=3), tmp_path / "r").summary("ward")
    status = {(row["case"], row["seed"]): row["status"] for _, row in found.iterrows()}
    assert status == {
        (case, seed): "failed" if (case, seed) == ("ill", 1) else "done"
        for case in ("ill", "well")
        for seed in range(3)
    }
    (error,) = found[found["status"] == "failed"]["error"]
    assert error.startswith("RuntimeError: agent 0 fell ill\n")
    assert "in walk" in error
    assert found[found["status"] == "failed"]["mean_final"].isna().all()


def test_divergence_is_recorded_with_its_round(tmp_path):
    results = done(troubled(what="nan", at=4), tmp_path / "r")
    found = results.summary("ward")
    (row,) = found[found["status"] == "diverged"].to_dict("records")
    assert (row["seed"], row["rounds"], row["error"]) == (1, 4, "mean was not finite at round 4")
    curve = results.curves("ward")
    assert curve[(curve["case"] == "ill") & (curve["seed"] == 1)]["round"].max() == 4


def test_failed_replicates_are_run_again_only_when_asked(tmp_path):
    """The block raises as long as a file is missing, which stands for a full disk, a broken mount, …"""
    told = []

    def announce(planned):
        told.append([len(task.seeds) for task in planned.tasks])

    ill = troubled(what="once", at=3, marker=str(tmp_path / "mended"))
    found = done(ill, tmp_path / "r", announce=announce)
    assert list(found.summary("ward")["status"]).count("failed") == 1
    (tmp_path / "mended").touch()
    found = done(ill, tmp_path / "r", announce=announce)
    assert list(found.summary("ward")["status"]).count("failed") == 1
    found = done(ill, tmp_path / "r", retry_failed=True, announce=announce)
    assert list(found.summary("ward")["status"]) == ["done"] * 6
    assert told == [[3, 3], [], [1]]
    (tmp_path / "clean").mkdir()
    well = done(troubled(what="once", at=3, marker=str(tmp_path / "mended")), tmp_path / "clean")
    assert found.fingerprint("ward") == well.fingerprint("ward")


# Real processes from here on.

PROGRAM = """
import functools, sys
from orchestrator import sweep
from orchestrator.running import inline, writer
writer.FLUSH_SECONDS = {flush}
inline.Keeper = functools.partial(inline.Keeper, every={every}, save_every={every})
print("begun", flush=True)
print(sweep(sys.argv[1], backend="{backend}", results=sys.argv[2]).fingerprint("slow"))
"""


#: A sweep on a cluster whose head has no CPU to give, and whose first worker comes when the sweep waits for one.
LATE = """
import sys, threading, time
from ray.cluster_utils import Cluster
from orchestrator import sweep
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
running = threading.Thread(target=lambda: sweep(sys.argv[1], results=sys.argv[2], address=cluster.address))
running.start()
time.sleep(5)
cluster.add_node(num_cpus=2)
running.join()
"""


def write_slow(path: Path, cells: int = 4, rounds: int = 60, pause: float = 0.004) -> None:
    """A sweep file of cells that take about rounds x pause x 3 seconds each, inline."""
    path.write_text(
        textwrap.dedent(f"""
        name: slow
        env: {{name: "{NOWHERE}"}}
        cases: {{only: {{algorithm: "{TROUBLE}"}}}}
        base: {{rounds: {rounds}, pause: {pause}}}
        grid: {{agents: {list(range(1, cells + 1))}}}
        seeds: 0..2
        record: {{every: 5}}
        """)
    )


def start(file: Path, results: Path, backend="inline", flush=0.1, every=1e9) -> subprocess.Popen:
    program = PROGRAM.format(flush=flush, backend=backend, every=every)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(file), str(results)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    """The fingerprint that it prints."""
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return out.strip().splitlines()[-1]


def has_runs(results: Path) -> bool:
    return any((results / "runs").glob("*.parquet"))


@pytest.fixture(scope="module")
def slow(tmp_path_factory) -> tuple[Path, str]:
    """The slow sweep's file, and its fingerprint when left alone."""
    folder = tmp_path_factory.mktemp("slow")
    write_slow(folder / "slow.yaml")
    return folder / "slow.yaml", done(load(str(folder / "slow.yaml")), folder / "alone").fingerprint("slow")


def test_a_driver_killed_again_and_again(tmp_path, slow):
    """SIGKILL at random moments, most of them in the middle of a cell or of a flush; then to the end."""
    file, expected = slow
    chance = random.Random(5)
    for _ in range(4):
        process = start(file, tmp_path / "r")
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.0, 1.2))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert finish(start(file, tmp_path / "r")) == expected
    found = Results(tmp_path / "r")
    assert_each_once(found, 4, 3)
    assert stored(found) == 12, "a finished replicate was run again"


def test_two_drivers_on_one_folder(tmp_path, slow):
    file, expected = slow
    drivers = [start(file, tmp_path / "r") for _ in range(2)]
    assert [finish(driver) for driver in drivers] == [expected, expected]
    found = Results(tmp_path / "r")
    assert_each_once(found, 4, 3)
    assert found.fingerprint("slow") == expected


def wait_for(condition, process: subprocess.Popen, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_long_cell_goes_on_from_its_checkpoint(tmp_path):
    """Killed in the middle of its only cell; the second process resumes, and the checkpoint is gone at the end."""
    write_slow(tmp_path / "slow.yaml", cells=1, rounds=200)
    expected = done(load(str(tmp_path / "slow.yaml")), tmp_path / "alone").fingerprint("slow")
    results = tmp_path / "r"
    process = start(tmp_path / "slow.yaml", results, every=0.1)
    wait_for(lambda: any((results / "checkpoints").glob("[!.]*")), process)
    process.kill()
    process.communicate()
    assert finish(start(tmp_path / "slow.yaml", results)) == expected
    (events,) = Results(results).sql("SELECT events FROM timings")["events"]
    assert "going on from its checkpoint" in events
    assert not list((results / "checkpoints").glob("*"))
    assert_each_once(Results(results), 1, 3)


def changed(whole: Tree, change: str) -> Tree:
    """A checkpoint with another structure, as somebody could have made it."""
    tree = unpack(pack(whole))
    snapshot, replica = tree["snapshot"], tree["snapshot"]["replicas"][0]
    _, _, state = snapshot["blocks"][0]
    name = next(name for name, value in state.items() if name != "rng" and isinstance(value, np.ndarray))
    match change:
        case "a number":
            tree["snapshot"] = 7
        case "no blocks":
            snapshot["blocks"] = []
        case "a seed less":
            snapshot["replicas"].pop()
        case "a round too many":
            snapshot["round"] = 13
        case "other rows":
            state[name] = state[name][:1]
        case "other dtype":
            state[name] = state[name].astype(np.float32)
        case "a name less":
            del state[name]
        case "no coordinator":
            replica["coordinator"] = {}
        case "no traffic":
            replica["traffic"] = {"calls": "many"}
        case "values that do not fit":
            replica["recorder"]["values"] = np.zeros((1, 99))
        case "another cell":
            tree["name"] = "0" * 16 + tree["name"][16:]
        case "other source":
            tree["source"] = "0" * 16
    return tree


CHANGED = ["a number", "no blocks", "a seed less", "a round too many", "other rows", "other dtype", "a name less",
           "no coordinator", "no traffic", "values that do not fit", "another cell", "other source"]  # fmt: skip


@pytest.mark.parametrize("damage", ["truncated", "empty", "noise", "a bit", *CHANGED])
def test_a_checkpoint_that_is_not_ours_is_ignored(tmp_path, damage, caplog):
    """The cell then starts from its beginning, to the same numbers, and says why."""
    of = task("market", (0, 1), {"every": 2}, agents=3, rounds=12)
    diary = Diary()
    expected = numbers(run(of, 1, diary))
    blobs = Store.open(tmp_path / "r", create=True).checkpoints
    keeper = Keeper(of.cell.id, of.seeds, blobs)
    tree = {"source": source_hash(), "name": keeper.name, "snapshot": unpack(diary.packed[6])}
    whole = pack(tree)
    if damage in CHANGED:
        blobs.write(keeper.name, pack(changed(tree, damage)))
    else:
        blobs.write(keeper.name, whole)
        file = tmp_path / "r" / "checkpoints" / keeper.name
        data = file.read_bytes()
        middle = len(data) // 2
        file.write_bytes(
            {
                "truncated": data[:middle],
                "empty": b"",
                "noise": random.Random(1).randbytes(500),
                "a bit": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            }[damage]
        )
    outcome = run_task(of, InlineFleet(), keeper)
    assert outcome.events == []
    assert numbers(outcome) == expected
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == (damage != "other source")
    assert all("is ignored" in text and keeper.name in text and "\n" not in text for text in warned)
    blobs.write(keeper.name, whole)
    outcome = run_task(of, InlineFleet(), Keeper(of.cell.id, of.seeds, blobs))
    assert len(outcome.events) == 1
    assert numbers(outcome) == expected


def test_a_state_that_is_kept_as_something_simpler_fits():
    """An enumeration comes back as a string, and what was empty at the start may have grown."""
    phase = StrEnum("phase", ["begin", "end"])
    replica = {"coordinator": {"phase": phase.begin, "seen": np.zeros((0, 2)), "best": None}, "done": False,
               "completed": 0,
               "recorder": {"names": [], "measured": np.zeros((0, 3), np.int64), "values": np.zeros((0, 0))},
               "traffic": {"calls": 0}, "status": "running", "error": "", "agents": {}}  # fmt: skip
    fresh = {"round": 0, "blocks": [], "replicas": [replica]}
    saved = unpack(pack(fresh))
    saved["replicas"][0]["coordinator"] |= {"seen": np.zeros((4, 2)), "best": np.ones(3)}
    check_fit(saved, fresh, [0], 5)
    saved["replicas"][0]["coordinator"]["seen"] = np.zeros((4, 3))
    with pytest.raises(Misfit, match="seen has the shape"):
        check_fit(saved, fresh, [0], 5)


# On Ray.


def test_tune_gives_the_inline_numbers(tmp_path, alone, local_ray):
    """Trials of several cells with the agents inside, and with one process per agent."""
    auto = done(definition(), tmp_path / "auto", "ray")
    assert auto.fingerprint("walks") == alone
    assert_each_once(auto, 6, 4)
    each = done(definition(grid={"agents": [2]}, seeds="0..1"), tmp_path / "each", "ray", per_actor=1)
    inline = done(definition(grid={"agents": [2]}, seeds="0..1"), tmp_path / "inline")
    assert each.fingerprint("walks") == inline.fingerprint("walks")


def test_failures_in_trials_are_recorded(tmp_path, local_ray):
    on_ray = done(troubled(what="block", at=3), tmp_path / "ray", "ray")
    inline = done(troubled(what="block", at=3), tmp_path / "inline")
    assert on_ray.fingerprint("ward") == inline.fingerprint("ward")
    assert list(on_ray.summary("ward")["status"]).count("failed") == 1


def trial_processes() -> list[int]:
    """Processes of Tune trials that are at work, among the descendants of this very process."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            pid = int(folder.name)
            parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            names[pid] = (folder / "cmdline").read_text()

    def ours(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                return True
        return False

    return [pid for pid in names if "Trainable.train" in names[pid] and ours(pid)]


def test_a_trial_killed_in_the_middle(tmp_path, local_ray, caplog):
    """Every replicate once, and the numbers of a sweep left alone. A cell takes about 2 seconds."""
    file = tmp_path / "slow.yaml"
    write_slow(file, pause=0.012)
    expected = done(load(str(file)), tmp_path / "alone").fingerprint("slow")
    killed: list[int] = []
    over = threading.Event()

    def kill_two() -> None:
        chance = random.Random(3)
        while len(killed) < 2 and not over.wait(0.05):
            for pid in [pid for pid in trial_processes() if pid not in killed][:1]:
                over.wait(chance.uniform(0.3, 1.0))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    killer = threading.Thread(target=kill_two, daemon=True)
    killer.start()
    found = done(load(str(file)), tmp_path / "r", "ray")
    over.set()
    killer.join()
    assert killed
    assert "a trial was lost (" in caplog.text  # and why
    assert "running its unfinished cells again" in caplog.text
    assert found.fingerprint("slow") == expected
    assert_each_once(found, 4, 3)


def test_a_cell_that_kills_its_process_is_recorded_and_takes_no_other_with_it(tmp_path, local_ray, monkeypatch):
    """In company and alone, once each: that a lost trial is started again is shown above."""
    monkeypatch.setattr(tune, "RETRIES", 0)
    found = done(troubled(marker=str(tmp_path / "death"), deaths=99), tmp_path / "r", "ray").summary("ward")
    status = found.groupby("case")["status"].unique()
    assert list(status["ill"]) == ["failed"]
    assert list(status["well"]) == ["done"]
    assert found[found["case"] == "ill"]["error"].str.contains("ended early 2 times").all()


def test_a_node_of_another_version_that_joins_later_ends_the_sweep_in_a_sentence(tmp_path, local_ray, monkeypatch):
    monkeypatch.setattr(tune, "release", lambda: "another 9.9")  # after the check of the nodes
    with pytest.raises(
        UserError, match=rf"^Node [\d.]+ has {re.escape(release())}, this process another 9\.9\. Install"
    ):
        done(definition(), tmp_path / "r", "ray")


def test_a_node_that_does_not_see_the_results_is_named(tmp_path, local_ray, monkeypatch, caplog):
    monkeypatch.setattr(tune, "check_nodes", lambda *_: [])  # as if it had joined later
    monkeypatch.setattr(tune, "_absolute", lambda store: str(tmp_path / "elsewhere"))
    found = done(definition(grid={"agents": [2]}), tmp_path / "r", "ray")
    assert list(found.summary("walks")["status"]) == ["done"] * 8
    assert "does not see the results folder: its cells keep no checkpoints" in caplog.text


@pytest.mark.parametrize(("nodes", "most"), [(None, 2), ([], None)], ids=["this machine", "no worker yet"])
def test_on_a_cluster_all_trials_may_wait_for_nodes(tmp_path, local_ray, monkeypatch, nodes, most):
    """It gets more by what waits, also while the head has no CPU to give and no worker is there."""
    told = []
    here = [Node("n", "10.0.0.1", {"CPU": 2, "memory": 1e9})] if nodes is None else []
    monkeypatch.setattr(tune, "usable", lambda labels: here)
    monkeypatch.setattr(tune, "_trials", lambda given, placements, most, writer: told.append(most) or "no node")
    store = Store.open(tmp_path / "r", create=True)
    planned = plan(definition(), store, "ray", None, nodes=nodes)
    execution.execute(planned, store, "ray", None, Watcher())
    assert told == [most] * 2


def test_a_gpu_that_no_node_has_ends_the_sweep_in_a_sentence(tmp_path, local_ray, monkeypatch, call):
    """Ray would keep its trial waiting for ever."""
    monkeypatch.setattr(registry.algorithm(DRIFT), "resources", classmethod(lambda cls, parameters: GPU))
    code, _, said = call("run", DRIFT, LINE, "agents=2", "--backend", "ray", "--results", str(tmp_path / "r"))
    assert code == 2
    assert "needs a node with 1 CPU and 1 GPU, and the cluster has only nodes with 2 CPU and 0 GPU." in said


def test_a_ray_that_is_started_for_the_sweep_is_asked_for_its_gpus(tmp_path, local_ray, monkeypatch):
    """Planning does not know it yet."""
    monkeypatch.setattr(registry.algorithm(DRIFT), "resources", classmethod(lambda cls, parameters: GPU))
    store = Store.open(tmp_path / "r", create=True)
    planned = plan(definition(), store, "ray", None)
    with pytest.raises(UserError, match="needs a node with 1 CPU and 1 GPU"):
        execution.execute(planned, store, "ray", None, Watcher())


@pytest.mark.slow
def test_workers_that_come_after_the_start_are_used_at_once(tmp_path):
    """A head without a CPU; then a worker of two, on which two trials run side by side."""
    write_slow(tmp_path / "slow.yaml", cells=2, rounds=400)
    command = [sys.executable, "-c", LATE, str(tmp_path / "slow.yaml"), str(tmp_path / "r")]
    process, most = subprocess.Popen(command, cwd=ROOT), 0
    while process.poll() is None:
        most = max(most, len(trial_processes()))
        time.sleep(0.1)
    assert process.returncode == 0
    assert most == 2
    assert_each_once(Results(tmp_path / "r"), 2, 3)


@pytest.mark.slow
def test_a_driver_with_ray_killed(tmp_path):
    """Once while its Ray starts or its first cells run, once with some cells stored."""
    file, results = tmp_path / "slow.yaml", tmp_path / "r"
    write_slow(file, pause=0.015)
    expected = done(load(str(file)), tmp_path / "alone").fingerprint("slow")
    for wait, condition in ((5.0, results.exists), (0.0, lambda: has_runs(results))):
        process = start(file, results, "ray")
        wait_for(condition, process)
        time.sleep(wait)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert finish(start(file, results, "ray")) == expected
    assert_each_once(Results(results), 4, 3)
    assert stored(Results(results)) == 12
