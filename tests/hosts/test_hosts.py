"""The hosts themselves: apart from each other, killed and cut off for real, and gone without a trace."""

import shlex
import subprocess
import sys
import time

import pytest

from tests.tools.hosts.hosts import CHECKOUT, Hosts
from tests.tools.hosts.machine import leftovers, missing

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(missing() is not None, reason=missing() or "")]


def reaches(source, target) -> bool:
    return source.run(f"timeout 2 bash -c 'echo > /dev/tcp/{target.ip}/22'", check=False).ok


def test_hosts_are_apart():
    with Hosts(2) as hosts:
        one, other = hosts
        one.run("echo mine | tee /tmp/file /dev/shm/file ~/file")
        assert other.run("ls -A /tmp /dev/shm | grep file; ls ~/file", check=False).code == 2
        assert one.ssh("hostname").output.strip() == one.name
        assert other.run(f"getent hosts {one.name}").output.split()[0] == one.ip
        one.run(f"echo ours > {hosts.shared}/file")
        assert other.run(f"cat {hosts.shared}/file").output == (hosts.shared / "file").read_text() == "ours\n"
        one.run("sleep 1234 > /dev/null 2>&1 &")
        assert len(one.processes("sleep 1234")) == 1
        assert not other.processes("sleep 1234")


def test_faults_are_real():
    with Hosts(2, shared_mb=8) as hosts:
        one, other = hosts
        assert reaches(one, other)
        other.cut()
        assert not reaches(one, other)
        other.mend()
        assert reaches(one, other)
        one.run("sleep 1234 > /dev/null 2>&1 & touch /tmp/gone ~/kept")
        one.kill()
        assert not one.alive
        assert not one.processes()
        one.start()
        assert one.run("ls ~; test ! -e /tmp/gone").output.split() == ["kept"]
        fill = f"head -c 5000000 /dev/zero > {hosts.shared}/full"
        hosts.resize_shared(4)
        assert "No space left" in one.run(fill, check=False).output
        hosts.resize_shared(8)
        assert one.run(fill).ok


def test_links_are_shaped():
    with Hosts(2) as hosts:
        hosts[1].shape(mbit=20)
        hosts[0].run("head -c 5000000 /dev/urandom > /tmp/file")
        started = time.monotonic()
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        hosts[0].run(f"ssh -i {hosts.key} {options} root@{hosts[1].ip} 'cat > /tmp/file' < /tmp/file")
        assert time.monotonic() - started > 5e6 * 8 / 20e6 * 0.7


#: Opens ten connections to a closed port and prints the milliseconds of the quickest refusal.
REFUSED = """
import socket, sys, time
trips = []
for _ in range(10):
    began = time.perf_counter()
    assert socket.socket().connect_ex((sys.argv[1], 9))
    trips.append(1000 * (time.perf_counter() - began))
print(min(trips))
"""


def round_trip_ms(source, target) -> float:
    """The least of ten round trips: what the others add is the machine's other work."""
    return float(source.run(f"{sys.executable} -c {shlex.quote(REFUSED)} {target.ip}").output)


def test_links_are_delayed():
    with Hosts(2) as hosts:
        assert round_trip_ms(hosts[0], hosts[1]) < 5
        hosts[1].shape(delay_ms=10, mbit=100)
        assert 20 <= round_trip_ms(hosts[0], hosts[1]) < 25
        hosts[1].cut()
        assert not reaches(hosts[0], hosts[1])
        hosts[1].mend()
        assert reaches(hosts[0], hosts[1])
        hosts[1].shape()
        assert round_trip_ms(hosts[0], hosts[1]) < 5


def test_nothing_is_left_behind():
    with Hosts(2):
        assert len(leftovers()) > 5
    assert leftovers() == []


def test_what_a_killed_run_left_is_removed_by_the_next():
    script = """
import os
from tests.tools.hosts.hosts import Hosts
Hosts(1).__enter__()
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT).returncode == -9
    assert leftovers()
    with Hosts(1) as hosts:
        assert hosts[0].ssh("true").ok
    assert leftovers() == []
