"""Rounds of tabular reciprocity in one compiled loop, which calls the kernels of a driven round."""

from typing import NamedTuple

import numpy as np

from algorithms.policy_reciprocity.kernels import follow, private_steps, refresh, shared_steps, type_sums
from orchestrator.core import kernel, power


class Mixing(NamedTuple):
    """kappa_t = 1 - (1 - kappa) / (t + 1)^p, from round ``t`` on."""

    kappa: float
    exponent: float
    t: int


@kernel
def mixing_weight(kappa, exponent, t):
    """kappa_t = 1 - (1 - kappa) / (t + 1)^p; kappa itself if p is 0."""
    return kappa if exponent == 0.0 else 1.0 - (1.0 - kappa) / power(t + 1.0, exponent)


@kernel
def private_rounds(rounds, mixing, types, readers, process, operators, rates, learners):
    """``rounds`` rounds, every agent in its own copy. Returns the first receiver's sums [T, S, A]."""
    table, type_of = learners.table, process.type_of
    touched = np.empty((table.shape[0], rates.steps, 2), np.int64)
    sums = type_sums(table, type_of, readers, types)
    for k in range(rounds):
        kappa = mixing_weight(mixing.kappa, mixing.exponent, mixing.t + k)
        private_steps(process, sums, operators, kappa, rates, learners, touched)
        if rates.beta > 0.0:
            refresh(sums.values, table, type_of, readers, touched, False)
    return sums.values[0]


@kernel
def shared_rounds(rounds, mixing, types, readers, process, operators, rates, learners, position, rng):
    """The same on one common trajectory. Returns the sums [T, S, A] over all agents: those of the last receiver."""
    table, type_of = learners.table, process.type_of
    path = np.empty((1, rates.steps, 3), np.int64)
    sums = type_sums(table, type_of, readers, types)
    total = sums.values[sums.values.shape[0] - 1]
    for k in range(rounds):
        follow(process, total[0], rates.epsilon, position, rng, path)
        kappa = mixing_weight(mixing.kappa, mixing.exponent, mixing.t + k)
        shared_steps(path[0], process, sums, operators, kappa, rates, learners)
        refresh(sums.values, table, type_of, readers, path, True)
    return total
