"""FedTD: federated averaging of everything, the classical answer that conflicting agents defeat.

Source: federated averaging, McMahan et al. 2017, of linear TD. A baseline of ours for arXiv:2603.02426 and
arXiv:2411.15014. Reconstructed: all settings, and that gains stay with their agents.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from algorithms.shared_representation.linear_td import LinearTD, LinearTDParameters, step_size, td_steps
from algorithms.shared_representation.own_map import THETA_METRICS, FullAgents
from orchestrator.core import Block, Call, Conversation, kernel, mean_rows


class AveragedAgents(FullAgents):
    """n agents that start every round from the common theta [d]."""

    def step_from(self, theta: np.ndarray, alpha: float, gain_step: float, steps: int) -> dict[str, np.ndarray]:
        """``steps`` TD steps from ``theta``; where each agent ends, [n, d]."""
        self.head[:] = theta
        self.learn_heads(self.features, alpha, gain_step, steps)
        return {"theta": self.head}


class FedTD(LinearTD):
    """Federated TD: after K local steps the whole parameter vectors are averaged; gains stay with their agents.

    A round is K = ``local_steps`` steps of independent-td from the common theta, then theta <- 1 / N sum_i theta_i.
    Ends where sum_i (b_i - A_i theta) = 0; ``theta_error_floor`` is the exact error there, which no number of agents
    or steps removes.
    """

    name = "fedtd"
    Parameters = LinearTDParameters
    persistent = ("theta",)
    metrics = THETA_METRICS | {
        "theta_error_floor": "exact theta_error of the averaged fixed point (sum A_i)^-1 sum b_i"
    }

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": AveragedAgents}

    def start(self) -> None:
        self.theta = np.zeros(self.problem.features)

    def round(self) -> Conversation:
        p = self.parameters
        sent = {"theta": self.theta, "alpha": self.alpha(), "gain_step": p.gain_step, "steps": p.local_steps}
        reply = yield Call("step_from", shared=sent, agent_steps=p.local_steps)
        self.theta = mean_rows(reply["theta"])

    def leap(self, blocks: Any, rounds: int) -> None:
        """``rounds`` rounds fused."""
        p, block = self.parameters, blocks["agents"]
        env = block.env
        self.theta = averaged_rounds(
            rounds, self.completed, p.schedule == "power", p.offset, p.alpha, p.alpha_exponent, self.theta,
            env.process, env.probability, env.alias, env.reward, env.noise, env.gamma, env.phi, block.features,
            p.gain_step if env.average else 0.0, p.local_steps, block.head, block.gain, block.position, block.rng,
        )  # fmt: skip

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        errors = self.problem.errors_theta(self.thetas(agents["head"]), agents["gain"])
        return errors | {"theta_error_floor": self.problem.fedtd_floor()[1]}

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        return np.tile(self.theta, (self.agents, 1))


@kernel
def averaged_rounds(
    rounds, t, power, offset, alpha, alpha_exponent, theta,
    process, probability, alias, reward, noise, gamma, phi, features,
    gain_step, steps, head, gain, position, rng,
):  # fmt: skip
    """``rounds`` rounds of ``FedTD.round`` from round t on."""
    nothing = np.empty((0, 0, 0))
    for k in range(rounds):
        a = step_size(alpha, t + k, power, alpha_exponent, offset)
        head[:] = theta
        td_steps(
            process, probability, alias, reward, noise, gamma, phi, features,
            a, gain_step, steps, np.inf, False, False, head, gain, position, rng, nothing,
        )  # fmt: skip
        theta = mean_rows(head)
    return theta
