"""Agents with a fixed map: only the heads are learned."""

import numpy as np

from algorithms.shared_representation.kernels import projected
from algorithms.shared_representation.linear_td import LinearTD, LinearTDAgents, LinearTDParameters
from envs.linear.reward_processes import LinearMRP
from orchestrator.core import Call, Conversation


class OwnMapAgents(LinearTDAgents[LinearTDParameters]):
    """n agents with a fixed map B [d, r], which each block makes itself."""

    def own_map(self) -> np.ndarray:
        """The fixed map [d, r]."""
        raise NotImplementedError  # abstract

    def start(self) -> None:
        super().start()
        self.features = projected(self.env.phi, self.own_map())

    def step(self, alpha: float, gain_step: float, steps: int) -> None:
        """``steps`` TD steps of the heads."""
        self.learn_heads(self.features, alpha, gain_step, steps)


class OwnMapTD(LinearTD[LinearTDParameters, LinearMRP]):
    """Every agent learns its head independently; no arrays are sent."""

    Parameters = LinearTDParameters
    persistent = ()
    shared = (None, None)

    def start(self) -> None:
        """Nothing is shared."""

    def round(self) -> Conversation:
        p = self.parameters
        sent = {"alpha": self.alpha(), "gain_step": p.gain_step, "steps": p.local_steps}
        yield Call("step", shared=sent, agent_steps=p.local_steps)


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
