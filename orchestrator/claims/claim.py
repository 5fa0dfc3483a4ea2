"""What a paper promises, as data, and the verdict on it: supported, refuted or inconclusive by a rule fixed beforehand.

The rule is told by ``judge`` and carried out in ``laws.py``; this file holds its words and loads neither pandas
nor scipy until a claim is judged, because every sweep file is read through it.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orchestrator.errors import UserError, nearest

if TYPE_CHECKING:
    pass

LAWS = ("power", "exponential", "bound", "order", "floor", "value")
#: Fields that only some laws take; every other field goes with every law.
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
}
#: x axis of a claim about a learning curve: the rounds of one run, its metric the mean since the last record.
ROUND = "round"
#: Column of the rounds that a replicate should take; ``rounds`` of the tables are those that it took.
PLANNED_ROUNDS = "planned_rounds"
#: Cost columns of ``runs`` that may be claimed about like a metric.
COSTS = ("rounds", "agent_steps", "calls", "messages", "bytes_sent")

Number = Annotated[float, Field(allow_inf_nan=False)]
Setting = bool | int | float | str


class Reference(BaseModel, frozen=True, extra="forbid"):
    """The other half of a ratio: another case, another metric or both, at the same seeds and grid point."""

    case: str | None = Field(None, description="case in the denominator; the claim's own unless given")
    metric: str | None = Field(None, description="metric in the denominator; the claim's own unless given")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.case is None and self.metric is None:
            raise ValueError("relative_to needs a case or a metric; without either the ratio is 1")
        return self


class Claim(BaseModel):
    """One law from a paper, to be judged against a sweep. See ``judge`` for the rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="the claim in words, unique in its sweep")
    case: str = Field(description="case of the sweep that it is about")
    metric: str = Field(
        description="<m>_tail, <m>_final, rounds_to_<m> (with level), a cost column of runs; <m>_window versus round"
    )
    law: Literal["power", "exponential", "bound", "order", "floor", "value"] = Field(description="kind of law")
    versus: str | None = Field(
        None, description="x axis: a grid key (agents, alpha, env.gamma, …), <m>_final, or round for a learning curve"
    )
    expect: Number | None = Field(None, description="exponent, rate, floor C0 or value that the paper promises")
    within: Number | None = Field(None, gt=0, description="half width of the accepted range; also how far the "
                                  "local slope may move before the curve is not one law")  # fmt: skip
    at_least: Number | None = Field(None, description="accepted range [at_least, inf), instead of expect")
    at_most: Number | None = Field(None, description="accepted range (-inf, at_most], instead of expect")
    window: tuple[Number, Number] | None = Field(None, description="levels that are fitted, ends included")
    where: dict[str, Setting | list[Setting]] = Field({}, description="grid keys and the values that select cells")
    relative_to: Reference | None = Field(None, description="divide by another case's or metric's mean")
    below: str | None = Field(None, description="order: the case that should have the larger metric")
    by: Literal["ratio", "difference"] | None = Field(
        None, description="order: how the two are compared; ratio (the default) needs means above 0"
    )
    constant: Number | None = Field(None, gt=0, description="bound: C of y <= C x^exponent")
    exponent: Number | None = Field(None, description="bound: exponent of y <= C x^exponent")
    level: Number | None = Field(None, gt=0, description="rounds_to_<m>: the error that is to be reached")
    deterministic: bool = Field(
        False, description="the numbers carry no noise: judged by leaving out levels, not seeds"
    )

    @model_validator(mode="before")
    @classmethod
    def _known_words(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for key in data:
                if key not in cls.model_fields:
                    raise ValueError(f"a claim has no field {key!r}: {nearest(str(key), cls.model_fields)}")
            if "law" in data and data["law"] not in LAWS:
                raise ValueError(f"law is {data['law']!r}: {nearest(str(data['law']), LAWS)}")
        return data

    @model_validator(mode="after")
    def _fields_of_its_law(self) -> Self:
        for name, judge in LAW_FIELDS.items():
            if getattr(self, name) is not None and self.law not in judge:
                raise ValueError(f"law {self.law} does not take {name}, which belongs to {' and '.join(judge)}")
        needs = {
            "bound": ("versus", "constant", "exponent"),
            "order": ("below",),
            "value": (),
        }.get(self.law, ("versus",))
        for name in needs:
            if getattr(self, name) is None:
                raise ValueError(f"law {self.law} needs {name}: {type(self).model_fields[name].description}")
        if self.law in LAW_FIELDS["expect"]:
            self._check_range()
        if self.below == self.case:
            raise ValueError(f"below is {self.below!r}, the claim's own case; it names the case to compare with")
        if self.window and not self.window[0] < self.window[1]:
            raise ValueError(f"window is {list(self.window)}; it takes [lowest, highest] of {self.versus}")
        if self.window and self.versus is None:
            raise ValueError("window needs versus: it selects levels of that grid key")
        if ROUND in self.where:
            raise ValueError(f"where selects cells, not rounds; a window of versus {ROUND} selects those")
        self._check_metrics()
        return self

    def _check_range(self) -> None:
        half_lines = self.at_least is not None or self.at_most is not None
        if (self.expect is None) == (not half_lines):
            raise ValueError(f"law {self.law} needs either expect with within, or at_least and/or at_most")
        if self.expect is not None and self.within is None:
            raise ValueError("expect needs within, the half width of the range that is accepted")
        if self.at_least is not None and self.at_most is not None and self.at_least >= self.at_most:
            raise ValueError(
                f"at_least is {self.at_least:g} and at_most {self.at_most:g}; at_least must be the smaller"
            )

    def _check_metrics(self) -> None:
        metrics = [self.metric]
        if self.relative_to:
            metrics.append(self.relative_to.metric or self.metric)
        for metric in metrics:
            if (self.versus == ROUND) != metric.endswith("_window"):
                raise ValueError(
                    f"metric is {metric!r} and versus {self.versus!r}; a learning curve is <m>_window versus {ROUND}"
                )
            if self.versus == ROUND:
                continue
            if not (metric.endswith(("_tail", "_final")) or metric.startswith("rounds_to_") or metric in COSTS):
                raise ValueError(
                    f"metric is {metric!r}; it takes <m>_tail (mean over the last half), <m>_final, rounds_to_<m>, "
                    f"or one of {', '.join(COSTS)}"
                )
        crossing = any(metric.startswith("rounds_to_") for metric in metrics)
        if crossing and self.level is None:
            raise ValueError(f"metric {self.metric} needs level, the error that is to be reached")
        if not crossing and self.level is not None:
            raise ValueError(f"level goes with a metric rounds_to_<m>, not with {self.metric}")

    @property
    def accepted(self) -> tuple[float, float]:
        """The accepted range of the estimate [low, high], for a bound and an order that of the ratio or difference.

        Two cases that agree to the last digit (joint learning of one agent is independent learning) are in no order.
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
        """Of an order: the ratio, or the difference, of two that are equal."""
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
        """What is measured, in words: the metric, or the ratio of two."""
        metric = f"{self.metric} (level {self.level:g})" if self.level is not None else self.metric
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


def column(key: str) -> str:
    """The column of a grid key: ``env.gamma`` is ``env_gamma``."""
    return f"env_{key.removeprefix('env.')}" if key.startswith("env.") else key


def read_claim(data: Mapping[str, Any]) -> Claim:
    """A claim from a mapping (one item of a sweep file's ``claims``). Raises ``UserError`` that names the field."""
    try:
        return Claim.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "missing":
            reason = f"{place} is missing"
        elif place and not reason.startswith(place):
            reason = f"{place} is {first['input']!r}; {reason[0].lower()}{reason[1:]}"
        if first["type"] == "model_type":
            reason = f"{place} is {first['input']!r}; it takes a mapping: {', '.join(Reference.model_fields)}"
        elif first["type"] == "extra_forbidden" and place.startswith("relative_to."):
            reason = f"relative_to has no key {place.partition('.')[2]!r}; known: {', '.join(Reference.model_fields)}"
        name = data.get("name") if isinstance(data, Mapping) else None
        end = "" if reason.endswith("?") else "."
        raise UserError(f"{f'claim {name!r}' if name else 'a claim'}: {reason}{end}") from error
