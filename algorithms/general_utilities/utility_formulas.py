"""Utilities of occupancies x [n, S, A], each summing to 1, and their gradients; see ``utilities``.

Sums over an agent's states and actions run in their order. Logarithms are compiled: numpy's own differ from processor
to processor in the last bit.
"""

import numpy as np

from orchestrator.core import kernel, log, ordered_sum

SMALLEST = 1e-6  #: least value under a logarithm


def total(terms: np.ndarray) -> np.ndarray:
    """Sum of ``terms`` [n, S, A] over states and actions, [n]."""
    return ordered_sum(np.ascontiguousarray(terms.reshape(len(terms), -1).T))


def state_shares(x: np.ndarray) -> np.ndarray:
    """sum_a x(s, a), [n, S, 1]."""
    return ordered_sum(np.ascontiguousarray(x.transpose(2, 0, 1)))[:, :, None]


@kernel
def logarithms(x):
    """ln of each of ``x`` [m], raised to ``SMALLEST``."""
    out = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        out[i] = log(max(x[i], SMALLEST))
    return out


def log_ratio(x: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """ln(x / reference), each raised to ``SMALLEST``, [n, S, A]; ``reference`` is [S, A]."""
    return logarithms(x.reshape(-1)).reshape(x.shape) - logarithms(reference.reshape(-1)).reshape(reference.shape)


def divergence(x: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """- sum x ln(x / reference), [n]."""
    return total(-(x * log_ratio(x, reference)))


def divergence_gradient(x: np.ndarray, reference: np.ndarray, gamma: float) -> np.ndarray:
    """- (1 - gamma) (ln(x / reference) + 1), [n, S, A]."""
    return -(1.0 - gamma) * (log_ratio(x, reference) + 1.0)


def distance(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """- |x - target|^2 / 2, [n]."""
    off = x - target
    return total(-(0.5 * (off * off)))


def distance_gradient(x: np.ndarray, target: np.ndarray, gamma: float) -> np.ndarray:
    """(1 - gamma) (target - x), [n, S, A]."""
    return (1.0 - gamma) * (target - x)


def risk_value(x: np.ndarray, reward: np.ndarray, aversion: float, gamma: float) -> np.ndarray:
    """<lambda, r> - c (<x, r^2> - <x, r>^2), [n]."""
    mean, square = total(x * reward), total(x * (reward * reward))
    return mean / (1.0 - gamma) - aversion * (square - mean * mean)


def risk_gradient(x: np.ndarray, reward: np.ndarray, aversion: float, gamma: float) -> np.ndarray:
    """r - c (1 - gamma) (r^2 - 2 <x, r> r), [n, S, A]."""
    mean = total(x * reward)[:, None, None]
    return reward - aversion * (1.0 - gamma) * (reward * reward - 2.0 * mean * reward)


def action_share(x: np.ndarray, action: int) -> np.ndarray:
    """sum_s x(s, ``action``), [n]."""
    return total(x[:, :, action : action + 1])


def idle_value(x: np.ndarray, action: int, weight: float) -> np.ndarray:
    """- weight z^2 / 2 with z the share of ``action``, [n]."""
    share = action_share(x, action)
    return -0.5 * weight * (share * share)


def idle_gradient(x: np.ndarray, action: int, weight: float, gamma: float) -> np.ndarray:
    """- (1 - gamma) weight z at ``action``, 0 elsewhere, [n, S, A]."""
    out = np.zeros(x.shape)
    out[:, :, action] = (-(1.0 - gamma) * weight * action_share(x, action))[:, None]
    return out
