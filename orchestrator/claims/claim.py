"""A claim as data: what a paper states, as it is written in a sweep file before the experiment runs.

``judge`` describes the rule that decides it. This file is loaded with every sweep file, so it imports neither numpy
nor pandas nor scipy.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from orchestrator.errors import UserError, input_path, nearest, sentence

LAWS = ("power", "exponential", "bound", "order", "floor", "value")
#: Fields that only some laws take. Every law takes the others.
LAW_FIELDS = {
    "expect": ("power", "exponential", "floor", "value"),
    "within": ("power", "exponential", "floor", "value"),
    "at_least": ("power", "exponential", "floor", "value"),
    "at_most": ("power", "exponential", "floor", "value"),
    "relative_to": ("power", "exponential", "bound", "floor", "value"),
    "below": ("order",),
    "by": ("order",),
    "constant": ("bound",),
    "exponent": ("bound",),
    "decay": ("floor",),
    "rare": ("value", "bound"),
    "share": ("value", "bound"),
    "floor": ("power", "exponential"),
}
#: Fields that a law needs; the others need ``versus``.
NEEDS: dict[str, tuple[str, ...]] = {"bound": ("versus", "constant", "exponent"), "order": ("below",), "value": ()}
#: x axis of a claim about a learning curve: the round. Its metric is <m> at the record, or <m>_window, the mean since
#: the last record.
ROUND = "round"
#: Seeds that a verdict needs, unless the claim is deterministic.
LEAST_SEEDS = 6
#: Cost columns of ``runs`` that a claim may use as its metric.
COSTS = ("rounds", "agent_steps", "calls", "messages", "bytes_sent")

Number = Annotated[float, Field(allow_inf_nan=False)]
Setting = bool | int | float | str


class Reference(BaseModel, frozen=True, extra="forbid"):
    """The denominator of a ratio: another case, another metric or both, with the same seeds and grid point."""

    case: str | None = Field(None, description="case in the denominator (default: the case of the claim)")
    metric: str | None = Field(None, description="metric in the denominator (default: the metric of the claim)")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.case is None and self.metric is None:
            raise ValueError("relative_to needs a case or a metric; with neither, the ratio is 1")
        return self


class Floor(BaseModel, frozen=True, extra="forbid"):
    """What is judged instead of the metric: the floor C0 of C0 + C1 x^-decay, fitted at each value of ``versus``."""

    versus: str = Field(description="the x of the fit, a grid key such as agents")
    decay: float = Field(gt=0, allow_inf_nan=False, description="p of C0 + C1 x^-p")
    window: tuple[Number, Number] | None = Field(None, description="range of x that is fitted, both ends included")


class Claim(BaseModel):
    """One law from a paper, to be judged with the results of a sweep. See ``judge`` for the rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="the claim in words, unique in its sweep")
    case: str = Field(description="the case of the sweep that the claim is about")
    metric: str = Field(
        description="<m>_tail, <m>_final, rounds_to_<m> (with level), a cost column of runs; versus round <m>, the "
        "value at each record (for rates), or <m>_window, the mean since the last record"
    )
    law: Literal["power", "exponential", "bound", "order", "floor", "value"] = Field(description="kind of law")
    versus: str | None = Field(
        None, description="x axis: a grid key (agents, alpha, env.gamma, …), <m>_final, or round for a learning curve"
    )
    expect: Number | None = Field(None, description="exponent, rate, floor C0 or value that the paper states")
    within: Number | None = Field(
        None,
        gt=0,
        description="half width of the accepted range; also how much the local slope may change over the window",
    )
    at_least: Number | None = Field(None, description="accepted range [at_least, inf), instead of expect")
    at_most: Number | None = Field(None, description="accepted range (-inf, at_most], instead of expect")
    window: tuple[Number, Number] | None = Field(None, description="range of versus that is judged, both ends included")
    where: dict[str, Setting | list[Setting]] = Field({}, description="grid keys and the values that select cells")
    relative_to: Reference | None = Field(None, description="divide by the mean of another case or metric")
    below: str | None = Field(None, description="order: the case that should have the larger metric")
    by: Literal["ratio", "difference"] | None = Field(
        None, description="order: how the two are compared; ratio (the default) needs means above 0"
    )
    constant: Number | None = Field(None, gt=0, description="bound: C of y <= C x^exponent")
    exponent: Number | None = Field(None, description="bound: exponent of y <= C x^exponent")
    level: Number | None = Field(None, gt=0, description="rounds_to_<m>: the error to reach; not a level of versus")
    deterministic: bool = Field(
        False, description="the numbers have no noise: the interval leaves out levels instead of seeds"
    )
    decay: Number | None = Field(None, gt=0, description="floor: p of C0 + C1 x^-p, fixed before the data")
    floor: Floor | None = Field(None, description="versus, decay: judge the fitted floor C0 instead of the metric")
    share: bool | None = Field(
        None, description="every run's number is 0 or 1, and the claim is about the share of runs"
    )
    rare: Number | None = Field(
        None, gt=0, lt=1, description="share of a rare kind of run that the seeds must be able to show, such as 0.1"
    )
    looked: tuple[int, ...] = Field(
        (), description="numbers of seeds at which the claim was judged before, in another results folder"
    )

    @model_validator(mode="before")
    @classmethod
    def _known_words(cls, data: object) -> object:
        if isinstance(data, Mapping):
            given = cast("Mapping[object, object]", data)
            for key in given:
                if key not in cls.model_fields:
                    raise ValueError(f"a claim has no field {key!r}: {nearest(str(key), cls.model_fields)}")
            if (law := given.get("law", LAWS[0])) not in LAWS:
                raise ValueError(f"law is {law!r}: {nearest(str(law), LAWS)}")
            return given
        return data

    @model_validator(mode="after")
    def _fields_of_its_law(self) -> Self:
        for name, laws in LAW_FIELDS.items():
            if getattr(self, name) is not None and self.law not in laws:
                raise ValueError(f"law {self.law} does not take {name}, which belongs to {' and '.join(laws)}")
        for name in NEEDS.get(self.law, ("versus",)):
            if getattr(self, name) is None:
                raise ValueError(f"law {self.law} needs {name}: {type(self).model_fields[name].description}")
        if self.law in LAW_FIELDS["expect"]:
            self._check_range()
        if self.below == self.case:
            raise ValueError(f"below is {self.below!r}, the claim's own case; name another case")
        if self.window and not self.window[0] < self.window[1]:
            raise ValueError(f"window is {list(self.window)}; it takes [lowest, highest] of {self.versus}")
        if self.window and self.versus is None:
            raise ValueError("window needs versus: it selects values of that key")
        if self.floor:
            self._check_floor(self.floor)
        if ROUND in self.where:
            raise ValueError(f"where selects cells, not rounds; use window with versus {ROUND} to select rounds")
        self._check_metrics()
        return self

    def _check_range(self) -> None:
        half_lines = self.at_least is not None or self.at_most is not None
        if (self.expect is None) == (not half_lines):
            raise ValueError(f"law {self.law} needs either expect with within, or at_least and/or at_most")
        if self.expect is not None and self.within is None:
            raise ValueError("expect needs within, the half width of the accepted range")
        if self.at_least is not None and self.at_most is not None and self.at_least >= self.at_most:
            raise ValueError(f"at_least is {self.at_least:g} and at_most {self.at_most:g}; at_least must be smaller")

    def _check_floor(self, floor: Floor) -> None:
        keys = (str(self.versus), floor.versus)
        if keys[0] == keys[1] or any(key == ROUND or key.endswith("_final") for key in keys):
            raise ValueError(f"floor: versus is {keys[1]!r} and that of the claim {keys[0]!r}; they take two grid keys")
        if self.relative_to is not None or self.deterministic:
            raise ValueError("floor takes neither relative_to nor deterministic")

    def _check_metrics(self) -> None:
        metrics = [self.metric]
        if self.relative_to:
            metrics.append(self.relative_to.metric or self.metric)
        for metric in metrics:
            whole = metric.endswith(("_tail", "_final")) or metric.startswith("rounds_to_") or metric in COSTS
            if self.versus == ROUND and whole:
                raise ValueError(
                    f"metric is {metric!r} and versus is {self.versus!r}; a learning curve needs <m>, the value at "
                    "each record, or <m>_window, the mean since the last record"
                )
            if self.versus != ROUND and metric.endswith("_window"):
                raise ValueError(
                    f"metric is {metric!r} and versus is {self.versus!r}; a learning curve needs versus {ROUND}"
                )
            if self.versus != ROUND and not whole:
                raise ValueError(
                    f"metric is {metric!r}; it takes <m>_tail (mean over the last half), <m>_final, rounds_to_<m>, "
                    f"or one of {', '.join(COSTS)}"
                )
        crossing = any(metric.startswith("rounds_to_") for metric in metrics)
        if crossing and self.level is None:
            raise ValueError(f"metric {self.metric} needs level, the error to reach")
        if not crossing and self.level is not None:
            raise ValueError(f"level is only for a metric rounds_to_<m>, not for {self.metric}")

    @property
    def along_curves(self) -> bool:
        """Whether it is judged on the records of learning curves and not only on numbers of whole replicates."""
        return self.versus == ROUND or self.level is not None

    @property
    def accepted(self) -> tuple[float, float]:
        """The accepted range [low, high] of the estimate; of a bound and an order, that of the ratio or difference.

        Two cases that agree to the last digit are not in order (joint learning of one agent is independent learning).
        """
        if self.law == "bound":
            return (-math.inf, 1.0)
        if self.law == "order":
            return (-math.inf, math.nextafter(self.equal, -math.inf))
        if self.expect is not None and self.within is not None:
            return (self.expect - self.within, self.expect + self.within)
        return (
            -math.inf if self.at_least is None else self.at_least,
            math.inf if self.at_most is None else self.at_most,
        )

    @property
    def equal(self) -> float:
        """Of an order: the ratio, or the difference, of two equal cases."""
        return 0.0 if self.by == "difference" else 1.0

    @property
    def expected(self) -> str:
        """The accepted range in words."""
        if self.law == "bound":
            power = "" if self.exponent == 1 else f"^{self.exponent:g}"
            return f"<= {self.constant:g} * {self.versus}{power} at every level"
        if self.law == "order":
            return f"below {self.below} at every level"
        if self.expect is not None:
            return f"{self.expect:g} +- {self.within:g}"
        parts = [f">= {self.at_least:g}"] if self.at_least is not None else []
        return " and ".join(parts + ([f"<= {self.at_most:g}"] if self.at_most is not None else []))

    @property
    def quantity(self) -> str:
        """What is measured, in words: the metric, or the ratio of two metrics or cases."""
        metric = f"{self.metric} (level {self.level:g})" if self.level is not None else self.metric
        if self.floor is not None:
            return f"floor of {metric}"
        if self.below is not None:
            return f"{metric} of {self.case} {'-' if self.by == 'difference' else '/'} {self.below}"
        if self.relative_to is None:
            return metric
        case, other = self.relative_to.case or self.case, self.relative_to.metric or self.metric
        if case == self.case:
            return f"{metric} / {other}"
        return f"{metric} of {self.case} / {case}" if other == self.metric else f"{metric} / {other} of {case}"


def bare(metric: str) -> str:
    """The metric itself: ``rounds_to_error`` and ``error_tail`` are about ``error``."""
    return metric.removeprefix("rounds_to_").removesuffix("_tail").removesuffix("_final").removesuffix("_window")


def read_claim(data: Mapping[str, object]) -> Claim:
    """A claim from a mapping (one item of a sweep file's ``claims``). Raises ``UserError`` that names the field."""
    try:
        return Claim.model_validate(data)
    except ValidationError as error:
        reason = _reason(error.errors()[0], data)
        name = data.get("name") if isinstance(data, Mapping) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UserError(sentence(f"{f'claim {name!r}' if name else 'a claim'}: {reason}")) from error


def _reason(error: ErrorDetails, data: Mapping[str, object]) -> str:
    """An error of pydantic's about ``data`` as a sentence that begins with the field."""
    place = ".".join(input_path(error, data))
    reason = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "model_type":
        return f"{place} is {error['input']!r}; it takes a mapping: {', '.join(Reference.model_fields)}"
    if error["type"] == "extra_forbidden" and place.startswith("relative_to."):
        return f"relative_to has no key {place.partition('.')[2]!r}; known: {', '.join(Reference.model_fields)}"
    if place and not reason.startswith(place):
        return f"{place} is {error['input']!r}; {reason[0].lower()}{reason[1:]}"
    return reason
