"""Linear TD(0) under a common map: parameters, block and metrics that all variants share.

Agent i estimates V_i(s) = phi(s)^T B w_i. The algorithms differ only in which of the map B, the
heads w_i and the gains eta_i are learned, fixed, private or averaged.
"""

from collections.abc import Mapping
from typing import ClassVar, Generic, Literal, cast

import numpy as np
from pydantic import BaseModel, Field
from typing_extensions import TypeVar

from algorithms.shared_representation.kernels import (
    Learners,
    Method,
    StepSizes,
    fused_rounds,
    projected,
    step_size,
    td_steps,
)
from envs.linear.base import LinearBlock, LinearProblem
from envs.linear.reward_processes import LinearMRP
from orchestrator.core import (
    Block,
    Call,
    Conversation,
    Coordinator,
    Parameters,
    normals,
    ordered_sum,
    orthonormal,
    product,
)

#: Standard deviation of the initial heads (reconstructed: the papers do not say).
INITIAL_HEAD = 0.01


class LinearTDParameters(Parameters):
    """Step sizes of the agents' updates."""

    alpha: float = Field(0.1, gt=0, description="head step size (initial value under a power schedule)")
    gain_step: float = Field(1.0, ge=0, description="gain step size as a multiple of alpha; average reward only")
    local_steps: int = Field(1, ge=1, description="TD steps K an agent takes per round with the map frozen")
    schedule: Literal["constant", "power"] = Field(
        "constant", description="step sizes: constant, or x_t = x / (1 + t / offset)^exponent in rounds t"
    )
    alpha_exponent: float = Field(2 / 3, ge=0, description="exponent of alpha under the power schedule")
    offset: float = Field(100.0, gt=0, description="offset t_0 of the power schedule, in rounds")


class SharedMapParameters(LinearTDParameters):
    """Step sizes with a learned map."""

    beta: float = Field(0.1, ge=0, description="map step size (initial value under a power schedule)")
    beta_exponent: float = Field(1.0, ge=0, description="exponent of beta under the power schedule")


#: Parameters and problem of a subclass.
L = TypeVar("L", bound=LinearTDParameters, default=LinearTDParameters)
M = TypeVar("M", bound=LinearProblem, default=LinearMRP)


class LinearAgents(Block[L, LinearProblem, LinearBlock], Generic[L]):
    """n agents, each on its own process. State: head [n, r], gain [n], position [n]."""

    persistent = ("head", "gain", "position")

    @property
    def width(self) -> int:
        """Length r of a head."""
        return self.problem.rank

    def start(self) -> None:
        self.features = self.env.phi  # those of the heads; agents with a fixed map overwrite them
        self.head = INITIAL_HEAD * self.normal(self.width)
        self.gain = self.zeros()
        self.position = self.integers(self.problem.states)

    def estimates(self) -> dict[str, np.ndarray]:
        """Heads [n, r] and gains [n]."""
        return {"head": self.head, "gain": self.gain}

    def learners(self) -> Learners:
        """The members' own arrays, as the kernels take them."""
        return Learners(self.head, self.gain, self.position, self.rng)


class LinearTDAgents(LinearAgents[L], Generic[L]):
    """n agents that learn the values of their chains."""

    def learn_map(
        self, basis: np.ndarray, alpha: float, gain_step: float, steps: int, fresh: bool, radius: float
    ) -> dict[str, np.ndarray]:
        """``steps`` TD steps with the map frozen; the map's gradient for each agent, [n, d, r].

        It is the mean over those steps, or taken at one further, fresh transition if ``fresh``.
        """
        gradient = self.zeros(*basis.shape)
        method = Method(steps, gain_step, radius=radius, fresh=fresh)
        td_steps(self.env, projected(self.env.phi, np.array(basis)), alpha, method, self.learners(), gradient)
        return {"gradient": gradient}

    def learn_heads(self, features: np.ndarray, alpha: float, gain_step: float, steps: int) -> None:
        """``steps`` TD steps of the heads alone on mapped features Phi B, [S, r]."""
        td_steps(self.env, features, alpha, Method(steps, gain_step), self.learners(), None)


class LinearTD(Coordinator[L, M], Generic[L, M]):
    """Base of the linear TD algorithms: schedules, the initial map, the metrics."""

    kinds = ("linear-mrp",)
    version = 2
    persistent: ClassVar[tuple[str, ...]] = ("basis",)
    metrics: ClassVar[Mapping[str, str]] = {
        "subspace_error": "r - ||B^T B*||_F^2, sum of squared sines of the principal angles to the true subspace",
        "head_error": "mean over agents of ||B*^T (B w_i - theta_i*)||^2",
        "theta_error": "mean over agents of ||B w_i - theta_i*||^2",
        "value_error": "mean over agents of the squared value error under the stationary distribution",
        "gain_error": "mean over agents of (eta_i - J_i)^2 (average objective)",
        "value_error_best_head": "value_error with the exact TD head for the learned map (discounted objective)",
    }
    labels: ClassVar[Mapping[str, str]] = {
        "subspace_error": "subspace error ‖sin Θ‖²",
        "head_error": "head error ‖B*ᵀ(Bwᵢ − θᵢ*)‖²",
        "theta_error": "parameter error ‖Bwᵢ − θᵢ*‖²",
        "theta_error_floor": "parameter error of averaging",
        "value_error": "mean squared value error",
        "value_error_best_head": "mean squared value error, best head",
        "gain_error": "gain error (ηᵢ − Jᵢ)²",
        "gain_gap": "gain gap to the optimal policy",
    }
    basis: np.ndarray
    #: Attributes that hold the learned map and the head from which all agents start a round; None: there is none.
    shared: ClassVar[tuple[str | None, str | None]] = ("basis", None)
    fresh: ClassVar[bool] = False  #: the map's gradient at one further transition, not as the mean over the head steps
    rescaled: ClassVar[bool] = False  #: the new map is rescaled by one Frobenius factor, not made orthonormal

    @classmethod
    def steps_per_round(cls, parameters: L) -> float:
        """K = ``local_steps`` transitions of each agent."""
        return parameters.local_steps

    @classmethod
    def metrics_for(cls, parameters: L, environment: BaseModel, agents: int) -> tuple[str, ...]:
        """``gain_error`` with the average objective only, ``value_error_best_head`` with the discounted one only."""
        average = getattr(environment, "objective", "discounted") == "average"
        left_out = "value_error_best_head" if average else "gain_error"
        return tuple(name for name in cls.metrics if name != left_out)

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": LinearTDAgents}

    def start(self) -> None:
        self.basis = self.initial_basis()

    def initial_basis(self) -> np.ndarray:
        """A random orthonormal map [d, r], orthogonal to the constant direction if the environment removes it."""
        return initial_basis(self.problem, self.stream("basis"))

    @property
    def clock(self) -> int:
        """t of the step-size schedules."""
        return self.completed

    def alpha(self) -> float:
        """Head step size of the coming round."""
        x = self.step_sizes()
        return step_size(x.alpha, self.clock, x.power, x.alpha_exponent, x.offset)

    def beta(self) -> float:
        """Map step size of the coming round."""
        x = self.step_sizes()
        return step_size(x.beta, self.clock, x.power, x.beta_exponent, x.offset)

    def step_sizes(self) -> StepSizes:
        """The schedules, as the kernels take them."""
        p = self.parameters
        sizes = StepSizes(p.schedule == "power", p.offset, p.alpha, p.alpha_exponent)
        if isinstance(p, SharedMapParameters):
            return sizes._replace(beta=p.beta, beta_exponent=p.beta_exponent)
        return sizes

    def method(self) -> Method:
        """What the rounds of this algorithm do, as the kernels take it."""
        p = self.parameters
        radius = getattr(p, "radius", np.inf)
        return Method(p.local_steps, p.gain_step, getattr(p, "epsilon", 0.0), radius, self.fresh, self.rescaled)

    def leap(self, blocks: Mapping[str, Block], rounds: int) -> None:
        """``rounds`` rounds in one compiled loop."""
        block = cast(LinearAgents, blocks["agents"])
        basis, head = (None if name is None else getattr(self, name) for name in self.shared)
        gradient = None if basis is None else block.zeros(*basis.shape)
        # Of the same type as the mapped features of a single round: the steps are compiled once for both.
        features = block.features if basis is None else np.zeros((0,) * block.features.ndim)
        results = fused_rounds(
            rounds,
            self.clock,
            self.step_sizes(),
            block.env,
            features,
            self.method(),
            basis,
            head,
            gradient,
            block.learners(),
        )
        for name, result in zip(self.shared, results, strict=True):
            if name is not None:
                setattr(self, name, result)

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors(self.basis, agents["head"], agents["gain"])

    def measure_agents(self) -> Conversation | Mapping[str, np.ndarray]:
        agents = yield Call("estimates")
        theta = self.thetas(agents["head"])
        off, gain_off = theta - self.problem.theta, agents["gain"] - self.problem.gains
        gain = {"gain_error": gain_off * gain_off} if self.problem.average else {}
        return {"theta_error": ordered_sum((off * off).T), **gain}

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        """The agents' estimates of their parameter vectors, [N, d], given their heads [N, r]."""
        return product(np.array(heads), self.basis.T.copy())


def initial_basis(problem: LinearProblem, generator: np.random.Generator) -> np.ndarray:
    """A random orthonormal map [d, r], orthogonal to ``excluded_direction`` if the problem has one."""
    matrix = normals(generator, problem.features, problem.rank)
    direction = problem.excluded_direction
    if direction is not None:
        along = ordered_sum(direction[:, None] * matrix) / ordered_sum(direction * direction)
        matrix -= np.outer(direction, along)
    return orthonormal(matrix)
