"""docs/extending.md: its files, as they stand there, do what it says of them."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tools.engine import OWN_FILES as FILES
from tests.tools.engine import OWN_PAGE as PAGE
from tests.tools.engine import ROOT, numbers, run, task

COMMANDS = {
    kind: [
        command
        for block in re.findall(rf"^```sh{kind}\n(.*?)^```", PAGE, re.M | re.S)
        for command in block.splitlines()
    ]
    for kind in ("", " installed")
}
MAIN = "from orchestrator.cli import main; main()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("my lab")  # a path with a space, as people have
    for name, content in FILES.items():
        (found / name).write_text(content)
    return found


def said(folder: Path, command: str, *path: Path) -> str:
    words = shlex.split(command)
    assert words[0] == "orchestrator"
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [ROOT, *path]))}
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *words[1:]], cwd=folder, env=variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_page_has_the_files():
    assert set(FILES) == {"bandits.py", "pooled.py", "seventy.py", "ladder.py", "mine.yaml", "pyproject.toml"}
    assert all(content.count("\n") <= 65 for content in FILES.values())


def of_bandits(folder: Path, agents: int, **settings):
    pair = f"{folder / 'pooled.py'}:Pooled", f"{folder / 'bandits.py'}:Bandits"
    return task(pair, (0, 1), {"every": 4, "per_decade": 2}, agents=agents, **settings)


def test_placement_changes_no_number(folder):
    """One block fused, one by rounds, three blocks, one agent a block."""
    of = of_bandits(folder, 7, rounds=11)
    expected = numbers(driven := run(of, fuse=False))
    assert [replica.error for replica in driven.replicas] == ["", ""]
    assert expected[0] != expected[1]
    for hosts, fuse in ((1, True), (3, False), (7, False)):
        assert numbers(run(of, hosts, fuse=fuse)) == expected


def test_the_algorithm_learns(folder):
    """Without shift and noise the pooled means of arms that were pulled are exact, to rounding."""
    of = of_bandits(folder, 16, rounds=50, env__shift=0, env__noise=0)
    for replica in run(of).replicas:
        assert replica.recorder.summary()["mean_error_final"] < 1e-25


PLACED = [
    ("shadow-policy-gradient", "voter-network", {"utilities": "seventy.py:Seventy", "env__graph": "ladder.py:Ladder"}),
    ("qd-learning", "digital", {"graph": "ladder.py:Ladder"}),
]


@pytest.mark.parametrize(("algorithm", "environment", "settings"), PLACED)
def test_placement_with_an_own_utility_and_graph(folder, algorithm, environment, settings):
    placed = {key: f"{folder}/{name}" for key, name in settings.items()}
    small = {"batch": 6, "horizon": 8} if "utilities" in settings else {}
    of = task((algorithm, environment), (0, 1), {"every": 2}, agents=6, rounds=4, **placed, **small)
    expected = numbers(driven := run(of, fuse=False))
    assert [replica.error for replica in driven.replicas] == ["", ""]
    for hosts, fuse in ((1, True), (3, False)):
        assert numbers(run(of, hosts, fuse=fuse)) == expected
    for key, name in settings.items():
        shown = of.cell.columns()[key.replace("__", "_")]
        assert re.fullmatch(rf"{name.partition(':')[2]}@[0-9a-f]{{16}}", str(shown))


@pytest.mark.slow  # ten starts of the program
def test_the_commands(folder):
    """In the order of the page; the algorithm is reproducible, the sweep has both utilities."""
    assert len(COMMANDS[""]) == 10
    heard = [said(folder, command) for command in COMMANDS[""]]
    assert heard[3].splitlines()[-1] == "The algorithm is reproducible."
    assert "pooled-bandits" in heard[0]
    lines = heard[2].splitlines()
    errors = [float(line.split()[1]) for line in lines if re.match(r"\s*(2|8|32)\s", line)]
    assert len(errors) == 3
    assert errors[0] > errors[1] > errors[2]
    assert {"state-entropy", "Seventy@", "Ladder@"} <= set(re.findall(r"state-entropy|Seventy@|Ladder@", heard[6]))


def test_the_package(folder, tmp_path):
    """Installed as pip would leave it: the modules and their dist-info on the path."""
    described = tomllib.loads(FILES["pyproject.toml"])["project"]
    info = tmp_path / "my_lab-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 0.1\n")
    groups = described["entry-points"].items()
    named = ["\n".join([f"[{group}]", *(f"{k} = {v}" for k, v in of.items())]) for group, of in groups]
    (info / "entry_points.txt").write_text("\n".join(named))
    for name in ("pooled.py", "bandits.py", "seventy.py", "ladder.py"):
        (tmp_path / name).write_text(FILES[name])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for command in COMMANDS[" installed"]:
        said(elsewhere, command, tmp_path)
    found = said(elsewhere, "orchestrator query 'SELECT DISTINCT utilities, env_graph FROM summary WHERE batch = 8'")
    assert re.search(r"seventy\s+ladder\s*$", found.strip())
