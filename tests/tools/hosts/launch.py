"""``ray up`` of the shipped cluster.yaml on hosts of one machine: ``with Hosts(3) as hosts: Cluster(hosts).up()``.

Host 0 is the head. What differs from cluster.yaml is what the machine forces: provider ``local``, no installing (the
hosts share the checkout and its environment), small nodes, and a job server that the machine reaches without a tunnel.
Commands run on ``hosts.client``, over ssh, so that Ray's own files on the client go with it.

``address`` is the job server's; ``environment`` what a client needs beside it (the token, above all); ``outsider`` the
same without a token. ``nodes()`` asks the cluster itself which of its nodes live.
"""

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tests.tools.hosts.hosts import CHECKOUT, Hosts
from tests.tools.hosts.machine import Done

CLUSTER_YAML = CHECKOUT / "cluster.yaml"
#: Ray's second autoscaler starts only one of the workers that the local provider has.
UP = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_UP_enable_autoscaler_v2": "0"}


def local_variant(hosts: Hosts, token: Path, *, cpus: int, object_store_mb: int) -> dict[str, Any]:
    """cluster.yaml for the ``local`` provider on these hosts."""
    config = yaml.safe_load(CLUSTER_YAML.read_text())
    for name in ("available_node_types", "head_node_type"):
        del config[name]
    # The autoscaler looks every second, not every five: a start takes several looks.
    start = f"AUTOSCALER_UPDATE_INTERVAL_S=1 ray start --num-cpus={cpus} --object-store-memory={object_store_mb << 20}"

    def fitted(commands: list[str]) -> list[str]:
        commands = [line.replace("ray start", start) for line in commands]
        return [line.replace("--dashboard-host=127.0.0.1", "--dashboard-host=0.0.0.0") for line in commands]

    setup = {
        # Installing needs a network; every such command names the virtual environment.
        name: [line for line in config[name] if "venv" not in line]
        for name in ("setup_commands", "head_setup_commands")
    }
    return (
        config
        | setup
        | {
            "max_workers": len(hosts) - 1,
            "provider": {"type": "local", "head_ip": hosts[0].ip, "worker_ips": [host.ip for host in hosts.hosts[1:]]},
            "auth": {"ssh_user": "root", "ssh_private_key": str(hosts.key)},
            "file_mounts": {"~/.ray/auth_token": str(token)},
            "head_start_ray_commands": fitted(config["head_start_ray_commands"]),
            "worker_start_ray_commands": fitted(config["worker_start_ray_commands"]),
        }
    )


class Cluster:
    """A Ray cluster on ``hosts``, brought up by ``up``; it ends with its hosts, or by ``down``."""

    def __init__(self, hosts: Hosts, *, cpus: int = 2, object_store_mb: int = 120) -> None:
        self.hosts = hosts
        self.token = hosts.base / "keys" / "token"
        self.token.write_text(secrets.token_hex(32))
        self.token.chmod(0o600)
        self.config = local_variant(hosts, self.token, cpus=cpus, object_store_mb=object_store_mb)
        self.config_file = hosts.base / "cluster.yaml"
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False, width=1000))

    @property
    def address(self) -> str:
        """The job server's."""
        return f"http://{self.hosts[0].ip}:8265"

    @property
    def environment(self) -> dict[str, str]:
        """Of a client on the machine that may use the cluster."""
        return self.outsider | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token)}

    @property
    def outsider(self) -> dict[str, str]:
        """Of a client without a token: its home folder is one in which nobody has ever put one."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        home = self.hosts.client.home
        return kept | UP | {"PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}", "HOME": str(home)}

    def up(self, *, timeout: float = 240) -> float:
        """``ray up``, for the first time or again; returns when all nodes are in. Seconds that it took."""
        started = time.monotonic()
        self.client(f"ray up -y --no-config-cache {self.config_file}", timeout=timeout)
        self.wait(len(self.hosts), timeout=timeout - (time.monotonic() - started))
        return time.monotonic() - started

    def down(self) -> None:
        """``ray down``, then ``ray stop`` on the workers, which the local provider leaves running."""
        if self.hosts[0].alive:
            self.client(f"ray down -y {self.config_file}", check=False, timeout=120)
        for host in self.hosts.hosts[1:]:
            if host.alive:
                host.run("ray stop --force", check=False, timeout=60)

    def client(self, command: str, *, check: bool = True, timeout: float = 120) -> Done:
        """Run a shell command on the client host with this cluster's token."""
        tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token)}
        return self.hosts.client.run(command, check=check, timeout=timeout, environment=UP | tokens)

    def start_worker(self, number: int) -> Done:
        """Boot host ``number`` if it is off and start its Ray by hand with the worker's own commands.

        The autoscaler would do this as well, in its own time.
        """
        host = self.hosts[number]
        host.start()
        commands = [f"export RAY_HEAD_IP={self.hosts[0].ip}", *self.config["worker_start_ray_commands"]]
        return host.ssh("; ".join(commands), timeout=120)

    def nodes(self) -> dict[str, bool]:
        """Whether each node is alive, by its address, as the cluster says; OSError while the head does not answer."""
        request = urllib.request.Request(f"{self.address}/api/v0/nodes?limit=1000&detail=0")
        request.add_header("Authorization", f"Bearer {self.token.read_text()}")
        with urllib.request.urlopen(request, timeout=15) as answer:
            rows = json.load(answer)["data"]["result"]["result"]
        rows.sort(key=lambda row: row["state"] == "ALIVE")  # a host that came back is two nodes: the living one counts
        return {row["node_ip"]: row["state"] == "ALIVE" for row in rows}

    def alive(self) -> list[str]:
        """Addresses of living nodes; none while the head does not answer."""
        with suppress(OSError, urllib.error.HTTPError):
            return sorted(ip for ip, lives in self.nodes().items() if lives)
        return []

    def wait(self, count: int, *, timeout: float = 120) -> None:
        """Wait until exactly ``count`` nodes live and the autoscaler is done with all that it knows of.

        It gives a host up for good whose cable is pulled while it still sets that host up.
        """
        deadline = time.monotonic() + timeout
        while len(alive := self.alive()) != count or not self._settled():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{alive} live, not {count} nodes\n{self.monitor()}")
            time.sleep(0.3)

    def _settled(self) -> bool:
        try:
            state = json.loads(self.hosts[0].path(f"/tmp/ray/cluster-{self.config['cluster_name']}.state").read_text())
        except (OSError, ValueError):  # not there yet, or being written
            return False
        tags = [node["tags"] for node in state.values() if node["state"] == "running"]
        workers = [tag for tag in tags if tag["ray-node-type"] == "worker"]
        return all(tag.get("ray-node-status") in ("up-to-date", "update-failed") for tag in workers)

    def monitor(self, lines: int = 60) -> str:
        """The end of what the autoscaler says."""
        return self.hosts[0].run(f"tail -n {lines} /tmp/ray/session_latest/logs/monitor*", check=False).output
