"""Linear differential Q-learning under a common map: parameters, block, kernel and base of the control algorithms.

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

from algorithms.shared_representation.linear_td import LinearAgents, LinearTD, LinearTDParameters, projected
from orchestrator.core import Call, Conversation, draw_alias, draw_integer, kernel, normal, uniform


class LinearQParameters(LinearTDParameters):
    """Step sizes of the agents' own updates and how much they explore; ``gain_step`` and its default reconstructed."""

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
        self._learn(action_features(self.env.phi, basis), alpha, gain_step, epsilon, steps, True, gradient)
        return {"gradient": gradient}

    def learn_heads(self, features: np.ndarray, alpha: float, gain_step: float, epsilon: float, steps: int) -> None:
        """``steps`` Q-learning steps of the heads alone on mapped features Phi B, [S, A, r]."""
        self._learn(features, alpha, gain_step, epsilon, steps, False, np.empty((0, 0, 0)))

    def _learn(
        self, features: np.ndarray, alpha: float, gain_step: float, epsilon: float, steps: int, with_map: bool,
        gradient: np.ndarray,
    ) -> None:  # fmt: skip
        env = self.env
        q_steps(
            env.process, env.probability, env.alias, env.reward, env.noise, env.phi, features,
            alpha, gain_step, epsilon, steps, with_map,
            self.head, self.gain, self.position, self.rng, gradient,
        )  # fmt: skip


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
    def metrics_for(cls, parameters: Any, environment: Any, agents: int) -> tuple[str, ...]:
        """All of them: control has the average objective only."""
        return tuple(cls.metrics)

    def sent(self) -> dict[str, Any]:
        """Step sizes, exploration and number of steps of the coming round."""
        p = self.parameters
        return {"alpha": self.alpha(), "gain_step": p.gain_step, "epsilon": p.epsilon, "steps": p.local_steps}

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors_q(self.basis, agents["head"], agents["gain"])


@kernel
def action_features(phi, basis):
    """Mapped features Phi B [S, A, r] of ``phi`` [S, A, d]."""
    states, actions, d = phi.shape
    return projected(phi.reshape(states * actions, d), basis).reshape(states, actions, basis.shape[1])


@kernel
def action_value(psi, w):
    """psi^T w."""
    value = 0.0
    for c in range(w.shape[0]):
        value += psi[c] * w[c]
    return value


@kernel
def greedy(psi, w):
    """(argmax_a, max_a) of psi(a)^T w over the rows of ``psi`` [A, r]; the lowest index wins a tie."""
    best, choice = action_value(psi[0], w), 0
    for a in range(1, psi.shape[0]):
        value = action_value(psi[a], w)
        if value > best:
            best, choice = value, a
    return choice, best


@kernel
def q_steps(
    process, probability, alias, reward, noise, phi, features,
    alpha, gain_step, epsilon, steps, with_map,
    head, gain, position, rng, gradient,
):  # fmt: skip
    """Differential Q-learning of every agent: with psi = B^T phi (``features`` [S, A, r]) and old values on the right,

    a epsilon-greedy in psi(s, a)^T w;  delta = rho - eta + max_a' psi(s', a')^T w - psi(s, a)^T w;
    eta += c alpha delta;  w += alpha delta psi(s, a) (Wan, Naik and Sutton 2021); the map's gradient is the
    mean over the steps of phi(s, a) delta w^T.
    """
    actions, r = features.shape[1], features.shape[2]
    d = phi.shape[2]
    for i in range(head.shape[0]):
        p = process[i]
        s = position[i]
        w = head[i]
        for _ in range(steps):
            a, _ = greedy(features[s], w)
            if uniform(rng, i) < epsilon:
                a = draw_integer(actions, rng, i)
            s_next = draw_alias(probability[p, s, a], alias[p, s, a], rng, i)
            rho = reward[p, s, a]
            if noise > 0.0:
                rho += noise * normal(rng, i)
            _, ahead = greedy(features[s_next], w)
            delta = rho - gain[i] + ahead - action_value(features[s, a], w)
            if with_map:
                for f in range(d):
                    scaled = phi[s, a, f] * delta
                    for c in range(r):
                        gradient[i, f, c] += scaled * w[c]
            gain[i] += gain_step * alpha * delta
            for c in range(r):
                w[c] += alpha * delta * features[s, a, c]
            s = s_next
        position[i] = s
        if with_map:
            for f in range(d):
                for c in range(r):
                    gradient[i, f, c] /= steps
