"""Sweeps read from the shipped files, from a YAML file or from the words of ``orchestrator run``."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from orchestrator.errors import UserError, nearest, writable
from orchestrator.planning import plain_yaml
from orchestrator.planning.cells import validated
from orchestrator.planning.plain import is_list, is_mapping, part, texts
from orchestrator.planning.seeds import Until, check_place, parse_seeds
from orchestrator.planning.sweep import Sweep
from orchestrator.plugins import registry

#: Letters of a word of a sweep's name, which becomes the name of a file.
LONGEST_NAME = 200
#: Agents in one Ray actor, or ``auto`` for no actors.
Packing = int | Literal["auto"]


def load(reference: str, overrides: Mapping[str, Sequence[object]] | None = None, seeds: object = None) -> Sweep:
    """``read``, and checked: plug-in files are imported. Raises ``UserError`` for settings that do not fit as well."""
    sweep = read(reference, overrides, seeds)
    sweep.check()
    return sweep


def read(reference: str, overrides: Mapping[str, Sequence[object]] | None = None, seeds: object = None) -> Sweep:
    """A shipped sweep by name, or a YAML file. An override has one value for a key, or several to span.

    Its settings are not looked at, and no plug-in file is imported.

    Raises ``UserError`` for unknown names, for YAML that does not parse and for content that does not fit.
    """
    path = Path(reference)
    if not (path.suffix in (".yaml", ".yml") and path.is_file()):
        shipped = registry.sweeps()
        if reference not in shipped:
            if path.suffix in (".yaml", ".yml"):
                raise UserError(f"There is no sweep file {reference}.")
            raise UserError(f"Unknown sweep {reference!r}: {nearest(reference, shipped)}")
        path = shipped[reference]
    content = plain_yaml.read(path)
    if not is_mapping(content):
        raise UserError(f"{path.name} is not a sweep: it takes name, env, cases, … at the top level.")
    return overridden(checked(content, path.name), overrides or {}, seeds)


def checked(content: Mapping[str, object], owner: str) -> Sweep:
    """A sweep from plain data. Raises ``UserError``."""
    if odd := next((text for text in texts(content) if writable(text) != text), None):
        raise UserError(f"{owner}: {writable(odd)!r} holds a character that no text can have.")
    for axes in ("grid", "zip"):
        _check_axes(f"{owner}: {axes}", content.get(axes) or {})
    check_place(content, owner)
    given = content.get("seeds")
    sweep = validated(Sweep, {**content, "seeds": 0} if is_mapping(given) else content, owner)
    if (longest := max(map(len, sweep.name.split("/")))) > LONGEST_NAME or len(sweep.name) > 4 * LONGEST_NAME:
        raise UserError(
            f"{owner}: name has a word of {longest} letters; a file's name takes up to {LONGEST_NAME} of them."
        )
    sweep = with_seeds(sweep, given, owner) if is_mapping(given) else sweep
    for case, own in sweep.cases.items():
        _check_axes(f"{owner}: cases.{case}.grid", own.get("grid", {}))
        if not isinstance(own.get("env", {}), Mapping):
            raise UserError(f"{owner}: cases.{case}.env is {own['env']!r}; it takes key: value.")
    lengths = {key: len(values) for key, values in sweep.zip.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"{owner}: the lists in zip differ in length: {lengths}.")
    if twice := sorted(set(sweep.grid) & set(sweep.zip)):
        raise UserError(f"{owner}: {twice[0]!r} is in grid and in zip. Use one of them.")
    return sweep


def _check_axes(place: str, axes: object) -> None:
    if not is_mapping(axes):
        raise UserError(f"{place} is {axes!r}; it takes key: [values].")
    for key, values in axes.items():
        if not is_list(values) or not values:
            raise UserError(f"{place}.{key} is {values!r}; it takes a list of one or more values.")


def overridden(sweep: Sweep, overrides: Mapping[str, Sequence[object]], seeds: object = None) -> Sweep:
    """A copy of the sweep with keys set or spanned from the command line."""
    base, grid, zipped = dict(sweep.base), dict(sweep.grid), dict(sweep.zip)
    cases = {case: dict(own) for case, own in sweep.cases.items()}
    for key, values in overrides.items():
        if partners := ", ".join(sorted(set(zipped) - {key})) if key in zipped else "":
            raise UserError(f"{sweep.name}: {key} is varied together with {partners}; edit the file to change it.")
        for place in (base, grid, zipped):
            place.pop(key, None)
        for own in cases.values():
            if key not in ("algorithm", "env", "grid"):
                own.pop(key, None)
            if grid_of_case := part(own, "grid"):
                own["grid"] = {name: span for name, span in grid_of_case.items() if name != key}
            if (env_of_case := part(own, "env")) and key.startswith("env."):
                own["env"] = {name: value for name, value in env_of_case.items() if f"env.{name}" != key}
        if len(values) == 1:
            base[key] = values[0]
        else:
            grid[key] = list(values)
            for own in cases.values():
                if "grid" in own:
                    own["grid"] = {**part(own, "grid"), key: list(values)}
    changed = sweep.model_copy(update={"base": base, "grid": grid, "zip": zipped, "cases": cases})
    return changed if seeds is None else with_seeds(changed, seeds, sweep.name)


def with_seeds(sweep: Sweep, seeds: object, owner: str) -> Sweep:
    """A copy of the sweep with other seeds. Raises ``UserError``."""
    if not is_mapping(seeds):
        return sweep.model_copy(update={"seeds": parse_seeds(seeds), "until": None})
    until = validated(Until, seeds, f"{owner}: seeds", "seeds.")
    if not sweep.claims:
        raise UserError(f"{owner}: seeds are added until the claims are decided, but the sweep makes no claims.")
    return sweep.model_copy(update={"until": until}).grown(0)


def adhoc(
    algorithm: str,
    environment: str,
    settings: Mapping[str, Sequence[object]],
    seeds: object,
    name: str | None,
    per_actor: Packing,
    record: Mapping[str, object] | None = None,
) -> Sweep:
    """The sweep of one case that ``orchestrator run`` stands for."""
    case = re.sub(r"[^A-Za-z0-9_-]+", "-", algorithm).strip("-")
    content = {
        "name": name or f"run/{case}",
        "env": {"name": environment},
        "cases": {case: {"algorithm": algorithm}},
        "base": {key: values[0] for key, values in settings.items() if len(values) == 1},
        "grid": {key: values for key, values in settings.items() if len(values) > 1},
        "seeds": seeds,
        "record": dict(record or {}),
        "placement": {"agents_per_actor": per_actor},
    }
    sweep = checked(content, "run")
    sweep.check()
    return sweep


def read_packing(value: object) -> Packing:
    """``auto`` or a whole number from 1. Raises ``UserError``."""
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value) and int(value) >= 1:
        return int(value)
    raise UserError(f"agents_per_actor is {value!r}; it takes auto or a whole number, 1 or more.")
