"""Rules against what silently changes numbers, held over the syntax of every file that makes them.

A rule gives (line, what) of each place in a syntax tree that breaks it. Rules are approximate where types would be
needed; what they report wrongly is listed with its reason.
"""

import ast
from collections.abc import Callable, Iterable, Iterator

from orchestrator.process import PACKAGES, WITH_KERNELS
from tests.tools import source

Places = Iterator[tuple[int, str]]

FILES = source.files(*PACKAGES)
#: The part of the engine that makes numbers.
ENGINE = (
    "orchestrator/core/",
    "orchestrator/fleet/host.py",
    "orchestrator/running/lockstep.py",
    "orchestrator/running/recorder.py",
)
#: Files whose code makes numbers: the families, the environments, and that part of the engine.
MAKING = [name for name in FILES if not name.startswith("orchestrator/") or name.startswith(ENGINE)]
#: The file with the decorator of all kernels.
KERNELS = "orchestrator/core/kernels.py"
#: It listens to numba's events and compiles nothing.
COMPILER_CLOCK = "orchestrator/fleet/clock.py"
COMPILED = {"kernel", "inlined", "numba.njit", "njit"}
#: RLlib draws from the global streams: this file seeds them from ours for each iteration and puts them back.
GLOBAL_STREAMS = "algorithms/rllib/trainer.py"
GENERATORS = {"default_rng", "SeedSequence", "Generator", "PCG64"}
MACHINE = {"time", "datetime", "os", "platform", "socket", "uuid", "secrets", "threading", "multiprocessing"}
#: Calls that go through their argument in its order, and calls whose result does not depend on that order.
ITERATING = {
    *("list", "tuple", "enumerate", "sum", "map", "filter", "zip", "iter", "dict.fromkeys"),
    *("np.array", "np.asarray", "np.fromiter", "np.stack", "np.concatenate"),
}
ORDERLESS = {"sorted", "set", "frozenset", "len", "min", "max", "any", "all"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
REDUCTIONS = {
    *("sum", "mean", "dot", "matmul", "einsum", "tensordot", "inner", "vdot", "cumsum", "prod"),
    *("average", "std", "var"),
}
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


def broken(rule: Callable[[ast.AST], Places], files: Iterable[str]) -> str:
    """Every violation of a rule in these files, one per line as ``file:line: what``."""
    return "\n".join(f"{name}:{line}: {what}" for name in files for line, what in rule(source.tree(name)))


def test_numba_is_imported_in_one_file_only():
    """Its decorator fixes cache, error model and IEEE order; a kernel made elsewhere would escape it."""
    assert not broken(numba_imports, sorted(set(FILES) - {KERNELS, COMPILER_CLOCK}))
    assert {name for _, name in source.imports(source.tree(COMPILER_CLOCK)) if "numba" in name} == {"numba.core.event"}


def test_no_fast_math_and_no_parallel_loops():
    assert not broken(reordered_arithmetic, FILES)


def test_the_decorator_says_so():
    (call,) = [call for name, call in calls(source.tree(KERNELS)) if name == "numba.njit"]
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert (options["cache"], options["fastmath"], options["parallel"]) == ("True", "False", "False")


def test_no_hash_of_python_s():
    """hash() of a text differs from process to process."""
    assert not broken(hashes, FILES)


def test_no_global_random_numbers():
    """Nothing but generators made from a seed sequence."""
    assert not broken(global_draws, sorted(set(FILES) - {GLOBAL_STREAMS}))
    assert not broken(unseeded, FILES)


def test_no_clock_and_no_machine_where_numbers_are_made():
    assert not broken(machine_imports, MAKING)


def test_no_order_of_sets():
    """A set is iterated only through sorted()."""
    assert not broken(set_orders, MAKING)


def test_no_blas_and_no_pairwise_sums_in_the_families():
    """In blocks and kernels loops and the ordered reductions only: BLAS and numpy add in an order that depends on the

    block's size. Coordinators may where they hold all agents at once, for a reason given in ``REASONS``.
    """
    places = [(name, *place) for name in FILES if name.startswith("algorithms/") for place in sums(source.tree(name))]
    wrong = [f"{name}:{line}: {what}, see docs/determinism.md" for name, line, what in places
             if (name, function_of(what)) not in REASONS]  # fmt: skip
    assert not wrong, "\n".join(wrong)
    assert REASONS.keys() <= {(name, function_of(what)) for name, _, what in places}, "a reason is not needed any more"


def test_kernels_are_where_the_cache_looks():
    """The kernel cache is keyed by the files of these folders: a kernel elsewhere would be used after an edit."""
    assert broken(kernels, FILES)
    assert not broken(kernels, [name for name in FILES if not name.startswith(WITH_KERNELS)])


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of an attribute or name, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    return ((dotted(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def imports_of(tree: ast.AST, packages: set[str]) -> Places:
    lines = {(line, package) for line, name in source.imports(tree) if (package := name.split(".")[0]) in packages}
    return ((line, f"imports {package}") for line, package in sorted(lines))


def numba_imports(tree: ast.AST) -> Places:
    return imports_of(tree, {"numba"})


def machine_imports(tree: ast.AST) -> Places:
    return imports_of(tree, MACHINE)


def reordered_arithmetic(tree: ast.AST) -> Places:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("fastmath", "parallel"):
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                yield node.value.lineno, f"{node.arg} is not False"
        elif isinstance(node, ast.Name | ast.Attribute) and dotted(node).split(".")[-1] == "prange":
            yield node.lineno, "prange"


def hashes(tree: ast.AST) -> Places:
    return ((call.lineno, "hash()") for name, call in calls(tree) if name == "hash")


def global_draws(tree: ast.AST) -> Places:
    yield from imports_of(tree, {"random"})
    for node in ast.walk(tree):
        name = dotted(node)
        if name.startswith(("np.random.", "numpy.random.")) and name.split(".")[2] not in GENERATORS:
            yield getattr(node, "lineno", 0), name


def unseeded(tree: ast.AST) -> Places:
    for name, call in calls(tree):
        if name.split(".")[-1] in GENERATORS - {"Generator"} and not (call.args or call.keywords):
            yield call.lineno, f"{name} without a seed"


def kernels(tree: ast.AST) -> Places:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and {dotted(one) for one in node.decorator_list} & COMPILED:
            yield node.lineno, f"the kernel {node.name}"


def sums(tree: ast.AST, function: str = "") -> Places:
    """Every matrix product and every numpy reduction, with the innermost function around it."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef) else function
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            yield node.lineno, f"@ in {inside}()"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in REDUCTIONS:
            yield node.lineno, f"{node.func.attr} in {inside}()"
        yield from sums(node, inside)


def function_of(what: str) -> str:
    """The function in what ``sums`` reports."""
    return what.partition(" in ")[2].removesuffix("()")


def set_orders(tree: ast.AST) -> Places:
    """Every place whose result depends on the order in which a set gives its elements."""
    attributes = {name for name in set_names(list(ast.walk(tree)), set()) if "." in name}
    return orders_in(tree, attributes)


def orders_in(scope: ast.AST, outer: set[str]) -> Places:
    """The same in a module or function, in which the names ``outer`` are sets."""
    nodes, functions = own_nodes(scope)
    names = set_names(nodes, outer)
    free = set()  # loops whose order does not matter
    for node in nodes:
        if isinstance(node, ast.SetComp) or (isinstance(node, ast.Call) and dotted(node.func) in ORDERLESS):
            free |= {id(loop) for one in (node, *ast.iter_child_nodes(node)) for loop in getattr(one, "generators", ())}
    for node in nodes:
        iterated: list[ast.expr] = []
        if isinstance(node, ast.For | ast.comprehension) and id(node) not in free:
            iterated = [node.iter]
        elif isinstance(node, ast.Starred):
            iterated = [node.value]
        elif isinstance(node, ast.Call) and dotted(node.func) in ITERATING:
            iterated = node.args
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            iterated = {"join": node.args, "extend": node.args, "pop": [node.func.value]}.get(node.func.attr, [])
        yield from ((one.lineno, f"the order of the set {ast.unparse(one)}") for one in iterated if is_set(one, names))
    for function in functions:
        yield from orders_in(function, names)


def own_nodes(scope: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """The nodes of a module or function outside the functions in it, and those functions."""
    nodes, functions, waiting = [], [], list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef):
            functions.append(node)
        else:
            nodes.append(node)
            waiting += ast.iter_child_nodes(node)
    return nodes, functions


def set_names(nodes: list[ast.AST], outer: set[str]) -> set[str]:
    """``outer``, and the names and attributes that are annotated as sets or assigned one."""
    names = set(outer)
    for node in nodes:
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            name = node.arg if isinstance(node, ast.arg) else dotted(node.target)
            kind = node.annotation.value if isinstance(node.annotation, ast.Subscript) else node.annotation
            names |= {name} if dotted(kind) in ("set", "frozenset", "Set", "AbstractSet") else set()
        elif isinstance(node, ast.Assign) and is_set(node.value, names):
            names |= {dotted(target) for target in node.targets} - {""}
        elif isinstance(node, ast.NamedExpr) and is_set(node.value, names):
            names.add(node.target.id)
    return names


def is_set(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression is a set as far as its syntax shows."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return any(is_set(side, names) or is_view(side) for side in (node.left, node.right))
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in SET_METHODS:
            return is_set(node.func.value, names)
        return dotted(node.func) in ("set", "frozenset")
    if isinstance(node, ast.IfExp):
        return is_set(node.body, names) or is_set(node.orelse, names)
    return isinstance(node, ast.Set | ast.SetComp) or dotted(node) in names


def is_view(node: ast.AST) -> bool:
    """Whether it is the keys or items of a dictionary, of which ``&`` and ``|`` make sets."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")


#: A rule -> lines each of which breaks it once, and lines that do not break it.
SAMPLES: dict[Callable[[ast.AST], Places], tuple[list[str], list[str]]] = {
    numba_imports: (["import numba", "from numba import njit", "from numba.core import types"], ["import numpy"]),
    reordered_arithmetic: (
        ["njit(fastmath=True)", "njit(parallel=on)", "for i in numba.prange(3): pass"],
        ["njit(fastmath=False, parallel=False)", "for i in range(3): pass"],
    ),
    hashes: (["hash('word')"], ["hashlib.sha256(b'word')"]),
    global_draws: (
        ["import random", "from random import choice", "np.random.normal()", "numpy.random.seed(1)"],
        ["np.random.default_rng(1)", "rng.normal()"],
    ),
    unseeded: (["np.random.default_rng()", "SeedSequence()"], ["default_rng(0)", "PCG64(seed=3)"]),
    machine_imports: (["import time", "from os import environ", "import os.path"], ["import math"]),
    set_orders: (
        [
            "for i in {1, 2}: f(i)",
            "for i in {x for x in y}: f(i)",
            "[f(i) for i in frozenset(y)]",
            "{i: f(i) for i in set(y)}",
            "sum({0.1, 0.2})",
            "sum(x[i] for i in set(y))",
            "map(f, set(y))",
            "np.array(list(y | {1}))",
            "tuple(set(y) - {1})",
            "list(a.keys() & b.keys())",
            "enumerate(set(y).union(z))",
            "f(*{1, 2})",
            "', '.join({'a', 'b'})",
            "set(y).pop()",
            "known = set(y)\nfor i in known: f(i)",
            "known: set[int] = g(y)\nlist(known)",
            "def f(known: set[int]): return list(known)",
        ],
        [
            "for i in sorted({1, 2}): f(i)",
            "sorted(f(i) for i in set(y))",
            "{f(i) for i in set(y)}",
            "len(set(y)), max(set(y)), 1 in {1, 2}",
            "known = sorted(set(y))\nlist(known)",
            "any(i > 1 for i in {1, 2})",
            "sum(a | b)",
        ],
    ),
    sums: (["x @ y", "np.mean(x)", "x.sum(axis=0)", "np.linalg.multi.dot(x)"], ["ordered_mean(x)", "sum(x)"]),
    kernels: (["@kernel\ndef f(): pass", "@numba.njit\ndef f(): pass"], ["@property\ndef f(): pass"]),
}  # fmt: skip


def test_every_rule_sees_what_breaks_it_and_nothing_else():
    for rule, (bad, good) in SAMPLES.items():
        for text in bad:
            assert len(list(rule(ast.parse(text)))) == 1, f"{rule.__name__}: {text}"
        for text in good:
            assert not list(rule(ast.parse(text))), f"{rule.__name__}: {text}"
    assert {KERNELS, "envs/common/chains.py", "algorithms/shared_representation/linear_td.py"} <= set(MAKING)
