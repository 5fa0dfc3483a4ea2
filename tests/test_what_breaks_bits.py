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
#: The file with the decorator of all kernels, and the one that stores them.
KERNELS, STORED_KERNELS = "orchestrator/core/compiling.py", "orchestrator/core/kernel_cache.py"
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
#: Functions of ``math``, ``numpy`` and ``scipy`` whose last bits are those of a C library or of a processor.
LIBM = {
    *(
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "pow",
        "power",
        "float_power",
        "logaddexp",
        "logaddexp2",
    ),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "arcsin", "arccos", "arctan", "arctan2", "sinc"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "arcsinh", "arccosh", "arctanh"),
    *("gamma", "lgamma", "erf", "erfc", "hypot", "cbrt", "dist", "i0", "logspace", "geomspace"),
}
#: Draws of a generator that call them; uniform numbers and integers do not. ``self.normal`` is a block's own.
LIBM_DRAWS = {
    *("normal", "standard_normal", "lognormal", "dirichlet", "gamma", "standard_gamma", "beta", "exponential"),
    *("standard_exponential", "poisson", "binomial", "negative_binomial", "multinomial", "multivariate_normal"),
    *("multivariate_hypergeometric", "hypergeometric", "geometric", "chisquare", "f", "standard_t", "standard_cauchy"),
    *("laplace", "logistic", "gumbel", "pareto", "weibull", "rayleigh", "wald", "vonmises", "triangular", "zipf"),
}
#: Products and solvers that BLAS and LAPACK do, and sums in an order of numpy's own choice.
BLAS = {"dot", "matmul", "einsum", "tensordot", "inner", "vdot", "kron", "convolve", "correlate", "polyfit", "cov"}
#: (file, function) -> why no number depends on its call of the C library, or why it is exact.
SAFE: dict[tuple[str, str], str] = {
    ("algorithms/general_utilities/agents.py", "observers"): "whole numbers",
    ("algorithms/general_utilities/critic.py", "place_values"): "whole numbers",
    ("algorithms/general_utilities/shadow_policy_gradient.py", "__init__"): "the text of an error",
    ("algorithms/general_utilities/shadow_policy_gradient.py", "warnings"): "the text of a warning",
    ("algorithms/mean_field/alternating_marl.py", "calls_per_round"): "an estimate",
    ("algorithms/mean_field/gaps.py", "_few"): "whole numbers",
    ("algorithms/mean_field/graphon_mfs.py", "_operations"): "an estimate",
    ("algorithms/mean_field/population.py", "count_moves"): "whole numbers",
    ("envs/graphon/base.py", "pairs"): "an estimate",
    ("envs/graphon/lumping.py", "value_operations"): "an estimate",
    ("envs/grids/blocker.py", "_joint_states"): "whole numbers",
    ("envs/grids/blocker.py", "fewest_steps"): "whole numbers",
    ("envs/grids/landmarks.py", "__init__"): "whole numbers",
    ("envs/mean_field/base.py", "memory"): "an estimate",
    ("envs/mean_field/base.py", "lumping"): "an estimate",
    ("envs/mean_field/constrained_exploration.py", "sizes"): "whole numbers",
    ("envs/mean_field/constrained_exploration.py", "_moved"): "whole numbers",
    ("envs/mean_field/histograms.py", "move_operations"): "an estimate",
    ("envs/networks/base.py", "_checked_policy"): "whole numbers",
    ("envs/networks/message_line.py", "memory"): "an estimate",
    ("envs/networks/voter_network.py", "memory"): "an estimate",
    ("envs/networks/wireless_access.py", "memory"): "an estimate",
    ("orchestrator/running/recorder.py", "_tenth_power"): "whole numbers decide",
}
#: (file, function) -> why its product or sum does not run over the agent axis, or not in a block-sized piece of it.
REASONS = {
    ("algorithms/mean_field/subsample_mfq.py", "deployed"): "coordinator: whole numbers, counts of the k agents",
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
    assert not broken(numba_imports, sorted(set(FILES) - {KERNELS, STORED_KERNELS, COMPILER_CLOCK}))
    assert {name for _, name in source.imports(source.tree(COMPILER_CLOCK)) if "numba" in name} == {"numba.core.event"}


def test_no_fast_math_and_no_parallel_loops():
    assert not broken(reordered_arithmetic, FILES)


def test_the_decorator_says_so():
    (call,) = [call for name, call in calls(source.tree(KERNELS)) if name.split(".")[-1] == "njit"]
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert (options["fastmath"], options["parallel"]) == ("False", "False")


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


def test_no_c_library_and_no_lapack_where_numbers_are_made():
    """They are other machine code on another processor. ``orchestrator.core`` has its own; ``SAFE`` has exceptions."""
    places = [(name, *place) for name in MAKING for place in foreign_mathematics(source.tree(name))]
    wrong = [f"{name}:{line}: {what}, see docs/determinism.md" for name, line, what in places
             if (name, function_of(what)) not in SAFE]  # fmt: skip
    assert not wrong, "\n".join(wrong)
    assert SAFE.keys() <= {(name, function_of(what)) for name, _, what in places}, "a reason is not needed any more"


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
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in REDUCTIONS
            and dotted(node.func) != "math.prod"
        ):
            yield node.lineno, f"{node.func.attr} in {inside}()"
        yield from sums(node, inside)


def foreign_mathematics(tree: ast.AST, function: str = "") -> Places:
    """Every use of the C library, BLAS or LAPACK, with the innermost function around it."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef) else function
        if what := foreign(node):
            yield getattr(node, "lineno", 0), f"{what} in {inside}()"
        yield from foreign_mathematics(node, inside)


def foreign(node: ast.AST) -> str:
    """What one node of a syntax tree uses of the C library, BLAS or LAPACK; empty if nothing."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow | ast.MatMult):
        base = node.left if isinstance(node, ast.BinOp) else node.target
        whole = isinstance(base, ast.Constant) and isinstance(base.value, int)
        return "@" if isinstance(node.op, ast.MatMult) else "" if whole else "**"
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [name for _, name in source.imports(node)]
        wrong = [n for n in names if n.startswith(("scipy.special", "scipy.linalg", "scipy.stats", "cmath"))]
        wrong += [n for n in names if n.split(".")[0] in ("math", "numpy") and n.split(".")[-1] in LIBM | BLAS]
        return wrong[0] if wrong else ""
    if isinstance(node, ast.Attribute):
        module, _, name = dotted(node).rpartition(".")
        if module in ("np.linalg", "numpy.linalg") or (module in ("math", "np", "numpy") and name in LIBM | BLAS):
            return f"{module}.{name}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner, name = dotted(node.func.value), node.func.attr
        if owner not in ("self", "math", "np", "numpy") and name in LIBM_DRAWS | {"dot"}:
            return f".{name}"
        if name == "uniform" and not all(ast.unparse(bound) in ("-1", "0", "1") for bound in node.args):
            return ".uniform with bounds"
    return ""


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
    foreign_mathematics: (
        [
            "x @ y",
            "x @= y",
            "x ** 2",
            "x **= y",
            "gamma ** t",
            "math.exp(x)",
            "np.power(x, y)",
            "np.linalg.solve(a, b)",
            "np.einsum('ij->i', x)",
            "x.dot(y)",
            "map(math.log, x)",
            "from math import exp",
            "from scipy.linalg import solve",
            "rng.normal(size=3)",
            "self.stream('x').dirichlet(x)",
            "rng.uniform(low, high)",
        ],
        ["2**64", "exp(x)", "math.sqrt(x)", "self.normal(3)", "rng.uniform(-1, 1)", "rng.random(3)", "np.outer(x, y)"],
    ),
    kernels: (["@kernel\ndef f(): pass", "@numba.njit\ndef f(): pass"], ["@property\ndef f(): pass"]),
}  # fmt: skip


def test_every_rule_sees_what_breaks_it_and_nothing_else():
    for rule, (bad, good) in SAMPLES.items():
        for text in bad:
            assert len(list(rule(ast.parse(text)))) == 1, f"{rule.__name__}: {text}"
        for text in good:
            assert not list(rule(ast.parse(text))), f"{rule.__name__}: {text}"
    assert {KERNELS, "envs/common/chains.py", "algorithms/shared_representation/linear_td.py"} <= set(MAKING)
