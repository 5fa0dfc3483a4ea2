"""Parameters, docstrings and tables as text, for ``describe`` and for the reference pages."""

import inspect
import sys
import types
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel


def parameter_rows(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """Name, type with limits, default and description of every parameter, in the form of a sweep file."""
    rows = []
    for name, field in model.model_fields.items():
        if field.exclude:  # set from another one
            continue
        default = "required" if field.is_required() else _value(field.get_default(call_default_factory=True))
        rows.append((name, _type(field.annotation, field.metadata), default, field.description or ""))
    return rows


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool | str):
        return str(value).lower() if isinstance(value, bool) else value or "''"
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, float):
        return repr(value) if len(repr(value)) < 10 else f"{value:.4g}"
    return str(list(value) if isinstance(value, tuple) else value)


def _type(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """For example ``float > 0, <= 1 or null``: the limits of a union belong to its number."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    limits = ", ".join(
        f"{sign} {getattr(limit, name)}" for limit in metadata for name, sign in signs.items() if hasattr(limit, name)
    )
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        first, *rest = parts
        return " or ".join([_type(first, metadata), *(_type(part) for part in rest)])
    if origin is typing.Literal:
        return " | ".join(str(choice) for choice in parts)
    if origin is typing.Annotated:
        own = [limit for field in parts[1:] for limit in getattr(field, "metadata", [field])]
        return _type(parts[0], [*own, *metadata])
    if origin in (tuple, list):
        return f"list of {_type(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "dict"
    word = "null" if annotation is types.NoneType else getattr(annotation, "__name__", str(annotation))
    return f"{word} {limits}".strip()


def module_text(plugin: type) -> str:
    """The docstring of a class's module."""
    return inspect.cleandoc(sys.modules[plugin.__module__].__doc__ or "")


def tables_page() -> str:
    """The page docs/tables.md, made from the schema."""
    from orchestrator.store.schema import TABLES, WRITE_ORDER

    lines = [
        "# Tables",
        "",
        "A results folder holds immutable parquet files, `TABLE/SEGMENT.parquet`, readable with any parquet reader.",
        "All files of a table have the same columns ([other programs](results.md#other-programs)). Drop duplicates",
        "by key, and count a replicate only if `runs` has it: `runs` is written last. `orchestrator query` shows the",
        "tables as views that do so.",
        "",
        f"Order of writing: {', '.join(WRITE_ORDER)}. `written` is the time of storing.",
        "`write_number` says which rows are newer. The time does not, because clocks may be wrong.",
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
        "`verdicts` is every judgement that was stored, of which `claims` shows the newest of a sweep.",
        "`memberships` is every row of `members`, also those of replaced definitions.",
        '`case` and `window` are words of SQL: write `"case"`.',
    ]
    return "\n".join(lines) + "\n"
