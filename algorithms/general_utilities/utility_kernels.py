"""Compiled utilities of occupancies x [n, S, A], each summing to 1, and their gradients; see ``utilities``."""

import math

import numpy as np

from orchestrator.core import inlined, kernel

SMALLEST = 1e-6  # what is put under a logarithm at the least


@kernel
def state_shares(x):
    """sum_a x(s, a), [n, S, 1]."""
    out = np.zeros((x.shape[0], x.shape[1], 1))
    for i, s, a in np.ndindex(x.shape):
        out[i, s, 0] += x[i, s, a]
    return out


@inlined
def log_ratio(x, reference):
    """ln(x / reference), each raised to ``SMALLEST``."""
    return math.log(max(x, SMALLEST)) - math.log(max(reference, SMALLEST))


@kernel
def divergence(x, reference):
    """- sum x ln(x / reference), [n]."""
    out = np.zeros(x.shape[0])
    for i, s, a in np.ndindex(x.shape):
        out[i] -= x[i, s, a] * log_ratio(x[i, s, a], reference[i, s, a])
    return out


@kernel
def divergence_gradient(x, reference, gamma):
    """- (1 - gamma) (ln(x / reference) + 1), [n, S, A]."""
    out = np.empty(x.shape)
    for i, s, a in np.ndindex(x.shape):
        out[i, s, a] = -(1.0 - gamma) * (log_ratio(x[i, s, a], reference[i, s, a]) + 1.0)
    return out


@kernel
def distance(x, target):
    """- |x - target|^2 / 2, [n]."""
    out = np.zeros(x.shape[0])
    for i, s, a in np.ndindex(x.shape):
        out[i] -= 0.5 * (x[i, s, a] - target[i, s, a]) ** 2
    return out


@kernel
def distance_gradient(x, target, gamma):
    """(1 - gamma) (target - x), [n, S, A]."""
    out = np.empty(x.shape)
    for i, s, a in np.ndindex(x.shape):
        out[i, s, a] = (1.0 - gamma) * (target[i, s, a] - x[i, s, a])
    return out


@kernel
def moments(x, reward):
    """<x, r> and <x, r^2>, [n] each."""
    mean, square = np.zeros(x.shape[0]), np.zeros(x.shape[0])
    for i, s, a in np.ndindex(x.shape):
        mean[i] += x[i, s, a] * reward[i, s, a]
        square[i] += x[i, s, a] * reward[i, s, a] ** 2
    return mean, square


@kernel
def risk_value(x, reward, aversion, gamma):
    """<lambda, r> - c (<x, r^2> - <x, r>^2), [n]."""
    mean, square = moments(x, reward)
    out = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        out[i] = mean[i] / (1.0 - gamma) - aversion * (square[i] - mean[i] ** 2)
    return out


@kernel
def risk_gradient(x, reward, aversion, gamma):
    """r - c (1 - gamma) (r^2 - 2 <x, r> r), [n, S, A]."""
    mean, _ = moments(x, reward)
    out = np.empty(x.shape)
    for i, s, a in np.ndindex(x.shape):
        r = reward[i, s, a]
        out[i, s, a] = r - aversion * (1.0 - gamma) * (r**2 - 2.0 * mean[i] * r)
    return out


@kernel
def action_share(x, action):
    """sum_s x(s, ``action``), [n]."""
    out = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        for s in range(x.shape[1]):
            out[i] += x[i, s, action]
    return out


@kernel
def idle_value(x, action, weight):
    """- weight z^2 / 2 with z the share of ``action``, [n]."""
    share = action_share(x, action)
    for i in range(x.shape[0]):
        share[i] = -0.5 * weight * share[i] ** 2
    return share


@kernel
def idle_gradient(x, action, weight, gamma):
    """- (1 - gamma) weight z at ``action``, 0 elsewhere, [n, S, A]."""
    share, out = action_share(x, action), np.zeros(x.shape)
    for i in range(x.shape[0]):
        for s in range(x.shape[1]):
            out[i, s, action] = -(1.0 - gamma) * weight * share[i]
    return out
