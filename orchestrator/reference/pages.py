"""The generated pages of the documentation; ``make reference`` writes them.

They are docs/reference, docs/tables.md, docs/kinds.md and docs/kernels.md. The page of an algorithm or environment is
made of the docstrings of its class and its module, its parameters and its metrics.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel

from orchestrator.claims.claim import LAW_FIELDS, LAWS, Claim, Floor, Reference
from orchestrator.planning.cells import Record
from orchestrator.planning.seeds import Until
from orchestrator.planning.sweep import Placement, Sweep
from orchestrator.plugins import registry
from orchestrator.reference import words
from orchestrator.reference.kernels import kernels_page
from orchestrator.reference.kinds import kinds_page
from orchestrator.reference.markdown import escaped, markdown, table

MADE = "<!-- Made from the code by `make reference`: change the docstring or the parameter model, not this page. -->"
INTRODUCTION = """
A page for every algorithm and every environment: its source, what is known and what is reconstructed, its equations,
parameters and metrics. `orchestrator describe NAME` prints the same in the terminal. What the algorithms of a family
have in common: [algorithms.md](../algorithms.md). The words: [concepts.md](../concepts.md).
""".strip()
METRICS = """
Each is a column of [`metrics`](../tables.md#metrics), with `_window` beside it. With `_final` and `_tail` it is a
column of [`runs`](../tables.md#runs).
""".strip()
SWEEP_FILE_INTRODUCTION = """
A sweep file is YAML, read as plain data: `1e-3` and `inf` are numbers, `on` is a word. An unknown key is an error, and
the message names the nearest known one. The words: [concepts.md](../concepts.md). The rule behind a verdict:
[claims.md](../claims.md). An example: [README.md](../../README.md#from-yaml-to-sql).
""".strip()
#: Sections of the page about the sweep file: the model that reads it, and a sentence.
SWEEP_FILE = {
    "A sweep": (Sweep, "The top level. A key of `base` or `grid` applies to the cases that have it."),
    "seeds": (
        Until,
        "Batches of seeds: `seeds: {until: decided, at_most: 64}`. Rule: [claims.md](../claims.md#until-decided).",
    ),
    "record": (Record, "When a run is measured. Measuring changes no number, but the schedule is part of a cell's id."),
    "placement": (Placement, "How agents are packed into processes."),
    "A claim": (
        Claim,
        "One item of `claims`; the last table shows which law takes which field. Rule: [claims.md](../claims.md).",
    ),
    "floor": (Floor, "Judges C0 of C0 + C1 x^-decay, fitted at each value of the claim's `versus`."),
    "relative_to": (Reference, "The denominator of a ratio. Without a case or a metric the denominator is 1."),
}


def pages() -> dict[str, str]:
    """Every generated page by its path below docs/."""
    algorithms, environments = shipped("algorithm"), shipped("environment")
    return (
        {
            "tables.md": words.tables_page(),
            "kinds.md": kinds_page(algorithms, environments, MADE),
            "kernels.md": kernels_page(MADE),
            "reference/README.md": _index(algorithms, environments),
            "reference/sweep-file.md": _sweep_file(),
        }
        | {f"reference/{algorithm.name}.md": _algorithm(algorithm, environments) for algorithm in algorithms}
        | {f"reference/{environment.name}.md": _environment(environment, algorithms) for environment in environments}
    )


def shipped(kind: str) -> list[type]:
    """The classes of a kind that belong to this program, by name; other packages document their own."""
    plugins = [getattr(registry, kind)(name) for name in registry.names(kind)]
    return [plugin for plugin in plugins if plugin.__module__.split(".")[0] in registry.OURS]


def _index(algorithms: list[type], environments: list[type]) -> str:
    lines = ["# Reference", "", MADE, "", INTRODUCTION]
    for title, own in _by_package(algorithms).items():
        lines += ["", f"## {title}", "", *(_item(some, inspect.getdoc(some) or "") for some in own)]
    lines += ["", "## Environments", "", "What the kinds in parentheses mean: [kinds.md](../kinds.md)."]
    for title, own in _by_package(environments).items():
        lines += ["", f"**{title}**", ""]
        lines += [_item(some, words.module_text(some), f" ([`{some.kind}`]({_kind_link(some.kind)}))") for some in own]
    return "\n".join(lines) + "\n"


def _by_package(plugins: Iterable[type]) -> Mapping[str, list[type]]:
    """The classes of each package, by the title of the package in alphabetical order."""
    packages: dict[str, list[type]] = {}
    for plugin in plugins:
        packages.setdefault(_title(plugin), []).append(plugin)
    return dict(sorted(packages.items()))


def _title(plugin: type) -> str:
    """The title of a class's package: the beginning of its docstring, up to the first colon or full stop."""
    package = sys.modules[plugin.__module__.rpartition(".")[0]]
    return re.split(r"[:.]", package.__doc__ or package.__name__)[0]


def _item(plugin: type, text: str, more: str = "") -> str:
    return f"- [{plugin.name}]({plugin.name}.md){more}: {escaped(text.splitlines()[0])}"


def _kind_link(kind: str) -> str:
    return f"../kinds.md#{kind}"


def _sweep_file() -> str:
    lines = ["# The sweep file", "", MADE, "", SWEEP_FILE_INTRODUCTION]
    for title, (model, text) in SWEEP_FILE.items():
        lines += ["", f"## {title}", "", text, "", *_parameters(model)]
    fields = [(f"`{law}`", ", ".join(f"`{name}`" for name, laws in LAW_FIELDS.items() if law in laws)) for law in LAWS]
    lines += ["", "## Fields of the laws", "", "A field that is not named here can be used with every law.", ""]
    lines += table(("law", "its own fields"), fields)
    return "\n".join(lines) + "\n"


def _algorithm(algorithm: type, environments: list[type]) -> str:
    family = _title(algorithm)
    lines = _head(algorithm, f"Algorithm of the family [{family}](../algorithms.md#{family.lower().replace(' ', '-')})")
    lines += [markdown(inspect.getdoc(algorithm) or ""), "", "## Source and reconstruction", ""]
    lines += [markdown(words.module_text(algorithm)), "", "## Parameters", "", *_parameters(algorithm.Parameters)]
    lines += ["", "## Metrics", "", METRICS, "", *_metrics(algorithm.metrics), "", "## Environments", ""]
    lines += _links(environment for environment in environments if registry.fits(environment, algorithm))
    return "\n".join(lines) + "\n"


def _environment(environment: type, algorithms: list[type]) -> str:
    lines = _head(environment, f"Environment of kind [`{environment.kind}`]({_kind_link(environment.kind)})")
    lines += [markdown(words.module_text(environment)), "", "## In Python", ""]
    lines += [markdown(inspect.getdoc(environment) or ""), "", "## Parameters", ""]
    lines += ["Written `env.NAME` on the command line and in grids.", "", *_parameters(environment.Parameters)]
    lines += ["", "## Algorithms", ""]
    lines += _links(algorithm for algorithm in algorithms if registry.fits(environment, algorithm))
    return "\n".join(lines) + "\n"


def _head(plugin: type, what: str) -> list[str]:
    code = plugin.__module__.replace(".", "/") + ".py"
    return [f"# {plugin.name}", "", MADE, "", f"{what} · version {plugin.version} · [{code}](../../{code})", ""]


def _parameters(model: type[BaseModel]) -> list[str]:
    rows = words.parameter_rows(model)
    cells = [(f"`{name}`", escaped(kind), _default(default), escaped(text)) for name, kind, default, text in rows]
    return table(("parameter", "type", "default", "meaning, with its unit"), cells)


def _default(text: str) -> str:
    return text if text == "required" else f"`{text}`"


def _metrics(metrics: Mapping[str, str]) -> list[str]:
    return table(("metric", "meaning"), [(f"`{name}`", escaped(text)) for name, text in metrics.items()])


def _links(plugins: Iterable[type]) -> list[str]:
    return [", ".join(f"[{plugin.name}]({plugin.name}.md)" for plugin in plugins) + "."]


def main(folder: Path) -> None:
    """Write every page below ``folder`` and delete the pages of names that no longer exist."""
    files = {folder / path: text for path, text in pages().items()}
    (folder / "reference").mkdir(exist_ok=True)
    for path, text in files.items():
        path.write_text(text)
    for path in set((folder / "reference").glob("*.md")) - set(files):
        path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
