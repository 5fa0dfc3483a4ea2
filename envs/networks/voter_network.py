"""Voter network: agents on a graph that follow their neighbours, with exact values and gradients for any number.

Stands in for the networked examples of arXiv:2302.07938; the environment is ours, made for a tunable decay of
influence. s_i and a_i are 0 or 1, W_ij = 1 / |N_i| for the neighbours j of i (i not among them), and

    P(s_i' = 1 | s, a_i) = (1 - beta) (.1 + .6 a_i + .2 s_i) + beta (W s)_i.

Expectations are affine in s, so with local policies pi_i(a | s_i) every quantity solves a linear system of size n:
delta_i = .2 + .6 (pi_i(1|1) - pi_i(1|0)), c_i = (1 - beta) (.1 + .6 pi_i(1|0)), M = (1 - beta) diag(delta) + beta W,
G = (I - gamma M)^-1; then E s_{t+1} = c + M E s_t.
"""

import math
from functools import cached_property
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic import AfterValidator, Field

from envs.networks.base import NetworkProblem
from envs.networks.kernels import (
    heard_influence,
    hops_from,
    inverse_dominant,
    reward_slopes,
    softmax_gradient,
    solve_dominant,
    span_beyond,
)
from envs.networks.rollout import BASE, BY_ACTION, BY_STATE, discounted_returns, rollout_voters
from orchestrator.core import GRAPH_NAMES, Parameters, check_graph_name, named_graph


class VoterNetworkParameters(Parameters):
    """Who follows whom, and how much."""

    beta: float = Field(default=0.5, ge=0, lt=1, description="weight of the neighbours' states in an agent's next one")
    graph: Annotated[str, AfterValidator(check_graph_name)] = Field(
        default="line", description=f"who are neighbours: {GRAPH_NAMES}"
    )
    gamma: float = Field(default=0.9, ge=0, lt=1, description="discount factor")
    start: float = Field(default=0.0, ge=0, le=1, description="probability of state 1 at time 0, agents independent")


class AffineQ(NamedTuple):
    """Q_i(s, a) = r_i(s_i, a_i) + constant_i + sum_j on_state[i, j] s_j + sum_j on_action[i, j] a_j."""

    constant: np.ndarray  #: [n]
    on_state: np.ndarray  #: [n, n]
    on_action: np.ndarray  #: [n, n]


class VoterNetwork(NetworkProblem):
    """n binary agents on a connected graph. Local policies are ``pi`` float64 [N, 2, 2], pi[i, s, a]; rewards likewise.

    An agent without neighbours (n = 1) sees a mean of 0. Raises ValueError for a graph that is not connected and, in
    every method, for arrays of another shape or a negative ``kappa`` (hops).
    """

    name = "voter-network"
    kind = "exact-network-mdp"
    version = 1
    Parameters = VoterNetworkParameters
    parameters: VoterNetworkParameters
    states = 2
    actions = 2
    closed_form = True

    def __init__(self, parameters: VoterNetworkParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        self.beta, self.gamma = parameters.beta, parameters.gamma
        self.graph = named_graph(parameters.graph, agents)
        apart = np.flatnonzero(hops_from(self.graph.indptr, self.graph.indices, 0) < 0)
        if len(apart):
            raise ValueError(f"graph must be connected; no path leads from agent 0 to agent {apart[0]}.")

    @property
    def memory(self) -> float:
        """Bytes of an exact solve, roughly."""
        return 40.0 * self.agents**2

    @property
    def start(self) -> np.ndarray:
        """P(s_i = 1) at time 0, float64 [N]."""
        return np.full(self.agents, self.parameters.start)

    @cached_property
    def reward(self) -> np.ndarray:
        """Reward of linear utilities: 1 in state 1, else 0; float64 [N, 2, 2]."""
        return np.repeat(np.eye(2)[None, :, 1:], self.agents, axis=0).repeat(2, axis=2)

    def _simulate(
        self, policy: np.ndarray, indptr: np.ndarray, indices: np.ndarray, rng: np.ndarray, seen: np.ndarray
    ) -> None:
        graph = self.graph
        rollout_voters(self.beta, graph.indptr, graph.indices, self.start, policy, indptr, indices, rng, seen)

    def episode_return(self, seen: np.ndarray) -> np.ndarray:
        """Mean over agents of sum_t gamma^t s_t in episodes ``seen`` int64 [B, H, N], float64 [B]."""
        return discounted_returns(seen, self.gamma)

    @cached_property
    def mixing(self) -> np.ndarray:
        """W float64 [N, N]: row i times a vector is the mean over the neighbours of i."""
        matrix = np.zeros((self.agents, self.agents))
        for i in range(self.agents):
            near = self.graph.neighbours(i)
            matrix[i, near] = 1.0 / max(len(near), 1)
        return matrix

    def chances(self, states: np.ndarray) -> np.ndarray:
        """P(s_i' = 1 | s, a_i) float64 [N, k, 2] in joint ``states`` int64 [k, N], from the definition."""
        out = np.empty((self.agents, len(states), 2))
        for i in range(self.agents):
            near = self.graph.neighbours(i)
            followed = np.zeros(len(states))
            for j in near:
                followed += states[:, j] / len(near)
            for a in range(2):
                own = BASE + BY_ACTION * a + BY_STATE * states[:, i]
                out[i, :, a] = (1 - self.beta) * own + self.beta * followed
        return out

    def occupancy(self, pi: np.ndarray) -> np.ndarray:
        """x_i(s, a) = (1 - gamma) E sum_t gamma^t 1[s_i = s, a_i = a], float64 [N, 2, 2], summing to 1 for each i."""
        pi = self._table(pi, "pi")
        share = (1 - self.gamma) * self._visits(pi)
        return np.stack([1 - share, share], axis=1)[:, :, None] * pi

    def shadow_q(self, pi: np.ndarray, reward: np.ndarray) -> AffineQ:
        """The joint Q_i of agent i's own ``reward`` [n, 2, 2] under ``pi``, for all i: affine in everyone's s and a."""
        pi, reward = self._table(pi, "pi"), self._table(reward, "reward")
        gamma, own = self.gamma, 1 - self.beta
        at_0, slope = reward_slopes(pi, reward)
        resolvent = inverse_dominant(self._system(pi))
        on_action = gamma * own * BY_ACTION * slope[:, None] * resolvent
        # gamma G M = G - I, and M is the part on s itself plus that through the actions
        through = pi[:, 1, 1] - pi[:, 0, 1]
        on_state = slope[:, None] * (resolvent - np.eye(self.agents)) - on_action * through
        ahead = solve_dominant(self._system(pi), own * BASE + gamma / (1 - gamma) * self._offset(pi))
        return AffineQ(gamma * (at_0 / (1 - gamma) + slope * ahead), on_state, on_action)

    def q_span(self, pi: np.ndarray, reward: np.ndarray, kappa: int) -> np.ndarray:
        """Max - min of Q_i over states and actions of the agents beyond ``kappa`` hops, the others fixed; [n].

        Q_i is affine, so the values at which the others are fixed do not matter.
        """
        _, on_state, on_action = self.shadow_q(pi, reward)
        return span_beyond(self.hops, self._radius(kappa), on_state, on_action)

    def gradient(self, pi: np.ndarray, reward: np.ndarray) -> np.ndarray:
        """dF / d theta [n, 2, 2] of F = (1 / N) sum_i f_i(lambda_i) for softmax policies ``pi`` of theta.

        ``reward`` is the shadow reward: r_i = df_i / d lambda_i at the unnormalised occupancy lambda = x / (1 - gamma).
        Adjoint system: agent j's action changes F through y_j = sum_i slope_i G_ij.
        """
        pi, reward = self._table(pi, "pi"), self._table(reward, "reward")
        _, slope = reward_slopes(pi, reward)
        return self._ascent(pi, reward, solve_dominant(self._system(pi).T.copy(), slope))

    def truncated_gradient(self, pi: np.ndarray, reward: np.ndarray, kappa: int) -> np.ndarray:
        """As ``gradient``, but each agent j receives only the exact Q_i of the agents i within ``kappa`` hops.

        This is the limit of the kappa-hop estimator as the number of samples grows (arXiv:2302.07938). With local
        policies it is (1 / N) sum over those i of df_i / d theta_j.
        """
        pi, reward = self._table(pi, "pi"), self._table(reward, "reward")
        _, slope = reward_slopes(pi, reward)
        resolvent = inverse_dominant(self._system(pi))
        return self._ascent(pi, reward, heard_influence(self.hops, self._radius(kappa), slope, resolvent))

    def _ascent(self, pi: np.ndarray, reward: np.ndarray, influence: np.ndarray) -> np.ndarray:
        ones = self._visits(pi)
        occupied = np.stack([1 / (1 - self.gamma) - ones, ones], axis=1)
        return softmax_gradient(pi, reward, occupied, self.gamma * (1 - self.beta) * BY_ACTION * influence)

    def _visits(self, pi: np.ndarray) -> np.ndarray:
        """E sum_t gamma^t s_t, float64 [N]."""
        return solve_dominant(self._system(pi), self.start + self.gamma / (1 - self.gamma) * self._offset(pi))

    def _offset(self, pi: np.ndarray) -> np.ndarray:
        """c [n]."""
        return (1 - self.beta) * (BASE + BY_ACTION * pi[:, 0, 1])

    def _system(self, pi: np.ndarray) -> np.ndarray:
        """I - gamma M [n, n]: positive diagonal, nothing positive beside it, rows dominated by the diagonal."""
        delta = BY_STATE + BY_ACTION * (pi[:, 1, 1] - pi[:, 0, 1])
        matrix = -self.gamma * self.beta * self.mixing
        matrix[np.diag_indices(self.agents)] = 1 - self.gamma * (1 - self.beta) * delta
        return matrix

    def _table(self, values: ArrayLike, called: str) -> np.ndarray:
        table = np.array(values, np.float64)  # a copy: one compiled specialisation, read-only or not
        if table.shape != (self.agents, 2, 2):
            raise ValueError(f"{called} must have shape ({self.agents}, 2, 2), got {table.shape}.")
        return table

    @staticmethod
    def _radius(kappa: int) -> int:
        if kappa < 0:
            raise ValueError(f"kappa must be 0 or more hops, got {kappa}.")
        return kappa


def decay_rate(beta: float, gamma: float, delta: float) -> float:
    """phi = exp(-arccosh(x)) = 1 / (x + sqrt(x^2 - 1)), x = (1 - gamma (1 - beta) delta) / (gamma beta).

    It is what is left per hop on the infinite line.

    For agents alike, each with ``delta`` as in the head of this file; 0 where nothing travels.
    """
    if gamma * beta == 0:
        return 0.0
    x = (1 - gamma * (1 - beta) * delta) / (gamma * beta)
    return 1 / (x + math.sqrt((x - 1) * (x + 1)))
