"""Shards of the tables over histograms of k sampled agents: Q stays where it is, only V travels."""

from typing import NamedTuple, TypeAlias

import numpy as np

from algorithms.mean_field.parameters import SubsamplingParameters
from envs.common.chains import alias_tables
from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldProblem
from envs.mean_field.histograms import rank
from envs.mean_field.joint_lumping import joint_chance
from envs.mean_field.lumping import Lumping, action_values
from orchestrator.core import Block, draw_alias, kernel

#: Two action values this near each other, relative to the largest, are a tie.
TIE = 1e-12


class Draws(NamedTuple):
    """What a sweep draws successors from: alias tables of the moves, and ``histograms.binomials``."""

    global_keep: np.ndarray  #: float64 [G, A, G]
    global_alias: np.ndarray  #: int64 [G, A, G]
    keep: np.ndarray  #: of the local agents of each class, float64 [G, J, S]
    alias: np.ndarray  #: int64 [G, J, S]
    table: np.ndarray  #: int64 [k + 1, S]


#: The members' histograms [n, J], their rewards [n, G, A], and their moves [G, n, cells] or what draws them.
Model: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray | Draws]


class Shard(Block[SubsamplingParameters, MeanFieldProblem]):
    """n histograms of k agents over J classes. State: q [n, G, A], the value of each global state and action there.

    A subclass says who is counted by its histograms, how members of each class move, and what is paid.
    """

    persistent = ("q",)

    def start(self) -> None:
        self.q = self.zeros(self.problem.global_states, self.problem.global_actions)

    def sources(self) -> np.ndarray:
        """All histograms, int64 [cells, J]."""
        raise NotImplementedError  # abstract

    def chance(self, local: np.ndarray | None) -> np.ndarray:
        """P(s' | class) at each global state, float64 [G, J, S]; ``local`` is the local policy, if it is learned."""
        raise NotImplementedError  # abstract

    def reward(self, own: np.ndarray, local: np.ndarray | None) -> np.ndarray:
        """The team's reward float64 [n, G, A] at the histograms ``own`` int64 [n, J]."""
        raise NotImplementedError  # abstract

    def known(self, local: np.ndarray | None) -> Model:
        """What the members' sweeps need, made once for all seeds: histograms, rewards, and moves or what draws them."""
        p = self.parameters
        group = ("shards", type(self), p.k, p.samples, self.members)
        sizes = self.problem.parameters.sizes
        width = histograms.histograms(p.k, sizes.local_states) if p.samples == "inf" else sizes.global_actions
        size = 8.0 * self.n * sizes.global_states * width
        return self.problem.cache.get(
            group, None if local is None else local.tobytes(), lambda: self._model(local), size
        )

    def _model(self, local: np.ndarray | None) -> Model:
        p, problem = self.parameters, self.problem
        own = self.sources()[self.members.start : self.members.stop].copy()
        chance = self.chance(local)
        if p.samples == "inf":
            cells = histograms.enumerated(p.k, problem.local_states)
            ahead = np.stack([histograms.moves(own, each[None], cells) for each in chance])
        else:
            table = histograms.binomials(p.k, problem.local_states)
            ahead = Draws(*alias_tables(problem.global_kernel), *alias_tables(chance), table)
        return own, self.reward(own, local), ahead

    def sweep(self, values: np.ndarray, local: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """One Bellman sweep against V ``values`` float64 [states, G]; returns the members' largest Q, [n, G]."""
        own, reward, ahead = self.known(local)
        problem, values, samples = self.problem, np.array(values), self.parameters.samples
        if samples == "inf":
            self.q = action_values(reward, ahead, problem.global_kernel, problem.gamma, values)
        else:
            self.q = sampled_values(reward, own, values, problem.gamma, samples, ahead, self.rng)
        return {"values": self.q.max(axis=2)}


class Cells(Shard):
    """Histograms of k local states, the local policy being given: [cells, S]."""

    def sources(self) -> np.ndarray:
        return histograms.enumerated(self.parameters.k, self.problem.local_states)

    def chance(self, local: np.ndarray | None) -> np.ndarray:
        return self._lumping(local).chance

    def reward(self, own: np.ndarray, local: np.ndarray | None) -> np.ndarray:
        return self._lumping(local).rewards(own)

    def _lumping(self, local: np.ndarray | None) -> Lumping:
        policy = self.problem.local_policy if local is None else local
        return self.problem.lumping(policy, self.parameters.k)

    def greedy(self) -> dict[str, np.ndarray]:
        """The greedy policy float64 [n, G, A]: ties are split evenly."""
        return {"policy": greedy(self.q)}


class JointCells(Shard):
    """Histograms of k local states with their actions, at place s B + b: [cells, S B]."""

    def sources(self) -> np.ndarray:
        return histograms.enumerated(self.parameters.k, self.problem.local_states * self.problem.local_actions)

    def chance(self, local: np.ndarray | None) -> np.ndarray:
        return joint_chance(self.problem.local_kernel)

    def reward(self, own: np.ndarray, local: np.ndarray | None) -> np.ndarray:
        return self.problem.pooled(own)[:, :, None] + self.problem.global_reward

    def decided(self) -> dict[str, np.ndarray]:
        """Largest Q float64 [n, G] and the first global action int64 [n, G] that attains it."""
        return {"value": self.q.max(axis=2), "action": greedy(self.q).argmax(axis=2)}


def greedy(q: np.ndarray) -> np.ndarray:
    """Probability 1 for the action of the largest ``q`` [n, G, A], split evenly between ties."""
    size = np.maximum(1.0, abs(q).max(axis=2, keepdims=True))
    ties = q >= q.max(axis=2, keepdims=True) - TIE * size
    return np.where(ties, 1.0 / np.count_nonzero(ties, axis=2, keepdims=True), 0.0)


@kernel
def sampled_values(reward, own, values, gamma, samples, draws, rng):
    """Q [n, G, A] = reward + gamma times the mean of ``values`` at ``samples`` drawn successors.

    ``own`` int64 [n, J] are the members' histograms; ``draws`` is a ``Draws``. Member i draws from stream i of ``rng``:
    the next global state, then each local agent's.
    """
    n, classes = own.shape
    globals_, actions = reward.shape[1], reward.shape[2]
    out = np.empty((n, globals_, actions))
    after = np.empty(draws.keep.shape[2], np.int64)
    for i in range(n):
        for g in range(globals_):
            for a in range(actions):
                total = 0.0
                for _ in range(samples):
                    ahead = draw_alias(draws.global_keep[g, a], draws.global_alias[g, a], rng, i)
                    after[:] = 0
                    for j in range(classes):
                        for _ in range(own[i, j]):
                            after[draw_alias(draws.keep[g, j], draws.alias[g, j], rng, i)] += 1
                    total += values[rank(after, draws.table), ahead]
                out[i, g, a] = reward[i, g, a] + gamma * total / samples
    return out
