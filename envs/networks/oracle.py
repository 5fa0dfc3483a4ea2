"""Exact joint solve of a few binary agents on a network: the reference that everything faster is tested against.

Joint states are numbered sum_i s_i 2^i, joint actions alike. Given the joint state, agents move independently, each by
its own action, under local policies pi_i(a_i | s_i); nothing else is assumed of the transition.
"""

from functools import cached_property
from typing import Protocol

import numpy as np

from envs.networks.kernels import inverse_dominant, reward_slopes
from orchestrator.core import kernel

MOST_AGENTS = 8  # 4^n entries of a joint Q for every agent


def joint_states(agents: int) -> np.ndarray:
    """int64 [2^n, n]: the states of all agents in every joint state, or their actions in every joint action."""
    return np.arange(2**agents)[:, None] >> np.arange(agents) & 1


class BinaryNetwork(Protocol):
    """An environment whose joint chain can be solved: see ``NetworkOracle`` for the arrays."""

    @property
    def agents(self) -> int: ...
    @property
    def gamma(self) -> float: ...
    @property
    def start(self) -> np.ndarray: ...
    @cached_property
    def hops(self) -> np.ndarray: ...  # pyright: ignore[reportReturnType]
    def chances(self, states: np.ndarray) -> np.ndarray: ...


class NetworkOracle:
    """n <= 8 binary agents.

    ``chance`` float64 [n, 2^n, 2] is P(s_i' = 1 | s, a_i), ``start`` float64 [n] P(s_i = 1) at time 0, agents
    independent, ``hops`` int [n, n] the edges between them. Policies and rewards are float64 [n, 2, 2], [i, s, a].
    Raises ValueError for more agents and for arrays of other shapes.
    """

    def __init__(self, chance: np.ndarray, start: np.ndarray, gamma: float, hops: np.ndarray) -> None:
        n = len(chance)
        if not 1 <= n <= MOST_AGENTS:
            raise ValueError(f"the joint solve takes 1 to {MOST_AGENTS} agents, got {n}.")
        for called, array, shape in (("chance", chance, (n, 2**n, 2)), ("start", start, (n,)), ("hops", hops, (n, n))):
            if np.shape(array) != shape:
                raise ValueError(f"{called} must have shape {shape}, got {np.shape(array)}.")
        self.agents, self.gamma = n, gamma
        self.chance = np.array(chance, np.float64)
        self.start = _product(np.array(start, np.float64))
        self.hops = np.array(hops, np.int64)

    @classmethod
    def of(cls, problem: BinaryNetwork) -> "NetworkOracle":
        """That of an environment with ``agents``, ``gamma``, ``chances(states)``, ``start`` and ``hops``."""
        if problem.agents > MOST_AGENTS:
            raise ValueError(f"the joint solve takes 1 to {MOST_AGENTS} agents, got {problem.agents}.")
        return cls(problem.chances(joint_states(problem.agents)), problem.start, problem.gamma, problem.hops)

    def state_distribution(self, pi: np.ndarray) -> np.ndarray:
        """d(s) = (1 - gamma) E sum_t gamma^t 1[s_t = s] over the joint states, float64 [2^n]."""
        return (1 - self.gamma) * _through(self.start, self._resolvent(pi))

    def occupancy(self, pi: np.ndarray) -> np.ndarray:
        """x_i(s, a) float64 [n, 2, 2], summing to 1 for each agent."""
        return _marginals(self.state_distribution(pi), np.array(pi, np.float64))

    def q(self, pi: np.ndarray, reward: np.ndarray) -> np.ndarray:
        """Q_i(s, a) of agent i's own ``reward`` for every joint state and action, float64 [n, 2^n, 2^n]."""
        pi, reward = np.array(pi, np.float64), np.array(reward, np.float64)
        return _joint_q(self.chance, self._resolvent(pi), reward, *reward_slopes(pi, reward), self.gamma)

    def gradients(self, pi: np.ndarray, q: np.ndarray) -> np.ndarray:
        """sum_t gamma^t E grad_theta_j log pi_j(a_j | s_j) ``q``_i(s, a), float64 [n (i), n (j), 2, 2].

        With the joint shadow Q, the policy gradient theorem makes entry [i, j] df_i / d theta_j.
        """
        pi = np.array(pi, np.float64)
        return _score_products(self.state_distribution(pi) / (1 - self.gamma), pi, q)

    def gradient(self, pi: np.ndarray, reward: np.ndarray, kappa: int | None = None) -> np.ndarray:
        """dF / d theta [n, 2, 2] of F = (1 / n) sum_i f_i, r_i = df_i / d lambda_i being ``reward``.

        With ``kappa``, agent j hears only the Q_i of agents within so many hops.
        """
        return self.heard(self.gradients(pi, self.q(pi, reward)), kappa)

    def heard(self, gradients: np.ndarray, kappa: int | None = None) -> np.ndarray:
        """(1 / n) sum over the agents i within ``kappa`` hops of j (None: all) of ``gradients``[i, j]: [n, 2, 2]."""
        out = np.zeros(gradients.shape[1:])
        for i in range(self.agents):
            for j in range(self.agents):
                if kappa is None or self.hops[i, j] <= kappa:
                    out[j] += gradients[i, j] / self.agents
        return out

    def q_span(self, q: np.ndarray, kappa: int) -> np.ndarray:
        """Largest max - min of ``q``_i over the agents beyond ``kappa`` hops with the others held, float64 [n]."""
        return _spans(q, self._inside(kappa))

    def local_q(self, pi: np.ndarray, q: np.ndarray, kappa: int) -> np.ndarray:
        """E[``q``_i | states and actions within ``kappa`` hops of i] under the occupancy, float64 [n, 2^n, 2^n].

        The best that a table over the neighbourhood can learn, spread over the joint states and actions; 0 where the
        neighbourhood's states never occur.
        """
        pi = np.array(pi, np.float64)
        return _conditional(self.state_distribution(pi), pi, q, self._inside(kappa))

    def _resolvent(self, pi: np.ndarray) -> np.ndarray:
        """(I - gamma P_pi)^-1 [2^n, 2^n]."""
        return inverse_dominant(np.eye(2**self.agents) - self.gamma * _joint_transition(self.chance, np.array(pi)))

    def _inside(self, kappa: int) -> np.ndarray:
        """Bits of the agents within ``kappa`` hops of each, int64 [n]."""
        if kappa < 0:
            raise ValueError(f"kappa must be 0 or more hops, got {kappa}.")
        return np.array([sum(1 << int(j) for j in np.flatnonzero(row <= kappa)) for row in self.hops], np.int64)


@kernel
def _product(ones):
    """Distribution [2^n] of independent bits, each 1 with chance ``ones`` [n]."""
    n = ones.shape[0]
    out = np.ones(1 << n)
    for s in range(1 << n):
        for i in range(n):
            out[s] *= ones[i] if s >> i & 1 else 1.0 - ones[i]
    return out


@kernel
def _through(row, matrix):
    """``row`` [m] times ``matrix`` [m, m]."""
    out = np.zeros(row.shape[0])
    for s in range(row.shape[0]):
        for t in range(row.shape[0]):
            out[t] += row[s] * matrix[s, t]
    return out


@kernel
def _joint_transition(chance, pi):
    """P_pi [2^n, 2^n] over joint states."""
    n, joint = chance.shape[:2]
    out, ones = np.empty((joint, joint)), np.empty(n)
    for s in range(joint):
        for i in range(n):
            now = s >> i & 1
            ones[i] = pi[i, now, 0] * chance[i, s, 0] + pi[i, now, 1] * chance[i, s, 1]
        out[s] = _product(ones)
    return out


@kernel
def _marginals(distribution, pi):
    """x_i(s, a) [n, 2, 2] of the joint ``distribution`` [2^n]."""
    n = pi.shape[0]
    out = np.zeros((n, 2, 2))
    for s in range(distribution.shape[0]):
        for i in range(n):
            for a in range(2):
                out[i, s >> i & 1, a] += distribution[s] * pi[i, s >> i & 1, a]
    return out


@kernel
def _joint_q(chance, resolvent, reward, at_0, slope, gamma):
    """Q [n, 2^n, 2^n]: the value after the step, next states turned into actions one agent (one bit) at a time.

    ``at_0`` and ``slope`` [n] are those of ``reward_slopes``.
    """
    n, joint = chance.shape[:2]
    out, ahead = np.empty((n, joint, joint)), np.empty(joint)
    for i in range(n):
        value = np.zeros(joint)
        for s in range(joint):
            for t in range(joint):
                value[s] += resolvent[s, t] * (at_0[i] + slope[i] * (t >> i & 1))
        for s in range(joint):
            ahead[:] = value
            for j in range(n):
                for t in range(joint):
                    if not t >> j & 1:
                        zero, one = ahead[t], ahead[t | 1 << j]
                        ahead[t] = (1.0 - chance[j, s, 0]) * zero + chance[j, s, 0] * one
                        ahead[t | 1 << j] = (1.0 - chance[j, s, 1]) * zero + chance[j, s, 1] * one
            for a in range(joint):
                out[i, s, a] = reward[i, s >> i & 1, a >> i & 1] + gamma * ahead[a]
    return out


@kernel
def _joint_policy(pi, s, out):
    """Chance of every joint action in joint state ``s`` into ``out`` [2^n]."""
    for a in range(out.shape[0]):
        out[a] = 1.0
        for i in range(pi.shape[0]):
            out[a] *= pi[i, s >> i & 1, a >> i & 1]


@kernel
def _score_products(visits, pi, q):
    """Sum over s and a of visits(s) pi(a | s) grad log pi_j(a_j | s_j) q_i(s, a), [n (i), n (j), 2, 2]."""
    n, joint = q.shape[:2]
    out, policy = np.zeros((n, n, 2, 2)), np.empty(joint)
    for s in range(joint):
        _joint_policy(pi, s, policy)
        for a in range(joint):
            for i in range(n):
                weighted = visits[s] * policy[a] * q[i, s, a]
                for j in range(n):
                    now, taken = s >> j & 1, a >> j & 1
                    for b in range(2):
                        out[i, j, now, b] += weighted * ((taken == b) - pi[j, now, b])
    return out


@kernel
def _spans(q, inside):
    """Over the configurations of the bits ``inside`` [n], the largest max - min of q_i over the other bits, [n]."""
    n, joint = q.shape[:2]
    out = np.zeros(n)
    for i in range(n):
        low, high = np.full((joint, joint), np.inf), np.full((joint, joint), -np.inf)
        for s in range(joint):
            for a in range(joint):
                t, b = s & inside[i], a & inside[i]
                low[t, b] = min(low[t, b], q[i, s, a])
                high[t, b] = max(high[t, b], q[i, s, a])
                out[i] = max(out[i], high[t, b] - low[t, b])
    return out


@kernel
def _conditional(distribution, pi, q, inside):
    """Means of q_i given the bits ``inside`` [n] of state and action, [n, 2^n, 2^n]."""
    n, joint = q.shape[:2]
    out, policy = np.zeros((n, joint, joint)), np.empty(joint)
    for i in range(n):
        total, weight = np.zeros((joint, joint)), np.zeros((joint, joint))
        for s in range(joint):
            _joint_policy(pi, s, policy)
            for a in range(joint):
                t, b = s & inside[i], a & inside[i]
                total[t, b] += distribution[s] * policy[a] * q[i, s, a]
                weight[t, b] += distribution[s] * policy[a]
        for s in range(joint):
            for a in range(joint):
                t, b = s & inside[i], a & inside[i]
                if weight[t, b] > 0.0:
                    out[i, s, a] = total[t, b] / weight[t, b]
    return out
