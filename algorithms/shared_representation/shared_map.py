"""Learning the map together: the round that joint TD and PFedTD-Rep share."""

from typing import Generic, TypedDict

import numpy as np
from typing_extensions import TypeVar

from algorithms.shared_representation.kernels import server_step
from algorithms.shared_representation.linear_td import LinearTD, SharedMapParameters
from envs.linear.reward_processes import LinearMRP
from orchestrator.core import Call, Conversation

#: The parameters of a subclass.
W = TypeVar("W", bound=SharedMapParameters, default=SharedMapParameters)


class MapRound(TypedDict):
    """What every agent is sent in a round: see ``LinearTDAgents.learn_map``."""

    basis: np.ndarray
    alpha: float
    gain_step: float
    steps: int
    fresh: bool
    radius: float


class SharedMapTD(LinearTD[W, LinearMRP], Generic[W]):
    """Only the map B is sent, and only its gradients are sent back. Heads w_i and gains eta_i stay private."""

    Parameters = SharedMapParameters

    def round(self) -> Conversation:
        steps = self.parameters.local_steps
        reply = yield Call("learn_map", shared=self.sent(), agent_steps=steps + 1 if self.fresh else steps)
        self.basis = server_step(self.basis, self.beta(), np.array(reply["gradient"]), self.rescaled)

    def sent(self) -> MapRound:
        """What is sent to the agents in a round."""
        p = self.parameters
        return {
            "basis": self.basis,
            "alpha": self.alpha(),
            "gain_step": p.gain_step,
            "steps": p.local_steps,
            "fresh": self.fresh,
            "radius": self.method().radius,
        }
