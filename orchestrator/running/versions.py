"""What a run's numbers were made with: versions of everything whose code makes them, and the processor."""

import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from orchestrator.planning.cells import Cell
from orchestrator.plugins import packages
from orchestrator.process import source_hash

LIBRARIES = ("marl-orchestrator", "numpy", "numba", "scipy", "ray", "pyarrow")


def versions(cell: Cell) -> str:
    """Versions of this program, its source files, and the packages that make the cell's numbers, as JSON."""
    known = dict(_common())
    for package in sorted(cell.packages):
        known |= packages.versions_of(package)
    return json.dumps(known, sort_keys=True)


@cache
def cpu() -> str:
    """The CPU's model name: numbers are promised to agree within one class of CPUs."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@cache
def _common() -> dict[str, str]:
    known = {"python": platform.python_version(), "source": source_hash()}
    for library in LIBRARIES:
        try:
            known[library] = version(library)
        except PackageNotFoundError:
            known[library] = "unknown"
    return known
