"""Shadow primal-dual ascent under constraints on occupancies: arXiv:2305.17568, reconstructed.

Source: arXiv:2305.17568. Known are abstract and summary: constraints on occupancies, multipliers in closed form.
Reconstructed: the equations, step sizes, accumulating multipliers.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field

from algorithms.general_utilities import measures, utilities
from algorithms.general_utilities.agents import PolicyAgents
from algorithms.general_utilities.network import NAMES, check_name
from algorithms.general_utilities.shadow_policy_gradient import ShadowPolicyGradient, ShadowPolicyGradientParameters
from orchestrator.core import Block, Call, Conversation, Reply, ordered_mean


class ShadowPrimalDualParameters(ShadowPolicyGradientParameters):
    """The constraint of every agent, and how its multiplier is set."""

    constraint: Annotated[str, AfterValidator(check_name)] = Field(
        "state-entropy", description=f"utility that every agent must keep high: {NAMES}"
    )
    threshold: float = Field(0.5, description="least value c of it: g_i(lambda_i) = constraint - c >= 0")
    critic: Literal["td", "batch"] = Field(  # the exact critic does not include multipliers
        "batch", description="truncated shadow Q by one pass of TD(0), or by solving the batch's Bellman equation"
    )
    dual: Literal["closed", "accumulating"] = Field(
        "closed", description="mu = max(0, -dual_step g), or mu <- max(0, mu - dual_step g)"
    )
    dual_step: float = Field(10.0, ge=0, description="step size eta_mu; 0 leaves the constraint out (R)")

    @property
    def constraints(self) -> utilities.Each:
        return (self.constraint,)


class DualAgents(PolicyAgents):
    """Agents whose shadow reward includes a constraint. State: theta, and the multipliers mu [n]."""

    persistent = ("theta", "mu")

    def start(self) -> None:
        super().start()
        self.mu = self.zeros()

    def learn(self, occupancy: np.ndarray) -> None:
        """Step 5: the constraint g_i in the batch, and the multiplier that follows from it."""
        p = self.parameters
        self.slack = utilities.values(*self._constraint(occupancy)) - p.threshold
        previous = self.mu if p.dual == "accumulating" else 0.0
        self.mu = np.maximum(previous - p.dual_step * self.slack, 0.0)

    def shadow_rewards(self, occupancy: np.ndarray) -> np.ndarray:
        """Shadow rewards of the Lagrangian f_i + mu_i g_i; by linearity its Q is Q_f + mu_i Q_g."""
        pressed = self.mu[:, None, None] * utilities.shadow_rewards(*self._constraint(occupancy))
        return super().shadow_rewards(occupancy) + pressed

    def _constraint(self, occupancy: np.ndarray) -> tuple[utilities.Each, range, np.ndarray, float, np.ndarray]:
        own = self.problem.reward[self.members.start : self.members.stop]
        return (self.parameters.constraint,), self.members, occupancy, self.problem.gamma, own

    def ascend(self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> dict[str, np.ndarray]:
        """As without constraints; ``slack`` [n] is g_i in the batch."""
        return super().ascend(halo, indptr, indices) | {"slack": self.slack}

    def multipliers(self) -> dict[str, np.ndarray]:
        """mu, float64 [n]."""
        return {"mu": self.mu}


class ShadowPrimalDual(ShadowPolicyGradient[ShadowPrimalDualParameters]):
    """Shadow policy gradient on the Lagrangian (1/n) sum_i f_i + mu_i g_i, one constraint per agent (arXiv:2305.17568).

    The closed form is the multiplier that minimises mu g + mu^2 / (2 dual_step): no memory, and a violation of the
    order of 1 / dual_step where the constraint binds. Accumulating is dual descent. Whether a constraint can be met is
    not known beforehand: ``least_violation`` is the smallest violation in the batch of any round. Gradient metrics are
    those of F, without the constraint.
    """

    name = "shadow-primal-dual"
    version = 2
    Parameters = ShadowPrimalDualParameters
    persistent: ClassVar[tuple[str, ...]] = (*ShadowPolicyGradient.persistent, "least")
    metrics: ClassVar[Mapping[str, str]] = {
        **measures.OUTCOME,
        **measures.EXACT,
        "violation": "max over agents of max(0, -g_i) under the present policies",
        "mean_violation": "mean over agents of max(0, -g_i) under the present policies",
        "least_violation": "least over the rounds of max over agents of max(0, -g_i) in the batch; before: violation",
        "multiplier": "mean over agents of mu_i",
    }

    def blocks(self) -> Mapping[str, type[Block]]:
        return {**super().blocks(), "agents": DualAgents}

    def start(self) -> None:
        """No round has been done yet."""
        super().start()
        self.least = float("inf")

    def record(self, before: np.ndarray, reply: Reply) -> None:
        self.least = min(self.least, max(0.0, -float(reply["slack"].min())))

    def measure(self) -> Conversation:
        theta = (yield Call("policies"))["theta"]
        multipliers = (yield Call("multipliers"))["mu"]
        occupancy, values = self.metrics_at(theta)
        violation = self._violation(occupancy)
        return values | {
            "violation": float(violation.max()),
            "mean_violation": float(ordered_mean(violation)),
            "least_violation": self.least if self.completed else float(violation.max()),
            "multiplier": float(ordered_mean(multipliers)),
        }

    def _violation(self, occupancy: np.ndarray) -> np.ndarray:
        """max(0, -g_i), float64 [N]."""
        p, problem = self.parameters, self.problem
        constraint = utilities.values((p.constraint,), range(self.agents), occupancy, problem.gamma, problem.reward)
        return np.maximum(p.threshold - constraint, 0.0)
