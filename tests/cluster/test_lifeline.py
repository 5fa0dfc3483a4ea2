"""Ray itself ends: a sentence and an error, where its library would end the driver with exit code 0."""

import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from orchestrator.cluster import lifeline
from orchestrator.cluster.lifeline import Lifeline

PROGRAM = """
import os, signal, sys
from orchestrator import process
process.prepare()
from orchestrator.cluster.connection import local_ray
with local_ray(1):
    import ray
    from ray._private import worker

    @ray.remote
    def wait():
        import time
        time.sleep(300)

    waiting = wait.remote()
    os.kill(worker._global_node.all_processes[sys.argv[1]][0].process.pid, signal.SIGKILL)
    ray.get(waiting)
"""


START = """
import os, threading, time
from orchestrator import process
process.prepare()
from orchestrator.cluster.connection import local_ray
import psutil

def kill():
    server = []
    while not server:
        time.sleep(0.05)
        server = [child for child in psutil.Process().children() if child.name() == "gcs_server"]
    time.sleep(0.5)
    server[0].kill()

threading.Thread(target=kill, daemon=True).start()
with local_ray(1):
    time.sleep(100)
"""


def test_a_start_that_loses_its_gcs_server_ends_with_a_sentence():
    """Ray would wait for a minute where nothing can interrupt it, and then end the driver without a word."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, timeout=150)
    assert done.returncode != 0
    assert "Ray has ended on this machine" in done.stderr
    assert "Run the same command again" in done.stderr


@pytest.mark.parametrize(
    ("process", "words"), [("raylet", "raylet"), pytest.param("gcs_server", "GCS server", marks=pytest.mark.slow)]
)
def test_a_driver_whose_ray_is_killed_says_so(process, words):
    done = subprocess.run([sys.executable, "-c", PROGRAM, process], capture_output=True, text=True, timeout=150)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        f"orchestrator.errors.UserError: Ray has ended on this machine: its {words} was killed by signal 9. Finished "
        "results are intact. Run the same command again: it computes only what is missing."
    )


def cluster(address: str) -> Lifeline:
    """The lifeline of a process that has started no Ray of its own."""
    return Lifeline(SimpleNamespace(gcs_address=address, all_processes={}))


def test_a_cluster_whose_head_listens_has_not_ended():
    with socket.create_server(("127.0.0.1", 0)) as head:
        assert cluster(f"127.0.0.1:{head.getsockname()[1]}").ended() == ""


def test_a_head_may_be_away_for_a_while(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        line = cluster(f"127.0.0.1:{free.getsockname()[1]}")
        assert line.ended() == ""
        monkeypatch.setattr(lifeline, "GRACE", -1.0)
        assert line.ended().startswith("The head of the cluster at 127.0.0.1:")
