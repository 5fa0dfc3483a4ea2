"""Linear control under a common map: joint Q-learning with private heads, and its two baselines.

Source: arXiv:2603.02426. Known is that there is a control experiment. Reconstructed: differential Q-learning with the
gain driven by the TD error, ``gain_step``, ``epsilon``, the problem; update and step sizes were chosen because they
come nearest to the reference figures of the gain gap over N = 2..32. The baselines are ours.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from algorithms.shared_representation.linear_q import (
    LinearQ,
    LinearQAgents,
    LinearQParameters,
    action_features,
    q_steps,
)
from algorithms.shared_representation.linear_td import SharedMapParameters, step_size
from algorithms.shared_representation.shared_map import server_step
from orchestrator.core import Block, Call, Conversation, kernel, mean_rows


class JointAverageQParameters(LinearQParameters, SharedMapParameters):
    """Step sizes when the map is learned as well."""

    beta: float = Field(0.3, ge=0, description="map step size (initial value under a power schedule)")


class JointAverageQ(LinearQ):
    """Single-timescale differential Q-learning with a common subspace B and private heads and gains.

    Per round each agent takes K = ``local_steps`` epsilon-greedy steps with B frozen (Wan, Naik and Sutton 2021),
    psi = B^T phi and c = ``gain_step``,

        delta_i = r_i - eta_i + max_a' psi(s', a')^T w_i - psi(s, a)^T w_i,    eta_i <- eta_i + c alpha delta_i,
        w_i <- w_i + alpha delta_i psi(s, a),                B <- qr(B + beta / N sum_i G_i), diag(R) > 0,

    and sends G_i, the mean of phi(s, a) delta_i w_i^T over its steps. Only B and G_i travel.
    """

    name = "joint-average-q"
    Parameters = JointAverageQParameters

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": LinearQAgents}

    def round(self) -> Conversation:
        sent = {"basis": self.basis, **self.sent()}
        reply = yield Call("learn_map", shared=sent, agent_steps=self.parameters.local_steps)
        self.basis = server_step(self.basis, self.beta(), reply["gradient"], False)

    def leap(self, blocks: Any, rounds: int) -> None:
        """``rounds`` rounds fused."""
        p, block = self.parameters, blocks["agents"]
        env = block.env
        self.basis = joint_rounds(
            rounds, self.completed, p.schedule == "power", p.offset, p.alpha, p.alpha_exponent, p.beta, p.beta_exponent,
            env.process, env.probability, env.alias, env.reward, env.noise, env.phi, self.basis,
            p.gain_step, p.epsilon, p.local_steps, block.head, block.gain, block.position, block.rng,
        )  # fmt: skip


class FullQAgents(LinearQAgents):
    """n agents that learn the whole parameter vector theta_i [d]: the map is the identity, the features phi."""

    @property
    def width(self) -> int:
        return self.problem.features

    def step(self, **sent: Any) -> None:
        """Q-learning steps of every agent from its own theta_i."""
        self.learn_heads(self.env.phi, **sent)

    def step_from(self, theta: np.ndarray, **sent: Any) -> dict[str, np.ndarray]:
        """Q-learning steps of every agent from the common ``theta`` [d]; where each ends, [n, d]."""
        self.head[:] = theta
        self.learn_heads(self.env.phi, **sent)
        return {"theta": self.head}


class FullQ(LinearQ):
    """Base of the algorithms without a map."""

    Parameters = LinearQParameters
    persistent = ()
    metrics = {name: text for name, text in LinearQ.metrics.items() if name != "subspace_error"}

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": FullQAgents}

    def start(self) -> None:
        """Nothing is shared."""

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors_theta(agents["head"], agents["gain"])

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        return heads


class IndependentQ(FullQ):
    """Every agent runs linear differential Q-learning on its own theta_i [d]; nothing is shared."""

    name = "independent-q"

    def round(self) -> Conversation:
        yield Call("step", shared=self.sent(), agent_steps=self.parameters.local_steps)

    def leap(self, blocks: Any, rounds: int) -> None:
        """``rounds`` rounds fused."""
        p, block = self.parameters, blocks["agents"]
        env = block.env
        independent_rounds(
            rounds, self.completed, p.schedule == "power", p.offset, p.alpha, p.alpha_exponent,
            env.process, env.probability, env.alias, env.reward, env.noise, env.phi,
            p.gain_step, p.epsilon, p.local_steps, block.head, block.gain, block.position, block.rng,
        )  # fmt: skip


class FedQ(FullQ):
    """Federated Q-learning: after K local steps the whole parameter vectors are averaged; gains stay private."""

    name = "fedq"
    persistent = ("theta",)

    def start(self) -> None:
        self.theta = np.zeros(self.problem.features)

    def round(self) -> Conversation:
        sent = {"theta": self.theta, **self.sent()}
        reply = yield Call("step_from", shared=sent, agent_steps=self.parameters.local_steps)
        self.theta = mean_rows(reply["theta"])

    def leap(self, blocks: Any, rounds: int) -> None:
        """``rounds`` rounds fused."""
        p, block = self.parameters, blocks["agents"]
        env = block.env
        self.theta = averaged_rounds(
            rounds, self.completed, p.schedule == "power", p.offset, p.alpha, p.alpha_exponent, self.theta,
            env.process, env.probability, env.alias, env.reward, env.noise, env.phi,
            p.gain_step, p.epsilon, p.local_steps, block.head, block.gain, block.position, block.rng,
        )  # fmt: skip

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors_theta(self.thetas(agents["head"]), agents["gain"])

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        return np.tile(self.theta, (self.agents, 1))


@kernel
def joint_rounds(
    rounds, t, power, offset, alpha, alpha_exponent, beta, beta_exponent,
    process, probability, alias, reward, noise, phi, basis,
    gain_step, epsilon, steps, head, gain, position, rng,
):  # fmt: skip
    """``rounds`` rounds of ``JointAverageQ.round`` from round t on, for one block that holds all agents."""
    gradient = np.empty((head.shape[0], basis.shape[0], basis.shape[1]))
    for k in range(rounds):
        a = step_size(alpha, t + k, power, alpha_exponent, offset)
        b = step_size(beta, t + k, power, beta_exponent, offset)
        gradient[:] = 0.0
        q_steps(
            process, probability, alias, reward, noise, phi, action_features(phi, basis),
            a, gain_step, epsilon, steps, True, head, gain, position, rng, gradient,
        )  # fmt: skip
        basis = server_step(basis, b, gradient, False)
    return basis


@kernel
def independent_rounds(
    rounds, t, power, offset, alpha, alpha_exponent,
    process, probability, alias, reward, noise, phi,
    gain_step, epsilon, steps, head, gain, position, rng,
):  # fmt: skip
    """``rounds`` rounds of ``IndependentQ.round`` from round t on."""
    nothing = np.empty((0, 0, 0))
    for k in range(rounds):
        a = step_size(alpha, t + k, power, alpha_exponent, offset)
        q_steps(
            process, probability, alias, reward, noise, phi, phi,
            a, gain_step, epsilon, steps, False, head, gain, position, rng, nothing,
        )  # fmt: skip


@kernel
def averaged_rounds(
    rounds, t, power, offset, alpha, alpha_exponent, theta,
    process, probability, alias, reward, noise, phi,
    gain_step, epsilon, steps, head, gain, position, rng,
):  # fmt: skip
    """``rounds`` rounds of ``FedQ.round`` from round t on, for one block that holds all agents."""
    nothing = np.empty((0, 0, 0))
    for k in range(rounds):
        a = step_size(alpha, t + k, power, alpha_exponent, offset)
        head[:] = theta
        q_steps(
            process, probability, alias, reward, noise, phi, phi,
            a, gain_step, epsilon, steps, False, head, gain, position, rng, nothing,
        )  # fmt: skip
        theta = mean_rows(head)
    return theta
