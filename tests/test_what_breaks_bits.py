"""Rules against what silently changes numbers, checked on the syntax of every file that makes them.

They are approximate where types would be needed; what they flag falsely is listed with its reason.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from orchestrator.process import WITH_KERNELS
from tests.tools.engine import ROOT

PACKAGES = ("orchestrator", "algorithms", "envs")
FILES = {path.relative_to(ROOT).as_posix(): path for p in PACKAGES for path in sorted((ROOT / p).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}
#: The part of the engine that makes numbers.
ENGINE = (
    "orchestrator/core/",
    "orchestrator/fleet/host.py",
    "orchestrator/running/lockstep.py",
    "orchestrator/running/recorder.py",
)
#: Files whose code makes numbers: the families, the environments, and that part of the engine.
MAKING = [name for name in FILES if not name.startswith("orchestrator/") or name.startswith(ENGINE)]

making = pytest.mark.parametrize("name", MAKING)
every = pytest.mark.parametrize("name", FILES)


def imports(tree: ast.AST) -> Iterator[str]:
    """Absolute dotted names of the modules imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of an attribute or name, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def test_the_rules_see_the_files():
    assert {
        "orchestrator/core/kernels.py",
        "envs/common/chains.py",
        "algorithms/shared_representation/linear_td.py",
    } <= set(MAKING)


@every
def test_numba_is_imported_in_one_file_only(name):
    """Its decorator fixes cache, error model and IEEE order; a kernel made elsewhere would escape it."""
    if name != "orchestrator/core/kernels.py":
        assert not [module for module in imports(TREES[name]) if module.split(".")[0] == "numba"]


@every
def test_no_fast_math_and_no_parallel_loops(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.keyword) and node.arg in ("fastmath", "parallel"):
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
        assert not (isinstance(node, ast.Name | ast.Attribute) and dotted(node).split(".")[-1] == "prange")


def test_the_decorator_says_so():
    found = [call for called, call in calls(TREES["orchestrator/core/kernels.py"]) if called == "numba.njit"]
    assert len(found) == 1
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in found[0].keywords}
    assert (options["cache"], options["fastmath"], options["parallel"]) == ("True", "False", "False")


@every
def test_no_hash_of_python_s(name):
    """hash() of a text differs from process to process."""
    assert "hash" not in [called for called, _ in calls(TREES[name])]


ALLOWED_RANDOM = {"default_rng", "SeedSequence", "Generator", "PCG64"}
#: RLlib draws from the global streams: this file seeds them from ours for each iteration and puts them back.
GLOBAL_STREAMS = "algorithms/rllib/trainer.py"


@every
def test_no_global_random_numbers(name):
    """Nothing but generators made from a seed sequence."""
    tree = TREES[name]
    for node in ast.walk(tree) if name != GLOBAL_STREAMS else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert "random" not in [module.split(".")[0] for module in imports(node)]
        if isinstance(node, ast.Attribute) and dotted(node.value) in ("np.random", "numpy.random"):
            assert node.attr in ALLOWED_RANDOM, f"{name}:{node.lineno}: np.random.{node.attr}"
    for called, call in calls(tree):
        if called.split(".")[-1] in ("default_rng", "PCG64", "SeedSequence"):
            assert call.args or call.keywords, f"{name}:{call.lineno}: {called} without a seed"


@making
def test_no_clock_and_no_machine_where_numbers_are_made(name):
    forbidden = {"time", "datetime", "os", "platform", "socket", "uuid", "secrets", "threading", "multiprocessing"}
    assert not forbidden & {module.split(".")[0] for module in imports(TREES[name])}


ITERATING = ("list", "tuple", "enumerate", "np.array", "np.fromiter", "sum", "map")


@making
def test_no_order_of_sets(name):
    check_sets(name, TREES[name])


def check_sets(name: str, tree: ast.AST) -> None:
    """A set is iterated only through sorted()."""
    for node in ast.walk(tree):
        iterated = [node.iter] if isinstance(node, ast.For | ast.comprehension) else []
        if isinstance(node, ast.Call) and dotted(node.func) in (
            "list",
            "tuple",
            "np.array",
            "np.fromiter",
            "enumerate",
        ):
            iterated += node.args[:1]
        for found in iterated:
            is_set = isinstance(found, ast.Set | ast.SetComp) or (
                isinstance(found, ast.Call) and dotted(found.func) in ("set", "frozenset")
            )
            assert not is_set, f"{name}:{found.lineno}: iterates over a set"


#: (file, function) -> why its product or sum does not run over the agent axis, or not in a block-sized piece of it.
REASONS = {
    ("algorithms/mean_field/subsample_mfq.py", "deployed"): "coordinator: whole numbers, counts of the k agents",
    ("algorithms/mean_field/gaps.py", "deterministic"): "whole numbers",
    ("algorithms/shared_representation/linear_td.py", "measure_agents"): "coordinator: always all N agents at once",
    ("algorithms/shared_representation/linear_td.py", "thetas"): "coordinator: always all N agents at once",
    ("algorithms/shared_representation/shared_head_td.py", "thetas"): "coordinator: always all N agents at once",
    ("algorithms/shared_representation/independent_td.py", "thetas"): "coordinator: always all N agents at once",
    ("algorithms/shared_representation/linear_td.py", "initial_basis"): "d x r, no agents",
    ("algorithms/shared_representation/independent_td.py", "measure"): "coordinator: always all N agents at once",
    ("algorithms/policy_reciprocity/adjacency.py", "isolated"): "counts",
    ("algorithms/policy_reciprocity/adjacency.py", "_build"): "counts",
    ("algorithms/rllib/trainer.py", "encodings"): "integers",
    ("algorithms/rllib/ppo.py", "measure"): "coordinator: always all N agents at once",
    ("algorithms/general_utilities/batch.py", "packed"): "integers",
}
REDUCTIONS = {
    "sum",
    "mean",
    "dot",
    "matmul",
    "einsum",
    "tensordot",
    "inner",
    "vdot",
    "cumsum",
    "prod",
    "average",
    "std",
    "var",
}


def reductions(tree: ast.AST, function: str = "") -> Iterator[tuple[str, int, str]]:
    """(innermost function, line, what) of every matrix product and every numpy reduction."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef) else function
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            yield inside, node.lineno, "@"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in REDUCTIONS:
            yield inside, node.lineno, node.func.attr
        yield from reductions(node, inside)


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("algorithms/")])
def test_no_blas_and_no_pairwise_sums_in_the_families(name):
    """In blocks and kernels loops and the ordered reductions only: BLAS and numpy add in an order that depends on

    the block's size. Coordinators may where they hold all agents at once, for a reason given in ``REASONS``.
    """
    for function, line, what in reductions(TREES[name]):
        assert (name, function) in REASONS, f"{name}:{line}: {what} in {function}(), see docs/determinism.md"


def test_reasons_are_still_needed():
    found = {(name, function) for name, tree in TREES.items() for function, _, _ in reductions(tree)}
    assert set(REASONS) <= found


def test_the_rule_sees_what_it_should():
    """The rules themselves, tried on a file that breaks them all."""
    bad = "import numba\ndef f(x):\n    y = x @ x\n    for i in {1, 2}: y += np.mean(x)\n    return x.sum(axis=0)\n"
    assert [(function, what) for function, _, what in reductions(ast.parse(bad))] == [
        ("f", "@"),
        ("f", "mean"),
        ("f", "sum"),
    ]
    assert list(imports(ast.parse(bad))) == ["numba"]


def test_the_variables_are_set_before_numpy_loads():
    """One BLAS thread, no SVML, the kernel cache keyed by the source tree: in a process that imports numpy after us."""
    program = """
import orchestrator, os, sys
assert "numpy" not in sys.modules
import numpy, numba
from threadpoolctl import threadpool_info
assert all(pool["num_threads"] == 1 for pool in threadpool_info()), threadpool_info()
assert numba.config.DISABLE_INTEL_SVML
assert os.path.basename(numba.config.CACHE_DIR) == orchestrator._process.source_hash(orchestrator._process.WITH_KERNELS)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_blas_is_held_to_one_thread_even_if_numpy_came_first():
    program = """
import numpy
import orchestrator
from threadpoolctl import threadpool_info
assert all(pool["num_threads"] == 1 for pool in threadpool_info()), threadpool_info()
"""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", program], cwd="/", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_kernels_are_where_the_cache_looks():
    """The kernel cache is keyed by the files of these folders: a kernel elsewhere would be used after an edit."""
    compiled = {"kernel", "inlined", "numba.njit", "njit"}
    homes = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and {dotted(one) for one in node.decorator_list} & compiled
    }
    assert homes
    assert {name for name in homes if not name.startswith(WITH_KERNELS)} == set()
