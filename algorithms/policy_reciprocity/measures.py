"""Metrics of the agents' tables: their distance to each other and to the optimum."""

from collections.abc import Mapping
from typing import ClassVar, Protocol, cast

import numpy as np

from orchestrator.core import exp, kernel, ordered_sum


class Episodic(Protocol):
    """Parameters of an environment with episodes, or with a known optimum instead."""

    optimum_known: ClassVar[bool]


class TabularProblem(Protocol):
    """What all metrics ask of an environment."""

    @property
    def parameters(self) -> Episodic: ...
    @property
    def types(self) -> int: ...
    @property
    def type_of(self) -> np.ndarray: ...


class KnownOptimum(Protocol):
    """An environment with ``optimum_known``: Q* [S, A]."""

    @property
    def optimal(self) -> np.ndarray: ...


class ExactReturns(Protocol):
    """Any other environment: exact returns [N] of greedy policies, and the best return of an episode."""

    @property
    def best_return(self) -> float: ...
    def returns(self, tables: np.ndarray) -> np.ndarray: ...


METRICS: Mapping[str, str] = {
    "consensus_error": "root mean square over agents, states and actions of Q_i - mean Q (of the agent's type)",
    "optimality_error": "root mean square over states and actions of mean Q - Q*, Q* of the mean reward",
    "mean_bias": "mean over states and actions of mean Q - Q*",
    "sup_norm": "max over agents, states and actions of |Q_i|",
    "policy_mse": "mean over agents, states and actions of (pi_i - mean pi)^2, pi the Boltzmann policies",
    "return": "mean over agents of the exact return of an episode under the greedy policies",
    "return_gap": "best return with full observation minus return",
    "lambda_2": "lambda_2 of I minus the mean averaging matrix of the graph: 1 complete, 0 not connected",
}
LABELS: Mapping[str, str] = {
    "consensus_error": "consensus error of the Qᵢ (root mean square)",
    "optimality_error": "mean Q − Q* (root mean square)",
    "mean_bias": "mean of mean Q − Q*",
    "sup_norm": "largest |Qᵢ|",
    "policy_mse": "mean squared difference of policies πᵢ",
    "return": "return of an episode",
    "return_gap": "return gap to full observation",
}


def of_tables(
    table: np.ndarray, problem: TabularProblem, temperature: float, lambda_2: float, names: tuple[str, ...]
) -> dict[str, float]:
    """Those of ``METRICS`` that are in ``names``, of all agents' tables [N, S, A]."""
    mean = type_means(table, problem.type_of, problem.types)
    values = {
        "consensus_error": consensus_error(table, mean, problem.type_of),
        "sup_norm": float(np.abs(table).max()),
        "policy_mse": _mean(policy_errors(table, problem.type_of, problem.types, temperature)),
        "lambda_2": lambda_2,
    }
    if "optimality_error" in names:
        square, bias = distances(mean[0], cast(KnownOptimum, problem).optimal)
        values |= {"optimality_error": float(np.sqrt(square)), "mean_bias": bias}
    if "return" in names:
        episodes = cast(ExactReturns, problem)
        value = _mean(episodes.returns(table))
        values |= {"return": value, "return_gap": episodes.best_return - value}
    return {name: values[name] for name in names}


def of_agents(table: np.ndarray, problem: TabularProblem, temperature: float) -> dict[str, np.ndarray]:
    """``policy_mse`` of each agent and, where episodes end, its ``return``."""
    values = {"policy_mse": policy_errors(table, problem.type_of, problem.types, temperature)}
    if problem.parameters.optimum_known:
        return values
    return values | {"return": cast(ExactReturns, problem).returns(table)}


def _mean(values: np.ndarray) -> float:
    """Mean of all entries, added one after the other."""
    return float(ordered_sum(values.reshape(-1))) / values.size


def type_means(table: np.ndarray, type_of: np.ndarray, types: int) -> np.ndarray:
    """Mean table of each type of observation, [T, S, A]; 0 for a type without agents."""
    mean = np.zeros((types, *table.shape[1:]))
    for t in range(types):
        tables = table[type_of == t]
        if len(tables):
            mean[t] = ordered_sum(tables) / len(tables)
    return mean


def consensus_error(table: np.ndarray, mean: np.ndarray, type_of: np.ndarray) -> float:
    """sqrt of the mean over i, s, a of (Q_i(s, a) - mean Q(s, a))^2, the mean over the agents of i's type."""
    off = table - mean[type_of]
    return float(np.sqrt(_mean(off * off)))


def distances(mean: np.ndarray, optimal: np.ndarray) -> tuple[float, float]:
    """Mean over (s, a) of (mean Q - Q*)^2 and of mean Q - Q*."""
    off = mean - optimal
    return _mean(off * off), _mean(off)


@kernel
def boltzmann(values, temperature):
    """exp(Q / temperature) / Z over the last axis of ``values`` [n, A]."""
    rows, actions = values.shape
    policy = np.empty((rows, actions))
    for s in range(rows):
        best = values[s, 0]
        for a in range(1, actions):
            best = max(best, values[s, a])
        total = 0.0
        for a in range(actions):
            policy[s, a] = exp((values[s, a] - best) / temperature)
            total += policy[s, a]
        for a in range(actions):
            policy[s, a] /= total
    return policy


def policy_errors(table: np.ndarray, type_of: np.ndarray, types: int, temperature: float) -> np.ndarray:
    """Mean over s, a of (pi_i - mean pi)^2 for each agent, [N], the mean over the agents of its type."""
    rows = np.array(table).reshape(-1, table.shape[2])
    policies = boltzmann(rows, temperature).reshape(table.shape)
    off = policies - type_means(policies, type_of, types)[type_of]
    return ordered_sum((off * off).reshape(len(table), -1).T.copy()) / (table.shape[1] * table.shape[2])
