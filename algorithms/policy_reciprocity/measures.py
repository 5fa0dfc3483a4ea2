"""How far the agents' tables are from each other and from the truth."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from algorithms.policy_reciprocity.kernels import largest
from orchestrator.core import kernel

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
    table: np.ndarray, problem: Any, temperature: float, lambda_2: float, names: tuple[str, ...]
) -> dict[str, float]:
    """Those of ``METRICS`` that are in ``names``, of all agents' tables [N, S, A]."""
    table = np.array(table)  # one compiled specialisation, whether the caller's array is read-only or not
    mean = type_means(table, problem.type_of, problem.types)
    found = {
        "consensus_error": float(consensus_error(table, mean, problem.type_of)),
        "sup_norm": float(np.abs(table).max()),
        "policy_mse": float(_mean(policy_errors(table, problem.type_of, problem.types, temperature))),
        "lambda_2": lambda_2,
    }
    if "optimality_error" in names:
        square, bias = distances(mean[0], problem.optimal)
        found |= {"optimality_error": float(np.sqrt(square)), "mean_bias": float(bias)}
    if "return" in names:
        value = float(_mean(problem.returns(table)))
        found |= {"return": value, "return_gap": problem.best_return - value}
    return {name: found[name] for name in names}


def of_agents(table: np.ndarray, problem: Any, temperature: float) -> dict[str, np.ndarray]:
    """``policy_mse`` of each agent and, where episodes end, its ``return``."""
    table = np.array(table)
    found = {"policy_mse": policy_errors(table, problem.type_of, problem.types, temperature)}
    return found if problem.parameters.optimum_known else found | {"return": problem.returns(table)}


@kernel
def _mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / values.shape[0]


@kernel
def type_means(table, type_of, types):
    """Mean table of each type of observation, [T, S, A]; 0 for a type without agents."""
    states, actions = table.shape[1], table.shape[2]
    mean, count = np.zeros((types, states, actions)), np.zeros(types)
    for i in range(table.shape[0]):
        count[type_of[i]] += 1.0
        for s in range(states):
            for a in range(actions):
                mean[type_of[i], s, a] += table[i, s, a]
    for t in range(types):
        for s in range(states):
            for a in range(actions):
                if count[t] > 0.0:
                    mean[t, s, a] /= count[t]
    return mean


@kernel
def consensus_error(table, mean, type_of):
    """sqrt of the mean over i, s, a of (Q_i(s, a) - mean Q(s, a))^2, the mean over the agents of i's type."""
    total = 0.0
    for i in range(table.shape[0]):
        for s in range(table.shape[1]):
            for a in range(table.shape[2]):
                total += (table[i, s, a] - mean[type_of[i], s, a]) ** 2
    return np.sqrt(total / table.size)


@kernel
def distances(mean, optimal):
    """Mean over (s, a) of (mean Q - Q*)^2 and of mean Q - Q*."""
    square = bias = 0.0
    for s in range(mean.shape[0]):
        for a in range(mean.shape[1]):
            off = mean[s, a] - optimal[s, a]
            square += off * off
            bias += off
    return square / mean.size, bias / mean.size


@kernel
def boltzmann(values, temperature, policy):
    """Write exp(Q / temperature) / Z over the last axis of ``values`` [S, A] into ``policy`` [S, A]."""
    for s in range(values.shape[0]):
        best = largest(values[s])
        total = 0.0
        for a in range(values.shape[1]):
            policy[s, a] = np.exp((values[s, a] - best) / temperature)
            total += policy[s, a]
        for a in range(values.shape[1]):
            policy[s, a] /= total


@kernel
def policy_errors(table, type_of, types, temperature):
    """Mean over s, a of (pi_i - mean pi)^2 for each agent, [N], the mean over the agents of its type."""
    n = table.shape[0]
    policies = np.empty(table.shape)
    for i in range(n):
        boltzmann(table[i], temperature, policies[i])
    mean = type_means(policies, type_of, types)
    out = np.zeros(n)
    for i in range(n):
        for s in range(table.shape[1]):
            for a in range(table.shape[2]):
                out[i] += (policies[i, s, a] - mean[type_of[i], s, a]) ** 2
        out[i] /= table.shape[1] * table.shape[2]
    return out
