"""What ``orchestrator doctor`` looks at: this machine, the libraries, the results folder, and what each means."""

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
#: Versions that the tests ran with, as in constraints.txt; other ones of pyproject.toml's ranges are allowed.
TESTED = {
    "ray": "2.60.0",
    "numpy": "2.4.6",
    "numba": "0.68.1",
    "scipy": "1.17.1",
    "pyarrow": "26.0.1",
    "pandas": "3.1.1",
    "duckdb": "2.0.0",
}
#: Of these, those whose other versions may give other last digits.
MAKING_NUMBERS = ("numpy", "numba", "scipy")
EXTRAS = {"cluster": ("aiohttp", "opencensus"), "deep": ("torch", "pettingzoo")}
#: Bytes below which runs are likely to fail.
LITTLE_MEMORY, LITTLE_DISK = 1e9, 0.5e9
#: Seconds that Ray may take to start.
PATIENCE = 90
RAY_TRIAL = """
import orchestrator, logging, ray
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
assert ray.get(ray.remote(lambda: 42).remote(), timeout=60) == 42
ray.shutdown()
"""


def examine(results: str) -> Iterator[Finding]:
    """Look at one thing after the other, the slow ones last."""
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
    found = platform.python_version()
    oldest = ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", "wrong", found, f"{oldest} or newer is needed: make a virtual environment with one.")
    return Finding("Python", "ok", found, f"{oldest} or newer is needed.")


def _libraries() -> Iterator[Finding]:
    """One finding for those at the tested version, one for each other."""
    as_tested = []
    for name, tested in TESTED.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding(name, "wrong", "missing", "It is needed: install this program with pip, not by copying it.")
            continue
        if found == tested:
            as_tested.append(f"{name} {found}")
        else:
            effect = "Last digits, and so fingerprints, may differ." if name in MAKING_NUMBERS else "Likely fine."
            yield Finding(name, "note", found, f"Tested is {tested}. {effect}")
    if as_tested:
        yield Finding("libraries", "ok", ", ".join(as_tested), "The tested versions.")


def _extras() -> Finding:
    missing = [extra for extra, modules in EXTRAS.items() if not all(map(find_spec, modules))]
    if not missing:
        return Finding("extras", "ok", ", ".join(EXTRAS), "submit and jobs; RLlib's PPO and PettingZoo faces.")
    uses = {"cluster": "submit and jobs", "deep": "RLlib's PPO and PettingZoo faces"}
    lacking = "; ".join(f"{uses[extra]}: pip install 'marl-orchestrator[{extra}]'" for extra in missing)
    return Finding("extras", "note", f"without {', '.join(missing)}", f"Needed only for {lacking}.")


def _names() -> Finding:
    from orchestrator.plugins import registry

    try:
        count = sum(len(registry.names(kind)) for kind in registry.GROUPS)
        registry.algorithm(registry.names("algorithm")[0])
    except (UserError, IndexError) as error:
        return Finding("names", "wrong", "not found", str(error) or "Nothing is registered: install the package.")
    return Finding("names", "ok", f"{count} registered", "Algorithms and environments are found and load.")


def _threads() -> Finding:
    import numpy  # noqa: F401 - it loads the BLAS that is asked below
    from threadpoolctl import threadpool_info

    many = [f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info() if pool["num_threads"] != 1]
    if many:
        return Finding("BLAS threads", "wrong", ", ".join(many), "Numbers would depend on them; 1 is needed.")
    return Finding("BLAS threads", "ok", "1", "Numbers do not depend on the number of cores.")


def _cpu(results: str) -> Finding:
    from orchestrator.running.rows import cpu

    here, others = cpu(), _other_cpus(results)
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return Finding("CPU", "note", here, "Equal bits are promised among x86-64 machines; this one is another kind.")
    if others:
        return Finding("CPU", "note", here, f"{results} holds runs of {others}: last digits may differ between them.")
    return Finding("CPU", "ok", here, "Equal bits are promised among CPUs of one class; runs record it.")


def _other_cpus(results: str) -> str:
    from orchestrator.running.rows import cpu
    from orchestrator.store.store import existing

    try:
        store = existing(results)
        rows = store.query("SELECT DISTINCT cpu FROM runs ORDER BY cpu").to_pylist() if store else []
    except UserError:
        return ""  # told of the results folder itself
    return ", ".join(row["cpu"] for row in rows if row["cpu"] not in (None, cpu()))


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("cores", "ok", str(count), f"A sweep on Ray runs {count} cells at a time, inline one.")


def _memory() -> Finding:
    from orchestrator.planning.preflight import PROCESS_BYTES, SHARE, free_memory

    free = free_memory()
    fits = int(SHARE * free / PROCESS_BYTES)
    if free < LITTLE_MEMORY:
        return Finding("free memory", "wrong", f"{free / 1e9:.1f} GB", "Too little for Ray: close something.")
    return Finding("free memory", "ok", f"{free / 1e9:.1f} GB", f"Up to {fits} agent processes (agents_per_actor 1).")


def _kernels() -> Finding:
    place = Path(os.environ["NUMBA_CACHE_DIR"])
    if _writable(place):
        return Finding("kernel cache", "ok", str(place), "Kernels are compiled once, in the first run.")
    return Finding("kernel cache", "wrong", str(place), "Not writable: set XDG_CACHE_HOME to a folder that is.")


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
        return Finding("results", "ok", folder.title, "Nothing is there yet; it can be reached.")
    if not _writable(folder.local):
        return Finding("results", "wrong", results, "Not writable: change its permissions, or name another --results.")
    return _room(folder.local.absolute(), results)


def _room(place: Path, results: str) -> Finding:
    import shutil

    free = shutil.disk_usage(_there(place)).free
    if free < LITTLE_DISK:
        return Finding("results", "wrong", results, f"Only {free / 1e9:.2f} GB are free on its disk: make room.")
    state = "It can be written" if place.exists() else "It will be made"
    return Finding("results", "ok", results, f"{state}; {free / 1e9:.0f} GB are free.")


def _writable(place: Path) -> bool:
    return os.access(_there(place.absolute()), os.W_OK | os.X_OK)


def _there(place: Path) -> Path:
    """The folder itself, or the nearest one above that exists."""
    return next(folder for folder in (place, *place.parents) if folder.exists())


def _ray() -> Finding:
    if address := os.environ.get("RAY_ADDRESS"):
        return Finding("Ray", "note", f"RAY_ADDRESS={address}", "Runs join that cluster; unset it for a local Ray.")
    try:
        done = subprocess.run(
            [sys.executable, "-c", RAY_TRIAL], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        failed = said if done.returncode else ""
    except subprocess.TimeoutExpired:
        failed = f"nothing happened for {PATIENCE} s"
    if failed:
        return Finding("Ray", "wrong", failed, "It does not start here; --backend inline runs without it.")
    return Finding("Ray", "ok", "starts", "A local Ray started and ran a task.")
