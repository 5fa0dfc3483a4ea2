"""exp, log and their like: within one unit in the last place of mpmath, monotone, and made of plain operations only."""

import hashlib
import math
import os
import random
import re
import struct
import subprocess
import sys
from typing import Any

import mpmath
import numpy as np
import pytest

from orchestrator.core.compiling import Kernel
from orchestrator.core.portable import elementary
from orchestrator.core.portable.elementary import elementwise, exp, expm1, log, log1p, power, tanh
from orchestrator.core.portable.error_function import erf
from tests.tools.source import ROOT

INF, NAN = math.inf, math.nan
LARGEST, LEAST, NORMAL = sys.float_info.max, 5e-324, sys.float_info.min
OF_ONE = {"exp": exp, "expm1": expm1, "log": log, "log1p": log1p, "tanh": tanh, "erf": erf}
DRAWN = 1500
COMPILED = [*OF_ONE.values(), power]


def small(rng: random.Random) -> float:
    """A number of any size below 1, of either sign."""
    return rng.uniform(-1, 1) * 2.0 ** -rng.randint(0, 1060)


def arguments(name: str) -> list[float]:
    """Numbers over the whole range of a function, more of them where it is delicate."""
    rng = random.Random(name)
    spans = {
        "exp": [(-745.2, 709.79), (-1, 1), (-745.2, -707)],
        "expm1": [(-50, 709.79), (-2, 3), (-0.4, 0.4)],
        "log": [(0.5, 2), (0.99, 1.01), (0, 1e6)],
        "log1p": [(-1, 2), (-0.4, 0.5), (0, 1e6)],
        "tanh": [(-23, 23), (-2, 2), (0.5, 0.9)],
        "erf": [(-6.5, 6.5), (-1.5, 1.5), (2.5, 3.2)],
    }[name]
    drawn = [rng.uniform(low, high) for low, high in spans for _ in range(DRAWN)]
    positive = [math.ldexp(rng.uniform(0.5, 1), rng.randint(-1073, 1024)) for _ in range(DRAWN)]
    if name == "log":
        return drawn + positive + [LEAST, NORMAL, LARGEST]
    if name == "log1p":
        drawn += positive + [-1 + 2.0 ** -rng.randint(1, 53) for _ in range(50)]
    return drawn + [small(rng) for _ in range(DRAWN)]


def pairs() -> list[tuple[float, float]]:
    """Bases and exponents whose power is a number, over the whole range of results."""
    rng, found = random.Random("power"), []
    for _ in range(DRAWN):
        near = 1 + rng.uniform(-1, 1) * 2.0 ** -rng.randint(1, 52)
        for base in (exp(rng.uniform(-700, 700)), rng.uniform(0.3, 3), near, rng.uniform(1, 1e6)):
            if base != 1:
                found.append((base, rng.uniform(-745, 709) / log(base)))
        found.append((rng.uniform(0, 100), rng.uniform(-3, 3)))
        found.append((rng.randint(1, 2**40) * LEAST, rng.uniform(-0.9, 1)))
        found.append((-rng.uniform(0, 10), float(rng.randint(-40, 40))))
    return found


def off(got: float, exact: Any) -> float:
    """Distance in units of the last place of the exact value."""
    nearest = float(exact)
    return 0.0 if got == nearest else float(abs(mpmath.mpf(got) - exact) / math.ulp(nearest))


@pytest.mark.parametrize("name", OF_ONE)
def test_within_one_unit_in_the_last_place(name):
    with mpmath.workprec(160):
        worst = max(off(OF_ONE[name](x), getattr(mpmath, name)(mpmath.mpf(x))) for x in arguments(name))
    assert worst <= 1.0


def test_powers_within_one_unit_in_the_last_place():
    with mpmath.workprec(160):
        worst = max(off(power(x, y), mpmath.power(mpmath.mpf(x), mpmath.mpf(y))) for x, y in pairs())
    assert worst <= 0.8


@pytest.mark.parametrize(
    ("function", "x", "value"),
    [
        (exp, INF, INF),
        (exp, -INF, 0.0),
        (exp, -0.0, 1.0),
        (exp, 709.7827128933845, INF),
        (exp, 709.7827128933841, INF),
        (exp, -745.1332191019411, LEAST),
        (exp, -745.1332191019412, 0.0),
        (exp, LARGEST, INF),
        (expm1, INF, INF),
        (expm1, -INF, -1.0),
        (expm1, -0.0, -0.0),
        (expm1, LEAST, LEAST),
        (expm1, 709.7827128933841, INF),
        (expm1, -60.0, -1.0),
        (log, INF, INF),
        (log, 0.0, -INF),
        (log, -0.0, -INF),
        (log, 1.0, 0.0),
        (log, -1.0, NAN),
        (log, -INF, NAN),
        (log, LEAST, -744.4400719213812),
        (log1p, -0.0, -0.0),
        (log1p, -1.0, -INF),
        (log1p, -1.1, NAN),
        (log1p, INF, INF),
        (log1p, LEAST, LEAST),
        (tanh, -0.0, -0.0),
        (tanh, INF, 1.0),
        (tanh, -INF, -1.0),
        (tanh, -LEAST, -LEAST),
        (erf, -0.0, -0.0),
        (erf, INF, 1.0),
        (erf, -INF, -1.0),
        (erf, 6.0, 1.0),
    ],
)  # fmt: skip
def test_edges(function, x, value):
    assert same(function(x), value)


def same(got: float, expected: float) -> bool:
    """Equal, with the same sign of a zero; nan equals nan."""
    return (got != got and expected != expected) or (
        got == expected and math.copysign(1, got) == math.copysign(1, expected)
    )


@pytest.mark.parametrize("function", OF_ONE.values(), ids=OF_ONE)
def test_nan_stays(function):
    assert math.isnan(function(NAN))


def test_edges_of_powers():
    """As C has them, for all pairs of special numbers."""
    special = [0.0, 1.0, 0.5, 2.0, 3.0, 2.5, LEAST, LARGEST, 2.0**53 + 2, INF, NAN, 1 - 2.0**-53]
    special += [-x for x in special]
    for x in special:
        for y in special:
            odd = y.is_integer() and y % 2 == 1
            try:
                expected = math.pow(x, y)
            except OverflowError:
                expected = -INF if x < 0 and odd else INF
            except ValueError:  # Python's own rule; C divides by zero, or has no number
                expected = math.copysign(INF, x) if odd else INF if x == 0 else NAN
            assert same(power(x, y), expected) or power(x, y) == pytest.approx(expected, rel=3e-16, abs=0), (x, y)


#: Where the formula of a function changes, and the ends of its range.
SEAMS = {
    "exp": [0.0, -0.5 * math.log(2), 0.5 * math.log(2), 1.5 * math.log(2), -708.396418532264, 709.78, -745.1],
    "expm1": [1e-17, -0.5 * math.log(2), 0.5 * math.log(2), 1.5 * math.log(2), -50.0, 40 * math.log(2), 709.78],
    "log": [1.0, math.sqrt(2), math.sqrt(0.5), 2.0, NORMAL, 3e-324, LARGEST],
    "log1p": [1e-17, math.sqrt(2) - 1, math.sqrt(0.5) - 1, 1.0, 2.0**53, -1 + 2.0**-52],
    "tanh": [1e-9, 0.625, 22.0, 0.75 * math.log(2), 19.06],
    "erf": [0.84375, 1.25, 1 / 0.35, 6.0, 5.9],
}  # fmt: skip


@pytest.mark.parametrize("name", SEAMS)
def test_monotone_where_the_formula_changes(name):
    for seam in SEAMS[name]:
        x = seam
        for _ in range(40):
            x = math.nextafter(x, -INF)
        for _ in range(80):
            ahead = math.nextafter(x, INF)
            if OF_ONE[name](x) == OF_ONE[name](x):
                assert OF_ONE[name](ahead) >= OF_ONE[name](x), x
            x = ahead


@pytest.mark.parametrize("function", COMPILED, ids=lambda function: function.py_func.__name__)
def test_the_machine_code_fuses_nothing_and_calls_nobody(function):
    """No fused multiply-add, on a processor that has it, and neither libm nor any other function."""
    import numba
    from numba.core.caching import NullCache

    dispatcher = Kernel(function.py_func, inline=False).dispatcher
    dispatcher._cache = NullCache()  # what comes from the disk has no text
    dispatcher.compile((numba.float64,) * dispatcher.py_func.__code__.co_argcount)
    (llvm,), (machine,) = dispatcher.inspect_llvm().values(), dispatcher.inspect_asm().values()
    assert "fmul" in llvm
    assert not re.search(r"\bcontract\b|\bfast\b|\breassoc\b|llvm\.fm", llvm)
    assert not re.search(r"vfn?m(add|sub)", machine)
    called = set(re.findall(r"call[^\n@]*@\"?([\w.]+)", llvm))
    assert not {name for name in called if not name.startswith(("Py", "llvm.", "_ZN", "NRT", "numba_"))}


def results() -> str:
    """A hash of the bits of many results."""
    bits = hashlib.sha256()
    for name, function in OF_ONE.items():
        for x in [*arguments(name)[::7], 0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, LARGEST, LEAST]:
            value = float(function(x))
            bits.update(struct.pack("d", value if value == value else NAN))
    for x, y in pairs()[::7]:
        bits.update(struct.pack("d", power(x, y)))
    return bits.hexdigest()


def test_the_python_functions_give_the_same_bits():
    program = "from tests.core.portable.test_elementary import results; print(results())"
    for variables in ({"NUMBA_DISABLE_JIT": "1"}, {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-FMA4"}):
        command = [sys.executable, "-W", "error::RuntimeWarning", "-c", program]
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, cwd=ROOT, timeout=300
        )
        assert done.stdout.strip() == results(), done.stderr


def test_whole_numbers_and_arrays():
    assert (exp(1), power(2, 10), log(1)) == (math.e, 1024.0, 0.0)
    given = np.array([[1.0, 4.0], [9.0, 16.0]])
    assert elementwise(power, given, 0.5).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert elementwise(exp, np.zeros((2, 0, 3))).shape == (2, 0, 3)


def test_pairs_of_exp_and_log2_are_better_than_their_first_parts():
    """What ``tanh`` and ``power`` rest on: the second part is the error of the first."""
    rng = random.Random(0)
    with mpmath.workprec(200):
        for x in (rng.uniform(-700, 700) for _ in range(300)):
            k, y, z = elementary.exponential(x, 0.0)
            assert abs((mpmath.mpf(y) + z) * mpmath.mpf(2) ** k / mpmath.exp(x) - 1) < 2.0**-54
        for x in (math.exp(rng.uniform(-700, 700)) for _ in range(300)):
            high, low = elementary.log2_parts(x)
            assert abs((mpmath.mpf(high) + low) / mpmath.log(x, 2) - 1) < 2.0**-65
