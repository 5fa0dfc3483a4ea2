"""Agents whose map never changes, so that nothing but heads is learned: private, averaged or alone."""

from typing import Any

import numpy as np

from algorithms.shared_representation.linear_td import (
    LinearTD,
    LinearTDAgents,
    LinearTDParameters,
    projected,
    step_size,
    td_steps,
)
from orchestrator.core import Call, Conversation, kernel


class OwnMapAgents(LinearTDAgents):
    """n agents with one fixed map B [d, r] of their own making; ``features`` is Phi B [S, r]."""

    def own_map(self) -> np.ndarray:
        """The fixed map [d, r]."""
        raise NotImplementedError  # abstract

    def start(self) -> None:
        super().start()
        self.features = projected(self.env.phi, self.own_map())

    def step(self, alpha: float, gain_step: float, steps: int) -> None:
        """``steps`` TD steps of the heads."""
        self.learn_heads(self.features, alpha, gain_step, steps)


class OwnMapTD(LinearTD):
    """Every agent learns its head alone; no arrays travel."""

    Parameters = LinearTDParameters
    persistent = ()

    def start(self) -> None:
        """Nothing is shared."""

    def round(self) -> Conversation:
        p = self.parameters
        sent = {"alpha": self.alpha(), "gain_step": p.gain_step, "steps": p.local_steps}
        yield Call("step", shared=sent, agent_steps=p.local_steps)

    def leap(self, blocks: Any, rounds: int) -> None:
        """``rounds`` rounds fused."""
        p, block = self.parameters, blocks["agents"]
        env = block.env
        head_rounds(
            rounds, self.completed, p.schedule == "power", p.offset, p.alpha, p.alpha_exponent,
            env.process, env.probability, env.alias, env.reward, env.noise, env.gamma, env.phi, block.features,
            p.gain_step if env.average else 0.0, p.local_steps, block.head, block.gain, block.position, block.rng,
        )  # fmt: skip


@kernel
def head_rounds(
    rounds, t, power, offset, alpha, alpha_exponent,
    process, probability, alias, reward, noise, gamma, phi, features,
    gain_step, steps, head, gain, position, rng,
):  # fmt: skip
    """``rounds`` rounds of ``OwnMapTD.round`` from round t on."""
    nothing = np.empty((0, 0, 0))
    for k in range(rounds):
        a = step_size(alpha, t + k, power, alpha_exponent, offset)
        td_steps(
            process, probability, alias, reward, noise, gamma, phi, features,
            a, gain_step, steps, np.inf, False, False, head, gain, position, rng, nothing,
        )  # fmt: skip


class FullAgents(OwnMapAgents):
    """n agents that learn the whole parameter vector theta_i [d]: the map is the identity."""

    @property
    def width(self) -> int:
        return self.problem.features

    def own_map(self) -> np.ndarray:
        return np.eye(self.problem.features)


THETA_METRICS: dict[str, str] = {
    name: text for name, text in LinearTD.metrics.items() if name not in ("subspace_error", "value_error_best_head")
}
