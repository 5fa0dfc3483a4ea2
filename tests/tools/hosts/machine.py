"""What the machine needs for hosts and what they leave on it; everything of ours carries PREFIX in its name."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.tools.hosts.wires import PREFIX, Switch, namespaces, netns_pids

#: Where the folders of a run lie: not under a path that is private to each host.
PARENT = Path("/var/tmp")
NEEDED = ("ip", "tc", "unshare", "nsenter", "ssh", "ssh-keygen", "rsync")
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def missing() -> str | None:
    """Why hosts cannot be started here, or None."""
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        return "hosts in network namespaces need Linux and root"
    lacking = [name for name in NEEDED if not shutil.which(name)] + ([] if Path(SSHD).exists() else ["sshd"])
    if lacking:
        return f"hosts need {', '.join(lacking)} (packages iproute2, util-linux, openssh-server, rsync)"
    if subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True).returncode:
        return "this machine does not let root make namespaces"
    return None


def leftovers() -> list[str]:
    """What hosts of this or an earlier run left on the machine: namespaces, processes, links, mounts, folders."""
    found = [f"namespace {name}" for name in namespaces()]
    found += [f"process {pid}" for name in namespaces() for pid in netns_pids(name)]
    found += [f"link {path.name}" for path in Path("/sys/class/net").glob(f"{PREFIX}*")]
    found += [f"mount {path}" for path in mounts()]
    found += [f"folder {path}" for path in PARENT.glob(f"{PREFIX}-*")]
    return found


def mounts() -> list[str]:
    paths = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [path for path in paths if path.startswith(f"{PARENT}/{PREFIX}-")]


def sweep_away() -> None:
    """End and remove whatever carries our PREFIX; nothing else is touched."""
    for name in namespaces():
        for pid in netns_pids(name):
            kill(pid)
    deadline = time.monotonic() + 20
    while any(netns_pids(name) for name in namespaces()) and time.monotonic() < deadline:
        time.sleep(0.05)
    Switch.remove()
    for path in reversed(mounts()):
        subprocess.run(["umount", "--lazy", path], check=True)
    for path in PARENT.glob(f"{PREFIX}-*"):
        shutil.rmtree(path)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Done:
    """What a command said and how it ended."""

    def __init__(self, code: int, output: str) -> None:
        self.code, self.output, self.ok = code, output, code == 0


def execute(argv: list[str], check: bool, timeout: float, environment: dict[str, str] | None) -> Done:
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        env=environment,
        text=True,
        errors="replace",
    )
    if check and done.returncode:
        raise RuntimeError(f"{argv[-1]!r} ended with {done.returncode}:\n{done.stdout}")
    return Done(done.returncode, done.stdout)
