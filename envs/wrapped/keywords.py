"""Keyword arguments of another package's environment as parameters. A keyword may have a range to draw from."""

import inspect
import re
from collections.abc import Mapping
from typing import Annotated, Any, cast, get_args

import numpy as np
from pydantic import AfterValidator, BaseModel, Field, create_model

from orchestrator.core import Instance, Parameters

#: Arguments that change how an environment is shown, not what it is.
SHOWN = ("self", "render_mode")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")


class WrappedParameters(Parameters):
    """Parameters of every wrapped environment, besides its own keywords."""

    instance: Instance = Field(
        default=0,
        description="seed of what is drawn: keywords with a range, estimated processes; 'seed' follows the replicate's",
    )
    processes: int = Field(
        default=0,
        ge=0,
        description="distinct environments M where a keyword has a range, agent i in number i mod M; 0: one an agent",
    )
    samples: int = Field(
        default=100_000, ge=1, description="random steps that a process without a table is estimated by"
    )


def keyword_arguments(*makers: object) -> dict[str, inspect.Parameter]:
    """The named arguments of the first of ``makers``, and those that its ``**kwargs`` are handed on to.

    A class hands them on to its base classes, in the order in which Python looks for methods; a function to the next
    of ``makers``. What is not a function or class is left out.
    """
    found: dict[str, inspect.Parameter] = {}
    for maker in makers:
        bases = [base for base in maker.__mro__ if "__init__" in vars(base)] if isinstance(maker, type) else [maker]
        for base in bases:
            function = cast(Any, base).__init__ if isinstance(base, type) else base
            if not callable(function) or base is object:
                continue
            own = inspect.signature(function).parameters
            for name, argument in own.items():
                named = argument.kind in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY)
                if named and name not in SHOWN and not name.startswith("_"):
                    found.setdefault(name, argument)
            if not any(argument.kind == argument.VAR_KEYWORD for argument in own.values()):
                return found
    return found


def with_keywords(
    base: type[WrappedParameters], of: Mapping[str, inspect.Parameter], given: Mapping[str, object]
) -> type[BaseModel]:
    """``base`` with one more field for each of the arguments ``of`` that is not a parameter of ``base`` already.

    ``given`` are values that replace the defaults of ``of``.
    """
    fields: dict[str, Any] = {}
    for name, argument in of.items():
        if name in base.model_fields:
            continue
        default = given.get(name, argument.default)
        default = list(default) if isinstance(default, tuple) else default
        fields[name] = _field(... if default is inspect.Parameter.empty else default)
    return create_model(f"{base.__name__}WithKeywords", __base__=base, __doc__=base.__doc__, **fields)


def keywords(parameters: BaseModel, base: type[WrappedParameters]) -> dict[str, object]:
    """The keywords among ``parameters`` that are not at their defaults."""
    return {
        name: value
        for name, value in parameters.model_dump(exclude_defaults=True).items()
        if name not in base.model_fields
    }


def has_range(given: Mapping[str, object]) -> bool:
    """Whether a keyword has a range, so that environments differ."""
    return any(_span(value) for value in given.values())


def spans(parameters: BaseModel, base: type[WrappedParameters]) -> dict[str, float]:
    """For every keyword K that may have a range: ``K_mean``, the middle of its range, and ``K_width``, its length.

    A number is a range of width 0.
    """
    fields = type(parameters).model_fields
    numbers: dict[str, float] = {}
    for name, value in parameters.model_dump().items():
        if name in base.model_fields or isinstance(value, bool) or not (isinstance(value, int | float) or _span(value)):
            continue
        low, high = _span(value) or (float(value), float(value))
        own = {f"{name}_mean": low + (high - low) / 2, f"{name}_width": high - low}
        numbers |= {key: number for key, number in own.items() if key not in fields}
    return numbers


def draw_keywords(
    given: Mapping[str, object], integer: Mapping[str, bool], rng: np.random.Generator
) -> dict[str, object]:
    """The keywords of one environment: a range becomes a uniform draw.

    It is a whole number where ``integer`` is True and both ends are whole.
    """
    values: dict[str, object] = {}
    for name, value in sorted(given.items()):
        if span := _span(value):
            low, high = span
            if integer[name] and low == int(low) and high == int(high):
                values[name] = int(rng.integers(int(low), int(high) + 1))
            else:
                values[name] = low + (high - low) * float(rng.random())  # numpy's uniform may fuse the two
        else:
            values[name] = value
    return values


def whole(model: type[BaseModel]) -> dict[str, bool]:
    """For every field, whether its default is a whole number."""
    return {
        name: isinstance(field.default, int) and not isinstance(field.default, bool)
        for name, field in model.model_fields.items()
    }


def _span(value: object) -> tuple[float, float] | None:
    ends = RANGE.fullmatch(value) if isinstance(value, str) else None
    return (float(ends[1]), float(ends[2])) if ends else None


def _field(default: object) -> tuple[object, object]:
    about = "keyword of the environment's own"
    if isinstance(default, bool):
        return bool, Field(default, description=about)
    if isinstance(default, int | float):
        about += "; LOW..HIGH draws one for each environment"
        return Annotated[int | float | str, AfterValidator(_number)], Field(default, description=about)
    if isinstance(default, str):
        return str, Field(default, description=about)
    return Annotated[Any, AfterValidator(_plain)], Field(default, description=about)


def _number(value: int | float | str) -> int | float | str:
    span = _span(value)
    if isinstance(value, bool) or (isinstance(value, str) and (span is None or span[0] > span[1])):
        raise ValueError("it takes a number, or LOW..HIGH for one drawn for each environment")
    return value


_PLAIN = bool | int | float | str | None


def _plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if not isinstance(value, get_args(_PLAIN)):
        raise ValueError("it takes a number, a word, true, false or a list of these")
    return value
