"""What agents compute from a batch of trajectories: packed messages, occupancies, policy gradients.

A step of an agent is the number A s + a of its state and action; ``seen`` int64 [n, B, H] holds them for n agents.
"""

import numpy as np

from envs.networks.rollout import observed_row
from orchestrator.core import kernel, ordered_sum


def packed(seen: np.ndarray, codes: int) -> np.ndarray:
    """Numbers below ``codes``, int64 [n, T], with as many in a word as fit: messages are charged by their size."""
    bits, each = _bits(codes)
    words = -(-seen.shape[1] // each)
    padded = np.zeros((len(seen), words * each), np.int64)
    padded[:, : seen.shape[1]] = seen
    return (padded.reshape(len(seen), words, each) << (bits * np.arange(each))).sum(axis=2)


def unpacked(words: np.ndarray, codes: int, length: int) -> np.ndarray:
    """The numbers of ``packed``, int64 [n, length]."""
    bits, each = _bits(codes)
    numbers = (words[:, :, None] >> (bits * np.arange(each))) & ((1 << bits) - 1)
    return np.ascontiguousarray(numbers.reshape(len(words), -1)[:, :length])


def _bits(codes: int) -> tuple[int, int]:
    """Bits of a number below ``codes``, and how many such numbers fit 62 bits."""
    bits = max(1, (codes - 1).bit_length())
    return bits, 62 // bits


@kernel
def batch_occupancy(seen, states, actions, gamma):
    """Normalised discounted occupancy x_i(s, a) [n, S, A] of a batch; each sums to 1."""
    n, batch, horizon = seen.shape
    out = np.zeros((n, states, actions))
    for i in range(n):
        total = 0.0
        for b in range(batch):
            weight = 1.0
            for t in range(horizon):
                code = seen[i, b, t]
                out[i, code // actions, code % actions] += weight
                total += weight
                weight *= gamma
        for s in range(states):
            for a in range(actions):
                out[i, s, a] /= total
    return out


def centre(occupancy: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """``shadow`` [n, S, A] less each agent's mean of it under ``occupancy`` [n, S, A]."""
    weighted = (occupancy * shadow).reshape(len(shadow), -1)
    return shadow - ordered_sum(np.ascontiguousarray(weighted.T))[:, None, None]


def along(seen: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``table`` [n, S, A] at each step of ``seen`` int64 [n, B, H], float64 [n, B H]."""
    return np.take_along_axis(table.reshape(len(table), -1), seen.reshape(len(seen), -1), axis=1)


@kernel
def observed_rows(seen, actions, states, indptr, indices):
    """Rows of observing policies along joint trajectories ``seen`` [B, H, N]: sum_k S^k s_j over those seen."""
    out = np.empty(seen.shape, np.int64)
    batch, horizon, n = seen.shape
    now = np.empty(n, np.int64)
    for b in range(batch):
        for t in range(horizon):
            for i in range(n):
                now[i] = seen[b, t, i] // actions
            for i in range(n):
                out[b, t, i] = observed_row(now, indptr[i], indptr[i + 1], indices, states)
    return out


@kernel
def policy_gradients(seen, rows, heard, policy, gamma, advantages, out):
    """Sums over the batch of gamma^t psi_i(o_t, a_t) w_i(t) into ``out`` [n, O, A], psi the score of a softmax policy.

    ``rows`` [n, B, H] are the rows of ``policy`` [n, O, A], ``heard`` is [n, columns, B H]. With ``advantages`` column
    k - 1 is Q minus Q at the action a + k (mod A), and w is their mean under the policy; otherwise w is the one
    column. The last step of each trajectory has no successor and is left out, as in the critic.
    """
    n, batch, horizon = seen.shape
    actions = policy.shape[2]
    for i in range(n):
        for b in range(batch):
            discount = 1.0
            for t in range(horizon - 1):
                row, a, at = rows[i, b, t], seen[i, b, t] % actions, b * horizon + t
                weight = heard[i, 0, at]
                if advantages:
                    weight = 0.0
                    for k in range(1, actions):
                        weight += policy[i, row, (a + k) % actions] * heard[i, k - 1, at]
                value = discount * weight
                for c in range(actions):
                    out[i, row, c] += value * ((1.0 if a == c else 0.0) - policy[i, row, c])
                discount *= gamma
