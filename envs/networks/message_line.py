"""Message line: a 1 passes from the last agent to the first, which gets the largest reward; exact for few agents.

Source: arXiv:2305.17568, the synthetic environment, and the authors' public code for it. s_i and a_i are 0 or 1 and all
start at 1. The first agent copies its neighbour's state, s_0' = s_1, for either action. The last sets its own state,
s_{n-1}' = a_{n-1}. An agent in between goes to 0 with a_i = 0. With a_i = 1 it goes to 1 if s_{i+1} = 1, else
with chance .8. Arriving in state 1 gives agent 0 the reward 1, the others .1. In the source: ten agents, gamma .99, 125
steps, and a return that is the undiscounted sum, averaged over agents. Always action 1 gets 23.75, the uniform policy
10.70 (10.63 from its stationary distribution). Reconstructed: occupancies count states 0..steps and are normalised (the
code counts 1..steps).
"""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from envs.networks import message_line_kernels as kernels
from envs.networks.base import NetworkProblem
from orchestrator.core import Parameters, named_graph

FIRST_REWARD, REWARD = 1.0, 0.1  # for arriving in state 1: agent 0, the others
MOST_AGENTS = 14  # of an exact evaluation: 2^N joint states
BUFFER = 2**16  # entries, half a megabyte: within a core's own cache, and one pass for local policies at 14 agents


class MessageLineParameters(Parameters):
    """How long, and how reliable an agent is on its own."""

    gamma: float = Field(default=0.99, ge=0, lt=1, description="discount factor of the occupancies")
    steps: int = Field(default=125, ge=1, description="steps in an episode")
    alone: float = Field(
        default=0.8, ge=0, le=1, description="chance that action 1 of a middle agent works if the next one is at 0"
    )


class MessageLine(NetworkProblem):
    """n >= 2 agents on a line, agent 0 the one that profits. The actions of agent 0 have no effect.

    Raises ValueError for fewer agents, and in every method for policies of other shapes.
    """

    name = "message-line"
    kind = "network-mdp"
    version = 1
    Parameters = MessageLineParameters
    parameters: MessageLineParameters
    fewest_agents = 2
    states = 2
    actions = 2

    def __init__(self, parameters: MessageLineParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        self.gamma = parameters.gamma
        self.graph = named_graph("line", agents)

    @property
    def exact_is_cheap(self) -> bool:
        """Whether ``evaluate`` is quick: up to 12 agents. For 13 and 14 agents it works, but slowly."""
        return self.agents <= 12

    @property
    def memory(self) -> float:
        """Bytes of hop counts and, where there is one, an exact evaluation, roughly."""
        joint = 8.0 * (self.agents + 4) * 2**self.agents + 16 * BUFFER if self.agents <= MOST_AGENTS else 0.0
        return joint + 4.0 * self.agents**2

    @property
    def horizon(self) -> int:
        """Observations in an episode: states 0..steps."""
        return self.parameters.steps + 1

    @property
    def diameter(self) -> int:
        return self.agents - 1

    @cached_property
    def reward(self) -> np.ndarray:
        """r_i(s_i, a_i) float64 [N, 2, 2]: for being in state 1, whatever is done there.

        It is the reward of the step that arrives in the state, so that of the first state is not in a return.
        """
        reward = np.zeros((self.agents, 2, 2))
        reward[:, 1] = REWARD
        reward[0, 1] = FIRST_REWARD
        return reward

    def _simulate(
        self, policy: np.ndarray, indptr: np.ndarray, indices: np.ndarray, rng: np.ndarray, seen: np.ndarray
    ) -> None:
        kernels.rollout(self.parameters.alone, policy, indptr, indices, rng, seen)

    def episode_return(self, seen: np.ndarray) -> np.ndarray:
        """(1 / N) sum_i sum_{t >= 1} r_i(s_t), undiscounted, float64 [B] of ``seen`` int64 [B, H, N]."""
        ones = (seen[:, 1:] // 2).sum(axis=1)  # whole numbers: no rounding, so no order of summation
        return (FIRST_REWARD * ones[:, 0] + REWARD * ones[:, 1:].sum(axis=1)) / self.agents

    def evaluate(self, policy: ArrayLike, indptr: ArrayLike, indices: ArrayLike) -> tuple[np.ndarray, float]:
        """``occupancy`` and ``expected_return`` in one pass over the 2^N joint states, exact.

        Raises ValueError for more than 14 agents.
        """
        if self.agents > MOST_AGENTS:
            raise ValueError(f"the exact evaluation takes up to {MOST_AGENTS} agents, got {self.agents}.")
        policy, indptr, indices = self._checked_policy(policy, indptr, indices)
        chance = kernels.joint_chances(self.parameters.alone, policy, indptr, indices)
        needed, free, buffer = kernels.plan(indptr, indices, BUFFER)
        shares, counts = kernels.visits(chance, needed, free, buffer, self.parameters.steps, self.gamma)
        expected = kernels.mean_reward(counts, self.reward[:, 1, 0].copy())
        return kernels.occupancies(shares, policy, indptr, indices), float(expected)

    def occupancy(self, policy: ArrayLike, indptr: ArrayLike, indices: ArrayLike) -> np.ndarray:
        """x_i(s, a) = sum_t gamma^t P(s_i = s, a_i = a at t) / sum_t gamma^t, t = 0..steps; float64 [N, 2, 2].

        Sums to 1 for each agent. Raises ValueError for more than 14 agents.
        """
        return self.evaluate(policy, indptr, indices)[0]

    def expected_return(self, policy: ArrayLike, indptr: ArrayLike, indices: ArrayLike) -> float:
        """(1 / N) sum_i sum_{t = 1..steps} E r_i(s_t), undiscounted. Raises ValueError for more than 14 agents."""
        return self.evaluate(policy, indptr, indices)[1]
