"""Kernels are compiled at their first call; until then numba is not imported."""

import inspect
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from orchestrator.core import inlined, kernel, kernels

#: Imports that take long and that no file of an algorithm or environment may need just to be imported.
SLOW = ("numba", "scipy", "pandas", "pyarrow", "ray", "gymnasium", "pettingzoo", "torch", "jax")


def run(program: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | variables, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@inlined
def half(x):
    return x / 2


@kernel
def halves(values):
    """The sum of the halves of ``values`` [n]."""
    total = 0.0
    for i in range(values.shape[0]):
        total += half(values[i])
    return total


@kernel
def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def times(function, factor):
    @kernel
    def product(x):
        return factor * function(x)

    return product


def test_importing_all_algorithms_and_environments_imports_nothing_slow():
    program = f"""
import sys
from orchestrator.plugins import registry
for kind in ("algorithm", "environment", "utility", "graph", "wrapper"):
    for name in registry.names(kind):
        registry._entry(kind, name)
print(sorted(set({SLOW}) & sys.modules.keys()))
"""
    assert run(program) == "[]\n"


@pytest.mark.parametrize("command", [["list"], ["describe", "joint-average-td"], ["describe", "digital"]])
def test_what_prints_a_table_imports_nothing_slow(command):
    program = f"""
import sys
from orchestrator.cli import main
sys.argv = ["orchestrator", *{command}]
try:
    main()
except SystemExit as end:
    assert end.code == 0
print(sorted(set({SLOW}) & sys.modules.keys()))
"""
    assert run(program).splitlines()[-1] == "[]"


def test_a_kernel_calls_kernels_that_were_never_called():
    assert halves(np.array([1.0, 2.0, 4.0])) == 3.5
    assert factorial(5) == 120


def test_a_kernel_made_by_a_function():
    assert times(half, 3.0)(4.0) == 6.0
    assert times(times(half, 3.0), 2.0)(4.0) == 12.0


def test_a_kernel_made_by_a_function_is_read_from_the_cache(tmp_path):
    """numba keys it by the pickles of what the function encloses, here another kernel."""
    (tmp_path / "own.py").write_text(
        "from orchestrator.core import kernel\n"
        "@kernel\ndef half(x):\n    return x / 2\n"
        "def times(function, factor):\n"
        "    @kernel\n    def product(x):\n        return factor * function(x)\n"
        "    return product\n"
        "made = times(half, 3.0)\nprint(made(4.0), sum(made.dispatcher.stats.cache_hits.values()))\n"
    )
    folder = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    caches = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert [run("import own", **folder, **caches) for _ in range(2)] == ["6.0 0\n", "6.0 1\n"]


def test_a_kernel_looks_like_its_function():
    assert vars(halves)["__name__"] == "halves"
    assert inspect.getdoc(halves) == "The sum of the halves of ``values`` [n]."
    assert str(inspect.signature(halves)) == "(values)"
    assert inspect.getsource(half) == "@inlined\ndef half(x):\n    return x / 2\n"
    assert halves.py_func(np.array([1.0, 3.0])) == 2.0


def test_a_kernel_is_pickled_by_name():
    assert pickle.loads(pickle.dumps(kernels.uniform)) is kernels.uniform


def test_without_compilation_the_python_function_is_called():
    """So that indices outside an array are noticed."""
    program = """
import numpy as np, sys
from orchestrator.core import draw_alias
try:
    draw_alias(np.ones(2), np.zeros(1, np.int64), np.array([[1, 2, 3, 4]], np.uint64), 7)
except IndexError as error:
    print(error)
print(draw_alias.dispatcher is draw_alias.py_func)
"""
    assert run(program, NUMBA_DISABLE_JIT="1") == "index 7 is out of bounds for axis 0 with size 1\nTrue\n"
