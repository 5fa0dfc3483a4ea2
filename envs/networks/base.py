"""Base of the network problems: agents on a graph, their policies, and simulated episodes."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from envs.networks.kernels import hop_counts
from orchestrator.core import Environment, Graph


class NetworkProblem(Environment):
    """N agents on a graph, each with S states and A actions of its own."""

    states: int  #: of an agent
    actions: int  #: of an agent
    gamma: float  #: discount
    graph: Graph  #: its edges join neighbours
    closed_form: bool = False  #: whether occupancies, gradients and Q-functions of local policies have closed forms

    @property
    def exact_is_cheap(self) -> bool:
        """Whether exact values are quick to compute under policies that observe neighbours."""
        return False

    @property
    def horizon(self) -> int | None:
        """Observations in an episode; None: episodes do not end by themselves."""
        return None

    @cached_property
    def hops(self) -> np.ndarray:
        """Edges between all pairs of agents, int32 [N, N]."""
        return hop_counts(self.graph.indptr, self.graph.indices)

    @property
    def diameter(self) -> int:
        """The largest number of hops between two agents; with kappa >= diameter an agent sees all others."""
        return int(self.hops.max())

    @cached_property
    def available(self) -> np.ndarray:
        """Which actions an agent has, bool [N, A]; by default all."""
        return np.ones((self.agents, self.actions), bool)

    @cached_property
    def reward(self) -> np.ndarray:
        """r_i(s_i, a_i), the reward of linear utilities, float64 [N, S, A]."""
        raise NotImplementedError

    def rollout(
        self, policy: ArrayLike, indptr: ArrayLike, indices: ArrayLike, horizon: int, rng: np.ndarray
    ) -> np.ndarray:
        """Codes A s_i + a_i int64 [B, horizon, N] of B = len(``rng``) independent episodes.

        ``policy`` is float64 [N, O, A]. Agent i acts by row sum_k S^k s_j of ``policy[i]``, where j is the k-th of
        ``indices[indptr[i]:indptr[i + 1]]``: the agents that it observes, in ascending order. A local policy has indptr
        = arange(N + 1), indices = arange(N) and O = S. Episode b draws only from stream b of ``rng`` uint64 [B, 4],
        which is advanced in place. Raises ValueError for arrays of other shapes, for a horizon below 1 and for a policy
        that may take an action that its agent does not have.
        """
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}.")
        seen = np.empty((len(rng), horizon, self.agents), np.int64)
        self._simulate(*self._checked_policy(policy, indptr, indices), rng, seen)
        return seen

    def _simulate(
        self, policy: np.ndarray, indptr: np.ndarray, indices: np.ndarray, rng: np.ndarray, seen: np.ndarray
    ) -> None:
        """Write the codes of ``rollout`` into ``seen`` int64 [B, H, N]."""
        raise NotImplementedError

    def episode_return(self, seen: np.ndarray) -> np.ndarray:
        """The return of each of the episodes ``seen`` int64 [B, H, N], mean over agents, float64 [B]."""
        raise NotImplementedError

    def _checked_policy(
        self, policy: ArrayLike, indptr: ArrayLike, indices: ArrayLike
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Copies for the kernels, so that one compiled specialisation serves all: policy, indptr, indices.

        ``policy`` float64 [N, O, A], O at least S^m where at most m agents are observed. Raises ValueError for arrays
        that do not fit each other or the problem.
        """
        policy, indptr = np.array(policy, np.float64, order="C"), np.array(indptr, np.int64)
        indices, n = np.array(indices, np.int64), self.agents
        if indptr.shape != (n + 1,) or indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
            raise ValueError(f"indptr must be {n + 1} ascending numbers from 0 to the length of indices.")
        if ((indices < 0) | (indices >= n)).any():
            raise ValueError(f"indices must name agents 0..{n - 1}.")
        rows = self.states ** int(np.diff(indptr).max())
        if policy.ndim != 3 or policy.shape[::2] != (n, self.actions) or policy.shape[1] < rows:
            raise ValueError(f"policy must have shape ({n}, {rows} or more, {self.actions}), got {policy.shape}.")
        for i in np.flatnonzero(~self.available.all(axis=1)):
            if policy[i, :, ~self.available[i]].any():
                raise ValueError(f"policy must be 0 where `available` is False; agent {i} has fewer actions.")
        return policy, indptr, indices
