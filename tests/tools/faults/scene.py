"""A sweep in a folder of its own: started, struck and started again until it is finished, then compared."""

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from orchestrator.api import carry_out
from orchestrator.errors import UserError
from orchestrator.planning.sweeps import checked
from orchestrator.store import Store
from tests.tools.faults.cases import CASES
from tests.tools.faults.compare import Differences, Outcome, differences, outcome
from tests.tools.faults.driver import Driver, Hang, run, stored
from tests.tools.faults.report import Report

#: Attempts after the last fault of which one has to finish. The first may still find what the fault has left.
ATTEMPTS = 3


@cache
def expected(case: str) -> Outcome:
    """The sweep left alone in this process."""
    with tempfile.TemporaryDirectory() as folder:
        carry_out(checked(_content(case), case), Path(folder) / "results", backend="inline", quiet=True)
        return outcome(Path(folder) / "results", f"faults/{case}")


def _content(case: str) -> dict[str, object]:
    return {"name": f"faults/{case}", **CASES[case].content}


class Scene:
    """One sweep under faults. ``wrong`` gathers what went wrong in any of its attempts."""

    def __init__(self, case: str, folder: Path, results: str | None, environment: Mapping[str, str] | None):
        self.case, self.folder = case, folder
        self.results = folder / "results"
        self.place = results or str(self.results)
        self._environment = environment
        self.sweep = folder / f"{case}.yaml"
        self.sweep.write_text(json.dumps(_content(case)))
        self.total = len(expected(case).tables["runs"])
        self.wrong: list[str] = []
        self.drivers: list[Driver] = []
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the scene began."""
        return time.monotonic() - self.began

    @property
    def stored(self) -> int:
        """Replicates that are stored by now."""
        if self.place == str(self.results):
            return stored(self.results)
        with contextlib.suppress(UserError):  # there is no folder yet
            return Store.open(self.place).query("FROM runs").num_rows
        return 0

    def start(self, *more: str) -> Driver:
        """Start the command, or start it again, with ``more`` words."""
        output = self.folder / f"driver{len(self.drivers)}.log"
        words = ("sweep", str(self.sweep), "--results", self.place, *more)
        self.drivers.append(Driver(words, output, self._environment))
        return self.drivers[-1]

    def half_finished(self, driver: Driver) -> None:
        """Wait until some replicates are stored and some are not. Raises Hang, also if the driver ends before."""
        if not driver.until(lambda: self.stored > 0) or self.stored >= self.total:
            raise Hang("the sweep was too fast to be disturbed")

    def finish(self, driver: Driver, struck: bool = True) -> list[int]:
        """Wait for the driver. While it ends with an error, start it again. Returns the exit codes.

        Its first error is allowed, as a consequence of the fault, if it was ``struck``.
        """
        codes = [self.wait(driver)]
        while codes[-1] != 0 and len(codes) < ATTEMPTS:
            if codes[-1] > 0 and not (struck and len(codes) == 1):
                self.wrong.append(f"exit code {codes[-1]}: {driver.said.strip()[-300:]}")
            driver = self.start()
            codes.append(self.wait(driver))
        if codes[-1] != 0:
            self.wrong.append(f"not finished after {len(codes)} attempts")
        return codes

    def wait(self, driver: Driver) -> int:
        """The driver's exit code. What it printed must be sentences.

        Ray's processes may take a while to leave; the next attempt does not wait for them, as people do not.
        """
        try:
            code = driver.wait()
        except Hang as hang:
            self.wrong.append(f"a hang: {hang}")
            driver.end()
            return driver.process.returncode
        if "Traceback" in driver.said:
            self.wrong.append(f"a traceback: {driver.said.strip()[-300:]}")
        # A command to copy may come after the sentence.
        if code > 0 and not any(line.endswith((".", "?")) for line in driver.said.strip().splitlines()[-2:]):
            self.wrong.append(f"exit code {code} without a sentence: {driver.said.strip()[-300:]}")
        return code

    def compared(self) -> Differences:
        """The finished results beside the undisturbed ones. ``verify`` has to pass, and no process may stay behind."""
        verified = run("verify", self.place, environment=self._environment)
        if verified.returncode:
            self.wrong.append(f"verify: {(verified.stdout + verified.stderr).strip()[-300:]}")
        for driver in self.drivers:
            if left := driver.left_behind():
                self.wrong.append(f"left behind: {', '.join(title[:60] for title in left)}")
        alone, found = expected(self.case), self.found()
        failed = {row["replicate_id"] for row in found.tables["runs"] if row["status"] == "failed"}
        if failed and not failed & {row["replicate_id"] for row in alone.tables["runs"]}:  # they were to fail
            kept = {name: [r for r in rows if r["replicate_id"] not in failed] for name, rows in found.tables.items()}
            found = Outcome(alone.fingerprint, kept)
        return differences(found, alone)

    def files(self, table: str) -> list[str]:
        """Segments of a table, relative to the folder."""
        return Store.open(self.place).segments.paths(table)

    def found(self) -> Outcome:
        """What the folder holds."""
        return outcome(self.place, f"faults/{self.case}")


@contextlib.contextmanager
def scene(case: str, results: str | None = None, environment: Mapping[str, str] | None = None) -> Iterator[Scene]:
    """A scene whose processes and files end with it."""
    expected(case)  # what it costs to be alone is not the fault's time
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    made = Scene(case, folder, results, environment)
    try:
        yield made
    finally:
        for driver in made.drivers:
            driver.end()
        shutil.rmtree(folder, ignore_errors=True)


def once(kind: str, staged: AbstractContextManager[Scene], report: Report, act: Callable[[Scene], str]) -> None:
    """A fault that befalls a sweep once. ``act`` returns what happened."""
    with staged as here:
        try:
            said = act(here)
        except Hang as hang:
            said = f"a hang: {hang}"
            here.wrong.append(said)
        try:
            found = here.compared()
        except (UserError, Hang) as error:
            found, here.wrong = Differences(lost=here.total), [*here.wrong, str(error)]
        report.add(kind, f"{said}, {here.seconds:.0f} s", here.seconds, found, *here.wrong)


def ends(codes: Sequence[int]) -> str:
    """Exit codes in words."""
    return f"exit code{'s' if len(codes) > 1 else ''} {' '.join(map(str, codes))}"
