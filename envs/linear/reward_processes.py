"""Base of the policy-evaluation problems: Markov reward processes with linear features and their exact TD solution."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from envs.common.chains import solve
from envs.linear import kernels
from envs.linear.base import LinearProblem, own
from orchestrator.core import ordered_sum

if TYPE_CHECKING:  # imported only where a face is asked for
    from envs.faces.gym_table import TableEnv


@dataclass(frozen=True)
class Processes:
    """m Markov reward processes with their exact solution."""

    transition: np.ndarray  # [m, S, S]
    reward: np.ndarray  # [m, S]
    gains: np.ndarray  # [m], zeros if discounted
    stationary: np.ndarray  # [m, S]
    values: np.ndarray  # [m, S], V_i; for the average objective up to a constant
    theta: np.ndarray  # [m, d], the TD fixed point


@dataclass(frozen=True)
class Solution:
    """The exact solution of all M base processes, without their kernels."""

    gains: np.ndarray  # [M]
    stationary: np.ndarray  # [M, S]
    values: np.ndarray  # [M, S]
    theta: np.ndarray  # [M, d]
    a: np.ndarray  # [M, d, d], A_i = Phi^T D_i (I - gamma P_i) Phi
    b: np.ndarray  # [M, d], b_i = Phi^T D_i (r_i - J_i)


class LinearMRP(LinearProblem[Processes]):
    """Policy evaluation with linear features: the exact TD solution of every agent and the errors against it."""

    kind = "linear-mrp"
    #: theta_e [d] with Phi theta_e = 1 for the unprojected features, where a constant was left in their span
    constant_direction: np.ndarray | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what :meth:`errors` returns."""
        own = "gain_error" if self.average else "value_error_best_head"
        return ("subspace_error", "head_error", "theta_error", "value_error", own)

    @cached_property
    def solution(self) -> Solution:
        """Fixed points, stationary distributions and TD systems of all base processes, built a chunk at a time."""
        m, states, d = self.process_count, self.states, self.features
        out = Solution(
            gains=np.empty(m),
            stationary=np.empty((m, states)),
            values=np.empty((m, states)),
            theta=np.empty((m, d)),
            a=np.empty((m, d, d)),
            b=np.empty((m, d)),
        )
        for rows, drawn in self.chunks():
            for field in ("gains", "stationary", "values", "theta"):
                getattr(out, field)[rows] = getattr(drawn, field)
            out.a[rows], out.b[rows] = kernels.td_systems(
                self.phi, drawn.transition, drawn.reward, drawn.gains, drawn.stationary, self.gamma
            )
        return out

    @cached_property
    def _process_heads(self) -> np.ndarray:
        return kernels.td_heads(self.solution.a, self.solution.b, self.basis)

    @property
    def heads(self) -> np.ndarray:
        """[N, r], w_i* = (B*^T A_i B*)^-1 B*^T b_i, the exact TD heads of the true basis."""
        return self._process_heads[self.process_of]

    @cached_property
    def transition(self) -> np.ndarray:
        """[M, S, S], the kernels P of the base processes (drawn again on first use; 8 M S^2 bytes)."""
        return np.concatenate([drawn.transition for _, drawn in self.chunks()])

    @cached_property
    def reward(self) -> np.ndarray:
        """[M, S], the mean rewards of the base processes."""
        return np.concatenate([drawn.reward for _, drawn in self.chunks()])

    @property
    def stationary(self) -> np.ndarray:
        """[M, S], stationary distributions."""
        return self.solution.stationary

    @property
    def values(self) -> np.ndarray:
        """[M, S], true values V."""
        return self.solution.values

    @property
    def A(self) -> np.ndarray:
        """[M, d, d], Phi^T D (I - gamma P) Phi."""
        return self.solution.a

    @property
    def b(self) -> np.ndarray:
        """[M, d], Phi^T D (r - J)."""
        return self.solution.b

    def fedtd_floor(self) -> tuple[np.ndarray, float]:
        """The limit of averaging whole parameter vectors, and the theta_error there.

        theta_bar = (sum_i A_i)^-1 sum_i b_i [d]. If the span of the features contains a constant, the systems are
        singular along ``constant_direction``, and theta_bar is the solution orthogonal to it.
        """
        a, b = ordered_sum(self.solution.a), ordered_sum(self.solution.b)
        if self.constant_direction is not None:
            square = ordered_sum(self.constant_direction * self.constant_direction)
            a += np.outer(self.constant_direction, self.constant_direction) * (ordered_sum(np.diag(a)) / square)
        theta = solve(a, b)
        off = theta - self.solution.theta
        return theta, float(ordered_sum((off * off).reshape(-1))) / len(off)

    def expected_update(
        self, basis: np.ndarray, heads: np.ndarray, gains: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """The exact mean TD(0) update under the stationary distribution of each agent.

        Returns ``basis`` [d, r] (mean over agents of E[phi delta] w_i^T), ``heads`` [N, r] (B^T E[phi delta]) and
        ``gains`` [N] (J_i - eta_i). All vanish at the truth; ``basis`` only where the values lie in the shared subspace
        (not in `windy-cliff`).
        """
        known = self.solution
        updates = kernels.mean_updates(
            known.a,
            known.b,
            self.phi,
            known.stationary,
            known.gains,
            self.process_of,
            own(basis),
            own(heads),
            self.own_gains(gains),
        )
        return dict(zip(("basis", "heads", "gains"), updates, strict=True))

    def errors(self, basis: np.ndarray, heads: np.ndarray, gains: np.ndarray | None = None) -> dict[str, float]:
        """Distance of an estimate (``basis`` [d, r], ``heads`` [N, r], ``gains`` [N]) to the truth.

        - subspace_error: r - ||Q^T B*||_F^2, Q an orthonormal basis of the columns of ``basis``
        - head_error: mean ||B*^T (B w_i - theta_i*)||^2
        - theta_error: mean ||B w_i - theta_i*||^2
        - value_error: mean ||Phi B w_i - V_i||^2 in the norm of mu_i. An average-reward value is defined up to a
          constant, so both values are then centred under mu_i first
        - gain_error (average): mean (eta_i - J_i)^2
        - value_error_best_head (discounted): value_error with each agent's exact TD head for the learned basis
        """
        learned = own(basis)
        subspace = float(kernels.subspace_error(learned, self.basis))
        result = {"subspace_error": subspace} | self._errors(learned, own(heads), gains)
        if not self.average:
            known = self.solution
            best = kernels.td_heads(known.a, known.b, learned)
            every = np.arange(self.process_count)  # agents come in whole multiples of processes: equal weights
            result["value_error_best_head"] = kernels.mean_value_error(
                learned, best, every, self.phi, known.values, known.stationary, False
            )
        return result

    def errors_theta(self, theta: np.ndarray, gains: np.ndarray | None = None) -> dict[str, float]:
        """The errors that do not need a basis, for estimates ``theta`` [N, d] of the whole parameter vectors."""
        return self._errors(np.eye(self.features), own(theta), gains)

    def _errors(self, basis: np.ndarray, heads: np.ndarray, gains: np.ndarray | None) -> dict[str, float]:
        known = self.solution
        value = kernels.mean_value_error(
            basis, heads, self.process_of, self.phi, known.values, known.stationary, self.average
        )
        return self.parameter_errors(basis, heads, gains) | {"value_error": value}

    def gym(self, agent: int = 0, horizon: int | None = None) -> "TableEnv":
        """Agent ``agent``'s process as a gymnasium environment; observations are states; one action, without effect."""
        from envs.faces.gym_table import TableEnv  # gymnasium is imported only where a face is asked for

        drawn = self.draw(self.process_of[agent : agent + 1])
        return TableEnv(drawn.transition[0][:, None], drawn.reward[0][:, None], self.noise, horizon=horizon)
