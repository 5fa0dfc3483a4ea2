"""What the algorithms on a network of agents share: utilities, initial policies, the radius kappa, the metrics."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Generic

import numpy as np
from pydantic import AfterValidator, BaseModel, Field
from typing_extensions import TypeVar

from algorithms.general_utilities import measures, utilities
from algorithms.general_utilities.utilities import Each
from envs.networks.base import NetworkProblem
from envs.networks.kernels import softmax
from envs.networks.voter_network import VoterNetworkParameters
from orchestrator.core import Coordinator, Parameters, ordered_mean, pluggable, plugin_names, plugin_words, settled

#: The accepted names of utilities, for descriptions and messages.
NAMES = f"{', '.join(utilities.NAMES)} or ./file.py:Name"


def check_name(name: str) -> str:
    """``name`` if it is the name of a utility; a plug-in's name comes back with its version. Raises ValueError."""
    if name in utilities.NAMES:
        return name
    if pluggable("utility", name):
        return settled("utility", name)
    raise ValueError(f"it takes one of {_known()}")


def check_names(text: str) -> str:
    """``text`` if it is names of utilities separated by spaces; plug-ins' names as in ``check_name``."""
    names = plugin_words(text)
    if not names or not all(name in utilities.NAMES or pluggable("utility", name) for name in names):
        raise ValueError(f"it takes names with spaces between, of {_known()}")
    return text if set(names) <= set(utilities.NAMES) else " ".join(check_name(name) for name in names)


def _known() -> str:
    return ", ".join([*plugin_names("utility"), NAMES])


class NetworkParameters(Parameters):
    """The utilities of the agents, their initial policies, and the radius of communication."""

    utilities: Annotated[str, AfterValidator(check_names)] = Field(
        "state-entropy", description=f"one name or several, repeated over the agents: {NAMES}"
    )
    kappa: int = Field(1, ge=0, description="hops that states, actions and values travel; 0 is independent learning")
    step: float = Field(1.0, gt=0, description="step size eta of the gradient ascent (R)")
    theta_scale: float = Field(
        1.0, ge=0, description="standard deviation of the initial logits; 0: uniform policies (R)"
    )

    @property
    def each(self) -> Each:
        """The utilities; agent i has number i mod their count. A subclass may give its own, see ``custom``."""
        return tuple(plugin_words(self.utilities))

    @property
    def constraints(self) -> Each:
        """Utilities that agents must keep high."""
        return ()

    @property
    def policy_hops(self) -> int:
        """Hops within which policies observe states."""
        return 0


#: The parameters of a subclass.
N = TypeVar("N", bound=NetworkParameters, default=NetworkParameters)


class NetworkCoordinator(Coordinator[N], Generic[N]):
    """Base of the general-utility algorithms."""

    kinds = ("network-mdp", "exact-network-mdp", "access-network-mdp")
    metrics: ClassVar[Mapping[str, str]] = {**measures.OUTCOME, **measures.EXACT}
    scores = ("return",)
    labels = measures.LABELS

    def __init__(self, parameters: N, problem: NetworkProblem, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        for utility in (*parameters.each, *parameters.constraints):
            if utility not in utilities.NAMES:  # a plug-in
                own = utilities.named(utility, problem.reward) if isinstance(utility, str) else utility
                utilities.check(own, problem.states, problem.actions, problem.gamma)

    @classmethod
    def metrics_for(cls, parameters: N, environment: BaseModel, agents: int) -> tuple[str, ...]:
        """Exact gradients have metrics where they have a closed form: on the voter network, for local policies."""
        closed = isinstance(environment, VoterNetworkParameters) and parameters.policy_hops == 0
        return tuple(name for name in cls.metrics if closed or name not in {**measures.EXACT, **measures.SAMPLED})

    @property
    def closed_form(self) -> bool:
        """Whether gradients are known exactly."""
        return self.problem.closed_form and self.parameters.policy_hops == 0

    @property
    def horizon(self) -> int:
        """Steps of an episode."""
        return self.problem.horizon or measures.STEPS

    @property
    def hops(self) -> int:
        """kappa, clipped at the graph's diameter."""
        return min(self.parameters.kappa, self.problem.diameter)

    def warnings(self) -> Sequence[str]:
        p = self.parameters
        if p.kappa > self.problem.diameter:
            return [f"kappa is {p.kappa}: the graph's diameter is {self.problem.diameter}, which is used instead."]
        return []

    def outcome(self, theta: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        """Occupancies float64 [N, S, A] under policies ``theta`` and the metrics of ``OUTCOME``."""
        p, problem = self.parameters, self.problem
        occupancy, received = measures.evaluate(
            softmax(np.array(theta)), problem, p.policy_hops, self.horizon, self.seed
        )
        own = utilities.values(p.each, range(self.agents), occupancy, problem.gamma, problem.reward)
        return occupancy, {"utility": float(ordered_mean(own)), "return": received}
