"""Shadow policy gradient with truncation to kappa hops: Algorithm 1 of arXiv:2302.07938, reconstructed.

Source: arXiv:2302.07938. Known are abstract and summary: shadow rewards, truncated shadow Q, truncated policy gradient.
Reconstructed: the equations, batch B, horizon H, step, initial policies, critics, the counterfactual estimator.
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Literal

import numpy as np
from pydantic import Field
from typing_extensions import TypeVar

from algorithms.general_utilities import measures
from algorithms.general_utilities.agents import Episodes, PolicyAgents, observers
from algorithms.general_utilities.network import NetworkCoordinator, NetworkParameters
from envs.networks.base import NetworkProblem
from orchestrator.core import Block, Call, Conversation, Exchange, Reply
from orchestrator.errors import UserError

#: Largest number of rows of a policy that observes its neighbours.
MOST_ROWS = 10**6
#: A warning is given where more of the discount than this is left at the horizon.
CUT_OFF = 0.05


class ShadowPolicyGradientParameters(NetworkParameters):
    """How the gradient is estimated from a batch of trajectories."""

    batch: int = Field(64, ge=1, description="trajectories B per iteration (R)")
    horizon: int | None = Field(
        None, ge=2, description="steps H of a trajectory; by default the environment's episode, 60 if it has no end (R)"
    )
    estimator: Literal["raw", "centred", "counterfactual"] = Field(
        "counterfactual",
        description="raw; centred: shadow rewards less their mean; counterfactual: that, and Q less its mean over the"
        " receiver's own actions",
    )
    critic: Literal["td", "batch", "exact"] = Field(
        "batch",
        description="truncated shadow Q by one pass of TD(0), by solving the batch's Bellman equation, or known exactly"
        " (voter-network)",
    )
    kappa_policy: int = Field(0, ge=0, description="hops within which a policy observes states; 0: its own")

    @property
    def policy_hops(self) -> int:
        """kappa_policy."""
        return self.kappa_policy


#: The parameters of a subclass.
G = TypeVar("G", bound=ShadowPolicyGradientParameters, default=ShadowPolicyGradientParameters)


class ShadowPolicyGradient(NetworkCoordinator[G], Generic[G]):
    """Gradient ascent on the team's mean utility, with values from agents within kappa hops (arXiv:2302.07938).

    A round is one iteration with B trajectories of length H. Each agent estimates its occupancy; the gradient of its
    utility there is its shadow reward. States and actions travel kappa hops, and agent j solves for its shadow Q on the
    states and actions of its neighbourhood. Q travels kappa hops, and agent i takes a step along

        g_i = (1/B) sum_b sum_t gamma^t psi_i(s_i, a_i) (1/n) sum_{j within kappa} Q_j.

    The counterfactual estimator sends i only what depends on its own action: Q minus Q at each other action of i.
    kappa = 0 is independent learning, kappa = diameter is full observation, and a larger kappa is clipped to the
    diameter. The equations are reconstructed from the summary of the paper, as are batch, horizon, step and initial
    policies.
    """

    name = "shadow-policy-gradient"
    version = 3
    Parameters = ShadowPolicyGradientParameters
    persistent: ClassVar[tuple[str, ...]] = ("before", "sampled")
    seconds_per_round = 0.05
    metrics: ClassVar[Mapping[str, str]] = {**measures.OUTCOME, **measures.EXACT, **measures.SAMPLED}

    def __init__(self, parameters: G, problem: NetworkProblem, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        if parameters.critic == "exact" and not self.closed_form:
            raise UserError(
                f"critic is exact; only voter-network with kappa_policy 0 has one, not {problem.name} with kappa_policy"
                f" {parameters.kappa_policy}."
            )
        if problem.horizon and self.horizon > problem.horizon:
            raise UserError(f"horizon is {self.horizon}; an episode of {problem.name} has {problem.horizon} steps.")
        rows = observers(problem, parameters.policy_hops)[2]
        if rows > MOST_ROWS:
            raise UserError(
                f"kappa_policy is {parameters.kappa_policy}: a policy would have 10^{math.log10(rows):.1f} rows; at"
                f" most 10^{math.log10(MOST_ROWS):.0f} are accepted. Use a smaller kappa_policy."
            )

    def calls_per_round(self) -> float:
        return 5

    @property
    def horizon(self) -> int:
        """Steps H of a trajectory."""
        return self.parameters.horizon or super().horizon

    @property
    def width(self) -> int:
        """Agents of the largest neighbourhood."""
        return int(np.diff(self.problem.graph.within(self.hops)[0]).max())

    def groups(self) -> Mapping[str, int]:
        return {"agents": self.agents, "episodes": self.parameters.batch}

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": PolicyAgents, "episodes": Episodes}

    def start(self) -> None:
        """No gradient has been sampled yet."""
        self.before = np.zeros((0, 0, 0))
        self.sampled = np.zeros((0, 0, 0))

    def warnings(self) -> Sequence[str]:
        p, problem, sentences = self.parameters, self.problem, list(super().warnings())
        left = problem.gamma**self.horizon
        if left > CUT_OFF and self.horizon != problem.horizon:
            needed = math.ceil(math.log(CUT_OFF) / math.log(problem.gamma))
            sentences.append(
                f"horizon is {self.horizon}: gamma^H is {left:.2g}, which is cut off; {needed} leaves 0.05."
            )
        size, visited = self.width * math.log10(problem.states * problem.actions), p.batch * self.horizon
        if size > math.log10(visited) and p.critic != "exact":
            sentences.append(
                f"kappa is {self.hops}: neighbourhoods of {self.width} agents have 10^{size:.1f} cells, of which a"
                f" batch visits at most {visited}; the others take the mean Q."
            )
        return sentences

    @property
    def memory(self) -> float:
        """Messages as they are made, sent and received, policies and their gradients, the batch; roughly."""
        p, problem = self.parameters, self.problem
        columns = self.width * (problem.actions - 1) if p.estimator == "counterfactual" else 1
        steps = p.batch * self.horizon
        rows = observers(problem, p.policy_hops)[2] * problem.actions
        return 8.0 * self.agents * (3 * columns * steps + 6 * steps + 6 * rows)

    def round(self) -> Conversation:
        p, graph = self.parameters, self.problem.graph
        before = (yield Call("policies", sensed=("theta",)))["theta"]
        shared: dict[str, object] = {"theta": before, "horizon": self.horizon}
        runs = yield Call("simulate", on="episodes", shared=shared, sensed=("theta", "seen", "rows"))
        of_agents = {name: np.ascontiguousarray(array.transpose(2, 0, 1)) for name, array in runs.items()}
        steps = p.batch * (self.horizon - 1)
        yield Call("watch", scattered=of_agents, agent_steps=steps, sensed=tuple(of_agents))
        shared = {"width": self.width}
        if p.critic == "exact":
            shared |= {"hops": self.hops} | measures.known_q(
                before, self.problem, p.each, self.hops, centred=p.estimator != "raw"
            )
            yield Exchange("trajectory", "evaluate_known", graph, hops=self.hops, shared=shared, sensed=tuple(shared))
        else:
            yield Exchange("trajectory", "evaluate", graph, hops=self.hops, shared=shared)
        letters = p.estimator == "counterfactual"
        reply = yield Exchange(
            "messages",
            "ascend",
            graph,
            hops=self.hops,
            sensed=("gradient", "slack"),
            addressed=("message",) if letters else (),
        )
        self.record(before, reply)

    def record(self, before: np.ndarray, reply: Reply) -> None:
        """Keep what is metrics_at of a round: policies ``before`` it, and the gradient they climbed."""
        if self.closed_form:
            self.before, self.sampled = np.array(before), np.array(reply["gradient"])

    def measure(self) -> Conversation:
        theta = (yield Call("policies"))["theta"]
        return self.metrics_at(theta)[1]

    def metrics_at(self, theta: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        """Occupancies [N, S, A] and metrics of policies ``theta``."""
        occupancy, values = self.outcome(theta)
        each, names = self.parameters.each, self.metrics_for(self.parameters, self.problem.parameters, self.agents)
        if "gradient_norm_sq" in names:
            values |= measures.exact(theta, self.problem, each, self.hops)
        if "gradient_error" in names:
            before, estimate = (self.before, self.sampled) if len(self.before) else (theta, np.zeros(theta.shape))
            values |= measures.sampled(before, estimate, self.problem, each)
        return occupancy, values
