"""N Markov decision processes whose optimal differential action values share a subspace: Q_i* = Phi_sa B* w_i*.

Source: the control experiment of arXiv:2603.02426. Kernels, gains and heads are drawn first and the reward follows,
r_i = J_i + Q_i* - P_i max_a' Q_i*, so the optimal gain is J_i and Q_i* solves the optimality equation exactly.
Reconstructed: this construction, and all numbers.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from envs.common.instances import FEATURES, check_rank, stream
from envs.linear import kernels
from envs.linear.base import LinearProblem, own
from envs.linear.shared_subspace import (
    SharedSubspaceParameters,
    centred_gaussian,
    check_heads,
    draw_processes,
    row_normalised,
    true_basis,
)
from orchestrator.core import ordered_mean

if TYPE_CHECKING:  # imported only where a face is asked for
    from envs.faces.gym_table import TableEnv


class SharedSubspaceMDPParameters(SharedSubspaceParameters):
    """Size and shape of the drawn problem; the objective is the average reward."""

    states: int = Field(default=15, ge=2, description="states S of every process")
    actions: int = Field(default=3, ge=1, description="actions A in every state")
    features: int = Field(
        default=20, ge=1, description="dimension d of the state-action features (Gaussian, columns centred)"
    )
    head_scale: float = Field(
        default=2.0, gt=0, description="factor on the true heads: how far the actions' values lie apart"
    )


@dataclass(frozen=True)
class DecisionProcesses:
    """m Markov decision processes with their exact solution."""

    transition: np.ndarray  # [m, S, A, S]
    reward: np.ndarray  # [m, S, A]
    gains: np.ndarray  # [m], optimal gains J
    heads: np.ndarray  # [m, r], w*
    theta: np.ndarray  # [m, d], B* w*
    action_values: np.ndarray  # [m, S, A], Q*


class SharedSubspaceMDP(LinearProblem[DecisionProcesses]):
    """N decision processes whose optimal action values share a low-rank subspace: Q_i* = Phi_sa B* w_i*.

    Features [S, A, d] are centred over all state-action pairs, so that no constant lies in their span and the
    differential action values have one representation. Process p is the same whatever the number of agents.
    """

    name = "shared-subspace-mdp"
    kind = "linear-mdp"
    version = 2
    Parameters = SharedSubspaceMDPParameters
    parameters: SharedSubspaceMDPParameters
    actions: int  #: A in every state
    #: names of what ``errors`` returns
    metrics = ("subspace_error", "head_error", "theta_error", "gain_error", "gain_gap")

    def __init__(self, parameters: SharedSubspaceMDPParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        given = parameters
        self.states, self.actions, self.features, self.rank = given.states, given.actions, given.features, given.rank
        self.noise = given.reward_noise
        pairs = given.states * given.actions
        if given.features > pairs - 1:
            raise ValueError(
                f"features must be at most {pairs - 1} (states times actions, less one for centring), got"
                f" {given.features}."
            )
        check_rank(given.rank, given.features)
        check_heads(given.heads, self.process_count, given.rank)
        rng = stream(instance, FEATURES)
        phi = row_normalised(centred_gaussian(rng, pairs, given.features))
        self.phi = phi.reshape(given.states, given.actions, given.features)
        self.basis = true_basis(rng, given.features, given.rank)

    def draw(self, processes: np.ndarray) -> DecisionProcesses:
        """The listed base processes with their exact optimal gains, heads and action values."""
        given, shape = self.parameters, (self.states, self.actions)
        drawn = draw_processes(
            self.instance, processes, shape, given.heads, self.rank, given.head_scale, given.common_kernel
        )
        transition, gains, heads = drawn.transition, drawn.gains, drawn.heads
        theta = kernels.linear_values(self.basis, heads)
        action_values = kernels.linear_values(self.phi.reshape(-1, self.features), theta).reshape(-1, *shape)
        reward = kernels.rewards_of_action_values(transition, action_values, gains)
        return DecisionProcesses(transition, reward, gains, heads, theta, action_values)

    @cached_property
    def solution(self) -> DecisionProcesses:
        """All M base processes; 8 M S A S bytes for the transition probabilities, which exact gains need."""
        return self.draw(np.arange(self.process_count))

    @property
    def heads(self) -> np.ndarray:
        """[N, r], the heads w_i*."""
        return self.solution.heads[self.process_of]

    @property
    def transition(self) -> np.ndarray:
        """[M, S, A, S], transition probabilities of the base processes."""
        return self.solution.transition

    @property
    def reward(self) -> np.ndarray:
        """[M, S, A], mean rewards of the base processes."""
        return self.solution.reward

    @property
    def action_values(self) -> np.ndarray:
        """[M, S, A], optimal values Q*."""
        return self.solution.action_values

    def gain_gap(self, basis: np.ndarray, heads: np.ndarray) -> float:
        """Mean over agents of J_i minus the exact gain of the policy greedy in Phi_sa B w_i; 0 at best."""
        known = self.solution
        reached = kernels.greedy_gains(
            own(basis), own(heads), self.process_of, self.phi, known.transition, known.reward
        )
        return float(ordered_mean(self.gains - reached))

    def errors(self, basis: np.ndarray, heads: np.ndarray, gains: np.ndarray | None = None) -> dict[str, float]:
        """Distance of an estimate (``basis`` [d, r], ``heads`` [N, r], ``gains`` [N]) to the truth.

        subspace_error, head_error, theta_error and gain_error as for the policy-evaluation problems, and gain_gap.
        """
        subspace = float(kernels.subspace_error(own(basis), self.basis))
        result = {"subspace_error": subspace} | self.parameter_errors(basis, heads, gains)
        return result | {"gain_gap": self.gain_gap(basis, heads)}

    errors_q = errors  #: ``errors``, by the name that algorithms for control use

    def errors_theta(self, theta: np.ndarray, gains: np.ndarray | None = None) -> dict[str, float]:
        """The errors that do not need a basis, for estimates ``theta`` [N, d] of the whole parameter vectors."""
        whole = np.eye(self.features)
        return self.parameter_errors(whole, theta, gains) | {"gain_gap": self.gain_gap(whole, theta)}

    def gym(self, agent: int = 0, horizon: int | None = None) -> "TableEnv":
        """Agent ``agent``'s process as a gymnasium environment; it never terminates, ``horizon`` truncates it."""
        from envs.faces.gym_table import TableEnv  # gymnasium is imported only where a face is asked for

        drawn = self.draw(self.process_of[agent : agent + 1])
        return TableEnv(drawn.transition[0], drawn.reward[0], self.noise, horizon=horizon)
