"""A sweep as plain data: its cases, cells and claims, and their checks."""

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, NoReturn

from pydantic import Field, field_serializer

from orchestrator.claims.claim import COSTS, LEAST_SEEDS, ROUND, Claim, bare, read_claim
from orchestrator.claims.columns import PLANNED_ROUNDS, column_name
from orchestrator.core.parameters import Parameters
from orchestrator.errors import UserError, nearest
from orchestrator.planning.cells import Cell, make_cell
from orchestrator.planning.classes import algorithm_class, environment_class, environment_parameters, suited
from orchestrator.planning.plain import NAME, is_list, is_mapping, lists, part, strings
from orchestrator.planning.seeds import Seeds, Until, seed_words
from orchestrator.plugins import references, registry, sources

#: Parts of a sweep in which plug-in files are named.
NAMING = ("env", "cases", "base", "grid", "zip", "claims")
#: Cells of a case. To plan so many takes half a minute.
MOST_CELLS = 100_000


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
    env: dict[str, object] = Field(description="name and parameters of the environment")
    cases: dict[str, dict[str, object]] = Field(min_length=1, description="case -> algorithm and its own settings")
    base: dict[str, object] = Field({}, description="settings of every case that has them")
    grid: dict[str, list[object]] = Field({}, description="key -> values, all combinations")
    zip: dict[str, list[object]] = Field({}, description="key -> values, varied together")
    seeds: Seeds = Field(
        tuple(range(8)),
        description="0..7, a list, or one number; more of them are added later. Or until, at_most: see below",
    )
    #: How ``seeds`` may grow; written there.
    until: Until | None = Field(None, exclude=True)
    record: dict[str, object] = Field({}, description="every, per_decade, agents: when it is measured")
    placement: Placement = Field(
        Placement.model_validate({}), description="agents_per_actor, strategy, labels: it never changes a number"
    )
    minutes: float | None = Field(None, description="expected run time on 2 cores")
    claims: list[dict[str, object]] = Field([], description="the laws to judge, fixed before the data")

    @field_serializer("seeds")
    def _seeds_as_written(self, seeds: tuple[int, ...]) -> object:
        return self.until.model_dump() if self.until else list(seeds)

    @property
    def seed_words(self) -> str:
        """The number of seeds, such as ``8 of up to 64``."""
        return seed_words(len(self.seeds), self.until.at_most if self.until else None)

    def grown(self, seeds: int) -> "Sweep":
        """A copy whose seeds are those of the first look at ``seeds`` seeds or more."""
        return self.model_copy(update={"seeds": tuple(range(self.until.size(seeds)))}) if self.until else self

    @property
    def command(self) -> str:
        """The command that runs a shipped sweep again. It is empty for a file and for an ad-hoc run."""
        return f"orchestrator sweep {self.name}" if self.name in registry.sweeps() else ""

    @cached_property
    def checked_claims(self) -> list[Claim]:
        """The claims, checked against the cases, keys and metrics of this sweep. Raises ``UserError``."""
        claims = [read_claim(_with_stored_values(claim)) for claim in self.claims]
        for claim in claims:
            self._check_claim(claim)
        if len({claim.name for claim in claims}) < len(claims):
            raise UserError(f"{self.name}: two claims have the same name.")
        return claims

    @cached_property
    def cells(self) -> list[tuple[str, Cell]]:
        """(case, cell) in the file's order, without repeats. Raises ``UserError`` for settings that do not fit."""
        cells: dict[tuple[str, str], Cell] = {}
        owners = {key: self._owners(key) for key in (*self.base, *self.grid, *self.zip)}
        for case, own in self.cases.items():
            for cell in self._cells_of(case, own, owners):
                cells.setdefault((case, cell.id), cell)
        for key, cases in owners.items():
            if not cases:
                self._refuse_key(key)
        return [(case, cell) for (case, _), cell in cells.items()]

    @cached_property
    def rows(self) -> list[dict[str, object]]:
        """One row per case and cell: ``case``, ``cell_id``, the planned rounds and the columns of ``runs``."""
        return [
            {"case": case, "cell_id": cell.id, PLANNED_ROUNDS: cell.rounds, **cell.columns()}
            for case, cell in self.cells
        ]

    @property
    def axes(self) -> list[str]:
        """Columns of the settings that differ between cells, ``agents`` first."""
        grids = (part(own, "grid") for own in self.cases.values())
        keys = ["agents", *self.grid, *self.zip, *itertools.chain(*grids)]
        return list(dict.fromkeys(column_name(key) for key in keys))

    @property
    def varying(self) -> dict[str, str]:
        """Every setting that differs between cells that have it: key -> column of ``rows``.

        Left out is what a plan shows in any case (the case, which names the algorithm, agents and rounds), and what
        follows from another setting.
        """
        fixed = {"case", "cell_id", "algorithm", "agents", PLANNED_ROUNDS}
        fixed |= {f"env_{name}" for _, cell in self.cells for name in cell.derived}
        columns = dict.fromkeys(column for row in self.rows for column in row if column not in fixed)
        differ = [
            name for name in columns if len({(type(row[name]), row[name]) for row in self.rows if name in row}) > 1
        ]
        return {f"env.{name.removeprefix('env_')}" if name.startswith("env_") else name: name for name in differ}

    def check(self) -> None:
        """Raise ``UserError`` for anything in cells or claims that does not fit. Builds no environment."""
        _ = self.cells, self.checked_claims

    def undecidable_claims(self) -> list[str]:
        """One sentence for each claim that the sweep's cells cannot decide, whatever they measure."""
        if not self.claims:
            return []
        from orchestrator.claims.judge import foreseen

        planned = [row | {"seed": 0} for row in self.rows]
        reasons = [(claim.name, foreseen(claim, planned)) for claim in self.checked_claims]
        sentences = [f"claim {name!r} cannot be decided: {reason}" for name, reason in reasons if reason]
        return sentences + self._too_few_seeds([name for name, reason in reasons if not reason])

    def _too_few_seeds(self, claims: Collection[str]) -> list[str]:
        """The sentence about claims that need more seeds than the sweep has."""
        waiting = [repr(one.name) for one in self.checked_claims if one.name in claims and not one.deterministic]
        if not waiting or len(self.seeds) >= LEAST_SEEDS:
            return []
        few = "1 seed is" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds are"
        more = f" and {len(waiting) - 3} more claims" if len(waiting) > 3 else ""
        about = ", ".join(waiting[:3]) + more
        return [f"seeds: {few} too few for a verdict on {about}; it takes {LEAST_SEEDS} or more."]

    @cached_property
    def hash(self) -> str:
        """16 hex digits: the hash of the cases and their cells."""
        text = json.dumps(sorted((case, cell.id) for case, cell in self.cells))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def placed(self, strategy: str | None, labels: Mapping[str, str] | None) -> "Sweep":
        """A copy with another strategy or other labels, where they are given."""
        given = {"strategy": strategy, "labels": labels}
        changed = {key: value for key, value in given.items() if value is not None}
        return self.model_copy(update={"placement": self.placement.model_copy(update=changed)})

    def located(self) -> "Sweep":
        """A copy that names plug-in files by absolute paths, so that it can be read from another folder."""
        return self._renamed(references.located)

    def pinned(self) -> "Sweep":
        """A copy that names plug-in files by path and contents, for machines that they are shipped to."""
        return self._renamed(references.pinned)

    @property
    def plugins(self) -> set[str]:
        """The pinned references of all plug-in files."""
        return {name for _, cell in self.cells for name in cell.plugins}

    @property
    def own_files(self) -> list[Path]:
        """All files of plug-ins that planning will import, those beside them included. Imports nothing.

        Raises ``UserError`` if one cannot be read.
        """
        texts = strings([getattr(self, name) for name in NAMING])
        named = {references.parts(reference)[0] for text in texts for reference in references.within(text)}
        files = [
            (own.root / name).resolve() for path in sorted(named) for own in [sources.read(path)] for name in own.files
        ]
        return sorted(set(files))

    def _renamed(self, renamed: Callable[[str], str]) -> "Sweep":
        """A copy in which every reference to a file is changed."""

        def changed(value: object) -> object:
            if is_mapping(value):
                return {key: changed(held) for key, held in value.items()}
            if is_list(value):
                return [changed(held) for held in value]
            return references.replaced(value, renamed) if isinstance(value, str) else value

        return self.model_copy(update={name: changed(getattr(self, name)) for name in NAMING})

    @property
    def varied(self) -> Literal["seeds", "instances"]:
        """Whether replicates differ in their seed alone or in the problem instance as well."""
        by_seed = any(cell.environment_parameters.get("instance") == "seed" for _, cell in self.cells)
        return "instances" if by_seed else "seeds"

    def _cells_of(self, case: str, own: Mapping[str, object], owners: Mapping[str, set[str]]) -> list[Cell]:
        algorithm, environment = self._names(case)
        grid = lists(part(own, "grid")) if "grid" in own else self.grid
        env = {**self.env, **part(own, "env")}
        own = {key: value for key, value in own.items() if key not in ("algorithm", "grid", "env")}
        del env["name"]
        knows = {key for key in owners if case in owners[key]} | set(own) | (set(grid) - set(self.grid))
        fixed = {f"env.{key}": value for key, value in env.items()}
        fixed |= {key: value for key, value in self.base.items() if key in knows}
        axes = [[(key, value) for value in values] for key, values in grid.items() if key in knows]
        zipped = [[(key, value) for value in values] for key, values in self.zip.items() if key in knows]
        rows: list[tuple[tuple[str, object], ...]] = list(zip(*zipped, strict=True)) if zipped else [()]
        if (count := math.prod(map(len, axes)) * len(rows)) > MOST_CELLS:
            raise UserError(f"{self.name}: case {case!r} has {count} cells; a sweep takes up to {MOST_CELLS}.")
        cells: list[Cell] = []
        for row in rows:
            for point in itertools.product(*axes):
                settings = {**fixed, **dict(row), **dict(point), **own}
                cells.append(make_cell(algorithm, environment, settings, self.record))
        return cells

    def _names(self, case: str) -> tuple[str, str]:
        """Algorithm and environment of a case."""
        own = self.cases[case]
        algorithm, environment = own.get("algorithm"), {**self.env, **part(own, "env")}.get("name")
        if not isinstance(algorithm, str):
            raise UserError(f"{self.name}: case {case!r} names no algorithm.")
        if not isinstance(environment, str):
            raise UserError(f"{self.name}: env names no environment.")
        return algorithm, environment

    def _keys(self, case: str) -> set[str]:
        """Settings that a case knows."""
        names = self._names(case)
        algorithm = algorithm_class(names[0])
        environment = suited(environment_class(names[1]), algorithm)
        env = {f"env.{name}" for name in environment_parameters(environment).model_fields}
        return {"agents", "rounds"} | set(algorithm.Parameters.model_fields) | env

    def _refuse_key(self, key: str) -> NoReturn:
        """Raise ``UserError`` for a setting that no case knows."""
        hint = nearest(key, {known for case in self.cases for known in self._keys(case)})
        if len(self.cases) > 1:
            raise UserError(f"{self.name}: no case knows {key!r}: {hint}")
        algorithm, environment = self._names(next(iter(self.cases)))
        raise UserError(f"neither {algorithm} nor {environment} knows {key!r}: {hint}")

    def _owners(self, key: str) -> set[str]:
        return {case for case in self.cases if key in self._keys(case)}

    def _check_claim(self, claim: Claim) -> None:
        where = f"{self.name}: claim {claim.name!r}"
        named = [claim.case, claim.below, claim.relative_to.case if claim.relative_to else None]
        for case in filter(None, named):
            if case not in self.cases:
                raise UserError(f"{where} names the unknown case {case!r}: {nearest(case, self.cases)}")
        pairs = [(claim.case, claim.metric), (claim.below, claim.metric)]
        if claim.relative_to:
            pairs.append((claim.relative_to.case or claim.case, claim.relative_to.metric or claim.metric))
        for case, metric in pairs:
            if case is not None:
                self._check_metric(where, case, metric)
        derived = {f"env.{name}" for case, cell in self.cells if case == claim.case for name in cell.derived}
        known = self._keys(claim.case) | derived
        for key in filter(None, (claim.versus, claim.floor and claim.floor.versus, *claim.where)):
            if key == claim.versus and key.endswith("_final"):
                self._check_metric(where, claim.case, key)
            elif key not in (ROUND, *known):
                raise UserError(f"{where} names the unknown key {key!r}: {nearest(key, known)}")

    def _check_metric(self, where: str, case: str, metric: str) -> None:
        known = {name for named, cell in self.cells if named == case for name in cell.metrics()}
        if bare(metric) not in known and metric not in COSTS:
            suffix = "_final" if metric.endswith("_final") else "_tail"
            choices = [f"{name}{suffix}" for name in known]
            raise UserError(f"{where} names the unknown metric {metric!r} of case {case!r}: {nearest(metric, choices)}")


def _with_stored_values(claim: Mapping[str, object]) -> dict[str, object]:
    """The claim with plug-in files in its ``where`` written as the tables show them."""

    def stored(value: object) -> object:
        return references.placeless(value) if isinstance(value, str) else value

    where = claim.get("where")
    if not is_mapping(where):
        return dict(claim)
    values = {key: [stored(v) for v in value] if is_list(value) else stored(value) for key, value in where.items()}
    return {**claim, "where": values}
