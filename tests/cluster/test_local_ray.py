"""A Ray of one's own: it listens on loopback, has a token of its own, and SIGTERM ends a run on it as Ctrl-C does."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cluster.connection import ray_connection
from orchestrator.cluster.trial import why_lost
from orchestrator.errors import UserError

NODES = "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo"


def listening() -> set[str]:
    """Addresses (hexadecimal, as the kernel shows them) on which this process and its descendants listen."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[place.parent.name] = fields[1]
    own = {str(os.getpid())}
    while more := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= more
    sockets = set()
    for pid in own:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if (found := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link))) is not None:
                    sockets.add(found[1])
            except OSError:
                continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks for sockets in /proc")
def test_a_local_ray_listens_on_loopback_only(local_ray):
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert listening() <= loopback
    assert listening()


def test_a_stranger_without_the_token_is_refused(local_ray):
    """The question that every client asks first. With the token it is answered."""
    import grpc
    import ray
    from ray.core.generated import gcs_service_pb2

    messages: Any = gcs_service_pb2
    channel = grpc.insecure_channel(ray.get_runtime_context().gcs_address)
    ask = channel.unary_unary(
        NODES,
        request_serializer=messages.GetAllNodeInfoRequest.SerializeToString,
        response_deserializer=messages.GetAllNodeInfoReply.FromString,
    )

    def answer(token: str) -> grpc.StatusCode:
        known: Any = [("authorization", f"Bearer {token}")] if token else []
        try:
            ask(messages.GetAllNodeInfoRequest(), metadata=known, timeout=20)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    assert answer("") == grpc.StatusCode.UNAUTHENTICATED
    assert answer("0" * 64) == grpc.StatusCode.UNAUTHENTICATED
    assert answer(os.environ["RAY_AUTH_TOKEN"]) == grpc.StatusCode.OK


def test_a_temporary_folder_with_a_long_path_is_named_with_the_cure(tmp_path):
    long = tmp_path / ("t" * 144)
    long.mkdir()
    code = "from orchestrator.checks.doctor import _ray\nprint(_ray())\n"
    code += "from orchestrator.cluster.connection import local_ray\nwith local_ray(1): pass\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(long)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "The path of its sockets is too long: set TMPDIR (or RAY_TMPDIR) to a folder such as /tmp." in done.stdout
    assert "UserError: Ray does not start on this machine" in done.stderr.splitlines()[-1]
    assert "AF_UNIX path length" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('Traceback:\n  File "a.py", line 3, in f\nValueError: too large\n', "ValueError: too large"),
        (
            (
                "The actor died.\n\tclass_name: CellTrial\nWorker exit type: ERROR "
                "Worker exit detail: It ended with code 2."
            ),
            "It ended with code 2",
        ),
        ("", "its process ended"),
    ],
)
def test_a_lost_trial_says_why(text, why):
    assert why_lost(text) == why


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (None, r"Ray does not start on this machine \(The current node timed out\)\. Use --backend inline"),
        ("127.0.0.1:6379", r"address 127\.0\.0\.1:6379: no Ray answers there \(The current node timed out\)\."),
    ],
    ids=["local", "cluster"],
)
def test_whatever_ray_raises_at_its_start_is_a_sentence(monkeypatch, address, said):
    """If the raylet dies during the start, Ray raises a bare ``Exception``."""

    def init(**options):
        raise Exception("The current node timed out.\nSee the logs.")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(UserError, match=said), ray_connection(address):
        pass
