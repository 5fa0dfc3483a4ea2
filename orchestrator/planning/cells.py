"""Cells in canonical form, and the checks that make one from a user's settings."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from orchestrator.core.parameters import Parameters
from orchestrator.errors import UserError, nearest
from orchestrator.plugins import references, registry


class Record(Parameters):
    """When a run is measured, and which measurements become rows of ``metrics``. It is part of the cell's identity."""

    every: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="measure every this many rounds; auto is rounds / 1000, at least 1"
    )
    per_decade: int = Field(8, ge=1, le=1000, description="log-spaced rows per decade of rounds")
    agents: bool = Field(False, description="also write the final metrics of each agent to the table agents")

    def interval(self, rounds: int) -> int:
        """Rounds between measurements."""
        return max(1, rounds // 1000) if self.every == "auto" else self.every


#: Integers of the tables have 64 bits.
LARGEST = 2**63
MOST_SEEDS = 1_000_000


@dataclass(frozen=True)
class Cell:
    """One case at one grid point, as plain data. ``make_cell`` builds and checks it."""

    algorithm: str
    parameters: Mapping[str, Any]
    environment: str
    environment_parameters: Mapping[str, Any]
    agents: int
    rounds: int
    record: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def algorithm_model(self) -> Any:
        """The algorithm's parameters, validated."""
        return registry.algorithm(self.algorithm).Parameters(**self.parameters)

    @property
    def environment_class(self) -> Any:
        """The class of the environment that the algorithm runs on."""
        return suited(registry.environment(self.environment), registry.algorithm(self.algorithm))

    @cached_property
    def environment_model(self) -> Any:
        """The environment's parameters, validated."""
        return self.environment_class.Parameters(**self.environment_parameters)

    @cached_property
    def schedule(self) -> Record:
        """When its runs are measured."""
        return Record(**self.record)

    @cached_property
    def id(self) -> str:
        """16 hex digits: the hash of everything but the seed that decides the numbers.

        Parameters at their defaults are left out. A new parameter therefore does not rename old cells.
        """
        content = {
            "algorithm": _identity(registry.algorithm(self.algorithm), self.algorithm, self.algorithm_model),
            "environment": _identity(self.environment_class, self.environment, self.environment_model),
            "agents": self.agents,
            "rounds": self.rounds,
            "record": {**self.schedule.model_dump(), "every": self.schedule.interval(self.rounds)},
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        # Without the validated models: another process has a plug-in's classes only once it has loaded the file.
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def columns(self) -> dict[str, Any]:
        """Its columns of ``runs``: parameters under their names, those of the environment as ``env_…``."""
        own = {name: _column_value(value) for name, value in self.algorithm_model.model_dump().items()}
        env = {f"env_{name}": _column_value(value) for name, value in self.environment_model.model_dump().items()}
        algorithm = registry.algorithm(self.algorithm)
        return {"algorithm": algorithm.name, "env": self.environment_class.name, "agents": self.agents, **own, **env}

    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that its runs record."""
        return registry.algorithm(self.algorithm).metrics_for(self.algorithm_model, self.environment_model, self.agents)


def suited(environment: Any, algorithm: Any) -> Any:
    """The class of ``environment`` that fits the algorithm: its first face (kind -> class) of a kind, or itself."""
    faces = environment.faces
    return next((faces[kind] for kind in algorithm.kinds if kind in faces), environment)


def _identity(plugin: Any, reference: str, model: BaseModel) -> list[Any]:
    own = {name: _placeless(value) for name, value in model.model_dump(exclude_defaults=True).items()}
    return [plugin.name, plugin.version, references.fingerprint(reference), own]


def _placeless(value: Any) -> Any:
    """A parameter in which plug-in files are named by their contents."""
    return references.placeless(value) if isinstance(value, str) else value


def _column_value(value: Any) -> Any:
    if isinstance(value, str):
        return references.unversioned(value)
    return value if isinstance(value, bool | int | float) or value is None else json.dumps(value, sort_keys=True)


def make_cell(
    algorithm: str, environment: str, settings: Mapping[str, Any], record: Mapping[str, Any] | None = None
) -> Cell:
    """Check settings (``agents``, ``rounds``, parameters, ``env.…``) and build the cell.

    Raises ``UserError`` naming the field and what it accepts.
    """
    algorithm, environment = references.pinned(algorithm), references.pinned(environment)
    coordinator = registry.algorithm(algorithm)
    problem = suited(registry.environment(environment), coordinator)
    _check_fits(coordinator, problem)
    settings = dict(settings)
    agents = _whole("agents", settings.pop("agents", 1), least=1)
    rounds = _whole("rounds", settings.pop("rounds", 1000), least=0)
    env = {key.removeprefix("env."): settings.pop(key) for key in list(settings) if key.startswith("env.")}
    env_model = validated(problem.Parameters, env, problem.name, prefix="env.")
    model = validated(coordinator.Parameters, settings, coordinator.name)
    schedule = validated(Record, record or {}, "record", prefix="record.")
    _check_columns(coordinator, model, env_model, agents)
    return Cell(
        algorithm, model.model_dump(), environment, env_model.model_dump(), agents, rounds, schedule.model_dump()
    )


def _check_fits(coordinator: Any, problem: Any) -> None:
    """Raises ``UserError`` where the algorithm does not run on the environment, with environments that fit."""
    if registry.fits(problem, coordinator):
        return
    known = registry.names("environment")
    fitting = [name for name in known if registry.fits(registry.environment(name), coordinator)]
    raise UserError(
        f"{coordinator.name} does not run on {problem.name}: it needs an environment of kind "
        f"{' or '.join(coordinator.kinds)}"
        + (f" with {' and '.join(coordinator.needs)}()" if coordinator.needs else "")
        + (f", such as {', '.join(fitting)}." if fitting else ".")
    )


@cache
def reserved_columns() -> frozenset[str]:
    """Columns of the tables. No parameter and no metric may have such a name."""
    from orchestrator.store.schema import TABLES  # imports pyarrow, which naming a cell does not need

    return frozenset(column for table in ("members", "runs", "metrics") for column in TABLES[table].columns)


def _check_columns(coordinator: Any, model: BaseModel, env_model: BaseModel, agents: int) -> None:
    """Parameters and metrics become columns of the tables: two may not have the same name."""
    metrics = coordinator.metrics_for(model, env_model, agents)
    for name in (*type(model).model_fields, *metrics):
        if name in reserved_columns() or name.startswith("env_"):
            raise UserError(f"{coordinator.name}: {name!r} is already a column of the tables. Choose another name.")
    for name, value in (*model.model_dump().items(), *env_model.model_dump().items()):
        if isinstance(value, int) and abs(value) >= LARGEST:
            raise UserError(f"{name} is {value}; whole numbers go up to 2**63 - 1.")


def _whole(name: str, value: Any, least: int) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value >= LARGEST or value != int(value) or value < least:
        raise UserError(f"{name} is {value!r}; it must be a whole number, {least} or more.")
    return int(value)


def validated(model: type[BaseModel], values: Mapping[str, Any], owner: str, prefix: str = "") -> Any:
    """``model(**values)``. Pydantic's errors become plain sentences."""
    for name in values:
        if name not in model.model_fields:
            known = [prefix + field for field in model.model_fields]
            raise UserError(f"{owner} has no parameter {prefix + name!r}: {nearest(prefix + name, known)}")
        kinds = str(model.model_fields[name].annotation)
        if isinstance(values[name], bool) and "bool" not in kinds and ("int" in kinds or "float" in kinds):
            raise UserError(f"{owner}: {prefix}{name} is {str(values[name]).lower()}; it takes a number.")
    try:
        return model(**values)
    except ValidationError as error:
        raise UserError(f"{owner}: {explain(error, prefix)}") from error


#: Pydantic's phrases and plain ones.
PLAIN = (
    (r"^Input should be", "it should be"),
    (r"a valid number, unable to parse string as a number", "a number"),
    (r"a valid integer, unable to parse string as an integer", "a whole number"),
    (r"a valid integer, got a number with a fractional part", "a whole number"),
    (r"a valid boolean, unable to interpret input", "true or false"),
    (r"a valid (number|string|boolean)$", r"a \1"),
    (r"a valid integer$", "a whole number"),
    (r"^String should match pattern .*", "it takes words of letters, digits and ._- with / between them"),
)


def explain(error: ValidationError, prefix: str = "") -> str:
    """A pydantic error as sentences: field, value, what is accepted."""
    reasons: dict[str, list[str]] = {}
    for item in error.errors():
        name = prefix + ".".join(str(part) for part in item["loc"] if not _is_branch(part))
        reason = item["msg"].removeprefix("Value error, ")
        for pattern, plain in PLAIN:
            reason = re.sub(pattern, plain, reason)
        text = f"{name} is {item['input']!r}; {reason}" if item["loc"] and item["type"] != "missing" else reason
        if item["type"] == "extra_forbidden":
            text = f"{name} is not known here"
        elif item["type"] == "missing":
            text = f"{name} is missing"
        reasons.setdefault(text.split(";")[0], []).append(text.partition("; ")[2])
    sentences = ". ".join(
        f"{head}; {' or '.join(dict.fromkeys(tails))}" if any(tails) else head for head, tails in reasons.items()
    )
    return sentences if sentences.endswith("?") else f"{sentences}."


def _is_branch(part: Any) -> bool:
    """Whether part of a pydantic location is the name of a union's member type, which is not a field."""
    return isinstance(part, str) and (
        part.removeprefix("constrained-") in ("int", "float", "str", "list[int]") or "[" in part
    )


def parse_seeds(value: Any) -> tuple[int, ...]:
    """``0..7``, ``3``, ``0,2,5`` or a list. Raises ``UserError`` for anything else, negatives and repeats."""
    wrong = UserError(
        f"seeds is {value!r}; it takes 0..7, a list such as 0,2,5, or one number; each 0 or more, and once."
    )
    many = UserError(f"seeds is {value!r}; a sweep takes up to {MOST_SEEDS} of them, each below 2**63.")
    if isinstance(value, str):
        if span := re.fullmatch(r"\s*(\d+)\s*\.\.\s*(\d+)\s*", value):
            first, last = int(span[1]), int(span[2])
            if last < first:
                raise wrong
            if last - first >= MOST_SEEDS or last >= LARGEST:
                raise many
            return tuple(range(first, last + 1))
        value = [part.strip() for part in value.split(",")]
        if not all(part.isdigit() for part in value):
            raise wrong
        value = [int(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple | range) or not value:
        raise wrong
    if any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in value):
        raise wrong
    if len(set(value)) != len(value):
        raise wrong
    if len(value) > MOST_SEEDS or max(value) >= LARGEST:
        raise many
    return tuple(value)


Seeds = Annotated[tuple[int, ...], BeforeValidator(parse_seeds)]
