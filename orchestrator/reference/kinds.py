"""The page docs/kinds.md: what an environment of each kind offers to blocks and to coordinators."""

import inspect
import typing
from collections.abc import Mapping, Sequence

from orchestrator.core import Environment
from orchestrator.reference.markdown import escaped, table, table_cell
from orchestrator.reference.members import Member, members

INTRODUCTION = """
An environment has a kind, and an algorithm lists the kinds that it runs on in `kinds`. The kind says what the
environment offers:

- to a **block** of agents: the object that `block(members)` returns, `self.env` in a `Block`;
- to the **coordinator**: attributes and methods of the environment itself, `self.problem`. A `Block` has `self.problem`
  as well, but it should use only what does not grow with the number of agents.

N is the number of all agents (of all local agents in the mean-field kinds), n the number of agents in a block. The
classes that blocks get are imported from the module that is named with them.

Your own environment may use a kind of this page if it offers everything that the page lists, except what is marked
*convenience*: `gym()`, `parallel()` and `rllib()` make environments for other libraries, and no algorithm
needs them but `rllib-ppo`, which needs `rllib()`. Any other word is a new kind. Some environments have more attributes
and methods than their kind. They are described in the environment's file, and
[its page](reference/README.md#environments) links to the file.
""".strip()

#: Methods that make environments for other libraries.
CONVENIENCES = ("gym", "parallel", "rllib")


def kinds_page(algorithms: Sequence[type], environments: Sequence[type], made: str) -> str:
    """The page, from the classes of all shipped algorithms and environments; ``made`` is the comment on its top."""
    lines = ["# Kinds of environments", "", made, "", INTRODUCTION, "", "## Every environment", ""]
    lines += [
        "Members of `orchestrator.core.Environment`:",
        "",
        *_member_table(members(Environment)),
    ]
    for kind, own in by_kind(environments).items():
        fitting = [algorithm for algorithm in algorithms if kind in algorithm.kinds]
        lines += ["", f"## {kind}", "", f"Environments: {_links(own)}. Algorithms: {_links(fitting)}."]
        lines += ["", "In a block:", "", *_block(own[0]), "", "In a coordinator:", ""]
        lines += _member_table(offered(own))
    return "\n".join(lines) + "\n"


def by_kind(environments: Sequence[type]) -> Mapping[str, list[type]]:
    """The environments of each kind, kinds in alphabetical order."""
    kinds = sorted({environment.kind for environment in environments})
    return {kind: [some for some in environments if some.kind == kind] for kind in kinds}


def offered(environments: Sequence[type]) -> dict[str, Member]:
    """The members that all these environments have, without those of every environment."""
    each = [members(environment) for environment in environments]
    general = members(Environment).keys() - {"block"}
    return {
        name: member
        for name, member in each[0].items()
        if name not in general and all(name in other for other in each) and name != "block"
    }


def _block(environment: type) -> list[str]:
    """What ``block`` returns: nothing, a table of arrays, or methods."""
    if environment.block is Environment.block:
        return ["Nothing: `self.env` is None."]
    returned = typing.get_type_hints(environment.block)["return"]
    text = " ".join((inspect.getdoc(returned) or "").split())
    title = f"`{returned.__name__}` (from `{returned.__module__}`)"
    return [f"{title}: {escaped(text)}", "", *_member_table(members(returned))]


def _member_table(every: Mapping[str, Member]) -> list[str]:
    rows = [(f"`{member.name}{member.signature}`", _meaning(member)) for member in every.values()]
    return table(("name", "meaning"), rows)


def _meaning(member: Member) -> str:
    text = table_cell(member.text)
    return f"*convenience:* {text}" if member.name in CONVENIENCES else text


def _links(plugins: Sequence[type]) -> str:
    return ", ".join(f"[{plugin.name}](reference/{plugin.name}.md)" for plugin in plugins) or "none"
