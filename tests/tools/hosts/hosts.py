"""Real hosts on one machine, for tests that need several: ``with Hosts(3) as hosts: hosts[1].kill()``.

A host is a network namespace with an address of its own, joined to the others through a switch (a bridge in a
namespace of its own), and inside it a PID, mount and UTS namespace whose first process is an sshd. ``/tmp``,
``/dev/shm``, ``/run``, ``/var/log`` and the home folder are the host's own; everything else, the checkout and its
virtual environment too, is the machine's. A kill empties all of these but the home folder, as a power cut does.

``hosts.shared`` is a folder at the same path on all hosts and on the machine: the shared storage of the cluster, a
memory file system of ``shared_mb`` that ``resize_shared`` can make too small. The machine itself is a client on the
network (``hosts.machine_ip``); ``hosts.client`` is one more host, for commands that leave things in ``/tmp``.

Everything is named by PREFIX, so what a killed run left behind is found and removed by the next one; a lock keeps two
runs apart. On leaving the context nothing is left: ``machine.leftovers()`` says so.
"""

import os
import pwd
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.tools.hosts.machine import PARENT, SSHD, Done, execute, kill, sweep_away
from tests.tools.hosts.wires import PREFIX, Switch

CHECKOUT = Path(__file__).resolve().parents[3]
HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)
#: Folders that every host has for itself, and the options of the tmpfs that is mounted there.
PRIVATE = {"/tmp": "mode=1777,size=2g", "/dev/shm": "mode=1777,size=1g", "/run": "size=64m", "/var/log": "size=256m"}

SSHD_CONFIG = """\
HostKey {base}/keys/host
AuthorizedKeysFile {base}/keys/client.pub
PidFile none
UsePAM no
UseDNS no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
MaxStartups 100
PrintMotd no
PrintLastLog no
"""

#: The first process of a host: mount what is private, then become the sshd (which reaps orphans).
#: The PID is read from the machine's /proc, before the host's own is mounted over it.
INIT = """\
set -e
read -r pid rest < /proc/self/stat
mount -t proc proc /proc
hostname {name}
{mounts}
mkdir -p /run/sshd
echo $pid > {folder}/pid
exec {sshd} -D -f {base}/sshd_config -E {folder}/sshd.log
"""


class Host:
    """One machine of the network: started, killed, cut off and slowed down at will."""

    def __init__(self, hosts: "Hosts", name: str, number: int) -> None:
        self.name = f"{PREFIX}-{name}"
        self.ip = hosts.switch.address(number)
        self.folder = hosts.base / name
        self._hosts = hosts
        self._outer: subprocess.Popen[bytes] | None = None
        self.folder.mkdir()
        self.home.mkdir(mode=0o700)
        (self.home / ".bashrc").write_text(f'export PATH="{Path(sys.prefix) / "bin"}:$PATH"\n')
        hosts.switch.plug(self.name, self.ip)

    @property
    def home(self) -> Path:
        """The host's home folder, as seen from the machine; on the host it is HOME."""
        return self.folder / "home"

    @property
    def alive(self) -> bool:
        return self._outer is not None and self._outer.poll() is None

    @property
    def pid(self) -> int:
        """The machine's PID of the host's first process."""
        return int((self.folder / "pid").read_text())

    def path(self, path: str) -> Path:
        """A file of the running host, private folders too, as the machine reaches it."""
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def start(self) -> None:
        """Boot; returns when its sshd answers."""
        if self.alive:
            return
        (self.folder / "pid").unlink(missing_ok=True)
        script = INIT.format(
            name=self.name,
            mounts="\n".join(self._mount_commands()),
            folder=self.folder,
            base=self._hosts.base,
            sshd=SSHD,
        )
        inside = ["unshare", "-m", "-u", "-p", "--fork", "--kill-child", "sh", "-c", script]
        with (self.folder / "console.log").open("ab") as console:
            self._outer = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.name}", *inside],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd="/",
                env=self.variables(),
                start_new_session=True,
            )
        deadline = time.monotonic() + 20
        while not ((self.folder / "pid").exists() and self.run("echo > /dev/tcp/127.0.0.1/22", check=False).ok):
            if not self.alive or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start: {(self.folder / 'console.log').read_text()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """A power cut: SIGKILL to the first process, and with it the kernel ends everything on the host at once."""
        if self._outer is not None:
            if self.alive and (self.folder / "pid").exists():
                kill(self.pid)
            else:
                self._outer.kill()
            self._outer.wait(timeout=20)
            self._outer = None

    def cut(self) -> None:
        """Pull the network cable: nothing arrives and nobody is told."""
        self._hosts.switch.cut(self.name)

    def mend(self) -> None:
        """Put the cable back."""
        self._hosts.switch.mend(self.name)

    def shape(self, delay_ms: float = 0.0, mbit: float | None = None) -> None:
        """Delay all packets one way in each direction of the cable, and bound each direction's rate."""
        self._hosts.switch.shape(self.name, delay_ms, mbit)

    def run(
        self, command: str, *, check: bool = True, timeout: float = 60, environment: Mapping[str, str] | None = None
    ) -> Done:
        """Run a shell command on the host as root, in its home folder, without the network."""
        argv = ["nsenter", "-t", str(self.pid), "-m", "-u", "-n", "-p", "bash", "-c", f"cd {HOME} || exit\n{command}"]
        return execute(argv, check, timeout, self.variables() | dict(environment or {}))

    def ssh(self, command: str, *, check: bool = True, timeout: float = 60) -> Done:
        """Run a shell command on the host through its sshd, from the machine."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=10")
        argv = ["ssh", "-i", str(self._hosts.key), *(word for option in options for word in ("-o", option))]
        return execute([*argv, f"root@{self.ip}", command], check, timeout, None)

    def processes(self, pattern: str = "") -> dict[int, str]:
        """Command lines that hold ``pattern`` of processes on this host, by the PID that the machine knows them by."""
        if not self.alive:
            return {}
        space, found = os.readlink(f"/proc/{self.pid}/ns/pid"), {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns/pid") == space:
                    found[int(folder.name)] = (
                        (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    )
            except OSError:  # ended meanwhile, or nobody's to look at
                continue
        return {pid: line for pid, line in found.items() if line and pattern in line}

    def kill_process(self, pid: int) -> None:
        """SIGKILL to one process of ``processes``."""
        kill(pid)

    def variables(self) -> dict[str, str]:
        """The environment of everything started on the host outside ssh."""
        path = f"{Path(sys.prefix) / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": str(HOME), "USER": "root", "LANG": "C.UTF-8", "SHELL": "/bin/bash"}

    def _mount_commands(self) -> list[str]:
        """Private folders; beneath them, what must stay visible is bound back: interpreter, checkout, kernel cache."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or HOME / ".cache") / "marl-orchestrator"
        cache.mkdir(parents=True, exist_ok=True)
        shown = {cache: HOME / ".cache" / "marl-orchestrator"}
        shown |= {path: path for path in (CHECKOUT, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())}
        private = [HOME, *map(Path, PRIVATE)]
        kept = {a: b for a, b in shown.items() if any(b.is_relative_to(folder) for folder in private)}
        kept = {a: b for a, b in kept.items() if not any(c != b and b.is_relative_to(c) for c in kept.values())}
        stash = {b: f"{self.folder}/kept{number}" for number, b in enumerate(kept.values())}
        commands = [f"mkdir -p {stash[b]} && mount --rbind {shlex.quote(str(a))} {stash[b]}" for a, b in kept.items()]
        commands += [f"mount --bind {self.home} {HOME}"]
        commands += [f"mount -t tmpfs -o {options} {PREFIX} {path}" for path, options in PRIVATE.items()]
        for path in kept.values():
            target = shlex.quote(str(path))
            commands.append(f"mkdir -p {target} && mount --rbind {stash[path]} {target} && umount -l {stash[path]}")
        commands += [f"mount --bind {self._hosts.base}/{name} /etc/{name}" for name in ("hosts", "shadow")]
        return commands


class Hosts:
    """A network of ``count`` hosts and a client; a context manager, iterable, indexed by number."""

    def __init__(self, count: int, *, shared_mb: int = 1024, wait_s: float = 900) -> None:
        self.count, self.shared_mb, self.wait_s = count, shared_mb, wait_s

    def __enter__(self) -> Self:
        self._lock = self._acquire()
        sweep_away()
        self.base = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-", dir=PARENT))
        try:
            self._prepare()
            self.switch = Switch()
            self.machine_ip = self.switch.address(1)
            self.client = Host(self, "client", 2)
            self.hosts = [Host(self, f"host{number}", 10 + number) for number in range(self.count)]
            names = [f"{host.ip} {host.name}" for host in (self.client, *self.hosts)]
            (self.base / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names]) + "\n")
            for host in (self.client, *self.hosts):
                host.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, number: int) -> Host:
        return self.hosts[number]

    def __iter__(self):
        return iter(self.hosts)

    def __len__(self) -> int:
        return self.count

    @property
    def key(self) -> Path:
        """The private ssh key that every host accepts."""
        return self.base / "keys" / "client"

    def resize_shared(self, mb: int) -> None:
        """Give the shared folder another size at once, on all hosts; smaller than what it holds is refused."""
        subprocess.run(["mount", "-o", f"remount,size={mb}m", str(self.shared)], check=True)

    def close(self) -> None:
        """Kill the hosts and remove everything that was made for them."""
        sweep_away()
        self._lock.close()

    def _prepare(self) -> None:
        self.base.chmod(0o755)
        (self.base / "keys").mkdir(mode=0o700)
        for name in ("host", "client"):
            command = [
                "ssh-keygen",
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                PREFIX,
                "-f",
                str(self.base / "keys" / name),
            ]
            subprocess.run(command, check=True)
        (self.base / "sshd_config").write_text(SSHD_CONFIG.format(base=self.base))
        (self.base / "shadow").write_text("root:*:19000:0:99999:7:::\n")  # a locked root may not log in, key or not
        self.shared = self.base / "shared"
        self.shared.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.shared_mb}m", PREFIX, str(self.shared)]
        subprocess.run(command, check=True)

    def _acquire(self) -> socket.socket:
        """One run at a time: an abstract socket's name is held by one process and vanishes with it."""
        lock, deadline = socket.socket(socket.AF_UNIX), time.monotonic() + self.wait_s
        while True:
            try:
                lock.bind(f"\0{PREFIX}-hosts")
                return lock
            except OSError:
                if time.monotonic() > deadline:
                    raise TimeoutError("another run has hosts on this machine") from None
                time.sleep(1)
