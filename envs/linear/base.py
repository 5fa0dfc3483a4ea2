"""Base of the linear problems: blocks of tables, exact fixed points, errors of estimates.

Agent i runs base process ``process_of[i]``. Everything that belongs to a process (kernel, reward, fixed point) is held
once per process, so 100 000 agents on 8 processes cost as much as 8.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol

import numpy as np
from pydantic import Field
from typing_extensions import TypeVar

from envs.common import chains
from envs.linear import kernels
from orchestrator.core import Environment, Instance, Parameters

if TYPE_CHECKING:  # imported only where a face is asked for
    from envs.faces.gym_table import TableEnv

CHUNK = 1024  # processes drawn at a time: bounds the memory of anything that is not kept


def own(array: np.ndarray) -> np.ndarray:
    """A C-ordered float64 copy, writable: kernels are compiled once, also if callers pass read-only arrays."""
    return np.array(array, dtype=np.float64, order="C")


class LinearParameters(Parameters):
    """Parameters of every linear problem."""

    instance: Instance = Field(
        default=0,
        description="seed of the problem itself (kernels, rewards, features); 'seed' follows the replicate's seed",
    )
    processes: int = Field(
        default=0,
        ge=0,
        description="distinct processes M, agent i running process i mod M; 0 gives every agent its own",
    )


class LinearBlock(NamedTuple):
    """Tables for n consecutive members: their m distinct processes, and which one each member runs.

    For `linear-mrp` tables are per state, for `linear-mdp` per state and action ([m, S, A, ...]).
    """

    process: np.ndarray  #: int64 [n], row of the tables below
    probability: np.ndarray  #: float64 [m, S, S] | [m, S, A, S], alias table: chance to keep the drawn column
    alias: np.ndarray  #: int64, same shape: the column taken otherwise
    reward: np.ndarray  #: float64 [m, S] | [m, S, A], mean reward of a step from here
    noise: float  #: standard deviation of the Gaussian noise added to a reward
    phi: np.ndarray  #: float64 [S, d] | [S, A, d]
    gamma: float  #: discount; 1.0 for the average objective
    average: bool  #: whether the objective is the average reward


class Drawn(Protocol):
    """What every draw of base processes holds: [m, S, S] and [m, S], or with an axis of actions after the state."""

    @property
    def transition(self) -> np.ndarray: ...
    @property
    def reward(self) -> np.ndarray: ...


class Truth(Protocol):
    """What every exact solution of the M base processes holds: fixed points [M, d] and gains [M]."""

    @property
    def theta(self) -> np.ndarray: ...
    @property
    def gains(self) -> np.ndarray: ...


#: What a problem draws.
D = TypeVar("D", bound=Drawn, default=Drawn, covariant=True)


class LinearProblem(Environment, Generic[D]):
    """Base of the linear problems. A subclass draws processes; this class cuts them into blocks and chunks.

    Sub-streams are keyed (instance, tag, process), so a host that builds members 5..8 gets the bits a full build gives.
    """

    parameters: LinearParameters
    states: int  #: S of every process
    features: int  #: dimension d of the features
    rank: int  #: dimension r of the shared subspace
    process_count: int  #: distinct base processes M
    gamma: float = 1.0  #: discount; 1.0 for the average objective
    average: bool = True  #: whether the objective is the average reward
    noise: float = 0.0  #: standard deviation of the Gaussian noise added to a reward
    phi: np.ndarray  #: float64 [S, d] of `linear-mrp`, [S, A, d] of `linear-mdp`: the features
    #: unit vector [d] that the features were projected off, or None; an initial map must be orthogonal to it, too
    excluded_direction: np.ndarray | None = None

    def __init__(self, parameters: LinearParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        if parameters.processes and agents % parameters.processes:
            raise ValueError(
                f"agents must be a multiple of processes ({parameters.processes}), so that every process counts"
                f" equally; got {agents}."
            )
        self.process_count = parameters.processes or agents

    @property
    def memory(self) -> float:
        """Bytes that tables and exact solution of all processes take, and the agents' own arrays, roughly."""
        pairs = self.phi[..., 0].size  # states, or states times actions
        per_process = pairs * (16 * self.states + 16) + 8 * (2 * self.states + self.features * (self.features + 3))
        return 1.2 * (self.process_count * per_process + self.agents * 16 * (self.features + self.rank + 8))

    @cached_property
    def process_of(self) -> np.ndarray:
        """int64 [N], the base process of each agent."""
        return np.arange(self.agents) % self.process_count

    def draw(self, processes: np.ndarray) -> D:
        """The listed base processes (int64 [m]) as stacked arrays: at least ``transition`` and ``reward``."""
        raise NotImplementedError

    def chunks(self, processes: np.ndarray | None = None) -> Iterator[tuple[slice, D]]:
        """Yields pairs (rows, draw) for ``processes`` (default all), a bounded number of processes at a time."""
        listed = np.arange(self.process_count) if processes is None else processes
        for first in range(0, len(listed), CHUNK):
            rows = slice(first, min(first + CHUNK, len(listed)))
            yield rows, self.draw(listed[rows])

    def block(self, members: range) -> LinearBlock:
        """The tables of exactly these members (consecutive ids in 0..N-1)."""
        self.check_members(members)
        runs = np.arange(members.start, members.stop) % self.process_count
        distinct, process = np.unique(runs, return_inverse=True)
        shape = (len(distinct), *self.phi.shape[:-1])
        probability, alias = np.empty((*shape, self.states)), np.empty((*shape, self.states), np.int64)
        reward = np.empty(shape)
        for rows, drawn in self.chunks(distinct):
            probability[rows], alias[rows] = chains.alias_tables(drawn.transition)
            reward[rows] = drawn.reward
        process = process.astype(np.int64)
        return LinearBlock(process, probability, alias, reward, self.noise, self.phi, self.gamma, self.average)

    # The exact solution (arrays over agents) -------------------------------------------------------------------------

    @cached_property
    def basis(self) -> np.ndarray:
        """B* float64 [d, r], orthonormal."""
        raise NotImplementedError

    @cached_property
    def solution(self) -> Truth:
        """The truth of all base processes."""
        raise NotImplementedError

    def errors(self, basis: np.ndarray, heads: np.ndarray, gains: np.ndarray | None = None) -> dict[str, float]:
        """Distance of an estimate (``basis`` [d, r], ``heads`` [N, r], ``gains`` [N]) to the truth."""
        raise NotImplementedError

    def errors_theta(self, theta: np.ndarray, gains: np.ndarray | None = None) -> dict[str, float]:
        """The errors that do not need a basis, for estimates ``theta`` [N, d] of the whole parameter vectors."""
        raise NotImplementedError

    @property
    def theta(self) -> np.ndarray:
        """[N, d], the exact fixed points theta_i*."""
        return self.solution.theta[self.process_of]

    @property
    def gains(self) -> np.ndarray:
        """[N], the gains J_i; zeros for the discounted objective, which has no gain."""
        return self.solution.gains[self.process_of]

    def parameter_errors(self, basis: np.ndarray, heads: np.ndarray, gains: np.ndarray | None) -> dict[str, float]:
        """head_error, theta_error and gain_error (average objective only) of estimates theta_i = B w_i and eta_i."""
        truth = self.solution
        head, theta, gain = kernels.parameter_errors(
            own(basis), own(heads), self.own_gains(gains), self.process_of, self.basis, truth.theta, truth.gains
        )
        result = {"head_error": head, "theta_error": theta}
        return result | {"gain_error": gain} if self.average else result

    def own_gains(self, gains: np.ndarray | None) -> np.ndarray:
        """Gain estimates [N] for the kernels; zeros where there are none."""
        return np.zeros(self.agents) if gains is None else own(gains)


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
    """The exact solution of all M base processes, without their transition probabilities."""

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
        """[M, S, S], the transition probabilities P of the base processes (drawn again on first use; 8 M S^2 bytes)."""
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
        a, b = self.solution.a.sum(axis=0), self.solution.b.sum(axis=0)
        if self.constant_direction is not None:
            unit = self.constant_direction / np.linalg.norm(self.constant_direction)
            a += np.outer(unit, unit) * np.trace(a)
        theta = np.linalg.solve(a, b)
        return theta, float(((theta - self.solution.theta) ** 2).sum(axis=1).mean())

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
            known.a, known.b, self.phi, known.stationary, known.gains, self.process_of,
            own(basis), own(heads), self.own_gains(gains),
        )  # fmt: skip
        return dict(zip(("basis", "heads", "gains"), updates, strict=True))

    def errors(self, basis: np.ndarray, heads: np.ndarray, gains: np.ndarray | None = None) -> dict[str, float]:
        """Distance of an estimate (``basis`` [d, r], ``heads`` [N, r], ``gains`` [N]) to the truth.

        - subspace_error: r - ||Q^T B*||_F^2, Q an orthonormal basis of the columns of ``basis``
        - head_error: mean ||B*^T (B w_i - theta_i*)||^2;  theta_error: mean ||B w_i - theta_i*||^2
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
