"""The pages of docs/reference and docs/tables.md, made from the code: ``make reference`` writes them anew.

An algorithm's page is its class's and its module's docstring, its parameters and its metrics; an environment's too.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from orchestrator.claims.claim import LAW_FIELDS, LAWS, Claim, Reference
from orchestrator.planning.cells import Record
from orchestrator.planning.sweep import Placement, Sweep
from orchestrator.plugins import registry
from orchestrator.reference import words

MADE = "<!-- Made from the code by `make reference`: change the docstring or the parameter model, not this page. -->"
#: A family's title and the section of docs/algorithms.md about what its algorithms have in common, by package.
FAMILIES = {
    "shared_representation": "Shared representation",
    "policy_reciprocity": "Policy reciprocity",
    "general_utilities": "General utilities",
    "mean_field": "Mean-field subsampling",
    "rllib": "RLlib",
}
KINDS = {
    "linear-mrp": "Policy evaluation, linear",
    "linear-mdp": "Control, linear",
    "observed-mdp": "One agent's process each, partly observed",
    "team-grid": "A team on one grid, partly observed",
    "network-mdp": "Agents on a graph",
    "exact-network-mdp": "Agents on a graph, exact for any number",
    "access-network-mdp": "Agents on a graph with choices of their own",
    "mean-field": "A global agent and like local ones",
    "pooled-mean-field": "Like agents, paid together",
    "graphon-mean-field": "Agents of a graphon",
}
#: Sections of the page about the sweep file: the model that reads it, and a sentence.
SWEEP_FILE = {
    "A sweep": (Sweep, "What stands at the top level. Cases that do not know a key of `base` or `grid` go without it."),
    "record": (Record, "When a run is measured; measuring never changes a number, but what is recorded is identity."),
    "placement": (Placement, "How agents are packed into processes."),
    "A claim": (
        Claim,
        "One item of `claims`. Which law takes which field stands below; the verdict: [claims.md](../claims.md).",
    ),
    "relative_to": (Reference, "The denominator of a ratio; without a case or a metric it would be 1."),
}


def pages() -> dict[str, str]:
    """Every made page by its path below docs/."""
    algorithms, environments = shipped("algorithm"), shipped("environment")
    found = {"tables.md": words.tables_page(), "reference/README.md": _index(algorithms, environments)}
    found["reference/sweep-file.md"] = _sweep_file()
    found |= {f"reference/{some.name}.md": _algorithm(some, environments) for some in algorithms}
    return found | {f"reference/{some.name}.md": _environment(some, algorithms) for some in environments}


def shipped(kind: str) -> list[Any]:
    """The classes of a kind that are this program's own, by name; another package's have their pages elsewhere."""
    found = [getattr(registry, kind)(name) for name in registry.names(kind)]
    return [some for some in found if some.__module__.split(".")[0] in registry.OURS]


def _index(algorithms: list[Any], environments: list[Any]) -> str:
    lines = ["# Reference", "", MADE, "", "A page for every algorithm and every environment: where it comes from, what"]
    lines += [
        "is known and what reconstructed, its equations, parameters and metrics. `orchestrator describe NAME` tells"
    ]
    lines += ["the same in the terminal. What a family's algorithms have in common: [algorithms.md](../algorithms.md)."]
    lines += ["The words: [concepts.md](../concepts.md)."]
    for package, title in FAMILIES.items():
        own = [found for found in algorithms if _family(found) == package]
        lines += ["", f"## {title}", "", *_list((found, inspect.getdoc(found) or "") for found in own)]
    lines += ["", "## Environments"]
    for kind, title in KINDS.items():
        own = [found for found in environments if found.kind == kind]
        lines += ["", f"**{title}** (`{kind}`)", "", *_list((found, words.module_text(found)) for found in own)]
    return "\n".join(lines) + "\n"


def _list(some: Iterable[tuple[Any, str]]) -> list[str]:
    return [f"- [{found.name}]({found.name}.md): {escaped(text.splitlines()[0])}" for found, text in some]


def _sweep_file() -> str:
    lines = [
        "# The sweep file",
        "",
        MADE,
        "",
        "A YAML file, as plain data; `1e-3` and `inf` are numbers, `on` is a word.",
    ]
    lines += ["Unknown keys are refused with the nearest known one. The words: [concepts.md](../concepts.md); the rule"]
    lines += [
        "behind a verdict: [claims.md](../claims.md); a worked example: [README.md](../../README.md#from-yaml-to-sql)."
    ]
    for title, (model, text) in SWEEP_FILE.items():
        lines += ["", f"## {title}", "", text, "", *_parameters(model)]
    taken = [(f"`{law}`", ", ".join(f"`{name}`" for name, laws in LAW_FIELDS.items() if law in laws)) for law in LAWS]
    lines += ["", "## Which law takes which field", "", "Every field that is not named here goes with every law.", ""]
    lines += _table(("law", "fields of its own"), taken)
    return "\n".join(lines) + "\n"


def _algorithm(found: Any, environments: list[Any]) -> str:
    family = FAMILIES[_family(found)]
    about = f"[{family}](../algorithms.md#{family.lower().replace(' ', '-')})"
    lines = _head(found, f"Algorithm of the family {about}")
    lines += [
        markdown(inspect.getdoc(found) or ""),
        "",
        "## Source and reconstruction",
        "",
        markdown(words.module_text(found)),
    ]
    lines += ["", "## Parameters", "", *_parameters(found.Parameters), "", "## Metrics", ""]
    lines += ["Each is a column of [`metrics`](../tables.md#metrics), with `_window` beside it, and with `_final` and"]
    lines += ["`_tail` a column of [`runs`](../tables.md#runs).", "", *_metrics(found.metrics)]
    lines += ["", "## Environments", "", *_links(env for env in environments if registry.fits(env, found))]
    return "\n".join(lines) + "\n"


def _environment(found: Any, algorithms: list[Any]) -> str:
    lines = _head(found, f"Environment of kind `{found.kind}`")
    lines += [markdown(words.module_text(found)), "", "## In Python", "", markdown(inspect.getdoc(found) or "")]
    lines += [
        "",
        "## Parameters",
        "",
        "Written `env.NAME` on the command line and in grids.",
        "",
        *_parameters(found.Parameters),
    ]
    lines += ["", "## Algorithms", "", *_links(some for some in algorithms if registry.fits(found, some))]
    return "\n".join(lines) + "\n"


def _head(found: Any, what: str) -> list[str]:
    code = found.__module__.replace(".", "/") + ".py"
    return [f"# {found.name}", "", MADE, "", f"{what} · version {found.version} · [{code}](../../{code})", ""]


def _parameters(model: type[BaseModel]) -> list[str]:
    rows = words.parameter_rows(model)
    told = [(f"`{name}`", escaped(kind), _default(default), escaped(text)) for name, kind, default, text in rows]
    return _table(("parameter", "type", "default", "meaning, with its unit"), told)


def _default(text: str) -> str:
    return text if text == "required" else f"`{text}`"


def _metrics(metrics: Mapping[str, str]) -> list[str]:
    return _table(("metric", "meaning"), [(f"`{name}`", escaped(text)) for name, text in metrics.items()])


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _links(some: Iterable[Any]) -> list[str]:
    return [", ".join(f"[{found.name}]({found.name}.md)" for found in some) + "."]


def _family(found: Any) -> str:
    return found.__module__.split(".")[-2]


def markdown(text: str) -> str:
    """A docstring as markdown: its indented equations stay as they are, so do words in double backticks."""
    return "\n".join(line if line.startswith("    ") else escaped(line) for line in text.splitlines())


def escaped(text: str) -> str:
    """Plain words of which markdown takes none for its own, words in double backticks as code."""
    parts = re.split(r"(``[^`]+``)", text)
    return "".join(f"`{part[2:-2]}`" if part.startswith("``") else _plain(part) for part in parts)


def _plain(text: str) -> str:
    text = re.sub(r"\*\*(\w[^*]*)\*\*", "\0\\1\0", text)  # bold is meant
    text = re.sub(r"([*\[\]~$<]|(?<!\w)_|_(?!\w))", r"\\\1", text.replace("\\", "\\\\"))
    return text.replace("\0", "**")


def main(folder: Path) -> None:
    """Write every page below ``folder`` and take away those of names that are gone."""
    made = {folder / path: text for path, text in pages().items()}
    (folder / "reference").mkdir(exist_ok=True)
    for path, text in made.items():
        path.write_text(text)
    for path in set((folder / "reference").glob("*.md")) - set(made):
        path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
