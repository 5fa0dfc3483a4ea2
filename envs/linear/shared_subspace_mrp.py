"""N Markov reward processes whose values share a low-rank subspace: V_i = Phi B* w_i*, B* common, w_i* private.

Sources: arXiv:2603.02426 (average reward) and arXiv:2411.15014 (discounted, tabular). Kernels, gains and heads are
drawn first and the reward follows, so gain, value and TD fixed point theta_i* = B* w_i* are exact by construction.
Reconstructed: this construction, and all numbers.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from envs.common import chains
from envs.common.instances import FEATURES, check_rank, stream
from envs.linear import kernels
from envs.linear.reward_processes import LinearMRP, Processes
from envs.linear.shared_subspace import (
    SharedSubspaceParameters,
    centred_gaussian,
    check_heads,
    draw_processes,
    row_normalised,
    true_basis,
)
from orchestrator.core import normals, ordered_mean, ordered_sum


class SharedSubspaceMRPParameters(SharedSubspaceParameters):
    """Size, objective and shape of the drawn problem."""

    features: int = Field(
        default=8, ge=1, description="feature dimension d; not used by one-hot features, where d = states"
    )
    objective: Literal["average", "discounted"] = Field(
        default="average", description="average: gains and differential values; discounted: values with discount gamma"
    )
    gamma: float = Field(default=0.8, ge=0, lt=1, description="discount factor; used by the discounted objective only")
    feature_kind: Literal["gaussian", "one-hot"] = Field(
        default="gaussian", description="gaussian: columns centred, longest row of norm 1; one-hot: tabular, d = states"
    )
    constant_feature: Literal["removed", "kept", "projected"] = Field(
        default="removed",
        description="average objective, where a constant in the features' span leaves the fixed point a line: removed"
        " by centring the features, kept to show the failure, or projected: kept, then phi taken off theta_e",
    )
    approximation_error: float = Field(
        default=0.0,
        ge=0,
        description="size, in the norm of mu_i, of a value component u_i that the features cannot represent and that"
        " leaves the fixed point where it is",
    )


class SharedSubspaceMRP(LinearMRP):
    """N Markov reward processes whose values share a low-rank subspace: V_i = Phi B* w_i*.

    Rewards are r_i = J_i + V_i - gamma P_i V_i with V_i = Phi B* w_i* + u_i, J_i ~ U(-1, 1) for the average objective
    (gamma = 1) and J_i = 0 for the discounted one. Process p is the same whatever the number of agents.
    """

    name = "shared-subspace-mrp"
    version = 2
    Parameters = SharedSubspaceMRPParameters
    parameters: SharedSubspaceMRPParameters

    def __init__(self, parameters: SharedSubspaceMRPParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        given = parameters
        self.states, self.rank = given.states, given.rank
        self.average = given.objective == "average"
        self.gamma = 1.0 if self.average else given.gamma
        self.noise = given.reward_noise
        self.features = given.states if given.feature_kind == "one-hot" else given.features
        self._check(given)
        rng = stream(instance, FEATURES)
        self.phi, self._off = self._draw_features(rng)
        self.basis = true_basis(rng, self.features, self.rank, self._off)

    def _check(self, given: SharedSubspaceMRPParameters) -> None:
        """ValueError for values that are valid alone but not together."""
        constant = given.constant_feature != "removed"
        if constant and not self.average:
            raise ValueError(
                f"constant_feature={given.constant_feature} belongs to objective=average; a discounted value has no"
                " free constant, use constant_feature=removed."
            )
        if given.feature_kind == "one-hot":
            if self.average and not constant:
                raise ValueError(
                    "constant_feature=removed does not fit feature_kind=one-hot with objective=average: one-hot"
                    " features always sum to one. Use constant_feature=projected (or kept, to see it fail)."
                )
            if given.approximation_error:
                raise ValueError(
                    "approximation_error must be 0 for feature_kind=one-hot, which represents every value."
                )
        elif self.features > self.states - (not constant):
            raise ValueError(
                f"features must be at most {self.states - (not constant)} for states={self.states}"
                f" and constant_feature={given.constant_feature}, got {self.features}."
            )
        check_rank(self.rank, self.features - constant, " (features, less one where a constant is kept)")
        if given.approximation_error and self.features + self.average - constant >= self.states:
            raise ValueError(
                f"approximation_error needs a direction the features do not reach: features must be at most"
                f" {self.states - 1 - self.average + constant} for states={self.states}, got {self.features}."
            )
        check_heads(given.heads, self.process_count, self.rank)

    def _draw_features(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
        """Phi [S, d] and, where a constant is kept or projected, the unit vector v along which Phi v is constant."""
        given = self.parameters
        if given.feature_kind == "one-hot":
            phi = np.eye(self.states)
            if not self.average:
                return phi, None
            unit = np.full(self.states, 1 / np.sqrt(self.states))
        else:
            phi = centred_gaussian(rng, self.states, self.features)
            if given.constant_feature == "removed":
                return row_normalised(phi), None
            unit = normals(rng, self.features)
            unit /= np.sqrt(ordered_sum(unit * unit))
            phi = row_normalised(phi + np.outer(1 - kernels.linear_values(phi, unit[None])[0], unit))
        along = kernels.linear_values(phi, unit[None])[0]  # the same number in every state
        self.constant_direction = unit / float(ordered_mean(along))
        if given.constant_feature == "projected":
            self.excluded_direction = unit
            phi = phi - np.outer(along, unit)
        return phi, unit

    def draw(self, processes: np.ndarray) -> Processes:
        """The listed base processes with their exact gains, values and fixed points."""
        given = self.parameters
        drawn = draw_processes(
            self.instance, processes, (self.states,), given.heads, self.rank, 1.0, given.common_kernel
        )
        transition, gains = drawn.transition, drawn.gains
        extra = np.array([normals(rng, self.states) for rng in drawn.streams]).reshape(-1, self.states)
        stationary = chains.stationary_distributions(transition)
        theta = kernels.linear_values(self.basis, drawn.heads)
        values = kernels.linear_values(self.phi, theta)
        if given.approximation_error:
            values += given.approximation_error * chains.unrepresented(
                self.phi, transition, stationary, self.gamma, self.average, extra
            )
        gains *= self.average
        reward = kernels.rewards_of_values(transition, values, gains, self.gamma)
        return Processes(transition, reward, gains, stationary, values, theta)
