"""What there is: names, descriptions, parameters, and what a sweep would run."""

import inspect
import re
import textwrap
from typing import Any

from pydantic import BaseModel

from orchestrator.commands.printing import console, grid
from orchestrator.errors import UserError
from orchestrator.planning.sweep import Sweep
from orchestrator.planning.sweeps import load
from orchestrator.plugins import registry
from orchestrator.reference.words import module_text, parameter_rows

#: Columns of the screen from which parameters are shown as a table.
WIDE = 110
#: Characters of a description that say something.
TELLING = 60


def show_names(kind: str | None) -> None:
    """Print the registered names with a line about each."""
    screen = console()
    for title, of_kind in (("algorithms", "algorithm"), ("envs", "environment")):
        if kind in (None, title):
            find = getattr(registry, of_kind)
            screen.print(f"[bold]{title}[/]")
            grid(("", ""), [(f"  {name}", _in_a_line(find(name))) for name in registry.names(of_kind)])
    if kind in (None, "sweeps"):
        screen.print("[bold]sweeps[/]")
        for name in registry.sweeps():
            sweep = load(name)
            screen.print(f"  {name}" + (f" [dim]({sweep.minutes:g} min)[/]" if sweep.minutes else ""))
            print(_filled(_beginning(sweep.description), "      "))


def show(name: str) -> None:
    """Describe an algorithm, an environment or a sweep. Raises ``UserError`` for a name that is none of them."""
    if name in registry.names("algorithm"):
        _algorithm(registry.algorithm(name))
    elif name in registry.names("environment"):
        _environment(registry.environment(name))
    elif name in registry.sweeps():
        _sweep(load(name))
    elif ".py:" in name:
        kind, found = registry.find(name)
        {"algorithm": _algorithm, "environment": _environment}.get(kind, _other)(found)
    elif kinds := [kind for kind in ("utility", "graph") if name in registry.names(kind)]:
        _other(getattr(registry, kinds[0])(name))
    elif name.partition(":")[0] in registry.names("wrapper"):
        _environment(registry.environment(name))
    elif name.endswith((".yaml", ".yml")):
        _sweep(load(name))
    else:
        known = [*registry.names("algorithm"), *registry.names("environment"), *registry.sweeps()]
        raise UserError(f"Unknown name {name!r}: {registry.nearest(name, known)}")


def _algorithm(found: Any) -> None:
    screen = console()
    screen.print(f"[bold]{found.name}[/] (version {found.version})")
    _text(inspect.getdoc(found) or "")
    screen.print("\n[bold]parameters[/]")
    _parameters(found.Parameters)
    screen.print("\n[bold]metrics[/] (columns <metric>, <metric>_window, <metric>_tail, <metric>_final)")
    grid(("", ""), [(f"  {name}", text) for name, text in found.metrics.items()])
    _fitting("environments", [env for env in _all("environment") if registry.fits(env, found)])
    if _shipped(found):
        screen.print("\n[bold]source[/]")
        _text(module_text(found))


def _environment(found: Any) -> None:
    screen = console()
    screen.print(f"[bold]{found.name}[/] (version {found.version}, kind {found.kind})")
    _text(module_text(found) if _shipped(found) else inspect.getdoc(found) or "")
    screen.print("\n[bold]parameters[/] (env.NAME on the command line and in grids)")
    _parameters(found.Parameters)
    _fitting("algorithms", [algorithm for algorithm in _all("algorithm") if registry.fits(found, algorithm)])
    for face in found.faces.values():
        screen.print()
        _environment(face)


def _other(found: Any) -> None:
    screen = console()
    screen.print(f"[bold]{found.__name__}[/] (version {found.version})")
    screen.print(inspect.getdoc(found) or "", markup=False)


def _sweep(sweep: Sweep) -> None:
    screen = console()
    screen.print(f"[bold]{sweep.name}[/]" + (f" ({sweep.paper.id}; {sweep.paper.note})" if sweep.paper else ""))
    screen.print(sweep.description.strip(), markup=False)
    minutes = f", about {sweep.minutes:g} minutes on 2 cores" if sweep.minutes else ""
    packing = sweep.placement.agents_per_actor
    screen.print(f"\n{len(sweep.cells)} cells x {len(sweep.seeds)} seeds, agents_per_actor {packing}{minutes}")
    for title, settings in (("env", sweep.env), ("base", sweep.base), ("grid", sweep.grid), ("zip", sweep.zip)):
        if settings:
            screen.print(f"{title}: ", end="", style="bold")
            screen.print(", ".join(f"{key}={value}" for key, value in settings.items()), markup=False)
    screen.print("\n[bold]cases[/]")
    grid(("", "", ""), [(f"  {case}", own["algorithm"], _settings(own)) for case, own in sweep.cases.items()])
    screen.print("\n[bold]claims[/]")
    grid(("", "", ""), [(f"  {c.name}", f"{c.quantity} ({c.case})", c.expected) for c in sweep.checked_claims])


def _settings(own: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in own.items() if key != "algorithm")


def _parameters(model: type[BaseModel]) -> None:
    rows = [(f"  {name}", *words) for name, *words in parameter_rows(model)]
    if console().width >= WIDE:
        grid(("", "type", "default", ""), rows)
        return
    for name, kind, default, about in rows:  # a narrow column would make one word a line of it
        console().print(f"[bold]{name}[/]", end="")
        print(f"  {kind}, " + ("required" if default == "required" else f"default {default}"))
        if about:
            print(_filled(about, "      "))


def _text(docstring: str) -> None:
    """Print it, each paragraph as wide as the screen."""
    for k, paragraph in enumerate(docstring.replace("``", "").split("\n\n")):
        plain = not any(line.startswith((" ", "-", "|")) for line in paragraph.splitlines())
        print(("\n" if k else "") + (_filled(paragraph) if plain else paragraph))


def _filled(text: str, indent: str = "") -> str:
    width = min(console().width, 120) - 1
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _fitting(title: str, found: list[Any]) -> None:
    console().print(f"\n[bold]{title}[/]")
    print(_filled(", ".join(one.name for one in found) or "none of those that are installed", "  "))


def _all(kind: str) -> list[Any]:
    return [getattr(registry, kind)(name) for name in registry.names(kind)]


def _shipped(found: Any) -> bool:
    """Whether it is one of ours: those have a module each, headed by what it is and where it comes from."""
    known = [*registry.names("algorithm"), *registry.names("environment")]
    return found.name in known and found.__module__.split(".")[0] in registry.OURS


def _in_a_line(found: Any) -> str:
    """What it is: of an environment of ours what its module says, without its name."""
    if _shipped(found) and hasattr(found, "kind"):
        name, colon, said = module_text(found).splitlines()[0].partition(": ")
        named = colon and name.lower().replace(" ", "-") == found.name
        return said[0].upper() + said[1:] if named else name + colon + said
    return (inspect.getdoc(found) or "no docstring").splitlines()[0].replace("``", "")


def _beginning(text: str) -> str:
    """Its first sentence, or as many as say something: a heading or a question alone does not."""
    words = " ".join(text.split())
    ends = [end.end() for end in re.finditer(r"(?<=[a-z0-9)])\.(?= [A-Z])", words)]
    return words[: next((end for end in ends if end >= TELLING), len(words))]
