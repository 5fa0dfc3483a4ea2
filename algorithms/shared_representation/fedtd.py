"""FedTD: federated averaging of the whole parameter vectors. It fails when agents have conflicting heads.

Source: federated averaging, McMahan et al. 2017, of linear TD. Our baseline for arXiv:2603.02426 and
arXiv:2411.15014. Reconstructed: all settings, and that gains stay with their agents.
"""

from collections.abc import Mapping

import numpy as np

from algorithms.shared_representation.linear_td import LinearTD, LinearTDParameters
from algorithms.shared_representation.own_map import THETA_METRICS, FullAgents
from envs.linear.reward_processes import LinearMRP
from orchestrator.core import Block, Call, Conversation, mean_rows


class AveragedAgents(FullAgents):
    """n agents that start every round from the common theta [d]."""

    def step_from(self, theta: np.ndarray, alpha: float, gain_step: float, steps: int) -> dict[str, np.ndarray]:
        """``steps`` TD steps from ``theta``. Returns the parameters of each agent after them, [n, d]."""
        self.head[:] = theta
        self.learn_heads(self.features, alpha, gain_step, steps)
        return {"theta": self.head}


class FedTD(LinearTD[LinearTDParameters, LinearMRP]):
    """Federated TD: after K local steps the whole parameter vectors are averaged; gains stay with their agents.

    A round is K = ``local_steps`` steps of independent-td from the common theta, then theta <- 1 / N sum_i theta_i.
    Its limit: sum_i (b_i - A_i theta) = 0. ``theta_error_floor`` is the exact error there, which no number of agents
    or steps removes.
    """

    name = "fedtd"
    Parameters = LinearTDParameters
    persistent = ("theta",)
    shared = (None, "theta")
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
        self.theta = mean_rows(np.array(reply["theta"]))

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        errors = self.problem.errors_theta(self.thetas(agents["head"]), agents["gain"])
        return errors | {"theta_error_floor": self.problem.fedtd_floor()[1]}

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        return np.tile(self.theta, (self.agents, 1))
