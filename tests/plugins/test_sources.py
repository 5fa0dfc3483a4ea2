"""Plug-ins of several files: what belongs to them, what identifies them, and how they are imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.plugins import modules, references, registry, sources

RING = """
class Ring:
    version = 1
    def edges(self, n): return {expression}
"""
HELPER = "def ring(n, step=1):\n    return [(i, (i + step) % n) for i in range(n)]\n"


def files(folder: Path, **contents: str) -> Path:
    for name, content in contents.items():
        path = folder / f"{name.replace('__', '/').replace('/init', '/__init__')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def edges(reference: str, n: int = 3) -> list:
    return registry.graph(reference)().edges(n)


IMPORTS = {
    "from helper import ring": "ring(n)",
    "from helper import ring as circle": "circle(n)",
    "import helper": "helper.ring(n)",
    "import helper as own": "own.ring(n)",
    "from .helper import ring": "ring(n)",
    "from . import helper": "helper.ring(n)",
    "import sub.more": "sub.more.ring(n)",
    "import sub.more as own": "own.ring(n)",
    "from sub.more import ring": "ring(n)",
    "from sub import more": "more.ring(n)",
    "from .sub.more import ring": "ring(n)",
    "import math, helper, os.path": "helper.ring(n) if math.pi and os.path.join('a') else []",
}


@pytest.mark.parametrize("statement", IMPORTS)
def test_every_form_of_import_of_a_file_beside_it(tmp_path, statement):
    own = f"{statement}\n" + RING.format(expression=IMPORTS[statement])
    files(tmp_path, own=own, helper=HELPER, sub__more="from helper import ring\n")
    assert edges(f"{tmp_path}/own.py:Ring") == [(0, 1), (1, 2), (2, 0)]
    assert "helper" not in sys.modules
    assert "sub" not in sys.modules


def test_imports_inside_functions_count(tmp_path):
    own = RING.format(expression="0") + "        from helper import ring\n        return ring(n)\n"
    own = own.replace("return 0\n", "\n")
    files(tmp_path, own=own, helper=HELPER)
    assert edges(f"{tmp_path}/own.py:Ring") == [(0, 1), (1, 2), (2, 0)]
    assert set(sources.read(tmp_path / "own.py").files) == {"own.py", "helper.py"}


def test_a_folder_with_packages(tmp_path):
    """``lab/algorithms/own.py`` reaches up into ``lab``, as it would when it is run as a part of that package."""
    files(
        tmp_path,
        lab__init="STEP = 2\n",
        lab__algorithms__init="",
        lab__algorithms__own="from ..common import ring\nfrom lab import STEP\n"
        + RING.format(expression="ring(n, STEP)"),
        lab__common=HELPER,
        lab__unused="raise RuntimeError",
    )
    assert edges(f"{tmp_path}/lab/algorithms/own.py:Ring") == [(0, 2), (1, 0), (2, 1)]
    own = sources.read(tmp_path / "lab" / "algorithms" / "own.py")
    assert set(own.files) == {
        "lab/__init__.py", "lab/algorithms/__init__.py", "lab/algorithms/own.py", "lab/common.py",
    }  # fmt: skip


def test_the_pin_covers_what_is_imported_and_nothing_else(tmp_path):
    own = "from helper import ring\nimport numpy as np\n" + RING.format(expression="ring(n)")
    reference = f"{files(tmp_path, own=own, helper=HELPER, other='x = 1')}/own.py:Ring"
    first = references.pinned(reference)
    (tmp_path / "other.py").write_text("x = 2")
    assert references.pinned(reference) == first
    (tmp_path / "helper.py").write_text(HELPER.replace("step=1", "step=2"))
    second = references.pinned(reference)
    assert second != first
    assert edges(second) == [(0, 2), (1, 0), (2, 1)]
    with pytest.raises(UserError, match=r"own\.py or a file that it imports was edited after this sweep was planned"):
        edges(first)
    (tmp_path / "elsewhere").mkdir()
    files(tmp_path / "elsewhere", own=own, helper=(tmp_path / "helper.py").read_text())
    assert references.fingerprint(references.pinned(f"{tmp_path}/elsewhere/own.py:Ring")) == references.fingerprint(
        second
    )
    assert sources.read(tmp_path / "own.py").packages == {"numpy"}


def test_the_pin_of_a_single_file_is_the_hash_of_its_bytes(tmp_path):
    files(tmp_path, own="x = 1\n")
    assert sources.read(tmp_path / "own.py").pin == "9e26bf369911c45c"


def test_two_plug_ins_have_a_helper_each(tmp_path):
    own = "from helper import ring\n" + RING.format(expression="ring(n)")
    files(tmp_path / "a", own=own, helper=HELPER)
    files(tmp_path / "b", own=own, helper=HELPER.replace("step=1", "step=2"))
    assert edges(f"{tmp_path}/a/own.py:Ring") == [(0, 1), (1, 2), (2, 0)]
    assert edges(f"{tmp_path}/b/own.py:Ring") == [(0, 2), (1, 0), (2, 1)]


def test_shipped_files_are_used_where_the_path_means_nothing(tmp_path):
    """Another machine has only the copies, in a folder that is on Python's path."""
    files(
        tmp_path / "here",
        lab__init="",
        lab__own="from .helper import ring\n" + RING.format(expression="ring(n)"),
        lab__helper=HELPER,
    )
    reference = references.pinned(f"{tmp_path}/here/lab/own.py:Ring")
    (tmp_path / "there").mkdir()
    references.ship([reference], tmp_path / "there")
    (tmp_path / "here").rename(tmp_path / "gone")
    program = f"from orchestrator.plugins import registry\nprint(registry.graph({reference!r})().edges(3))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": f"{tmp_path}/there:{Path.cwd()}", "PATH": ""},
    )  # fmt: skip
    assert done.stdout == "[(0, 1), (1, 2), (2, 0)]\n", done.stderr


def test_no_old_bytecode_is_read_or_written(tmp_path):
    own = "from helper import ring\n" + RING.format(expression="ring(n)")
    files(tmp_path, own=own, helper=HELPER)
    edges(f"{tmp_path}/own.py:Ring")
    assert not list(tmp_path.rglob("*.pyc"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "import missing_package",
            r"own\.py cannot be imported: ModuleNotFoundError: No module named 'missing_package'",
        ),
        ("from helper import absent", r"own\.py cannot be imported: ImportError: cannot import name 'absent'"),
        ("def (", r"own\.py cannot be imported: SyntaxError"),
        ("from ..helper import ring", r"own\.py cannot be imported: ImportError: attempted relative import beyond"),
    ],
)
def test_mistakes(tmp_path, content, sentence):
    files(tmp_path, own=content, helper=HELPER)
    for _ in range(2):  # nothing half imported is left behind
        with pytest.raises(UserError, match=sentence):
            registry.graph(f"{tmp_path}/own.py:Ring")
    assert not [
        name
        for name in sys.modules
        if name.startswith(modules.PREFIX) and "own" in name and str(tmp_path) in str(sys.modules[name])
    ]


def test_a_mended_file_is_imported(tmp_path):
    files(tmp_path, own="from helper import ring\n" + RING.format(expression="ring(n)"), helper="def (")
    with pytest.raises(UserError, match="SyntaxError"):
        edges(f"{tmp_path}/own.py:Ring")
    (tmp_path / "helper.py").write_text(HELPER)
    assert edges(f"{tmp_path}/own.py:Ring") == [(0, 1), (1, 2), (2, 0)]
