"""Shards of the table over (histogram of k local states, global state): Q stays where it is, only V travels."""

from typing import Any

import numpy as np

from envs import histograms
from envs.histograms import rank
from envs.kernels import alias_tables
from envs.mean_field import action_values
from orchestrator.blocks import Block
from orchestrator.kernels import draw_alias, kernel

#: Two action values this near each other, relative to the largest, are a tie.
TIE = 1e-12


class Cells(Block):
    """n histograms of k local states. State: q [n, G, A], the value of each global state and action there."""

    persistent = ("q",)

    def start(self) -> None:
        self.q = self.zeros(self.problem.global_states, self.problem.global_actions)

    @property
    def known(self) -> Any:
        """What the members' sweeps need, made once for all seeds: histograms, rewards, and moves or what draws them."""
        p, problem = self.parameters, self.problem
        kept = problem.__dict__.setdefault("_shards", {})
        key = (p.k, p.samples, self.members)
        if key not in kept:
            cells = histograms.enumerated(p.k, problem.local_states)
            own = slice(self.members.start, self.members.stop)
            if p.samples == "inf":
                ahead = problem.moves(cells, own.start, own.stop)
            else:
                tables = alias_tables(problem.global_kernel), alias_tables(problem.chance)
                ahead = *tables[0], *tables[1], histograms.binomials(p.k, problem.local_states)
            kept[key] = cells[own].copy(), problem.reward(cells[own]), ahead
        return kept[key]

    def sweep(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """One Bellman sweep against V ``values`` float64 [cells, G]; returns the members' own V, [n, G]."""
        own, reward, ahead = self.known
        problem, values, samples = self.problem, np.array(values), self.parameters.samples
        if samples == "inf":
            self.q = action_values(reward, ahead, problem.global_kernel, problem.gamma, values)
        else:
            self.q = sampled_values(reward, own, values, problem.gamma, samples, *ahead, self.rng)
        return {"values": self.q.max(axis=2)}

    def greedy(self) -> dict[str, np.ndarray]:
        """The greedy policy float64 [n, G, A]: ties are split evenly."""
        return {"policy": greedy(self.q)}


@kernel
def greedy(q):
    """Probability 1 for the action of the largest ``q`` [n, G, A], split evenly between ties."""
    out = np.zeros(q.shape)
    n, globals_, actions = q.shape
    for i in range(n):
        for g in range(globals_):
            best = q[i, g, 0]
            for a in range(1, actions):
                best = max(best, q[i, g, a])
            ties = 0
            for a in range(actions):
                if q[i, g, a] >= best - TIE * max(1.0, abs(best)):
                    out[i, g, a] = 1.0
                    ties += 1
            for a in range(actions):
                out[i, g, a] /= ties
    return out


@kernel
def sampled_values(reward, own, values, gamma, samples, to_keep, to_alias, keep, alias, table, rng):
    """Q [n, G, A] = reward + gamma times the mean of ``values`` at ``samples`` drawn successors.

    ``own`` int64 [n, S] are the members' histograms; ``to_keep``, ``to_alias`` [G, A, G] and ``keep``, ``alias``
    [G, S, S] the alias tables of the global and the local moves. Member i draws from stream i of ``rng``: the next
    global state, then each local agent's.
    """
    n, states = own.shape
    globals_, actions = reward.shape[1], reward.shape[2]
    out = np.empty(reward.shape)
    after = np.empty(states, np.int64)
    for i in range(n):
        for g in range(globals_):
            for a in range(actions):
                total = 0.0
                for _ in range(samples):
                    ahead = draw_alias(to_keep[g, a], to_alias[g, a], rng, i)
                    after[:] = 0
                    for s in range(states):
                        for _ in range(own[i, s]):
                            after[draw_alias(keep[g, s], alias[g, s], rng, i)] += 1
                    total += values[rank(after, table), ahead]
                out[i, g, a] = reward[i, g, a] + gamma * total / samples
    return out
