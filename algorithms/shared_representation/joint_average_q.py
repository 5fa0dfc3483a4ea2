"""Linear control under a common map: joint Q-learning with private heads, and its two baselines.

Source: arXiv:2603.02426. Known is that there is a control experiment. Reconstructed: differential Q-learning with the
gain driven by the TD error, ``gain_step``, ``epsilon``, the problem; update and step sizes were chosen because they
are closest to the reference figures of the gain gap over N = 2..32. The baselines are ours.
"""

from collections.abc import Mapping
from typing import Unpack

import numpy as np
from pydantic import Field

from algorithms.shared_representation.kernels import server_step
from algorithms.shared_representation.linear_q import LinearQ, LinearQAgents, LinearQParameters, QRound
from algorithms.shared_representation.linear_td import SharedMapParameters
from orchestrator.core import Block, Call, Conversation, mean_rows


class JointAverageQParameters(LinearQParameters, SharedMapParameters):
    """Step sizes with a learned map."""

    beta: float = Field(0.3, ge=0, description="map step size (initial value under a power schedule)")


class JointAverageQ(LinearQ[JointAverageQParameters]):
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
        self.basis = server_step(self.basis, self.beta(), np.array(reply["gradient"]), False)


class FullQAgents(LinearQAgents):
    """n agents that learn the whole parameter vector theta_i [d]: the map is the identity, the features phi."""

    @property
    def width(self) -> int:
        return self.problem.features

    def step(self, **sent: Unpack[QRound]) -> None:
        """Q-learning steps of every agent from its own theta_i."""
        self.learn_heads(self.features, **sent)

    def step_from(self, theta: np.ndarray, **sent: Unpack[QRound]) -> dict[str, np.ndarray]:
        """Q-learning steps from the common ``theta`` [d]. Returns the parameters of each agent after them, [n, d]."""
        self.head[:] = theta
        self.learn_heads(self.features, **sent)
        return {"theta": self.head}


class FullQ(LinearQ[LinearQParameters]):
    """Base of the algorithms without a map."""

    Parameters = LinearQParameters
    persistent = ()
    shared = (None, None)
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


class FedQ(FullQ):
    """Federated Q-learning: after K local steps the whole parameter vectors are averaged; gains stay private."""

    name = "fedq"
    persistent = ("theta",)
    shared = (None, "theta")

    def start(self) -> None:
        self.theta = np.zeros(self.problem.features)

    def round(self) -> Conversation:
        sent = {"theta": self.theta, **self.sent()}
        reply = yield Call("step_from", shared=sent, agent_steps=self.parameters.local_steps)
        self.theta = mean_rows(np.array(reply["theta"]))

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors_theta(self.thetas(agents["head"]), agents["gain"])

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        return np.tile(self.theta, (self.agents, 1))
