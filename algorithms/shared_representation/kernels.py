"""Compiled steps of linear TD and Q-learning under a common map, and the tuples of arrays that they work on.

Agent i estimates phi^T B w_i: ``features`` are the mapped features Phi B, [S, r] for TD and [S, A, r] for Q-learning.
Environments are ``LinearBlock`` tuples. Sums over agents are added in the agents' order.
"""

import math
from typing import NamedTuple

import numpy as np

from orchestrator.core import draw_alias, draw_integer, kernel, mean_rows, normal, orthonormal, power, uniform


class StepSizes(NamedTuple):
    """Step sizes of heads (alpha) and map (beta), constant or falling: see ``step_size``."""

    power: bool
    offset: float
    alpha: float
    alpha_exponent: float
    beta: float = 0.0
    beta_exponent: float = 0.0


class Method(NamedTuple):
    """What distinguishes one algorithm's rounds from another's."""

    steps: int  # K, steps of an agent with the map frozen
    gain_step: float  # gain step size as a multiple of alpha
    epsilon: float = 0.0  # Q-learning: probability of a uniformly drawn action
    radius: float = math.inf  # TD: heads are projected on the ball of this radius
    fresh: bool = False  # TD: the map's gradient at one further transition, not as the mean over the K steps
    rescaled: bool = False  # the new map is rescaled by one Frobenius factor, not made orthonormal


class Learners(NamedTuple):
    """The arrays of n agents."""

    head: np.ndarray  # float64 [n, r]
    gain: np.ndarray  # float64 [n]
    position: np.ndarray  # int64 [n], state
    rng: np.ndarray  # uint64 [n, 4]


@kernel
def step_size(initial, t, falling, exponent, offset):
    """x_t = x_0, or x_0 / (1 + t / t_0)^a under the power schedule."""
    return initial / power(1.0 + t / offset, exponent) if falling else initial


@kernel
def projected(phi, basis):
    """Mapped features Phi B [S, r] of ``phi`` [S, d]."""
    out = np.zeros((phi.shape[0], basis.shape[1]))
    for s in range(phi.shape[0]):
        for f in range(phi.shape[1]):
            for c in range(basis.shape[1]):
                out[s, c] += phi[s, f] * basis[f, c]
    return out


@kernel
def td_steps(env, features, alpha, method, learners, gradient):
    """TD(0) of every agent: with psi = B^T phi (``features`` [S, r]) and old values on the right,

    delta = rho - eta + (gamma psi(s') - psi(s))^T w;  eta += c alpha (rho - eta);  w += alpha delta psi(s),
    w projected on the ball of ``method.radius``; there is no gain (c = 0) with the discounted objective. The map's
    gradient phi(s) delta w^T is added to ``gradient`` [n, d, r]; None where the map is not learned.
    """
    head, gain, position, rng = learners
    probability, alias, reward, noise, phi, gamma = (
        env.probability,
        env.alias,
        env.reward,
        env.noise,
        env.phi,
        env.gamma,
    )
    steps, radius, fresh = method.steps, method.radius, method.fresh
    gain_step = method.gain_step if env.average else 0.0
    d, r = phi.shape[1], features.shape[1]
    for i in range(head.shape[0]):
        p, s, w = env.process[i], position[i], head[i]
        for step in range(steps + 1 if fresh else steps):
            s_next = draw_alias(probability[p, s], alias[p, s], rng, i)
            rho = reward[p, s]
            if noise > 0.0:
                rho += noise * normal(rng, i)
            delta = rho - gain[i]
            for c in range(r):
                delta += (gamma * features[s_next, c] - features[s, c]) * w[c]
            if gradient is not None and (not fresh or step == steps):
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
        if gradient is not None and not fresh:
            for f in range(d):
                for c in range(r):
                    gradient[i, f, c] /= steps


@kernel
def q_steps(env, features, alpha, method, learners, gradient):
    """Differential Q-learning of every agent: with psi = B^T phi (``features`` [S, A, r]) and old values on the right,

    a epsilon-greedy in psi(s, a)^T w;  delta = rho - eta + max_a' psi(s', a')^T w - psi(s, a)^T w;
    eta += c alpha delta;  w += alpha delta psi(s, a) (Wan, Naik and Sutton 2021). The map's gradient, the mean over
    the steps of phi(s, a) delta w^T, is added to ``gradient`` [n, d, r]; None where the map is not learned.
    """
    head, gain, position, rng = learners
    probability, alias, reward, noise, phi = env.probability, env.alias, env.reward, env.noise, env.phi
    d, actions, r = phi.shape[2], features.shape[1], features.shape[2]
    for i in range(head.shape[0]):
        p, s, w = env.process[i], position[i], head[i]
        for _ in range(method.steps):
            a, _ = greedy(features[s], w)
            if uniform(rng, i) < method.epsilon:
                a = draw_integer(actions, rng, i)
            s_next = draw_alias(probability[p, s, a], alias[p, s, a], rng, i)
            rho = reward[p, s, a]
            if noise > 0.0:
                rho += noise * normal(rng, i)
            _, ahead = greedy(features[s_next], w)
            delta = rho - gain[i] + ahead - action_value(features[s, a], w)
            if gradient is not None:
                for f in range(d):
                    scaled = phi[s, a, f] * delta
                    for c in range(r):
                        gradient[i, f, c] += scaled * w[c]
            gain[i] += method.gain_step * alpha * delta
            for c in range(r):
                w[c] += alpha * delta * features[s, a, c]
            s = s_next
        position[i] = s
        if gradient is not None:
            for f in range(d):
                for c in range(r):
                    gradient[i, f, c] /= method.steps


@kernel
def greedy(psi, w):
    """(argmax_a, max_a) of psi(a)^T w over the rows of ``psi`` [A, r]; the lowest index wins a tie."""
    best, choice = action_value(psi[0], w), 0
    for a in range(1, psi.shape[0]):
        value = action_value(psi[a], w)
        if value > best:
            best, choice = value, a
    return choice, best


@kernel
def action_value(psi, w):
    """psi^T w."""
    value = 0.0
    for c in range(w.shape[0]):
        value += psi[c] * w[c]
    return value


@kernel
def _project_on_ball(w, radius):
    square = 0.0
    for c in range(w.shape[0]):
        square += w[c] * w[c]
    if square > radius * radius:
        scale = radius / np.sqrt(square)
        for c in range(w.shape[0]):
            w[c] *= scale


@kernel
def server_step(basis, beta, gradient, rescaled):
    """B + beta mean_i G_i [d, r], the gradients [N, d, r] added in the agents' order, then brought back to size.

    Orthonormal: qr(.) with diag(R) > 0. Rescaled: one factor such that ||B||_F = sqrt(r).
    """
    n, d, r = gradient.shape
    out = np.zeros((d, r))
    for i in range(n):
        for f in range(d):
            for c in range(r):
                out[f, c] += gradient[i, f, c]
    square = 0.0
    for f in range(d):
        for c in range(r):
            out[f, c] = basis[f, c] + beta * (out[f, c] / n)
            square += out[f, c] * out[f, c]
    if not rescaled:
        return orthonormal(out)
    factor = math.sqrt(r / square)
    for f in range(d):
        for c in range(r):
            out[f, c] *= factor
    return out


@kernel
def fused_rounds(rounds, t, sizes, env, features, method, basis, head, gradient, learners):
    """``rounds`` rounds from round t on, for one block that holds all agents. Returns the new ``basis`` and ``head``.

    ``basis`` [d, r] is the map that all learn, ``gradient`` [n, d, r] room for its gradients; None: each agent has the
    fixed ``features``. ``head`` [r] is the head from which all start a round, and to which theirs are averaged; None:
    heads are private. Where the map is learned only the rank of the array ``features`` counts: 2 for TD, 3 for
    Q-learning. Branches that the types of the arguments rule out are not compiled.
    """
    map_now, head_now, features_now = basis, head, features
    for k in range(rounds):
        alpha = step_size(sizes.alpha, t + k, sizes.power, sizes.alpha_exponent, sizes.offset)
        if head is not None:
            for i in range(learners.head.shape[0]):
                for c in range(head.shape[0]):
                    learners.head[i, c] = head_now[c]
        if basis is not None:
            gradient[:] = 0.0
        if features.ndim == 2:
            if basis is not None:
                features_now = projected(env.phi, map_now)
            td_steps(env, features_now, alpha, method, learners, gradient)
        else:
            if basis is not None:
                states, actions, d = env.phi.shape
                rows = projected(env.phi.reshape(states * actions, d), map_now)
                features_now = rows.reshape(states, actions, map_now.shape[1])
            q_steps(env, features_now, alpha, method, learners, gradient)
        if basis is not None:
            beta = step_size(sizes.beta, t + k, sizes.power, sizes.beta_exponent, sizes.offset)
            map_now = server_step(map_now, beta, gradient, method.rescaled)
        if head is not None:
            head_now = mean_rows(learners.head)
    return map_now, head_now
