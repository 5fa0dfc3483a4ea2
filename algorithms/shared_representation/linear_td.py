"""Linear TD(0) under a common map: parameters, block, kernel and measurements that all variants share.

Agent i estimates V_i(s) = phi(s)^T B w_i. What differs from algorithm to algorithm is only which of the map B, the
heads w_i and the gains eta_i are learned, frozen, private or averaged.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from orchestrator.core import (
    Block,
    Call,
    Conversation,
    Coordinator,
    Parameters,
    draw_alias,
    kernel,
    normal,
    orthonormal,
)

#: Standard deviation of the initial heads (reconstructed: the papers do not say).
INITIAL_HEAD = 0.01


class LinearTDParameters(Parameters):
    """Step sizes of the agents' own updates."""

    alpha: float = Field(0.1, gt=0, description="head step size (initial value under a power schedule)")
    gain_step: float = Field(1.0, ge=0, description="gain step size as a multiple of alpha; average reward only")
    local_steps: int = Field(1, ge=1, description="TD steps K an agent takes per round with the map frozen")
    schedule: Literal["constant", "power"] = Field(
        "constant", description="step sizes: constant, or x_t = x / (1 + t / offset)^exponent in rounds t"
    )
    alpha_exponent: float = Field(2 / 3, ge=0, description="exponent of alpha under the power schedule")
    offset: float = Field(100.0, gt=0, description="offset t_0 of the power schedule, in rounds")


class SharedMapParameters(LinearTDParameters):
    """Step sizes when the map is learned as well."""

    beta: float = Field(0.1, ge=0, description="map step size (initial value under a power schedule)")
    beta_exponent: float = Field(1.0, ge=0, description="exponent of beta under the power schedule")


class LinearAgents(Block):
    """n agents, each on its own process. State: head [n, r], gain [n], position [n]."""

    persistent = ("head", "gain", "position")

    @property
    def width(self) -> int:
        """Length r of a head."""
        return self.problem.rank

    def start(self) -> None:
        self.head = INITIAL_HEAD * self.normal(self.width)
        self.gain = self.zeros()
        self.position = self.integers(self.problem.states)

    def estimates(self) -> dict[str, np.ndarray]:
        """Heads [n, r] and gains [n]."""
        return {"head": self.head, "gain": self.gain}


class LinearTDAgents(LinearAgents):
    """n agents that evaluate the chains they are on."""

    def learn_map(
        self, basis: np.ndarray, alpha: float, gain_step: float, steps: int, fresh: bool, radius: float
    ) -> dict[str, np.ndarray]:
        """``steps`` TD steps with the map frozen; the map's gradient for each agent, [n, d, r].

        It is the mean over those steps, or taken at one further, fresh transition if ``fresh``.
        """
        gradient = self.zeros(*basis.shape)
        env = self.env
        td_steps(
            env.process, env.probability, env.alias, env.reward, env.noise, env.gamma, env.phi,
            projected(env.phi, basis), alpha, self._gain_rate(gain_step), steps, radius, True, fresh,
            self.head, self.gain, self.position, self.rng, gradient,
        )  # fmt: skip
        return {"gradient": gradient}

    def learn_heads(self, features: np.ndarray, alpha: float, gain_step: float, steps: int) -> None:
        """``steps`` TD steps of the heads alone on mapped features Phi B, [S, r]."""
        env = self.env
        td_steps(
            env.process, env.probability, env.alias, env.reward, env.noise, env.gamma, env.phi, features,
            alpha, self._gain_rate(gain_step), steps, np.inf, False, False,
            self.head, self.gain, self.position, self.rng, np.empty((0, 0, 0)),
        )  # fmt: skip

    def _gain_rate(self, gain_step: float) -> float:
        return gain_step if self.env.average else 0.0


class LinearTD(Coordinator):
    """Base of the linear TD algorithms: schedules, the initial map, the metrics."""

    kinds = ("linear-mrp",)
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

    @classmethod
    def steps_per_round(cls, parameters: Any) -> float:
        return parameters.local_steps

    @classmethod
    def metrics_for(cls, parameters: Any, environment: Any, agents: int) -> tuple[str, ...]:
        """``gain_error`` with the average objective only, ``value_error_best_head`` with the discounted one only."""
        average = getattr(environment, "objective", "discounted") == "average"
        left_out = "value_error_best_head" if average else "gain_error"
        return tuple(name for name in cls.metrics if name != left_out)

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": LinearTDAgents}

    def start(self) -> None:
        self.basis = self.initial_basis()

    def initial_basis(self) -> np.ndarray:
        """A random orthonormal map [d, r], off the constant direction where the environment projects it out."""
        return initial_basis(self.problem, self.stream("basis"))

    @property
    def clock(self) -> int:
        """t of the step-size schedules."""
        return self.completed

    def alpha(self) -> float:
        """Head step size of the coming round."""
        p = self.parameters
        return step_size(p.alpha, self.clock, p.schedule == "power", p.alpha_exponent, p.offset)

    def beta(self) -> float:
        """Map step size of the coming round."""
        p = self.parameters
        return step_size(p.beta, self.clock, p.schedule == "power", p.beta_exponent, p.offset)

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors(self.basis, agents["head"], agents["gain"])

    def measure_agents(self) -> Conversation:
        agents = yield Call("estimates")
        theta = self.thetas(agents["head"])
        gain = {"gain_error": (agents["gain"] - self.problem.gains) ** 2} if self.problem.average else {}
        return {"theta_error": ((theta - self.problem.theta) ** 2).sum(axis=1), **gain}

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        """What the agents take for their parameter vectors, [N, d], given their heads [N, r]."""
        return heads @ self.basis.T


def initial_basis(problem: Any, generator: np.random.Generator) -> np.ndarray:
    """A random orthonormal map [d, r]; its columns are orthogonal to theta_e where the problem's features are."""
    matrix = generator.normal(size=(problem.features, problem.rank))
    direction = problem.excluded_direction
    if direction is not None:
        matrix -= np.outer(direction, direction @ matrix) / (direction @ direction)
    return orthonormal(matrix)


@kernel
def step_size(initial, t, power, exponent, offset):
    """x_t = x_0, or x_0 / (1 + t / t_0)^a under the power schedule."""
    return initial / (1.0 + t / offset) ** exponent if power else initial


@kernel
def projected(phi, basis):
    """Mapped features Phi B, [S, r]."""
    out = np.zeros((phi.shape[0], basis.shape[1]))
    for s in range(phi.shape[0]):
        for f in range(phi.shape[1]):
            for c in range(basis.shape[1]):
                out[s, c] += phi[s, f] * basis[f, c]
    return out


@kernel
def td_steps(
    process, probability, alias, reward, noise, gamma, phi, features,
    alpha, gain_step, steps, radius, with_map, fresh,
    head, gain, position, rng, gradient,
):  # fmt: skip
    """TD(0) of every agent: with psi = B^T phi (``features`` [S, r]) and old values on the right,

    delta = rho - eta + (gamma psi(s') - psi(s))^T w;  eta += c alpha (rho - eta);  w += alpha delta psi(s),
    w projected on the ball of ``radius``; the map's gradient is phi(s) delta w^T.
    """
    r = features.shape[1]
    d = phi.shape[1]
    total = steps + 1 if fresh else steps
    for i in range(head.shape[0]):
        p = process[i]
        s = position[i]
        w = head[i]
        for step in range(total):
            s_next = draw_alias(probability[p, s], alias[p, s], rng, i)
            rho = reward[p, s]
            if noise > 0.0:
                rho += noise * normal(rng, i)
            delta = rho - gain[i]
            for c in range(r):
                delta += (gamma * features[s_next, c] - features[s, c]) * w[c]
            if with_map and (not fresh or step == steps):
                for f in range(d):
                    scaled = phi[s, f] * delta
                    for c in range(r):
                        gradient[i, f, c] += scaled * w[c]
            if step < steps:
                gain[i] += gain_step * alpha * (rho - gain[i])
                for c in range(r):
                    w[c] += alpha * delta * features[s, c]
                if radius < np.inf:
                    _project_on_ball(w, radius)
            s = s_next
        position[i] = s
        if with_map and not fresh:
            for f in range(d):
                for c in range(r):
                    gradient[i, f, c] /= steps


@kernel
def _project_on_ball(w, radius):
    square = 0.0
    for c in range(w.shape[0]):
        square += w[c] * w[c]
    if square > radius * radius:
        scale = radius / np.sqrt(square)
        for c in range(w.shape[0]):
            w[c] *= scale
