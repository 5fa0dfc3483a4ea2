"""What there is: names, descriptions, parameters, and what a sweep would run."""

import inspect
import textwrap
import types
import typing
from typing import Any

from pydantic import BaseModel

from orchestrator import registry
from orchestrator.api import existing
from orchestrator.errors import UserError
from orchestrator.execution import plan
from orchestrator.output import console, grid, shown
from orchestrator.preflight import estimate
from orchestrator.sweepfile import Sweep, load

#: Columns of the screen from which parameters are shown as a table.
WIDE = 110


def show_names(kind: str | None) -> None:
    """Print the registered names with a line about each."""
    screen = console()
    for title, of_kind in (("algorithms", "algorithm"), ("envs", "environment")):
        if kind in (None, title):
            find = getattr(registry, of_kind)
            screen.print(f"[bold]{title}[/]")
            grid(("", ""), [(f"  {name}", _first_line(find(name))) for name in registry.names(of_kind)])
    if kind in (None, "sweeps"):
        screen.print("[bold]sweeps[/]")
        rows = []
        for name in registry.sweeps():
            sweep = load(name)
            minutes = f"{sweep.minutes:g} min" if sweep.minutes else ""
            rows.append((f"  {name}", minutes, textwrap.shorten(sweep.description, 100, placeholder=" …")))
        grid(("", "", ""), rows)


def show(name: str) -> None:
    """Describe an algorithm, an environment or a sweep. Raises ``UserError`` for a name that is none of them."""
    if name in registry.names("algorithm"):
        _algorithm(registry.algorithm(name))
    elif name in registry.names("environment"):
        _environment(registry.environment(name))
    elif name in registry.sweeps():
        _sweep(load(name))
    elif ".py:" in name:
        found = registry.algorithm(name)
        (_algorithm if hasattr(found, "metrics_for") else _environment)(found)
    elif name.endswith((".yaml", ".yml")):
        _sweep(load(name))
    else:
        known = [*registry.names("algorithm"), *registry.names("environment"), *registry.sweeps()]
        raise UserError(f"Nothing is called {name!r}: {registry.nearest(name, known)}")


def show_plan(sweep: Sweep, results: str, backend: Any, per_actor: Any, retry_failed: bool) -> None:
    """Print what a sweep would run."""
    planned = plan(sweep, existing(results), backend, per_actor, retry_failed)
    left = {task.cell.id: task for task in planned.tasks}
    rows = []
    for case, cell in sweep.cells:
        task = left.get(cell.id)
        cost = estimate(task, planned.agents_per_actor) if task else None
        todo = ",".join(str(seed) for seed in task.seeds) if task else "stored"
        rows.append((case, cell.id, cell.agents, cell.rounds, todo, cost.actors if cost else 0))
    grid(("case", "cell", "agents", "rounds", "seeds to run", "agent processes"), rows, (False, False, True, True))
    print(f"{planned.total - planned.finished} of {planned.total} replicates to run.")


def _algorithm(found: Any) -> None:
    screen = console()
    screen.print(f"[bold]{found.name}[/] (version {found.version})")
    _text(found)
    screen.print("\n[bold]parameters[/]")
    _parameters(found.Parameters)
    screen.print("\n[bold]metrics[/] (columns <metric>, <metric>_window, <metric>_tail, <metric>_final)")
    grid(("", ""), [(f"  {name}", text) for name, text in found.metrics.items()])
    fitting = [name for name in registry.names("environment") if registry.environment(name).kind in found.kinds]
    screen.print(f"\n[bold]environments[/] {', '.join(fitting)}")


def _environment(found: Any) -> None:
    screen = console()
    screen.print(f"[bold]{found.name}[/] (version {found.version}, kind {found.kind})")
    _text(found)
    screen.print("\n[bold]parameters[/] (env.NAME on the command line and in grids)")
    _parameters(found.Parameters)
    fitting = [name for name in registry.names("algorithm") if found.kind in registry.algorithm(name).kinds]
    screen.print(f"\n[bold]algorithms[/] {', '.join(fitting)}")


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
    grid(("", "", ""), [(f"  {c.name}", f"{c.quantity} ({c.case})", c.expected) for c in sweep.judged])


def _settings(own: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in own.items() if key != "algorithm")


def _parameters(model: type[BaseModel]) -> None:
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else shown(field.get_default(call_default_factory=True))
        limits = [str(limit) for limit in field.metadata if type(limit).__name__ in ("Gt", "Ge", "Lt", "Le")]
        words = " ".join(_limit(limit) for limit in limits)
        rows.append((f"  {name}", f"{_type(field.annotation)} {words}".strip(), default, field.description or ""))
    if console().width >= WIDE:
        grid(("", "type", "default", ""), rows)
        return
    for name, kind, default, about in rows:  # a narrow column would make one word a line of it
        console().print(f"[bold]{name}[/]", end="")
        print(f"  {kind}, " + ("required" if default == "required" else f"default {default}"))
        if about:
            print(textwrap.fill(about, console().width - 1, initial_indent=" " * 6, subsequent_indent=" " * 6))


def _text(found: Any) -> None:
    """Print the docstring, each paragraph as wide as the screen."""
    for k, paragraph in enumerate((inspect.getdoc(found) or "").split("\n\n")):
        plain = not any(line.startswith((" ", "-", "|")) for line in paragraph.splitlines())
        print(("\n" if k else "") + (textwrap.fill(paragraph, min(console().width, 120) - 1) if plain else paragraph))


def _limit(text: str) -> str:
    signs = {"Gt(gt": ">", "Ge(ge": ">=", "Lt(lt": "<", "Le(le": "<="}
    name, _, value = text.rstrip(")").partition("=")
    return f"{signs.get(name, name)} {value}"


def _type(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return " | ".join(str(choice) for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return " | ".join(_type(part) for part in typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Annotated:
        return _type(typing.get_args(annotation)[0])
    return getattr(annotation, "__name__", str(annotation))


def _first_line(found: Any) -> str:
    return (inspect.getdoc(found) or "").strip().splitlines()[0]


def tables_page() -> str:
    """The page docs/tables.md, made from the schema itself (a test compares them)."""
    from orchestrator.store.schema import TABLES, WRITE_ORDER

    lines = [
        "# Tables",
        "",
        "A results folder holds immutable parquet files, `TABLE/SEGMENT.parquet`, readable with any parquet reader.",
        "Read them together (`union_by_name`), drop duplicates by key, and count a replicate only if `runs` has it:",
        "`runs` is written last. `orchestrator query` shows the tables as views that do so.",
        "",
        f"Order of writing: {', '.join(WRITE_ORDER)}. `written` is the time of storing.",
    ]
    for name, schema in TABLES.items():
        lines += ["", f"## {name}", "", f"One row per {schema.rows}.", ""]
        if schema.key:
            lines += [f"Key: {', '.join(schema.key)}.", ""]
        lines += ["| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{column}` | {type_} | {meaning} |" for column, (type_, meaning) in schema.columns.items()]
    lines += [
        "",
        "Parameters (`alpha`, `env_states`) are further columns of `runs`, metrics further columns of `metrics` and",
        "`agents`, `<metric>_final` and `<metric>_tail` (mean over the last half) further columns of `runs`.",
        "",
        "## Views",
        "",
        "`summary` is `runs` with the sweep and case each replicate belongs to; `curves` is `metrics` with `summary`;",
        "`first_crossing(metric_column, level)` is `summary` with `first_round`, the first record at or below it.",
        '`case` and `window` are words of SQL: write `"case"`.',
    ]
    return "\n".join(lines) + "\n"
