"""Mode tracking: the global agent's reward is the share of local agents in its own state.

Ours, made for gaps without noise. r_l = 1 where s_i = s_g. s_g' is a_g with probability ``hit``, otherwise one of the
other states, all equally likely. Local agents have no choice: each stays with probability ``persistence`` or moves to
one of the other states. The best policy goes where most agents are; the mode of a sample may differ from that of the
population.
"""

import numpy as np
from pydantic import Field

from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem, Sizes


class ModeTrackingParameters(MeanFieldParameters):
    """How many states, and who moves how reliably."""

    states: int = Field(default=2, ge=2, le=6, description="states S of the global agent and of each local one")
    persistence: float = Field(default=0.98, gt=0, le=1, description="chance that a local agent stays; 1: frozen")
    hit: float = Field(default=0.9, gt=0, le=1, description="chance that the global agent gets to where it wants to")

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.states, self.states, self.states, 1)


class ModeTracking(MeanFieldProblem):
    """n local agents and a global one on S states; see ``MeanFieldProblem`` for what it offers."""

    name = "mode-tracking"
    version = 2
    Parameters = ModeTrackingParameters
    parameters: ModeTrackingParameters

    def fill(self) -> None:
        states = self.local_states
        moves = _towards(states, self.parameters.hit)
        self.global_kernel = np.repeat(moves[None], states, axis=0)
        stays = _towards(states, self.parameters.persistence)
        self.local_kernel = np.repeat(stays[:, None, None], states, axis=1)
        self.global_reward = np.zeros((states, states))
        self.local_reward = np.eye(states)[:, :, None]


def _towards(states: int, chance: float) -> np.ndarray:
    """Rows of distributions over S states, ``chance`` at its own and the rest alike elsewhere, float64 [S, S]."""
    return np.where(np.eye(states) > 0, chance, (1 - chance) / (states - 1))
