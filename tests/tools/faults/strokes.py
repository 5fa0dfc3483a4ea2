"""What befalls a sweep once: frozen processes, a folder that is read-only or gone, a crowd of drivers, no memory."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.planning.preflight import free_memory
from tests.tools.faults.driver import strike
from tests.tools.faults.programme import PROCESSES
from tests.tools.faults.report import Report
from tests.tools.faults.scene import Scene, ends, once, scene

#: Who is frozen, and for how many seconds.
FROZEN = {"driver": 60.0, "trial": 20.0, "actor": 20.0}
#: Seconds that the folder is read-only.
SEALED = 15.0
#: Share of the machine's memory that the hungry may take beyond what is in use.
ROOM = 0.1
#: Bytes that the hungry agent needs for a round.
APPETITE = 5_000_000_000


def freezes(report: Report) -> None:
    """SIGSTOP, and SIGCONT a while later. Nothing may come of it but a delay."""
    for victim, seconds in FROZEN.items():

        def freeze(here: Scene, victim: str = victim, seconds: float = seconds) -> str:
            driver = here.start()
            here.half_finished(driver)
            pid = driver.process.pid if victim == "driver" else driver.find(PROCESSES[victim])[0]
            at = here.stored
            strike(pid, signal.SIGSTOP)
            time.sleep(seconds)
            strike(pid, signal.SIGCONT)
            codes = here.finish(driver, struck=False)
            return f"for {seconds:.0f} s at {at} of {here.total} stored, {ends(codes)}"

        once(f"frozen {victim}", scene("heads"), report, freeze)


def read_only(report: Report) -> None:
    """The folder refuses to be written for a while."""

    def seal(here: Scene) -> str:
        driver = here.start()
        here.half_finished(driver)
        with _sealed(here.results):
            time.sleep(SEALED)
        return f"for {SEALED:.0f} s, {ends(here.finish(driver))}"

    if os.getuid() == 0 and (why := _unmountable()):
        report.skip("read-only folder", why)
    else:
        once("read-only folder", scene("reciprocity"), report, seal)


def removed(report: Report) -> None:
    """Somebody removes the results folder while the sweep runs."""

    def remove(here: Scene) -> str:
        driver = here.start()
        here.half_finished(driver)
        at = here.stored
        while here.results.exists():
            shutil.rmtree(here.results, ignore_errors=True)  # the driver may be writing into it
        return f"at {at} of {here.total} stored, {ends(here.finish(driver))}"

    once("removed folder", scene("walks"), report, remove)


def crowd(report: Report) -> None:
    """Four drivers at once on the same folder and the same sweep: one on Ray, three in their own process."""

    def gather(here: Scene) -> str:
        drivers = [here.start(), *(here.start("--backend", "inline") for _ in range(3))]
        codes = [here.wait(driver) for driver in drivers]
        here.wrong += [f"exit code {code}: {d.said.strip()[-300:]}" for code, d in zip(codes, drivers) if code]
        return f"exit codes {' '.join(map(str, codes))}"

    once("four drivers", scene("heads"), report, gather)


def hunger(report: Report) -> None:
    """An agent takes memory until Ray ends its process: a failed replicate with a reason, and no harm to others."""
    if not Path("/proc/meminfo").exists():
        report.skip("out of memory", "this machine does not say how much memory is in use")
        return
    total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    most = min(1 - free_memory() / total + ROOM, 0.95)
    limits = {"RAY_memory_usage_threshold": f"{most:.3f}", "RAY_memory_monitor_refresh_ms": "100"}

    def starve(here: Scene) -> str:
        driver = here.start(f"appetite=0,{APPETITE}")
        code = here.wait(driver)
        failed = [row for row in here.found().tables["runs"] if row["status"] == "failed"]
        if code != 1 or not failed or not all(row["error"] for row in failed):
            here.wrong.append(f"no replicate failed with a reason: {driver.said.strip()[-300:]}")
        return f"exit code {code}, {len(failed)} replicates failed: {failed[0]['error'] if failed else 'none'}"

    once("out of memory", scene("hungry", environment=dict(os.environ) | limits), report, starve)


@contextlib.contextmanager
def _sealed(folder: Path) -> Iterator[None]:
    """The folder is read-only inside. Root, whom no mode stops, mounts it on itself."""
    if os.getuid():
        places = [folder, *(place for place in folder.rglob("*") if place.is_dir())]
        for place in places:
            place.chmod(0o555)
        try:
            yield
        finally:
            for place in places:
                place.chmod(0o755)
        return
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _unmountable() -> str:
    """Why root cannot mount a folder on itself here; empty if it can."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        try:
            with _sealed(Path(folder)):
                return ""
        except (OSError, subprocess.CalledProcessError):
            return "root is not stopped by modes, and this machine lets it mount nothing"
