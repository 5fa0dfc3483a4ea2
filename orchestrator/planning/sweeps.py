"""A sweep as plain data: the YAML file, its checks, and the cells it stands for."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from orchestrator.claims.claim import COSTS, ROUND, Claim, bare, read_claim
from orchestrator.core.parameters import Parameters
from orchestrator.errors import UserError
from orchestrator.planning import plain_yaml
from orchestrator.planning.cells import Cell, Seeds, make_cell, parse_seeds, suited, validated
from orchestrator.plugins import references, registry

#: Parts of a sweep in which plug-in files are named.
NAMING = ("env", "cases", "base", "grid", "zip", "claims")
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$"


class Paper(Parameters):
    """Where the claims come from."""

    id: str = Field(description="such as arXiv:2603.02426")
    note: str = Field("", description="what is reconstructed")


class Placement(Parameters):
    """How agents are packed into processes. It never changes a number."""

    agents_per_actor: int | Literal["auto"] = Field(
        "auto", description="agents held by one Ray actor; 1 is one process per agent; auto keeps them in the trial"
    )
    strategy: Literal["pack", "spread"] = Field(
        "pack", description="pack: a cell's actors share a node; spread: they are divided among the nodes"
    )
    labels: dict[str, str] = Field({}, description="labels that a node must carry to be used")


class Sweep(Parameters):
    """Cases x grid x zip over seeds, and the claims to judge."""

    name: str = Field(pattern=NAME, description="words of letters, digits and ._- with / between them")
    description: str = Field("", description="what it is for, in a sentence or two")
    paper: Paper | None = Field(None, description="id and note: where the claims come from")
    env: dict[str, Any] = Field(description="name and parameters of the environment")
    cases: dict[str, dict[str, Any]] = Field(min_length=1, description="case -> algorithm and its own settings")
    base: dict[str, Any] = Field({}, description="settings of every case that knows them")
    grid: dict[str, list[Any]] = Field({}, description="key -> values, all combinations")
    zip: dict[str, list[Any]] = Field({}, description="key -> values, varied together")
    seeds: Seeds = Field(tuple(range(8)), description="0..7, a list, or one number; more of them are added later")
    record: dict[str, Any] = Field({}, description="every, per_decade, agents: when it is measured")
    placement: Placement = Field(
        Placement.model_validate({}), description="agents_per_actor, strategy, labels: it never changes a number"
    )
    minutes: float | None = Field(None, description="expected run time on 2 cores")
    claims: list[dict[str, Any]] = Field([], description="the laws to judge, fixed before the data")

    @property
    def command(self) -> str:
        """The command that runs a shipped sweep again; empty for a file or an ad-hoc run, which has no such name."""
        return f"orchestrator sweep {self.name}" if self.name in registry.sweeps() else ""

    @cached_property
    def judged(self) -> list[Claim]:
        """The claims, checked against the cases, keys and metrics of this sweep."""
        claims = [read_claim(_as_stored(claim)) for claim in self.claims]
        for claim in claims:
            self._check_claim(claim)
        if len({claim.name for claim in claims}) < len(claims):
            raise UserError(f"{self.name}: two claims have the same name.")
        return claims

    @cached_property
    def cells(self) -> list[tuple[str, Cell]]:
        """(case, cell) in the file's order, without repeats. Raises ``UserError`` for anything that does not fit."""
        found: dict[tuple[str, str], Cell] = {}
        unknown = {key: self._owners(key) for key in (*self.base, *self.grid, *self.zip)}
        for case, own in self.cases.items():
            for cell in self._cells_of(case, own, unknown):
                found.setdefault((case, cell.id), cell)
        for key, knowing in unknown.items():
            if not knowing:
                known = {key for case in self.cases for key in self._keys(case)}
                [case, *more] = self.cases
                who = f"{self.name}: no case" if more else f"neither {' nor '.join(self._names(case))}"
                raise UserError(f"{who} knows {key!r}: {registry.nearest(key, known)}")
        return [(case, cell) for (case, _), cell in found.items()]

    @cached_property
    def hash(self) -> str:
        """16 hex digits over the membership: cases and their cells."""
        text = json.dumps(sorted((case, cell.id) for case, cell in self.cells))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def placed(self, strategy: str | None, labels: Mapping[str, str] | None) -> "Sweep":
        """The same with another strategy or labels, where they are given."""
        given = {"strategy": strategy, "labels": labels}
        changed = {key: value for key, value in given.items() if value is not None}
        return self.model_copy(update={"placement": self.placement.model_copy(update=changed)})

    def located(self) -> "Sweep":
        """The same with plug-in files by their absolute paths: it is read from other folders later."""
        return self._renamed(references.located)

    def pinned(self) -> "Sweep":
        """The same with plug-in files by path and contents: it is run on other machines, where they are shipped to."""
        return self._renamed(references.pinned)

    @property
    def plugins(self) -> set[str]:
        """The pinned references of all plug-in files."""
        texts = [
            text
            for _, cell in self.cells
            for text in (
                cell.algorithm,
                cell.environment,
                *cell.algorithm_model.model_dump().values(),
                *cell.environment_model.model_dump().values(),
            )
        ]
        return {name for text in texts if isinstance(text, str) for name in references.within(text)}

    def _renamed(self, renamed: Callable[[str], str]) -> "Sweep":
        """Every reference to a file, wherever in the sweep it stands, changed."""

        def changed(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {key: changed(held) for key, held in value.items()}
            if isinstance(value, list):
                return [changed(held) for held in value]
            return references.replaced(value, renamed) if isinstance(value, str) else value

        return self.model_copy(update={name: changed(getattr(self, name)) for name in NAMING})

    @property
    def varied(self) -> Literal["seeds", "instances"]:
        """Whether replicates differ in their seed alone or in the problem instance as well."""
        following = any(cell.environment_parameters.get("instance") == "seed" for _, cell in self.cells)
        return "instances" if following else "seeds"

    def _cells_of(self, case: str, own: Mapping[str, Any], owners: Mapping[str, set[str]]) -> list[Cell]:
        algorithm, environment = self._names(case)
        own = {key: value for key, value in own.items() if key != "algorithm"}
        grid, env = own.pop("grid", self.grid), {**self.env, **own.pop("env", {})}
        del env["name"]
        knows = {key for key in owners if case in owners[key]} | set(own) | (set(grid) - set(self.grid))
        fixed = {f"env.{key}": value for key, value in env.items()}
        fixed |= {key: value for key, value in self.base.items() if key in knows}
        axes = [[(key, value) for value in values] for key, values in grid.items() if key in knows]
        rows = list(zip(*([(k, v) for v in values] for k, values in self.zip.items() if k in knows), strict=True)) or [
            ()
        ]
        cells = []
        for row in rows:
            for point in itertools.product(*axes):
                settings = {**fixed, **dict(row), **dict(point), **own}
                cells.append(make_cell(algorithm, environment, settings, self.record))
        return cells

    def _names(self, case: str) -> tuple[str, str]:
        """Algorithm and environment of a case."""
        own = self.cases[case]
        algorithm, environment = own.get("algorithm"), {**self.env, **own.get("env", {})}.get("name")
        if not isinstance(algorithm, str):
            raise UserError(f"{self.name}: case {case!r} names no algorithm.")
        if not isinstance(environment, str):
            raise UserError(f"{self.name}: env names no environment.")
        return algorithm, environment

    def _keys(self, case: str) -> set[str]:
        """Settings that a case knows."""
        names = self._names(case)
        algorithm = registry.algorithm(names[0])
        environment = suited(registry.environment(names[1]), algorithm)
        env = {f"env.{name}" for name in environment.Parameters.model_fields}
        return {"agents", "rounds"} | set(algorithm.Parameters.model_fields) | env

    def _owners(self, key: str) -> set[str]:
        return {case for case in self.cases if key in self._keys(case)}

    def _check_claim(self, claim: Claim) -> None:
        where = f"{self.name}: claim {claim.name!r}"
        named = [claim.case, claim.below, claim.relative_to.case if claim.relative_to else None]
        for case in filter(None, named):
            if case not in self.cases:
                raise UserError(f"{where} names the unknown case {case!r}: {registry.nearest(case, self.cases)}")
        pairs = [(claim.case, claim.metric), (claim.below, claim.metric)]
        if claim.relative_to:
            pairs.append((claim.relative_to.case or claim.case, claim.relative_to.metric or claim.metric))
        for case, metric in pairs:
            if case is not None:
                self._check_metric(where, case, metric)
        for key in filter(None, (claim.versus, *claim.where)):
            if key == claim.versus and key.endswith("_final"):
                self._check_metric(where, claim.case, key)
            elif key not in (ROUND, *self._keys(claim.case)):
                raise UserError(
                    f"{where} names the unknown key {key!r}: {registry.nearest(key, self._keys(claim.case))}"
                )

    def _check_metric(self, where: str, case: str, metric: str) -> None:
        known = {name for named, cell in self.cells if named == case for name in cell.metrics()}
        if bare(metric) not in known and metric not in COSTS:
            suffix = "_final" if metric.endswith("_final") else "_tail"
            choices = [f"{name}{suffix}" for name in known]
            raise UserError(
                f"{where} names the unknown metric {metric!r} of case {case!r}: {registry.nearest(metric, choices)}"
            )


def load(reference: str, overrides: Mapping[str, list[Any]] | None = None, seeds: Any = None) -> Sweep:
    """A shipped sweep by name, or a YAML file. ``overrides`` set keys (one value) or span them (several).

    Raises ``UserError`` for unknown names, YAML that does not parse and anything the model does not accept.
    """
    path = Path(reference)
    if not (path.suffix in (".yaml", ".yml") and path.is_file()):
        shipped = registry.sweeps()
        if reference not in shipped:
            if path.suffix in (".yaml", ".yml"):
                raise UserError(f"There is no sweep file {reference}.")
            raise UserError(f"Unknown sweep {reference!r}: {registry.nearest(reference, shipped)}")
        path = shipped[reference]
    content = plain_yaml.read(path)
    if not isinstance(content, dict):
        raise UserError(f"{path.name} holds no sweep: it takes name, env, cases, … at the top level.")
    sweep = overridden(checked(content, path.name), overrides or {}, seeds)
    _ = sweep.cells, sweep.judged
    return sweep


def checked(content: Mapping[str, Any], owner: str) -> Sweep:
    """A sweep from plain data. Raises ``UserError``."""
    for part in ("grid", "zip"):
        _check_axes(f"{owner}: {part}", content.get(part) or {})
    sweep = validated(Sweep, content, owner)
    for case, own in sweep.cases.items():
        _check_axes(f"{owner}: cases.{case}.grid", own.get("grid", {}))
        if not isinstance(own.get("env", {}), Mapping):
            raise UserError(f"{owner}: cases.{case}.env is {own['env']!r}; it takes key: value.")
    lengths = {key: len(values) for key, values in sweep.zip.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"{owner}: the lists in zip differ in length: {lengths}.")
    if twice := sorted(set(sweep.grid) & set(sweep.zip)):
        raise UserError(f"{owner}: {twice[0]!r} stands in grid and in zip; it takes one of them.")
    return sweep


def _placeless(value: Any) -> Any:
    return references.placeless(value) if isinstance(value, str) else value


def _as_stored(claim: Mapping[str, Any]) -> dict[str, Any]:
    """The claim with plug-in files in its ``where`` told as the tables tell them."""
    where = claim.get("where")
    if not isinstance(where, Mapping):
        return dict(claim)
    plain = {
        key: [_placeless(v) for v in value] if isinstance(value, list) else _placeless(value)
        for key, value in where.items()
    }
    return {**claim, "where": plain}


def _check_axes(place: str, axes: Any) -> None:
    if not isinstance(axes, Mapping):
        raise UserError(f"{place} is {axes!r}; it takes key: [values].")
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{place}.{key} is {values!r}; it takes a list of one or more values.")


def overridden(sweep: Sweep, overrides: Mapping[str, list[Any]], seeds: Any = None) -> Sweep:
    """The sweep with keys set or spanned from the command line."""
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
            if isinstance(own.get("grid"), Mapping):
                own["grid"] = {name: span for name, span in own["grid"].items() if name != key}
            if isinstance(own.get("env"), Mapping) and key.startswith("env."):
                own["env"] = {name: v for name, v in own["env"].items() if f"env.{name}" != key}
        if len(values) == 1:
            base[key] = values[0]
        else:
            grid[key] = values
            for own in cases.values():
                if "grid" in own:
                    own["grid"] = {**own["grid"], key: values}
    changed = sweep.model_copy(update={"base": base, "grid": grid, "zip": zipped, "cases": cases})
    return changed.model_copy(update={"seeds": parse_seeds(seeds)}) if seeds is not None else changed


def adhoc(
    algorithm: str, environment: str, settings: Mapping[str, list[Any]], seeds: Any, name: str | None, per_actor: Any
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
        "placement": {"agents_per_actor": per_actor},
    }
    sweep = checked(content, "run")
    _ = sweep.cells
    return sweep


def check_agents_per_actor(value: Any) -> int | Literal["auto"]:
    """``auto`` or a whole number from 1. Raises ``UserError``."""
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value) and int(value) >= 1:
        return int(value)
    raise UserError(f"agents_per_actor is {value!r}; it takes auto or a whole number, 1 or more.")
