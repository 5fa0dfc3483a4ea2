"""Connections to Ray: to a running cluster, or to a Ray that is started for one run."""

import logging
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.cluster.nodes import usable
from orchestrator.errors import UserError, line
from orchestrator.planning.preflight import Node
from orchestrator.planning.sweep import Sweep
from orchestrator.plugins import references
from orchestrator.process import environment

REACH = "Check that it is HOST:PORT of a cluster that is up, and that its tunnel, if it needs one, is open."
TOKEN = (
    "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to a copy of the cluster's token file "
    "(~/.ray/auth_token on its nodes)."
)


@contextmanager
def ray_connection(address: str | None, plugins: Iterable[str] = ()) -> Iterator[None]:
    """Connect to the cluster at ``address`` (or RAY_ADDRESS). Without an address, start Ray and stop it at the end.

    The files of pinned ``plugins`` are shipped to a cluster's nodes. Raises ``UserError`` if no connection is made.
    """
    import ray
    from ray.exceptions import AuthenticationError

    if ray.is_initialized():
        yield
        return
    cluster = address or os.environ.get("RAY_ADDRESS")
    cpus = None if cluster else max(1, os.cpu_count() or 1)
    runtime: dict[str, object] = {"env_vars": environment()}
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        if cluster and plugins and not _in_job():  # a job has its own copies
            references.ship(plugins, Path(folder))
            runtime["working_dir"] = folder
        try:
            ray.init(
                address=cluster or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env=runtime,
                include_dashboard=None if cluster else False,
                num_cpus=cpus,
            )
        except AuthenticationError as error:
            raise UserError(f"address {cluster}: the cluster does not accept this token. {TOKEN}") from error
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            hint = f" If the cluster asks for a token: {TOKEN}" if cluster else ""
            raise UserError(f"address {cluster or 'local'}: no Ray answers there ({line(error)}).{hint}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _in_job() -> bool:
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


@contextmanager
def cluster_nodes(address: str | None, sweep: Sweep) -> Iterator[list[Node] | None]:
    """Connect to the cluster at ``address`` (or RAY_ADDRESS), or use a Ray that runs already. Yields its nodes.

    Only nodes with the labels of ``sweep`` count. Yields None if there is neither: a local Ray is started when it is
    needed.
    """
    if not (address or os.environ.get("RAY_ADDRESS") or _running()):
        yield None
        return
    check_reachable(address)
    with ray_connection(address, sweep.plugins):
        yield usable(sweep.placement.labels)


def _running() -> bool:
    import sys

    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


def check_reachable(address: str | None) -> None:
    """Raise ``UserError`` if nothing listens at HOST:PORT of a cluster's address. Ray itself would try for minutes."""
    address = address or os.environ.get("RAY_ADDRESS", "")
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            raise UserError(f"address {address}: nothing answers there ({error.strerror or error}). {REACH}") from error
