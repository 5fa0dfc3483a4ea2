"""Three Ray nodes in network namespaces of this machine and a coordinator on the first, for studies of links."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from benchmarks.scaling import clock
from orchestrator.process import HOME, environment

NODES = 3
#: Bytes of the stream that measures a link.
STREAM = 16 << 20

#: Sends back each byte that it gets.
ECHO = """
import socket
with socket.create_server(("0.0.0.0", 9998)) as server:
    stream, _ = server.accept()
    with stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while got := stream.recv(1):
            stream.sendall(got)
"""
#: Prints the shortest of 50 round trips of a byte, in ms.
RTT = """
import socket, sys, time
for _ in range(100):
    try:
        stream = socket.create_connection((sys.argv[1], 9998))
        break
    except OSError:
        time.sleep(0.05)
trips = []
with stream:
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(50):
        began = time.perf_counter()
        stream.sendall(b"x")
        stream.recv(1)
        trips.append(time.perf_counter() - began)
        time.sleep(0.02)
print(min(trips) * 1e3)
"""
#: Reads a stream and prints its rate, in Mbit/s.
SINK = f"""
import socket, time
with socket.create_server(("0.0.0.0", 9999)) as server:
    print("ready", flush=True)
    stream, _ = server.accept()
    with stream:
        got, began = len(stream.recv(1 << 16)), time.perf_counter()
        first = got
        while got < {STREAM}:
            got += len(stream.recv(1 << 20))
        print((got - first) * 8e-6 / (time.perf_counter() - began))
"""
SOURCE = f"""
import socket, sys, time
for _ in range(100):
    try:
        stream = socket.create_connection((sys.argv[1], 9999))
        break
    except OSError:
        time.sleep(0.05)
with stream:
    stream.sendall(bytes({STREAM}))
    stream.recv(1)
"""


class Lab:
    """``hosts`` with Ray on them and the coordinator's process on the first."""

    def __init__(self, hosts: Any):
        self.hosts = hosts
        self._variables = environment() | {"PYTHONPATH": str(HOME)}
        self._link = {"delay_ms": 0.0, "mbit": 0.0, "rtt_ms": 0.0, "throughput_mbit": 0.0}
        self._start_ray()
        head = hosts[0]
        inside = f"cd {HOME} && exec {sys.executable} -u -m benchmarks.scaling.driver"
        command = ["nsenter", "-t", str(head.pid), "-m", "-u", "-n", "-p", "bash", "-c", inside]
        variables = head.variables() | self._variables
        pipe = subprocess.PIPE
        self._driver = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=variables)
        self._hear("ready")

    def _start_ray(self) -> None:
        common = f"--num-cpus={os.cpu_count()} --object-store-memory=300000000 --disable-usage-stats"
        for k, host in enumerate(self.hosts):
            role = "--head --include-dashboard=false" if k == 0 else f"--address={self.hosts[0].ip}:6379"
            resources = json.dumps({f"host{k}": 1})
            line = f"ray start {role} {common} --node-ip-address={host.ip} --resources='{resources}'"
            host.run(line, timeout=90, environment=self._variables)

    def _hear(self, start: str) -> str:
        """The driver's next line with this start; Ray may print other lines before it."""
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            if line.startswith(start):
                return line
        raise RuntimeError("the coordinator's process ended")

    def shape(self, delay_ms: float, mbit: float) -> None:
        """Give every node's cable half the delay and this rate, and measure the link between two nodes."""
        for host in self.hosts:
            host.shape(delay_ms / 2, mbit or None)
        one, other = self.hosts[0], self.hosts[1]
        with ThreadPoolExecutor(1) as pool:
            echo = pool.submit(one.run, f"{sys.executable} -c '{ECHO}'")
            rtt = float(other.run(f"{sys.executable} -c '{RTT}' {one.ip}").output.split()[-1])
            echo.result()
            sink = pool.submit(one.run, f"{sys.executable} -c '{SINK}'")
            other.run(f"{sys.executable} -c '{SOURCE}' {one.ip}")
            throughput = float(sink.result().output.split()[-1])
        self._link = {"delay_ms": delay_ms, "mbit": mbit, "rtt_ms": rtt, "throughput_mbit": throughput}
        print(f"links {self._link}", file=sys.stderr)

    def rows(
        self, nodes: int, actors: int, agents: int, *, features: int = 8, tree: bool = False
    ) -> list[dict[str, Any]]:
        """Rows of one configuration over the present links."""
        assert self._driver.stdin is not None
        request = {"nodes": nodes, "actors": actors, "agents": agents, "features": features, "tree": tree}
        self._driver.stdin.write(json.dumps(request | {"rounds": min(clock.rounds_for(agents), 120)}) + "\n")
        self._driver.stdin.flush()
        link = self._link if nodes > 1 else {}
        return [row | link for row in json.loads(self._hear("["))]

    def close(self) -> None:
        """End the coordinator's process; Ray ends with its host."""
        assert self._driver.stdin is not None
        with suppress(OSError):
            self._driver.stdin.close()
        try:
            self._driver.wait(20)
        except subprocess.TimeoutExpired:
            self._driver.kill()
            self._driver.wait()


@contextmanager
def lab() -> Iterator[Lab]:
    """A lab on the hosts of tests/hosts, which need root. Raises ``SystemExit`` if they cannot run here."""
    sys.path.insert(0, str(HOME))
    if reason := importlib.import_module("tests.tools.hosts.machine").missing():
        raise SystemExit(reason)
    with importlib.import_module("tests.tools.hosts.hosts").Hosts(NODES) as hosts:
        running = Lab(hosts)
        try:
            yield running
        finally:
            running.close()
