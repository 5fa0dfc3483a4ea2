"""Compiled kernels on disk: nothing that is stored for one program spoils the start of another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = """
from orchestrator.core import kernel

@kernel
def total(pair):
    return pair.a + pair.b
"""
PAIR = """
from typing import NamedTuple

class Pair(NamedTuple):
    a: float
    b: float
"""
OWN = """
from typing import NamedTuple
from orchestrator.core import kernel

class Pair(NamedTuple):
    a: float
    b: float

@kernel
def total(pair):
    return pair.a + pair.b
"""
AS_PLUGIN = """
from pathlib import Path
from orchestrator.plugins.registry import _member
Pair = _member(Path("{file}").resolve(), "Pair", "")
total = _member(Path("{kernels}").resolve(), "total", "")
"""
USE = "print(total(Pair(1.0, 2.0)), sum(total.dispatcher.stats.cache_hits.values()))"


def run(folder: Path, program: str) -> str:
    """What a new process prints that starts in ``folder``, with the caches of the folder."""
    paths = os.pathsep.join([str(folder), str(Path.cwd())])
    variables = {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", f"from orchestrator.process import prepare\nprepare()\n{program}\n{USE}"],
        capture_output=True, text=True, cwd=folder, env={**os.environ, **variables}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def caches(folder: Path) -> list[Path]:
    return sorted((folder / "cache").rglob("*.nbc"))


def test_an_edited_tuple_of_a_plug_in_spoils_no_kernel(tmp_path):
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "pair.py").write_text(PAIR)
    program = AS_PLUGIN.format(file="pair.py", kernels="kernels.py")
    assert [run(tmp_path, program) for _ in range(2)] == ["3.0 0", "3.0 1"]
    (tmp_path / "pair.py").write_text(PAIR + "# edited\n")
    assert [run(tmp_path, program) for _ in range(2)] == ["3.0 0", "3.0 1"]
    (tmp_path / "pair.py").write_text(PAIR)
    assert run(tmp_path, program) == "3.0 1"  # what was compiled before the edit is still there


MODULE, PLUGIN = "from own import Pair, total", AS_PLUGIN.format(file="own.py", kernels="own.py")


@pytest.mark.parametrize("programs", [(MODULE, PLUGIN), (PLUGIN, MODULE)], ids=["module first", "plug-in first"])
def test_a_file_is_a_module_here_and_a_plug_in_there(tmp_path, programs):
    (tmp_path / "own.py").write_text(OWN)
    for program in programs:
        assert run(tmp_path, program) == "3.0 0"
    for program in programs:
        assert run(tmp_path, program) == "3.0 1"


def test_a_tuple_of_a_module_that_is_gone_spoils_no_kernel(tmp_path):
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "first.py").write_text(PAIR)
    (tmp_path / "second.py").write_text(PAIR)
    assert run(tmp_path, "from kernels import total; from first import Pair") == "3.0 0"
    (tmp_path / "first.py").unlink()
    use = "from kernels import total; from second import Pair"
    assert [run(tmp_path, use) for _ in range(2)] == ["3.0 0", "3.0 1"]


def test_a_damaged_file_is_compiled_again(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    assert run(tmp_path, MODULE) == "3.0 0"
    (file,) = caches(tmp_path)
    for damaged in (b"", b"not a pickle", file.read_bytes()[:-20]):
        file.write_bytes(damaged)
        assert run(tmp_path, MODULE) == "3.0 0"
    assert run(tmp_path, MODULE) == "3.0 1"


def test_an_edited_kernel_is_compiled_again(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    assert run(tmp_path, MODULE) == "3.0 0"
    (tmp_path / "own.py").write_text(OWN.replace("pair.a + pair.b", "pair.a - pair.b + 0.0"))
    assert run(tmp_path, MODULE) == "-1.0 0"


def test_each_types_of_arguments_have_a_file_of_their_own(tmp_path):
    """With an index, two processes that compile at once may give two machine codes one name."""
    (tmp_path / "own.py").write_text(OWN)
    for count, numbers in enumerate(("Pair(1.0, 2.0)", "Pair(1, 2)"), start=1):
        run(tmp_path, f"{MODULE}\ntotal({numbers})")
        assert len(caches(tmp_path)) == count
