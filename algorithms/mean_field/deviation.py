"""The exact chain in which one local agent deviates: s_g, its state, the histogram of the n - 1 others."""

import numpy as np

from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldProblem, means
from envs.mean_field.lumping import average_rows, averaged, drifts, settle, start_mean, under
from orchestrator.core import kernel


class Deviation:
    """n >= 2 agents, a global ``policy`` [cells, G, A] of k local states; all but one follow ``local`` [S, G, B]."""

    def __init__(self, problem: MeanFieldProblem, policy: np.ndarray, local: np.ndarray, k: int) -> None:
        self.problem, n, states = problem, problem.agents, problem.local_states
        self.others = problem.lumping(local, n - 1)
        deployed = problem.lumping(local).deployed(policy, k)
        # The global agent does not know who deviates: it acts on the histogram of all.
        together = self.others.cells[None] + np.eye(states, dtype=np.int64)[:, None]
        whole = histograms.ranks(together.reshape(-1, states), histograms.binomials(n, states))
        policy_there = deployed[whole]
        # Agents are alike at the start, not always independent: the one is any of the c_s + 1 that are in its state s.
        self.first = problem.first[whole].reshape(states, -1) * (self.others.cells.T + 1) / n
        self.drift = drifts(policy_there, problem.global_kernel).reshape(states, -1, *problem.global_kernel.shape[::2])
        paid = np.repeat(problem.global_reward[None], len(policy_there), axis=0)
        earned = averaged(paid, policy_there).reshape(self.drift.shape[:3])
        self.earned = earned + means(self.others.cells, self.others.paid.T) * ((n - 1) / n)

    def value(self, own: np.ndarray) -> float:
        """The team's discounted return from the start when the deviating agent follows ``own`` float64 [S, G, B]."""
        problem = self.problem
        chance = under(own, problem.local_kernel)
        paid = np.ascontiguousarray(under(own, problem.local_reward[..., None])[:, :, 0].T)
        reward = self.earned + paid[:, None, :] / problem.agents
        model = self.others.population, chance, self.drift
        value = settle(lambda v: reward + problem.gamma * ahead(v, *model), np.zeros(reward.shape))
        return start_mean(self.first, value)


@kernel
def ahead(value, population, chance, drift):
    """Mean of ``value`` [S, cells, G] a step later, [S, cells, G].

    ``population`` [G, cells, cells] moves the others, ``chance`` [G, S, S] the one, ``drift`` [S, cells, G, G] the
    global state.
    """
    states, cells, globals_ = value.shape
    out = np.zeros(value.shape)
    for g in range(globals_):
        for t in range(states):
            mean = average_rows(population[g], value[t])
            for c in range(cells):
                for s in range(states):
                    for h in range(globals_):
                        out[s, c, g] += chance[g, s, t] * drift[s, c, g, h] * mean[c, h]
    return out
