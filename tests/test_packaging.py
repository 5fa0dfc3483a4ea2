"""The files that a wheel holds."""

import fnmatch
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_wheel_holds_every_file_that_the_packages_read():
    """The page's style and script, the shipped sweeps, the tested versions and the marks of typed packages."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    listed = subprocess.run(
        ["git", "ls-files", "orchestrator", "algorithms", "envs", "sweeps"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    data = [name for name in listed if Path(name).suffix not in (".py", ".md")]
    patterns = [
        f"{package.replace('.', '/')}/{pattern.replace('**/', '*')}"
        for package, own in setup.items()
        for pattern in own
    ]
    assert [name for name in data if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)] == []
    assert {"orchestrator/report/report.css", "orchestrator/report/report.js"} < set(data)
    assert {f"{package}/py.typed" for package in ("orchestrator", "algorithms", "envs")} < set(data)
    assert (ROOT / "orchestrator/checks/constraints.txt").read_text() == (ROOT / "constraints.txt").read_text()
