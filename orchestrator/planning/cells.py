"""Cells in canonical form, and the checks that make one from a user's settings."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Annotated, Literal, TypeVar, cast

from pydantic import BaseModel, Field, ValidationError

from orchestrator.core.environment import Environment
from orchestrator.core.hooks import MOST_MEMBERS
from orchestrator.core.parameters import Parameters
from orchestrator.core.rounds import Coordinator
from orchestrator.errors import UserError, asked, input_path, nearest, said, sentence
from orchestrator.planning.classes import algorithm_class, environment_class, environment_parameters, suited
from orchestrator.planning.plain import LARGEST, not_plain
from orchestrator.plugins import references, registry, sources


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


Model = TypeVar("Model", bound=BaseModel)
#: A value of a column of ``runs``.
Value = bool | int | float | str | None


@dataclass(frozen=True)
class Cell:
    """One case at one grid point, as plain data. ``make_cell`` builds and checks it."""

    algorithm: str
    parameters: Mapping[str, object]
    environment: str
    environment_parameters: Mapping[str, object]
    agents: int
    rounds: int
    record: Mapping[str, object] = field(default_factory=dict[str, object])
    #: ``Environment.identity`` where the cell was planned: elsewhere another package may have the environment's name.
    origin: str = ""

    @cached_property
    def algorithm_model(self) -> BaseModel:
        """The algorithm's parameters, validated."""
        return self.algorithm_class.Parameters(**self.parameters)

    @cached_property
    def algorithm_class(self) -> type[Coordinator]:
        """The class of the algorithm."""
        return algorithm_class(self.algorithm)

    @cached_property
    def environment_class(self) -> type[Environment]:
        """The class of the environment that the algorithm runs on."""
        return suited(environment_class(self.environment), self.algorithm_class)

    @cached_property
    def environment_model(self) -> BaseModel:
        """The environment's parameters, validated."""
        return environment_parameters(self.environment_class)(**self.environment_parameters)

    @cached_property
    def schedule(self) -> Record:
        """When its runs are measured."""
        return Record.model_validate(dict(self.record))

    @cached_property
    def id(self) -> str:
        """16 hex digits: the hash of everything but the seed that decides the numbers.

        Parameters at their defaults are left out. A new parameter therefore does not rename old cells.
        """
        content = {
            "algorithm": _identity(self.algorithm_class, self.algorithm, self.algorithm_model),
            "environment": _identity(self.environment_class, self.environment, self.environment_model),
            "agents": self.agents,
            "rounds": self.rounds,
            "record": {**self.schedule.model_dump(), "every": self.schedule.interval(self.rounds)},
        }
        content |= {"origin": self.origin} if self.origin else {}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __getstate__(self) -> dict[str, object]:
        # Without the validated models: another process has a plug-in's classes only once it has loaded the file.
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def columns(self) -> dict[str, Value]:
        """Its columns of ``runs``: parameters under their names, those of the environment as ``env_…``.

        Numbers that follow from the environment's parameters come last.
        """
        own = {name: _column_value(value) for name, value in self.algorithm_model.model_dump().items()}
        env = {f"env_{name}": _column_value(value) for name, value in self.environment_model.model_dump().items()}
        names = {"algorithm": self.algorithm_class.name, "env": self.environment_class.name}
        return {**names, "agents": self.agents, **own, **env, **{f"env_{k}": v for k, v in self.derived.items()}}

    @cached_property
    def derived(self) -> dict[str, float]:
        """Numbers that follow from the environment's parameters, by name. Raises ``UserError`` for anything else."""
        owner = self.environment_class
        with asked(owner.name, "derived()"):
            numbers = {str(name): float(value) for name, value in owner.derived(self.environment_model).items()}
            if taken := numbers.keys() & type(self.environment_model).model_fields.keys():
                raise ValueError(f"{min(taken)} is the name of a parameter")
        return numbers

    @property
    def plugins(self) -> set[str]:
        """The pinned references of all plug-in files: of algorithm and environment, and in their parameters."""
        values = (*self.algorithm_model.model_dump().values(), *self.environment_model.model_dump().values())
        texts = [text for text in (self.algorithm, self.environment, *values) if isinstance(text, str)]
        return {name for text in texts for name in references.within(text)}

    @property
    def packages(self) -> set[str]:
        """Other packages whose code makes its numbers: those that its classes name, and those that plug-ins import."""
        named = {*self.algorithm_class.libraries, *self.environment_class.libraries}
        modules = {made.__module__.partition(".")[0] for made in (self.algorithm_class, self.environment_class)}
        return named.union(modules - sources.OURS, *(registry.packages(reference) for reference in self.plugins))

    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that its runs record."""
        return _metrics(self.algorithm_class, self.algorithm_model, self.environment_model, self.agents)


def _metrics(coordinator: type[Coordinator], model: BaseModel, env_model: BaseModel, agents: int) -> tuple[str, ...]:
    """``metrics_for``. Raises ``UserError`` where it fails or returns anything but names."""
    with asked(coordinator.name, "metrics_for()"):
        names = cast(object, coordinator.metrics_for(model, env_model, agents))
        if not isinstance(names, tuple | list) or not all(
            isinstance(name, str) for name in cast("list[object]", names)
        ):
            raise TypeError("it takes a tuple of names of metrics")
    return tuple(cast("list[str]", names))


def _identity(plugin: type[Coordinator] | type[Environment], reference: str, model: BaseModel) -> list[object]:
    own = {name: _placeless(value) for name, value in model.model_dump(exclude_defaults=True).items()}
    return [plugin.name, plugin.version, references.fingerprint(reference), own]


def _placeless(value: object) -> object:
    """A parameter in which plug-in files are named by their contents."""
    return references.placeless(value) if isinstance(value, str) else value


def _column_value(value: object) -> Value:
    if isinstance(value, str):
        return references.unversioned(value)
    return value if isinstance(value, bool | int | float) or value is None else json.dumps(value, sort_keys=True)


def make_cell(
    algorithm: str, environment: str, settings: Mapping[str, object], record: Mapping[str, object] | None = None
) -> Cell:
    """Check settings (``agents``, ``rounds``, parameters, ``env.…``) and build the cell.

    Raises ``UserError`` naming the field and what it accepts.
    """
    algorithm, environment = references.pinned(algorithm), references.pinned(environment)
    coordinator = algorithm_class(algorithm)
    problem = suited(environment_class(environment), coordinator)
    _check_fits(coordinator, problem)
    settings = dict(settings)
    agents = _whole("agents", settings.pop("agents", 1), least=1)
    if agents > MOST_MEMBERS:
        raise UserError(f"agents is {agents}; it takes up to {MOST_MEMBERS}.")
    rounds = _whole("rounds", settings.pop("rounds", 1000), least=0)
    env = {key.removeprefix("env."): settings.pop(key) for key in list(settings) if key.startswith("env.")}
    env_model = validated(environment_parameters(problem), env, problem.name, prefix="env.")
    model = validated(coordinator.Parameters, settings, coordinator.name)
    schedule = validated(Record, record or {}, "record", prefix="record.")
    own, own_env = _dumped(model, coordinator.name), _dumped(env_model, problem.name, "env.")
    _check_columns(coordinator, model, env_model, agents)
    cell = Cell(
        algorithm,
        own,
        environment,
        own_env,
        agents,
        rounds,
        schedule.model_dump(),
        origin_of(problem, env_model),
    )
    # What has been looked up and validated is not looked up again: of ten thousand cells that takes seconds.
    vars(cell).update(
        algorithm_class=coordinator, environment_class=problem, algorithm_model=model, environment_model=env_model
    )
    return cell


def _dumped(model: BaseModel, owner: str, prefix: str = "") -> dict[str, object]:
    """The values of a model. Raises ``UserError`` for one that no table and no file could hold.

    They are read again wherever the cell is built, so a default that does not fit its own type is refused here.
    """
    values = _plain(model, owner, prefix)
    _plain(validated(type(model), values, owner, prefix), owner, prefix)
    return values


def _plain(model: BaseModel, owner: str, prefix: str) -> dict[str, object]:
    with asked(owner, "Parameters"):
        values = model.model_dump(warnings=False)
    for name, value in values.items():
        if (wrong := not_plain(value)) is not None:
            raise UserError(
                f"{owner}: {prefix}{name} holds {wrong}; a parameter is made of numbers, words, true, false, null, and "
                "lists and mappings of these."
            )
    return values


def origin_of(problem: type[Environment], model: BaseModel) -> str:
    """``Environment.identity``. Raises ``UserError`` if the environment cannot be built with these parameters."""
    with asked(problem.name, "identity()"):
        try:
            text = cast(object, problem.identity(model))
        except ValueError as error:
            raise UserError(f"{problem.name}: {said(error).removeprefix(f'{problem.name}: ').rstrip('.')}.") from error
        if not isinstance(text, str):
            raise TypeError("it takes a text")
    return text


def _check_fits(coordinator: type[Coordinator], problem: type[Environment]) -> None:
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


def check_names(coordinator: type[Coordinator], metrics: Iterable[str] = ()) -> None:
    """Parameters and metrics become columns of the tables: none may have the name of another. Raises ``UserError``."""
    names = [("parameter", name) for name in coordinator.Parameters.model_fields]
    names += [("metric", name) for name in dict.fromkeys((*coordinator.metrics, *metrics))]
    for what, name in names:
        if name in reserved_columns() or name.startswith("env_"):
            taken = "begins with env_" if name.startswith("env_") else "has the name of a column"
            raise UserError(f"{coordinator.name}: the {what} {name!r} {taken} (docs/tables.md); choose another name.")


def _check_columns(coordinator: type[Coordinator], model: BaseModel, env_model: BaseModel, agents: int) -> None:
    check_names(coordinator, _metrics(coordinator, model, env_model, agents))
    for name, value in (*model.model_dump().items(), *env_model.model_dump().items()):
        if isinstance(value, int) and abs(value) >= LARGEST:
            raise UserError(f"{name} is {value}; whole numbers go up to 2**63 - 1.")


def _whole(name: str, value: object, least: int) -> int:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if math.isfinite(number) and least <= number < LARGEST and number == int(number):
        return int(number)
    raise UserError(f"{name} is {value!r}; it must be a whole number, {least} or more.")


def validated(model: type[Model], values: Mapping[str, object], owner: str, prefix: str = "") -> Model:
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
        raise UserError(f"{owner}: {explain(error, values, prefix)}") from error
    except UserError:
        raise
    except BaseException as error:  # of a validator of the author's
        with asked(owner, "a check of the parameters"):
            raise error


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


def explain(error: ValidationError, values: Mapping[str, object], prefix: str = "") -> str:
    """A pydantic error about ``values`` as sentences: field, value, what is accepted."""
    reasons: dict[str, list[str]] = {}
    for item in error.errors():
        name = prefix + ".".join(input_path(item, values))
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
    return sentence(sentences)
