"""Names, descriptions and parameters of algorithms, environments and sweeps.

What only sweeps need is imported in the functions about sweeps: pandas and pyarrow are slow to import.
"""

import inspect
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from orchestrator.commands.printing import console, grid
from orchestrator.errors import UserError, plain
from orchestrator.planning.classes import algorithm_class, environment_class
from orchestrator.plugins import registry
from orchestrator.reference.words import module_text, parameter_rows

#: Parameters are printed as a table on screens with at least so many columns.
WIDE = 110
#: The beginning of a description has at least so many characters.
INFORMATIVE = 60


def show_names(kind: str | None) -> None:
    """Print the registered names with a line about each; ``kind`` is algorithms, envs, sweeps or None for all."""
    screen = console()
    for title, of_kind in (("algorithms", "algorithm"), ("envs", "environment")):
        if kind in (None, title):
            screen.print(f"[bold]{title}[/]")
            grid(("", ""), [(f"  {plugin.name}", _summary(plugin)) for plugin in _all(of_kind)])
    if kind in (None, "sweeps"):
        screen.print("[bold]sweeps[/]")
        for name, path in registry.sweeps().items():
            description, minutes = _head_of_sweep(path)
            screen.print(f"  {name}" + (f" [dim]({minutes:g} min)[/]" if minutes else ""))
            print(_filled(_beginning(description), "      ", screen.width))


def _head_of_sweep(path: Path) -> tuple[str, float | None]:
    """Description and minutes of a shipped sweep file.

    They are read with libyaml, without building cells, and no other value is made. That takes a twentieth of the time,
    and a test compares the result with the sweep that ``load`` returns.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(path.read_text())
    root = loader.get_single_node()
    nodes = {key.value: node for key, node in root.value} if root else {}
    description, minutes = (nodes.get(key) for key in ("description", "minutes"))
    return loader.construct_object(description) if description else "", minutes and loader.construct_object(minutes)


def show(name: str) -> None:
    """Describe an algorithm, environment, sweep, utility or graph. Raises ``UserError`` for an unknown name."""
    if name in registry.names("algorithm"):
        _algorithm(algorithm_class(name))
    elif name in registry.names("environment"):
        _environment(environment_class(name))
    elif name in registry.sweeps() or name.endswith((".yaml", ".yml")):
        _sweep(name)
    elif ".py:" in name:
        kind, plugin = registry.find(name)
        if kind == "algorithm":
            from orchestrator.planning.cells import check_names

            check_names(plugin)
        {"algorithm": _algorithm, "environment": _environment}.get(kind, _other)(plugin)
    elif kinds := [kind for kind in ("utility", "graph") if name in registry.names(kind)]:
        _other(getattr(registry, kinds[0])(name))
    elif name.partition(":")[0] in registry.names("wrapper"):
        _environment(environment_class(name))
    else:
        known = [*registry.names("algorithm"), *registry.names("environment"), *registry.sweeps()]
        raise UserError(f"Unknown name {name!r}: {registry.nearest(name, known)}")


def _algorithm(algorithm: type) -> None:
    screen = console()
    screen.print(f"[bold]{algorithm.name}[/] (version {algorithm.version})")
    _text(inspect.getdoc(algorithm) or "")
    screen.print("\n[bold]parameters[/]")
    _parameters(algorithm.Parameters)
    screen.print("\n[bold]metrics[/] (columns <metric>, <metric>_window, <metric>_tail, <metric>_final)")
    grid(("", ""), [(f"  {name}", text) for name, text in algorithm.metrics.items()])
    _names("environments", (env for env in _all("environment") if registry.fits(env, algorithm)))
    if _shipped(algorithm):
        screen.print("\n[bold]source[/]")
        _text(module_text(algorithm))


def _environment(environment: type) -> None:
    screen = console()
    screen.print(f"[bold]{environment.name}[/] (version {environment.version}, kind {environment.kind})")
    _text(module_text(environment) if _shipped(environment) else inspect.getdoc(environment) or "")
    screen.print("\n[bold]parameters[/] (env.NAME on the command line and in grids)")
    _parameters(environment.Parameters)
    _names("algorithms", (algorithm for algorithm in _all("algorithm") if registry.fits(environment, algorithm)))
    for face in environment.faces.values():
        screen.print()
        _environment(face)


def _other(plugin: type) -> None:
    screen = console()
    screen.print(f"[bold]{plugin.__name__}[/] (version {plugin.version})")
    screen.print(inspect.getdoc(plugin) or "", markup=False)


def _sweep(reference: str) -> None:
    from orchestrator.planning.sweeps import load

    sweep, screen = load(reference), console()
    screen.print(f"[bold]{sweep.name}[/]", end="")
    screen.print(plain(f" ({sweep.paper.id}; {sweep.paper.note})") if sweep.paper else "", markup=False)
    screen.print(plain(sweep.description.strip()), markup=False)
    minutes = f", about {sweep.minutes:g} minutes on 2 cores" if sweep.minutes else ""
    packing = sweep.placement.agents_per_actor
    screen.print(f"\n{len(sweep.cells)} cells x {sweep.seed_words} seeds, agents_per_actor {packing}{minutes}")
    for title, settings in (("env", sweep.env), ("base", sweep.base), ("grid", sweep.grid), ("zip", sweep.zip)):
        if settings:
            screen.print(f"{title}: ", end="", style="bold")
            screen.print(plain(", ".join(f"{key}={value}" for key, value in settings.items())), markup=False)
    screen.print("\n[bold]cases[/]")
    grid(("", "", ""), [(f"  {case}", own["algorithm"], _settings(own)) for case, own in sweep.cases.items()])
    screen.print("\n[bold]claims[/]")
    grid(("", "", ""), [(f"  {c.name}", f"{c.quantity} ({c.case})", c.expected) for c in sweep.checked_claims])


def _settings(own: dict[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in own.items() if key != "algorithm")


def _parameters(model: type[BaseModel]) -> None:
    rows = [(f"  {name}", *words) for name, *words in parameter_rows(model)]
    if console().width >= WIDE:
        grid(("", "type", "default", ""), rows)
        return
    for name, kind, default, about in rows:  # a table's last column would be one word wide
        console().print(f"[bold]{name}[/]", end="")
        print(f"  {kind}, " + ("required" if default == "required" else f"default {default}"))
        if about:
            print(_filled(about, "      "))


def _text(docstring: str) -> None:
    """Print a docstring, with its paragraphs filled to the width of the screen."""
    for k, paragraph in enumerate(docstring.replace("``", "").split("\n\n")):
        prose = not any(line.startswith((" ", "-", "|")) for line in paragraph.splitlines())
        print(("\n" if k else "") + (_filled(paragraph) if prose else paragraph))


def _filled(text: str, indent: str = "", screen: int | None = None) -> str:
    """``text`` filled to the width of the screen, which is asked for unless it is given."""
    width = min(screen or console().width, 120) - 1
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _names(title: str, plugins: Iterable[type]) -> None:
    console().print(f"\n[bold]{title}[/]")
    print(_filled(", ".join(plugin.name for plugin in plugins) or "none of the installed ones", "  "))


def _all(kind: str) -> list[type]:
    return [getattr(registry, kind)(name) for name in registry.names(kind)]


def _shipped(plugin: type) -> bool:
    """Whether the class is shipped. Each such class has its own file, whose docstring describes it and its source."""
    known = [*registry.names("algorithm"), *registry.names("environment")]
    return plugin.name in known and plugin.__module__.split(".")[0] in registry.OURS


def _summary(plugin: type) -> str:
    """One line about it: for one of our environments that of its module without the name, else of the class."""
    if _shipped(plugin) and hasattr(plugin, "kind"):
        name, colon, text = module_text(plugin).splitlines()[0].partition(": ")
        named = colon and name.lower().replace(" ", "-") == plugin.name
        return text[0].upper() + text[1:] if named else name + colon + text
    return (inspect.getdoc(plugin) or "no docstring").splitlines()[0].replace("``", "")


def _beginning(text: str) -> str:
    """The first sentence, and the next ones as long as there are fewer than ``INFORMATIVE`` characters."""
    words = " ".join(text.split())
    ends = [end.end() for end in re.finditer(r"(?<=[a-z0-9)])\.(?= [A-Z])", words)]
    return words[: next((end for end in ends if end >= INFORMATIVE), len(words))]
