"""The network between hosts: a bridge in a namespace of its own, a veth pair a host, and one to the machine.

The bridge has its own namespace so that the machine's firewall (a Docker host drops bridged packets) has no say.
"""

import subprocess
import sys
from pathlib import Path

PREFIX = "marltest"
SUBNET = "10.231.0"
SWITCH = f"{PREFIX}-switch"
MACHINE = f"{PREFIX}0"


def ip(*words: str) -> None:
    """One command of iproute2."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def namespaces() -> list[str]:
    """Names of our network namespaces."""
    done = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.startswith(f"{PREFIX}-")]


def netns_pids(name: str) -> list[int]:
    """Processes inside one of them."""
    done = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    return [int(word) for word in done.stdout.split()]


def _queue(space: str, device: str, *words: str) -> str | None:
    """Give an interface a queue; why the kernel refuses, or None."""
    command = ["tc", "-n", space, "qdisc", "replace", "dev", device, "root", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"{' '.join(command)}: {done.stderr.strip()}" if done.returncode else None


class Switch:
    """Plugs hosts in and out, and slows their cables down."""

    def __init__(self) -> None:
        ip("netns", "add", SWITCH)
        ip("-n", SWITCH, "link", "add", "bridge", "type", "bridge", "stp_state", "0", "forward_delay", "0")
        ip("-n", SWITCH, "link", "set", "bridge", "up")
        self._ports = 0
        self._ends: dict[str, str] = {}
        self._relays: dict[str, subprocess.Popen[str]] = {}
        end = self._port()
        ip("link", "add", MACHINE, "type", "veth", "peer", "name", end, "netns", SWITCH)
        self._join(end)
        ip("address", "add", f"{self.address(1)}/24", "dev", MACHINE)
        ip("link", "set", MACHINE, "up")

    @staticmethod
    def address(number: int) -> str:
        return f"{SUBNET}.{number}"

    def plug(self, name: str, address: str) -> None:
        """Make the network namespace ``name`` and cable its eth0 to the bridge."""
        end = self._ends[name] = self._port()
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", end, "netns", SWITCH)
        self._join(end)
        ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")

    def cut(self, name: str) -> None:
        """Take the port at the bridge down."""
        ip("-n", SWITCH, "link", "set", self._ends[name], "down")

    def mend(self, name: str) -> None:
        ip("-n", SWITCH, "link", "set", self._ends[name], "up")

    def shape(self, name: str, delay_ms: float, mbit: float | None) -> None:
        """Delay and rate at both ends of the cable: netem, or a relay and tbf where the kernel has no netem."""
        ends = ((name, "eth0"), (SWITCH, self._ends[name]))
        for space, device in ends:
            subprocess.run(["tc", "-n", space, "qdisc", "del", "dev", device, "root"], capture_output=True)
        self._unslow(name)
        rate = ["rate", f"{mbit}mbit"] if mbit else []
        if delay_ms and all(_queue(*end, "netem", "delay", f"{delay_ms}ms", *rate) is None for end in ends):
            return
        if delay_ms:
            self._slow(name, delay_ms)
        for end in ends if mbit else ():
            if refused := _queue(*end, "tbf", *rate, "burst", "128k", "latency", "50ms"):
                raise RuntimeError(refused)

    def _slow(self, name: str, delay_ms: float) -> None:
        """Put a relay between the cable's end and the bridge."""
        end = self._ends[name]
        near, far = f"{end}near", f"{end}far"
        ip("-n", SWITCH, "link", "add", near, "type", "veth", "peer", "name", far)
        ip("-n", SWITCH, "link", "set", near, "up")
        ip("-n", SWITCH, "link", "set", end, "nomaster")
        self._join(far)
        program = [sys.executable, str(Path(__file__).with_name("relay.py")), str(delay_ms / 1e3), end, near]
        relay = subprocess.Popen(["ip", "netns", "exec", SWITCH, *program], stdout=subprocess.PIPE, text=True)
        self._relays[name] = relay
        if not (relay.stdout and relay.stdout.readline()):
            raise RuntimeError(f"the relay at {end} did not start")

    def _unslow(self, name: str) -> None:
        if relay := self._relays.pop(name, None):
            relay.kill()
            relay.wait()
            ip("-n", SWITCH, "link", "delete", f"{self._ends[name]}near")
            self._join(self._ends[name])

    @staticmethod
    def remove() -> None:
        """Delete every namespace of ours, and the machine's end of its cable."""
        for name in namespaces():
            ip("netns", "delete", name)
        subprocess.run(["ip", "link", "delete", MACHINE], capture_output=True)

    def _port(self) -> str:
        self._ports += 1
        return f"port{self._ports}"

    @staticmethod
    def _join(end: str) -> None:
        ip("-n", SWITCH, "link", "set", end, "master", "bridge")
        ip("-n", SWITCH, "link", "set", end, "up")
