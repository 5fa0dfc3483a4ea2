"""A shared map and one shared head: everything is averaged, in factored form.

Source: a baseline of ours for arXiv:2603.02426. Reconstructed: all settings.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from algorithms.shared_representation.linear_td import INITIAL_HEAD, LinearTDAgents, projected, step_size, td_steps
from algorithms.shared_representation.shared_map import SharedMapTD, server_step
from orchestrator.core import Block, Call, Conversation, kernel, mean_rows


class SharedHeadAgents(LinearTDAgents):
    """n agents that start every round from the common head [r]."""

    def learn_both(self, head: np.ndarray, **sent: Any) -> dict[str, np.ndarray]:
        """As ``learn_map``, from ``head``; where each agent's head ends besides, [n, r]."""
        self.head[:] = head
        return self.learn_map(**sent) | {"head": self.head}


class SharedHeadTD(SharedMapTD):
    """Joint TD in which the heads are averaged like the map: it shows that the private heads do the filtering."""

    name = "shared-head-td"
    fresh = False
    rescaled = False
    persistent = ("basis", "head")

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": SharedHeadAgents}

    def start(self) -> None:
        super().start()
        self.head = INITIAL_HEAD * self.stream("head").normal(size=self.problem.rank)

    def round(self) -> Conversation:
        sent = {"head": self.head, **self.sent()}
        reply = yield Call("learn_both", shared=sent, agent_steps=self.parameters.local_steps)
        self.basis = server_step(self.basis, self.beta(), reply["gradient"], self.rescaled)
        self.head = mean_rows(reply["head"])

    def leap(self, blocks: Any, rounds: int) -> None:
        """``rounds`` rounds fused."""
        p, block = self.parameters, blocks["agents"]
        env = block.env
        self.basis, self.head = shared_head_rounds(
            rounds, self.completed, p.schedule == "power", p.offset, p.alpha, p.alpha_exponent, p.beta, p.beta_exponent,
            env.process, env.probability, env.alias, env.reward, env.noise, env.gamma, env.phi, self.basis, self.head,
            p.gain_step if env.average else 0.0, p.local_steps, block.head, block.gain, block.position, block.rng,
        )  # fmt: skip

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors(self.basis, np.tile(self.head, (self.agents, 1)), agents["gain"])

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        return np.tile(self.head, (self.agents, 1)) @ self.basis.T


@kernel
def shared_head_rounds(
    rounds, t, power, offset, alpha, alpha_exponent, beta, beta_exponent,
    process, probability, alias, reward, noise, gamma, phi, basis, common,
    gain_step, steps, head, gain, position, rng,
):  # fmt: skip
    """``rounds`` rounds of ``SharedHeadTD.round`` from round t on; ``common`` is the shared head [r]."""
    gradient = np.empty((head.shape[0], basis.shape[0], basis.shape[1]))
    for k in range(rounds):
        a = step_size(alpha, t + k, power, alpha_exponent, offset)
        b = step_size(beta, t + k, power, beta_exponent, offset)
        gradient[:] = 0.0
        head[:] = common
        td_steps(
            process, probability, alias, reward, noise, gamma, phi, projected(phi, basis),
            a, gain_step, steps, np.inf, True, False, head, gain, position, rng, gradient,
        )  # fmt: skip
        basis = server_step(basis, b, gradient, False)
        common = mean_rows(head)
    return basis, common
