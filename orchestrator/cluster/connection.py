"""Connections to Ray: to a running cluster, or to a Ray that is started for one run."""

import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.cluster import lifeline
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
#: What Ray reads of a token.
TOKEN_VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


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
    if not cluster:
        with local_ray(max(1, os.cpu_count() or 1)):
            yield
        return
    runtime: dict[str, object] = {"env_vars": environment()}
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        if plugins and not _in_job():  # a job has its own copies
            references.ship(plugins, Path(folder))
            runtime["working_dir"] = folder
        try:
            with _signals_kept():
                ray.init(address=cluster, log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime)
        except AuthenticationError as error:
            raise UserError(f"address {cluster}: the cluster does not accept this token. {TOKEN}") from error
        except Exception as error:  # Ray raises bare ones, too
            hint = f"If the cluster asks for a token: {TOKEN}"
            raise UserError(f"address {cluster}: no Ray answers there ({line(error)}). {hint}") from error
    with _connected():
        yield


@contextmanager
def local_ray(cpus: int) -> Iterator[None]:
    """A Ray on this machine that listens on the loopback address alone and knows only the token of this run.

    Raises ``UserError`` if it does not start.
    """
    import ray

    with _token_of_its_own():
        try:
            with _on_loopback(), _signals_kept(), lifeline.starting():
                ray.init(
                    address="local",
                    num_cpus=cpus,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    runtime_env={"env_vars": environment()},
                )
        except Exception as error:  # Ray raises bare ones, too
            cure = " Use --backend inline, which does not need Ray."
            if "AF_UNIX" in str(error):
                cure = " The path of Ray's sockets is too long: set TMPDIR (or RAY_TMPDIR) to a folder such as /tmp."
            raise UserError(f"Ray does not start on this machine ({line(error)}).{cure}") from error
        with _connected():
            yield


@contextmanager
def _connected() -> Iterator[None]:
    """Leave Ray at the end. SIGTERM ends what is inside as Ctrl-C does, and so does the end of Ray itself."""
    import ray

    try:
        with terminated_as_interrupted(), lifeline.held():
            yield
    finally:
        ray.shutdown()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Have Ray take 127.0.0.1 for this machine's address, as it does on macOS: it listens on nothing else then."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _token_of_its_own() -> Iterator[None]:
    """A random token in the variables of this process and of those that Ray starts. Nothing is written to a file."""
    # Compiled, without types.
    from ray._raylet import AuthenticationTokenLoader, Config  # pyright: ignore[reportAttributeAccessIssue]

    before = {name: os.environ.pop(name, None) for name in TOKEN_VARIABLES}
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        Config.initialize("")  # Ray reads the variables once
        AuthenticationTokenLoader.instance().reset_cache()
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Take back the handler of SIGTERM that Ray sets: it ends the process wherever it is, often with an abort."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Have SIGTERM do what Ctrl-C does: what is finished is stored, and what was started is ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


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
