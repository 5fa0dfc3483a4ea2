"""Parameters of the tabular reciprocity algorithms; defaults are the paper's where it gives them (section V.A)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from algorithms.policy_reciprocity.adjacency import Metric, Weights
from orchestrator.core import GRAPH_NAMES, Parameters, check_graph_name

ERDOS_RENYI = "erdos-renyi:"


def drawn_anew(name: str) -> bool:
    """Whether the graph of a name is drawn in each round. ``erdos-renyi:p=P:seed=S`` is drawn once."""
    return name.startswith(ERDOS_RENYI) and "=" not in name


def check_graph(name: str) -> str:
    """``erdos-renyi:P`` or a name of ``named_graph``."""
    if not drawn_anew(name):
        try:
            return check_graph_name(name)
        except ValueError as error:
            raise ValueError(f"{error}, or {ERDOS_RENYI}P, drawn anew each round with probability P per edge") from None
    try:
        chance = float(name.removeprefix(ERDOS_RENYI))
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise ValueError(f"{ERDOS_RENYI}P takes a probability P in [0, 1]")
    return name


class TabularParameters(Parameters):
    """Step sizes (constant, or decreasing with the visits of a pair) and exploration."""

    #: Default values of both kinds of step sizes; a and b are reconstructed.
    constant: ClassVar[Mapping[str, float]] = {"alpha": 0.5}
    by_visits: ClassVar[Mapping[str, float]] = {"a": 0.5, "tau_1": 0.65}

    alpha: float | None = Field(None, gt=0, le=1, description="constant learning rate; excludes a and tau_1")
    a: float | None = Field(None, gt=0, description="a of the learning rate a / (k + 1)^tau_1 after k visits; 0.5 (R)")
    tau_1: float | None = Field(None, ge=0, description="exponent tau_1 of the learning rate by visits; 0.65")
    epsilon: float = Field(0.3, ge=0, le=1, description="probability of an action drawn uniformly from all of them (R)")
    local_steps: int = Field(1, ge=1, description="steps E that an agent takes per round")
    temperature: float = Field(1.0, gt=0, description="temperature of the Boltzmann policies of policy_mse (R)")

    @model_validator(mode="before")
    @classmethod
    def _one_kind(cls, given: object) -> object:
        """Add the defaults of the kind that is used: the schedule by visits unless a constant is given."""
        if not isinstance(given, Mapping):
            return given
        named = {name for name, value in given.items() if value is not None}
        constant, by_visits = named & set(cls.constant), named & set(cls.by_visits)
        if constant and by_visits:
            is_, belongs = "is" if len(constant) == 1 else "are", "belongs" if len(by_visits) == 1 else "belong"
            raise ValueError(
                f"{' and '.join(sorted(constant))} {is_} constant, {' and '.join(sorted(by_visits))} {belongs} to step "
                f"sizes by visits: name {', '.join(cls.constant)} or {', '.join(cls.by_visits)}, not both kinds"
            )
        return {**given, **{k: v for k, v in (cls.constant if constant else cls.by_visits).items() if k not in named}}

    @property
    def rates(self) -> dict[str, float]:
        """alpha, tau_1, beta, tau_2 of x / (k + 1)^tau; tau is 0 for a constant."""
        given = self.model_dump()
        first = (self.alpha, 0.0) if self.alpha is not None else (self.a, self.tau_1)
        second = (given.get("beta"), 0.0) if self.alpha is not None else (given.get("b"), given.get("tau_2"))
        return {"alpha": first[0] or 0.0, "tau_1": first[1] or 0.0, "beta": second[0] or 0.0, "tau_2": second[1] or 0.0}


class PolicyReciprocityParameters(TabularParameters):
    """Step sizes of learning and of reciprocity, adjacency of states, and the communication graph."""

    constant = {"alpha": 0.3, "beta": 0.3}
    by_visits = {"a": 0.5, "b": 0.3, "tau_1": 0.65, "tau_2": 0.35}

    beta: float | None = Field(None, ge=0, le=1, description="constant weight of reciprocity; excludes b and tau_2")
    b: float | None = Field(None, ge=0, description="b of the weight b / (k + 1)^tau_2 after k visits; 0.3 (R)")
    tau_2: float | None = Field(None, ge=0, description="exponent tau_2 of the weight of reciprocity by visits; 0.35")
    kappa: float = Field(
        0.5, ge=0, le=1, description="mixing weight of Q_*: kappa same state, 1 - kappa adjacent states (eq. 6; R)"
    )
    kappa_schedule: float = Field(
        0.0, ge=0, description="exponent p of kappa_t = 1 - (1 - kappa) / (t + 1)^p in rounds t; 0 keeps kappa (R)"
    )
    rho: float | None = Field(
        None, ge=0, description="adjacency level, in units of the metric; the environment's own unless given"
    )
    adjacency: Metric | None = Field(
        None,
        description="distance of states: l0, shared, euclidean, cosine, index; the environment's own unless given",
    )
    weights: Weights = Field("uniform", description="weights of adjacent states: uniform, or exponential (eq. 4)")
    graph: Annotated[str, AfterValidator(check_graph)] = Field(
        "complete", description=f"who communicates: {GRAPH_NAMES}, or erdos-renyi:P, drawn anew each round"
    )


class QDLearningParameters(TabularParameters):
    """Step sizes of learning and of consensus."""

    constant = PolicyReciprocityParameters.constant
    by_visits = PolicyReciprocityParameters.by_visits

    beta: float | None = Field(None, ge=0, le=1, description="constant weight of consensus; excludes b and tau_2")
    b: float | None = Field(None, ge=0, description="b of the weight b / (k + 1)^tau_2 after k visits; 0.3 (R)")
    tau_2: float | None = Field(None, ge=0, description="exponent tau_2 of the weight of consensus by visits; 0.35")
    graph: Annotated[str, AfterValidator(check_graph)] = Field(
        "complete", description=f"who communicates: {GRAPH_NAMES}, or erdos-renyi:P, drawn anew each round"
    )
