"""The checks of ``orchestrator doctor``: this machine, the libraries, Ray and the results folder."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from orchestrator.checks.finding import Finding
from orchestrator.errors import UserError

OLDEST_PYTHON = (3, 11)
#: The versions that the tests ran with; pyproject.toml allows others. In a checkout this is a link to the file at the
#: top, in a wheel a copy of it.
CONSTRAINTS = Path(__file__).with_name("constraints.txt")
LIBRARIES = ("ray", "numpy", "numba", "scipy", "pyarrow", "pandas", "duckdb")
#: Other versions of these may change the last digits of results.
MAKING_NUMBERS = ("numpy", "numba", "scipy")
#: Optional dependencies: the modules of an extra, and what needs them.
EXTRAS = {"cluster": ("aiohttp", "opencensus"), "deep": ("torch", "pettingzoo")}
USES = {"cluster": "submit and jobs", "deep": "RLlib's PPO and PettingZoo faces"}
#: Bytes below which runs are likely to fail.
LITTLE_MEMORY, LITTLE_DISK = 1e9, 0.5e9
#: Seconds that Ray may take to start.
PATIENCE = 90
RAY_TRIAL = """
import sys
from orchestrator.cluster.connection import local_ray
from orchestrator.errors import UserError
try:
    with local_ray(1):
        import ray
        assert ray.get(ray.remote(lambda: 42).remote(), timeout=60) == 42
except UserError as error:
    sys.exit(str(error))
"""


def examine(results: str) -> Iterator[Finding]:
    """Run every check, the slow ones last. ``results`` is the results folder or its URI."""
    yield _python()
    yield from _libraries()
    yield _extras()
    yield _names()
    yield _threads()
    yield _cpu(results)
    yield _cores()
    yield _memory()
    yield _kernels()
    yield _results(results)
    yield _ray()


def _python() -> Finding:
    running = platform.python_version()
    oldest = ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", "wrong", running, f"Python {oldest} or newer is needed: create a new environment.")
    return Finding("Python", "ok", running, f"Python {oldest} or newer is needed.")


def _libraries() -> Iterator[Finding]:
    """One finding for all libraries at the tested version, and one for each other library."""
    tested, same = tested_versions(), []
    for name in LIBRARIES:
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Finding(name, "wrong", "missing", "It is required: install marl-orchestrator with pip.")
            continue
        if installed == tested[name]:
            same.append(f"{name} {installed}")
        else:
            effect = "Results may differ in the last digits." if name in MAKING_NUMBERS else "It should work."
            yield Finding(name, "note", installed, f"The tested version is {tested[name]}. {effect}")
    if same:
        yield Finding("libraries", "ok", ", ".join(same), "These are the tested versions.")


def tested_versions() -> dict[str, str]:
    """Name and version of every package in constraints.txt."""
    lines = CONSTRAINTS.read_text().splitlines()
    return {name: number for name, pinned, number in (line.partition("==") for line in lines) if pinned}


def _extras() -> Finding:
    missing = [extra for extra, modules in EXTRAS.items() if not all(map(find_spec, modules))]
    if not missing:
        return Finding("extras", "ok", ", ".join(EXTRAS), f"They are needed for {'; '.join(USES.values())}.")
    installs = "; ".join(f"{USES[extra]}: pip install 'marl-orchestrator[{extra}]'" for extra in missing)
    return Finding("extras", "note", f"{', '.join(missing)} not installed", f"Only needed for {installs}.")


def _names() -> Finding:
    from orchestrator.plugins import registry

    try:
        count = sum(len(registry.names(kind)) for kind in registry.GROUPS)
        registry.algorithm(registry.names("algorithm")[0])
    except (UserError, IndexError) as error:
        return Finding("names", "wrong", "not found", str(error) or "Nothing is registered: install it with pip.")
    return Finding("names", "ok", f"{count} registered", "Algorithms and environments can be loaded.")


def _threads() -> Finding:
    import numpy  # noqa: F401 - loads the BLAS library that is inspected below
    from threadpoolctl import threadpool_info

    pools = [f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info() if pool["num_threads"] != 1]
    if pools:
        return Finding("BLAS threads", "wrong", ", ".join(pools), "Results would depend on their number: 1 is needed.")
    return Finding("BLAS threads", "ok", "1", "Results do not depend on the number of cores.")


def _cpu(results: str) -> Finding:
    from orchestrator.running.versions import cpu

    here, others = cpu(), _other_cpus(results)
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return Finding("CPU", "note", here, "Bit-identical results were tested on x86-64 only.")
    if others:
        meaning = f"{results} has runs from {others}: only rllib-ppo may have other last digits there."
        return Finding("CPU", "note", here, meaning)
    return Finding("CPU", "ok", here, "Results are bit-identical on every x86-64 CPU, except those of rllib-ppo.")


def _other_cpus(results: str) -> str:
    """The other CPU models whose runs are in the results folder."""
    from orchestrator.running.versions import cpu
    from orchestrator.store.store import existing

    try:
        store = existing(results)
        rows = store.query("SELECT DISTINCT cpu FROM runs ORDER BY cpu").to_pylist() if store else []
    except UserError:
        return ""  # the check of the results folder reports it
    return ", ".join(row["cpu"] for row in rows if row["cpu"] not in (None, cpu()))


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("cores", "ok", str(count), f"A sweep runs {count} cells at a time on Ray, and one inline.")


def _memory() -> Finding:
    from orchestrator.planning.preflight import PROCESS_BYTES, SHARE, free_memory

    free = free_memory()
    size, processes = f"{free / 1e9:.1f} GB", int(SHARE * free / PROCESS_BYTES)
    if free < LITTLE_MEMORY:
        return Finding("free memory", "wrong", size, "This is too little for Ray: close other programs.")
    return Finding("free memory", "ok", size, f"Enough for {processes} agent processes (agents_per_actor: 1).")


def _kernels() -> Finding:
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    if _writable(folder):
        return Finding("kernel cache", "ok", str(folder), "Kernels are compiled once, in the first run.")
    return Finding("kernel cache", "wrong", str(folder), "Not writable: set XDG_CACHE_HOME to a writable folder.")


def _results(results: str) -> Finding:
    from orchestrator.store.folder import Folder
    from orchestrator.store.store import existing

    try:
        store, folder = existing(results), Folder.at(results)
        if folder.local is None and store is not None:
            store.checkpoints.write("doctor", b"")
            store.checkpoints.delete("doctor")
            return Finding("results", "ok", folder.title, "It can be read and written.")
    except UserError as error:
        return Finding("results", "wrong", results, str(error))
    if folder.local is None:
        return Finding("results", "ok", folder.title, "It can be reached and is empty.")
    here = folder.local.absolute()
    if any(path.is_symlink() and not path.exists() for path in (here, *here.parents)):
        return Finding("results", "wrong", results, "A link that leads nowhere: remove it or choose another --results.")
    if not _writable(folder.local):
        return Finding("results", "wrong", results, "Not writable: change its permissions or choose another --results.")
    return _disk(folder.local.absolute(), results)


def _disk(folder: Path, results: str) -> Finding:
    """Whether the disk of a writable local results folder has space."""
    import shutil

    free = shutil.disk_usage(_nearest_existing(folder)).free
    if free < LITTLE_DISK:
        return Finding("results", "wrong", results, f"Only {free / 1e9:.2f} GB are free on its disk: delete files.")
    state = "It is writable" if folder.exists() else "It will be created"
    return Finding("results", "ok", results, f"{state}; {free / 1e9:.0f} GB are free.")


def _writable(folder: Path) -> bool:
    return os.access(_nearest_existing(folder.absolute()), os.W_OK | os.X_OK)


def _nearest_existing(folder: Path) -> Path:
    """The folder, or the nearest folder above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _ray() -> Finding:
    if address := os.environ.get("RAY_ADDRESS"):
        return Finding("Ray", "note", f"RAY_ADDRESS={address}", "Runs use this cluster: unset it for a local Ray.")
    try:
        done = subprocess.run(
            [sys.executable, "-c", RAY_TRIAL], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        failure = last if done.returncode else ""
    except subprocess.TimeoutExpired:
        failure = f"no answer within {PATIENCE} s"
    if failure:
        cure = "It does not start: use --backend inline, which does not need it."
        if "AF_UNIX" in failure:
            cure = "The path of its sockets is too long: set TMPDIR (or RAY_TMPDIR) to a folder such as /tmp."
        return Finding("Ray", "wrong", failure, cure)
    return Finding("Ray", "ok", "starts", "A local Ray started and ran a task.")
