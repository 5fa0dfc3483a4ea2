"""One fingerprint on any processor: every promised algorithm under other machine code for the same arithmetic.

A variable for each library takes the newer instructions away from it: the C library's functions, BLAS, numpy's loops,
and the compiler of kernels. A child process runs all algorithms on small cells; equal hashes mean equal bits.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys

import pytest

from orchestrator.checks.contract import numbers
from tests.tools.cells.small import PAIRS, of_pair
from tests.tools.engine import ROOT, run

C_LIBRARY = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-FMA4"}
BLAS = {"OPENBLAS_CORETYPE": "Nehalem"}
COMPILER = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
#: Pairs whose kernels are soon compiled for another processor: each kind of environment, most functions.
FEW = [
    ("pfedtd-rep", "windy-cliff"),
    ("policy-reciprocity", "digital"),
    ("exact-gradient", "voter-network"),
    ("subsample-q", "random-population"),
]


def numpy_loops() -> dict[str, str]:
    """No instructions in numpy beyond those that it was built to need."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return {"NPY_DISABLE_CPU_FEATURES": " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name])}


def fingerprints(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Algorithm and environment -> hash of everything that two seeds compute, to the last bit."""
    return {" on ".join(pair): hashed(repr(numbers(run(of_pair(pair))))) for pair in pairs}


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def elsewhere(pairs: list[tuple[str, str]], variables: dict[str, str]) -> dict[str, str]:
    """``fingerprints`` in a process with these variables."""
    program = (
        "import json, sys; from tests.running.test_any_cpu import fingerprints;"
        "print(json.dumps(fingerprints([tuple(pair) for pair in json.loads(sys.argv[1])])))"
    )
    command = [sys.executable, "-c", program, json.dumps(pairs)]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, cwd=ROOT, timeout=1200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    """The hashes of this processor, of a child process like the others."""
    return elsewhere(PAIRS, {})


def test_another_c_library_blas_and_numpy_give_the_same_bits(here):
    """All at once, on every pair: the kernels are those of this processor, and come from its cache."""
    assert elsewhere(PAIRS, C_LIBRARY | BLAS | numpy_loops()) == here


def test_kernels_for_another_processor_give_the_same_bits(here):
    found = elsewhere(FEW, C_LIBRARY | BLAS | numpy_loops() | COMPILER)
    assert found == {name: here[name] for name in found}
    assert len(found) == len(FEW)


@pytest.mark.slow
@pytest.mark.parametrize("variables", [C_LIBRARY, BLAS, numpy_loops(), COMPILER], ids=["libc", "blas", "numpy", "llvm"])
def test_each_alone_gives_the_same_bits(variables, here):
    assert elsewhere(PAIRS, variables) == here


@pytest.mark.slow
def test_all_at_once_give_the_same_bits(here):
    assert elsewhere(PAIRS, C_LIBRARY | BLAS | numpy_loops() | COMPILER) == here


@pytest.mark.skipif(platform.machine() != "x86_64", reason="they name instructions of x86-64")
def test_the_variables_do_something():
    """Else the tests above would compare equal code: BLAS and numpy's exp give other bits under them."""
    program = (
        "import hashlib, numpy as np; x = np.random.default_rng(0).random((60, 60));"
        "print([hashlib.sha256(y.tobytes()).hexdigest() for y in (np.exp(x), x @ x, np.cumsum(x), x.sum(axis=1))])"
    )
    texts = []
    for variables in ({}, C_LIBRARY | BLAS | numpy_loops()):
        done = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | variables, capture_output=True, text=True, timeout=300
        )
        texts.append(done.stdout.strip("[]\n").replace("'", "").split(", "))
    with_all, without = texts
    if numpy_loops()["NPY_DISABLE_CPU_FEATURES"]:
        assert with_all[0] != without[0]
        assert with_all[1] != without[1]
    assert with_all[2:] == without[2:]  # numpy adds in an order of its own, but in the same one
