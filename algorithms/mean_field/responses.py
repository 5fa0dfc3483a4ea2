"""L-LEARN of ALTERNATING-MARL (arXiv:2603.03759), and the values that policies are judged by."""

import numpy as np

from algorithms.mean_field import gaps
from algorithms.mean_field.local_learning import best_of, climbed, induced_response
from algorithms.mean_field.parameters import AlternatingMARLParameters
from algorithms.mean_field.subsampling import Subsampling
from envs.mean_field.lumping import QUICK
from orchestrator.core import Conversation


class Responses(Subsampling[AlternatingMARLParameters]):
    """What the local agents answer to the global policy: values are exact where that is cheap, else of episodes.

    A subclass sets the present policies: ``policy`` float64 [cells, G, A] of the global agent and ``local`` float64
    [S, G, B] of the local ones.
    """

    policy: np.ndarray
    local: np.ndarray

    @property
    def exact_is_cheap(self) -> bool:
        """Whether values are exact: those of the chain of all n agents."""
        return self.problem.parameters.lumpable(self.agents, QUICK)

    def value(self, policy: np.ndarray, local: np.ndarray) -> Conversation:
        """The team's value at the start under a global and a local policy."""
        if self.exact_is_cheap:
            return gaps.team_value(self.problem, policy, local, self.parameters.k)
        return (yield from self.simulated(policy, "judge", local=local))

    def response(self) -> Conversation:
        """L-LEARN: a deterministic local policy [S, G, B] against the present global one."""
        if self.parameters.local_learner == "selfish":
            return (yield from self.selfish())
        if gaps.few_local(self.problem.parameters):
            return (yield from best_of(gaps.local_policies(self.problem), self.local, self.objective))
        return (yield from climbed([self.local, (yield from self.selfish())], self.objective))

    def objective(self, local: np.ndarray) -> Conversation:
        """What L-LEARN maximises, unless it is selfish."""
        if self.parameters.local_learner == "team":
            return (yield from self.value(self.policy, local))
        lumping = self.problem.lumping(local, self.parameters.k)
        return lumping.at_start(lumping.value(self.policy))

    def selfish(self) -> Conversation:
        """The best response of an agent that is paid r_l alone, in the MDP of (s_i, s_g) that the others induce."""
        problem = self.problem
        if self.exact_is_cheap:
            lumping = problem.lumping(self.local)
            moves = lumping.moved(lumping.deployed(self.policy, self.parameters.k))
        else:
            moves = (yield from self.played(self.policy, "judge", local=self.local))[1]
        return induced_response(problem, np.array(moves, float))
