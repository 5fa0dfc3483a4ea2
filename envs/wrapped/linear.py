"""Wrapped environments as linear problems: agents that evaluate or control.

Evaluation has one feature per state, control has features that span the functions of state and action. Reconstructed,
as for windy-cliff: a step that ends an episode leads to a start, so that the process has a stationary distribution.
Only states that can be reached are kept. The environments do not share an exact subspace: ``basis`` is the best one of
its rank, the leading singular vectors of all agents' values.
"""

from functools import cached_property

import numpy as np
from pydantic import Field

from envs.common import chains
from envs.common.instances import check_rank, leading
from envs.grids.digital import optimal_values
from envs.linear import kernels
from envs.linear.base import own
from envs.linear.reward_processes import LinearMRP, Processes
from envs.linear.shared_subspace_mdp import DecisionProcesses, SharedSubspaceMDP
from envs.wrapped.keywords import WrappedParameters
from envs.wrapped.source import Wrapped
from orchestrator.core import kernel, ordered_mean, product

#: The long-run gain from a start is (1 - g) times the value discounted by this g, to about seven digits.
NEARLY_ONE = 1.0 - 1e-8


class ChainParameters(WrappedParameters):
    """Rank of the shared map."""

    rank: int = Field(
        default=1, ge=1, description="dimension r of the shared map; at most the number of distinct environments"
    )


class EvaluationParameters(ChainParameters):
    """Discount and policy."""

    gamma: float = Field(default=0.95, ge=0, lt=1, description="discount factor")
    epsilon: float = Field(
        default=0.1, gt=0, le=1, description="chance of a uniformly drawn action in the policy evaluated"
    )


class Chain(Wrapped):
    """What evaluation and control share: the process that restarts when an episode ends, on the states in reach."""

    process_count: int

    def _restart(self, parameters: ChainParameters, agents: int, instance: int) -> None:
        self._read(parameters, agents, instance)
        self.rank = parameters.rank
        self.kept = np.flatnonzero(self.process(0).seen[:, 0])
        self.states = len(self.kept)
        check_rank(
            self.rank,
            min(self.states, self.process_count),
            " (the lesser of states and distinct environments; a keyword with a range makes them differ)",
        )

    def grid(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Transitions [S, A, S] and mean rewards [S, A] of a process.

        Raises ValueError if some state cannot be reached again, or if environment 0 has other states in reach.
        """
        process = self.process(number)
        if not np.array_equal(np.flatnonzero(process.seen[:, 0]), self.kept):
            raise ValueError(f"{self.source.title}: environment {number} has other states in reach than environment 0.")
        end = len(process.start)
        row = np.full(end + 1, -1)
        row[self.kept] = np.arange(self.states)
        grid = np.zeros((self.states, self.actions, self.states))
        for k, s in enumerate(self.kept.tolist()):
            for a in range(self.actions):
                for to, chance in zip(process.successor[s, a].tolist(), process.chance[s, a].tolist(), strict=True):
                    if to == end:
                        grid[k, a] += chance * process.start[self.kept]
                    elif chance > 0:
                        grid[k, a, row[to]] += chance
        from scipy.sparse import csr_array  # slow to import
        from scipy.sparse.csgraph import connected_components

        parts, _ = connected_components(csr_array(grid.max(axis=1)), connection="strong")
        if parts > 1:
            raise ValueError(
                f"{self.source.title}: some states cannot be reached from all others. The linear algorithms need a"
                " process in which every state is reached again. The tabular algorithms (policy-reciprocity,"
                " qd-learning, iql) do not."
            )
        return grid, np.ascontiguousarray(process.reward[self.kept])


class WrappedEvaluation(Chain, LinearMRP):
    """Agents that evaluate their own epsilon-greedy policies in environments of another package, one feature a state.

    The policy is epsilon-greedy on the optimal action values, ties to the first action, as in windy-cliff.
    """

    average = False
    Base = EvaluationParameters
    parameters: EvaluationParameters

    def __init__(self, parameters: EvaluationParameters, agents: int, instance: int) -> None:
        self._restart(parameters, agents, instance)
        self.gamma, self.features = parameters.gamma, self.states
        self.phi = np.eye(self.states)
        self.grid(0)

    def draw(self, processes: np.ndarray) -> Processes:
        """The listed processes under their policies, with their exact values."""
        m, epsilon = len(processes), self.parameters.epsilon
        transition, reward = np.empty((m, self.states, self.states)), np.empty((m, self.states))
        for row, number in enumerate(processes.tolist()):
            grid, pay = self.grid(number)
            greedy = first_best(optimal_values(grid, pay, self.gamma), 1e-9 * np.abs(pay).max() / (1 - self.gamma))
            policy = (1 - epsilon) * np.eye(self.actions)[greedy] + epsilon / self.actions
            transition[row] = kernels.under_policies(grid[None], policy[None])[0]
            reward[row] = kernels.under_policies(pay[None], policy[None])[0]
        values = kernels.values_of_rewards(transition, reward, self.gamma)
        return Processes(transition, reward, np.zeros(m), chains.stationary_distributions(transition), values, values)

    @cached_property
    def basis(self) -> np.ndarray:
        """[S, r], the leading singular vectors of the stacked values."""
        return leading(self.solution.theta, self.rank)


class WrappedControl(Chain, SharedSubspaceMDP):
    """Agents that learn to act in environments of another package under the average reward.

    Features are orthonormal and span all functions of state and action but the constants, so differential action
    values have one representation; d = S A - 1.
    """

    Base = ChainParameters
    parameters: ChainParameters

    def __init__(self, parameters: ChainParameters, agents: int, instance: int) -> None:
        self._restart(parameters, agents, instance)
        pairs = self.states * self.actions
        self.features = pairs - 1
        self.phi = contrasts(pairs).reshape(self.states, self.actions, pairs - 1)
        self.grid(0)

    def draw(self, processes: np.ndarray) -> DecisionProcesses:
        """The listed processes with their optimal gains and differential action values."""
        m, shape = len(processes), (self.states, self.actions)
        transition, reward, gains = np.empty((m, *shape, self.states)), np.empty((m, *shape)), np.empty(m)
        values = np.empty((m, *shape))
        for row, number in enumerate(processes.tolist()):
            transition[row], reward[row] = self.grid(number)
            gains[row] = optimal_gain(transition[row], reward[row], values[row])
            values[row] -= float(ordered_mean(values[row].reshape(-1)))
        theta = product(values.reshape(m, -1), self.phi.reshape(-1, self.features))
        heads = np.zeros((m, self.rank))  # theta lies outside the subspace: no exact heads
        return DecisionProcesses(transition, reward, gains, heads, theta, values)

    @cached_property
    def basis(self) -> np.ndarray:
        """[d, r], the leading singular vectors of the stacked parameter vectors."""
        return leading(self.solution.theta, self.rank)

    @property
    def heads(self) -> np.ndarray:
        """[N, r], B*^T theta_i*."""
        return product(self.solution.theta, self.basis)[self.process_of]

    def gain_gap(self, basis: np.ndarray, heads: np.ndarray) -> float:
        """Mean over agents of J_i minus the gain, from a start, of the policy greedy in Phi_sa B w_i."""
        solution = self.solution
        starts = np.stack([self.process(number).start[self.kept] for number in range(self.process_count)])
        reached = gains_from_start(
            own(basis), own(heads), self.process_of, self.phi, solution.transition, solution.reward, starts, NEARLY_ONE
        )
        return float(ordered_mean(self.gains - reached))


def contrasts(n: int) -> np.ndarray:
    """Orthonormal columns [n, n - 1] that are orthogonal to the constants: entry k less those before it (Helmert)."""
    k = np.arange(1.0, n)
    rows = (np.tri(n - 1, n) - np.eye(n - 1, n, 1) * k[:, None]) / np.sqrt(k * (k + 1))[:, None]
    return np.ascontiguousarray(rows.T)


@kernel
def first_best(values, slack):
    """The first action int64 [S] within ``slack`` of the best of ``values`` [S, A]."""
    choice = np.zeros(values.shape[0], np.int64)
    for s in range(values.shape[0]):
        while values[s, choice[s]] < values[s].max() - slack:
            choice[s] += 1
    return choice


@kernel
def optimal_gain(transition, reward, q):
    """The optimal gain of a process that comes back, its differential action values written to ``q`` [S, A].

    Relative value iteration on steps that stay with chance 1/2, which no period disturbs, until the values move alike
    to 1e-12 of the largest |reward|, or a million times.
    """
    states, actions = reward.shape
    scale = max(np.abs(reward).max(), 1e-300)
    h, new, gain = np.zeros(states), np.zeros(states), 0.0
    for _ in range(1_000_000):
        low, high = np.inf, -np.inf
        for s in range(states):
            best = -np.inf
            for a in range(actions):
                ahead = 0.0
                for t in range(states):
                    ahead += transition[s, a, t] * h[t]
                q[s, a] = reward[s, a] + ahead
                best = max(best, q[s, a])
            new[s] = 0.5 * (best + h[s])
            low, high = min(low, best - h[s]), max(high, best - h[s])
        gain = 0.5 * (low + high)
        for s in range(states):
            h[s] = new[s] - new[0]
        if high - low <= 1e-12 * scale:
            break
    for s in range(states):
        for a in range(actions):
            q[s, a] -= gain
    return gain


@kernel
def gains_from_start(basis, heads, process, phi, transition, reward, starts, discount):
    """Gain [n] from ``starts`` [m, S] of each agent's greedy policy argmax_a phi(s, a)^T B w_i, the first of equals."""
    states, _, d = phi.shape
    gains = np.zeros(heads.shape[0])
    theta, choice = np.empty(d), np.empty(states, np.int64)
    chain, pay = np.empty((states, states)), np.empty(states)
    for i in range(heads.shape[0]):
        p = process[i]
        kernels.combine(basis, heads[i], theta)
        kernels.choose_greedily(phi, theta, choice)
        for s in range(states):
            for t in range(states):
                chain[s, t] = -discount * transition[p, s, choice[s], t]
            chain[s, s] += 1.0
            pay[s] = reward[p, s, choice[s]]
        values = chains.solve(chain, pay)
        for s in range(states):
            gains[i] += starts[p, s] * (1.0 - discount) * values[s]
    return gains
