"""Notices that Ray itself has ended. Its library would end this process then: without a word and with exit code 0."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from orchestrator.errors import UserError

#: Processes of a Ray that was started for this run, without which nothing goes on.
VITAL = {"raylet": "its raylet", "gcs_server": "its GCS server"}
#: Seconds that a cluster's head may be away. Ray's library waits for 60, and then ends this process.
GRACE = 45.0
AFTERWARDS = "Finished results are intact. Run the same command again: it computes only what is missing."
#: Seconds between two looks at processes of one's own, at a cluster's head, and between two interruptions.
NEAR, FAR, AGAIN = 0.5, 5.0, 20.0


class Lifeline:
    """Looks at the Ray that this process is connected to: at its own processes, or at a cluster's head."""

    def __init__(self, node: Any):
        self._address = str(node.gcs_address)
        self._own = [
            (words, info.process) for name, words in VITAL.items() for info in node.all_processes.get(name, [])
        ]
        self._heard = time.monotonic()
        self.fired = False  #: whether the main thread was interrupted
        self._done = threading.Event()

    def ended(self) -> str:
        """What has ended, in a sentence. Empty if nothing has."""
        for words, process in self._own:
            if (code := process.poll()) is not None:
                how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
                return f"Ray has ended on this machine: {words} {how}."
        if self._own or answers(self._address):
            self._heard = time.monotonic()
        if (away := time.monotonic() - self._heard) > GRACE:
            return f"The head of the cluster at {self._address} has not answered for {away:.0f} s."
        return ""

    def watch(self) -> None:
        """Interrupt the main thread, which may wait for an answer that never comes, when something has ended."""
        main = threading.main_thread().ident
        look = NEAR if self._own else FAR
        while not self._done.wait(AGAIN if self.fired else look):
            if self.ended() and main is not None:
                self.fired = True
                signal.pthread_kill(main, signal.SIGTERM)

    def stop(self) -> None:
        """End the watch."""
        self._done.set()


def answers(address: str) -> bool:
    """Whether somebody listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError):
        return False
    return True


@contextmanager
def starting() -> Iterator[None]:
    """A context in which Ray starts on this machine. If its GCS server dies, the process prints why and exits with 2.

    Ray's library would wait for the server for a minute. It cannot be interrupted, and then exits without a message.
    """
    import psutil  # comes with Ray

    this, before, done = psutil.Process(), set(psutil.Process().children()), threading.Event()

    def watch() -> None:
        server = None
        while not done.wait(NEAR):
            own = [child for child in this.children() if child not in before]
            server = server or next((child for child in own if _name(child) == "gcs_server"), None)
            if server and _name(server) == "" and not done.wait(NEAR):
                for child in own:
                    with suppress(psutil.Error):
                        child.kill()
                print(
                    f"Ray has ended on this machine while it started: its GCS server ended. {AFTERWARDS}",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(2)

    def _name(process: Any) -> str:
        """The name of a process, empty if it has ended."""
        try:
            return "" if process.status() == psutil.STATUS_ZOMBIE else process.name()
        except psutil.Error:
            return ""

    watcher = threading.Thread(target=watch, name="lifeline of a start", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextmanager
def held() -> Iterator[None]:
    """Inside, the end of Ray is a ``UserError``. SIGTERM must interrupt the main thread, which has to be this one."""
    from ray._private import worker

    node = worker._global_node  # Ray says this nowhere else; there is none behind ray://
    if node is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    line = Lifeline(node)
    watcher = threading.Thread(target=line.watch, name="lifeline", daemon=True)
    watcher.start()
    try:
        yield
    except UserError:
        raise
    except BaseException as error:
        # Ctrl-C ends the driver and its Ray; the driver says so itself.
        why = "" if isinstance(error, KeyboardInterrupt) and not line.fired else line.ended()
        if not why:
            raise
        raise UserError(f"{why} {AFTERWARDS}") from error
    finally:
        line.stop()
        watcher.join()
