"""The page docs/kernels.md: functions for kernels, and how to write a kernel."""

import inspect
from collections.abc import Callable

from orchestrator import core
from orchestrator.core.compiling import Kernel
from orchestrator.reference.markdown import table, table_cell

INTRODUCTION = """
The inner loop of a block is a kernel: a function of arrays and numbers that [numba](https://numba.pydata.org) compiles
when it is first called. All names on this page are imported from `orchestrator.core`.
""".strip()

#: Modules whose functions the page lists: title, sentence.
SECTIONS = {
    "orchestrator.core.compiling": ("Decorators", "What makes a function a kernel."),
    "orchestrator.core.kernels": (
        "Random draws and sums",
        "Functions marked *kernel* here and below can be called in kernels and in Python, the others only in Python.",
    ),
    "orchestrator.core.portable.elementary": (
        "exp, log and their like",
        "The same bits on every processor; `math`, `numpy` and `**` call the C library, whose last bits differ.",
    ),
    "orchestrator.core.portable.error_function": ("The error function", "The same bits on every processor."),
    "orchestrator.core.portable.algebra": ("Linear algebra", "For small matrices, in place of `@` and `np.linalg`."),
    "orchestrator.core.portable.draws": ("Draws from numpy generators", "For set-ups and coordinators."),
    "orchestrator.core.streams": ("Random streams", "For draws outside kernels, and for streams of your own."),
    "orchestrator.core.graphs": (
        "Graphs",
        f"The class `Graph`, for an `Exchange`, and graphs by name. `GRAPH_NAMES` says the names: {core.GRAPH_NAMES}.",
    ),
}

#: A file that a test runs as it stands.
EXAMPLE = '''
"""Noisy quadratics: every agent descends its own parabola from the common point."""

from typing import NamedTuple

import numpy as np

from orchestrator.core import kernel, mean_rows, member_streams, normal


class Parabolas(NamedTuple):
    centre: np.ndarray  # float64 [n, d]
    noise: float


@kernel
def descend(parabolas, point, step, steps, rng):
    """Each agent's point [n, d] after ``steps`` noisy gradient steps from ``point`` [d]."""
    n, d = parabolas.centre.shape
    own = np.empty((n, d))
    for i in range(n):
        own[i] = point
        for _ in range(steps):
            for j in range(d):
                slope = own[i, j] - parabolas.centre[i, j] + parabolas.noise * normal(rng, i)
                own[i, j] -= step * slope
    return own


@kernel
def rounds(count, parabolas, point, step, steps, rng):
    """``count`` rounds of local descent and averaging, fused."""
    for _ in range(count):
        point = mean_rows(descend(parabolas, point, step, steps, rng))
    return point


parabolas = Parabolas(np.array([[0.0, 1.0], [2.0, 3.0]]), noise=0.0)
rng = member_streams(0, "agents", "steps", range(2))
print(rounds(100, parabolas, np.zeros(2), 0.1, 5, rng))  # near the mean of the centres, (1, 2)
'''.strip()

RULES = """
- **Arguments** are arrays, numbers, and `NamedTuple`s of them. Pass what belongs together as one `NamedTuple`: fields
  keep their names, and the kernel keeps a short list of arguments. Other objects, dicts and lists do not compile.
- **Random draws** come from `rng`, uint64 [n, 4], one stream per member: `uniform(rng, i)` draws for member i and
  advances row i. Then a member's draws do not depend on which members share its block. `self.rng` of a `Block` is saved
  in snapshots; `self.stream(role)` gives fresh streams for other purposes.
- **Sums over members** use `mean_rows` and `sum_rows` in kernels, `ordered_mean` and `ordered_sum` in Python. They add
  in the order of the members. `np.sum`, `np.mean` and `@` over members add in an order that depends on the block.
- **exp, log, powers** come from here as well (`exp`, `log`, `power` …), never from `math`, `numpy` or `**`, whose last
  bits differ from processor to processor. Whole-number powers of floats are products: `x * x`.
- **Bounds are not checked** in compiled code. `NUMBA_DISABLE_JIT=1` runs the Python functions, which check them;
  `orchestrator check` does this.
- **Compiled code is cached** on disk. A kernel may call kernels of other files.
- `kernel.py_func` is the Python function.
""".strip()


def kernels_page(made: str) -> str:
    """The page; ``made`` is the comment on its top."""
    lines = ["# Kernels", "", made, "", INTRODUCTION, "", "## A kernel of your own", "", "```python"]
    lines += [*EXAMPLE.splitlines(), "```", "", RULES]
    for module, (title, sentence) in SECTIONS.items():
        lines += ["", f"## {title}", "", sentence, "", *table(("name", "", "meaning"), _rows(module))]
    return "\n".join(lines) + "\n"


def _rows(module: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, part in exported(module).items():
        rows.append((f"`{name}{_signature(part)}`", "*kernel*" if isinstance(part, Kernel) else "", _text(part)))
        if isinstance(part, type):
            for method, function in vars(part).items():
                if not method.startswith("_"):
                    rows.append((f"`{name}.{method}{_signature(function)}`", "", _text(function)))
    return rows


def exported(module: str) -> dict[str, Callable]:
    """The functions and classes of a module that ``orchestrator.core`` exports."""
    parts = {name: getattr(core, name) for name in core.__all__}
    return {name: part for name, part in parts.items() if callable(part) and part.__module__ == module}


def _signature(function: Callable) -> str:
    """The names of the arguments, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    return f"({', '.join(str(parameter) for parameter in bare if parameter.name != 'self')})"


def _text(part: Callable) -> str:
    return table_cell(inspect.getdoc(part) or "")
