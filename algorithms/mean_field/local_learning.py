"""L-LEARN: deterministic local policies pi_l(a | s_i, s_g), float64 [S, G, B], that are best for something."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from algorithms.mean_field.cells import greedy
from envs.mean_field.base import MeanFieldProblem
from envs.mean_field.lumping import settle
from orchestrator.core import Conversation, kernel

#: Values that differ by less than this, relative to their size, are taken as equal: the difference is rounding.
SAME = 1e-12


def above(value: float, other: float) -> bool:
    """Whether ``value`` is larger by more than rounding."""
    return value > other + SAME * max(1.0, abs(other))


def best_of(policies: Iterable[np.ndarray], present: np.ndarray, objective: Callable) -> Conversation:
    """The best of all ``policies`` by ``objective``, the first of equals; ``present`` if none is better."""
    best, winner = (yield from objective(present)), present
    for policy in policies:
        value = yield from objective(policy)
        if above(value, best):
            best, winner = value, policy
    return winner


def climbed(starts: Sequence[np.ndarray], objective: Callable) -> Conversation:
    """From the best of ``starts``, change what is done at one (s_i, s_g) at a time until no change improves it."""
    winner = yield from best_of(starts[1:], starts[0], objective)
    best = yield from objective(winner)
    states, globals_, actions = winner.shape
    improved = True
    while improved:
        improved = False
        for s in range(states):
            for g in range(globals_):
                for b in range(actions):
                    changed = winner.copy()
                    changed[s, g] = np.eye(actions)[b]
                    if np.array_equal(changed, winner):
                        continue
                    value = yield from objective(changed)
                    if above(value, best):
                        best, winner, improved = value, changed, True
    return winner


def induced_response(problem: MeanFieldProblem, moves: np.ndarray) -> np.ndarray:
    """The best policy of an agent paid r_l alone where s_g goes from g to h as often as ``moves`` float64 [G, G] says.

    Value iteration on (s_i, s_g): given both, the next ones are independent. A global state never visited stays.
    """
    drift = rows_of(moves)
    model = problem.local_reward, problem.local_kernel, drift, problem.gamma
    value = settle(lambda value: own_values(*model, value).max(axis=2), np.zeros(problem.local_reward.shape[:2]))
    return np.eye(problem.local_actions)[greedy(own_values(*model, value)).argmax(axis=2)]


def rows_of(moves: np.ndarray) -> np.ndarray:
    """``moves`` float64 [G, G] as distributions; a row of zeros as staying."""
    total = np.zeros(len(moves))
    for column in moves.T:
        total += column
    met = total > 0.0
    return np.where(met[:, None], moves / np.where(met, total, 1.0)[:, None], np.eye(len(moves)))


@kernel
def own_values(reward, local_kernel, drift, gamma, value):
    """Q [S, G, B] = r_l + gamma sum_s' P_l(s' | s, g, b) sum_h ``drift``[g, h] ``value``[s', h]."""
    out = np.empty(reward.shape)
    for s in range(reward.shape[0]):
        for g in range(reward.shape[1]):
            for b in range(reward.shape[2]):
                ahead = 0.0
                for t in range(value.shape[0]):
                    for h in range(value.shape[1]):
                        ahead += local_kernel[s, g, b, t] * drift[g, h] * value[t, h]
                out[s, g, b] = reward[s, g, b] + gamma * ahead
    return out
