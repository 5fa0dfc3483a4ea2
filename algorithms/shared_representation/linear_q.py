"""Linear differential Q-learning under a common map: parameters, block and base class of the control algorithms.

Agent i estimates Q_i(s, a) = phi(s, a)^T B w_i and acts epsilon-greedily on it. arXiv:2603.02426 reports a control
experiment without its update; this one is reconstructed as differential Q-learning (Wan, Naik and Sutton, ICML 2021).
Its gain follows the TD error, so that exploration leaves it at the optimal gain J_i; the gain update of policy
evaluation, eta += c alpha (rho - eta), ends at what the exploring behaviour earns and biases Q with it (measured for
the joint algorithm at N = 2..32, c = 1: 2.7 to 4.9 times the gain gap).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from algorithms.shared_representation.kernels import Method, projected, q_steps
from algorithms.shared_representation.linear_td import LinearAgents, LinearTD, LinearTDParameters
from orchestrator.core import Call, Conversation


class LinearQParameters(LinearTDParameters):
    """Step sizes of the agents' updates and exploration; ``gain_step`` and its default are reconstructed."""

    alpha: float = Field(0.3, gt=0, description="head step size (initial value under a power schedule)")
    gain_step: float = Field(0.1, ge=0, description="gain step size as a multiple of alpha")
    epsilon: float = Field(0.3, ge=0, le=1, description="probability of an action drawn uniformly from all of them")
    local_steps: int = Field(1, ge=1, description="Q-learning steps K an agent takes per round with the map frozen")


class LinearQAgents(LinearAgents):
    """n agents, each acting on its own process. State: head [n, r], gain [n], position [n]."""

    def learn_map(
        self, basis: np.ndarray, alpha: float, gain_step: float, epsilon: float, steps: int
    ) -> dict[str, np.ndarray]:
        """``steps`` Q-learning steps with the map frozen; their mean gradient of the map for each agent, [n, d, r]."""
        gradient = self.zeros(*basis.shape)
        features, method = action_features(self.env.phi, np.array(basis)), Method(steps, gain_step, epsilon)
        q_steps(self.env, features, alpha, method, self.learners(), gradient)
        return {"gradient": gradient}

    def learn_heads(self, features: np.ndarray, alpha: float, gain_step: float, epsilon: float, steps: int) -> None:
        """``steps`` Q-learning steps of the heads alone on mapped features Phi B, [S, A, r]."""
        q_steps(self.env, features, alpha, Method(steps, gain_step, epsilon), self.learners(), None)


class LinearQ(LinearTD):
    """Base of the linear Q-learning algorithms: schedules and the initial map as for TD, the metrics of control."""

    kinds = ("linear-mdp",)
    metrics: ClassVar[Mapping[str, str]] = {
        name: LinearTD.metrics[name] for name in ("subspace_error", "head_error", "theta_error")
    } | {
        "gain_error": "mean over agents of (eta_i - J_i)^2, J_i the optimal gain",
        "gain_gap": "mean over agents of J_i minus the exact gain of the policy greedy in Q_i",
    }

    @classmethod
    def metrics_for(cls, parameters: Any, environment: object, agents: int) -> tuple[str, ...]:
        """All metrics: control has the average objective only."""
        return tuple(cls.metrics)

    def sent(self) -> dict[str, object]:
        """Step sizes, exploration and number of steps of the coming round."""
        p = self.parameters
        return {"alpha": self.alpha(), "gain_step": p.gain_step, "epsilon": p.epsilon, "steps": p.local_steps}

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors_q(self.basis, agents["head"], agents["gain"])


def action_features(phi: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Mapped features Phi B [S, A, r] of ``phi`` [S, A, d]."""
    return projected(phi.reshape(-1, phi.shape[2]), basis).reshape(*phi.shape[:2], basis.shape[1])
