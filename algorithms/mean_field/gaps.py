"""How far policies are from the best of several classes, exactly, by trying every member of a class.

All values are discounted and taken at the start. Classes are those of arXiv:2603.03759: the global agent's policies of
s_g and k sampled local states, the local agents' shared policies of (s_i, s_g), and one of them that deviates alone.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from algorithms.mean_field.deviation import Deviation
from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem
from envs.mean_field.lumping import Lumping

#: Deterministic policies that are tried one by one.
MOST_POLICIES = 256


def small(environment: MeanFieldParameters, k: int) -> bool:
    """Whether the deterministic policies of (s_g, k local states) are few enough to try them all."""
    sizes = environment.sizes
    return _few(sizes.global_actions, histograms.histograms(k, sizes.local_states) * sizes.global_states)


def few_local(environment: MeanFieldParameters) -> bool:
    """Whether the deterministic policies of (s_i, s_g) are."""
    sizes = environment.sizes
    return _few(sizes.local_actions, sizes.local_states * sizes.global_states)


def _few(actions: int, places: int) -> bool:
    return actions == 1 or (places < MOST_POLICIES and actions**places <= MOST_POLICIES)


def deterministic(*shape: int) -> Iterator[np.ndarray]:
    """All deterministic policies as float64 [*shape], the last axis the action's, in lexicographic order."""
    *places, actions = shape
    for chosen in itertools.product(range(actions), repeat=math.prod(places)):
        yield np.eye(actions)[list(chosen)].reshape(shape)


def local_policies(problem: MeanFieldProblem) -> Iterator[np.ndarray]:
    """All deterministic shared local policies, float64 [S, G, B]."""
    return deterministic(problem.local_states, problem.global_states, problem.local_actions)


def global_gaps(lumping: Lumping, value: np.ndarray) -> dict[str, float]:
    """``gap_full_sup`` and ``gap_full_mean`` of ``value`` [cells, G] to the global agent that sees everyone."""
    gap = lumping.best - value
    return {"gap_full_sup": float(gap.max()), "gap_full_mean": lumping.at_start(gap)}


def team_value(problem: MeanFieldProblem, policy: np.ndarray, local: np.ndarray, k: int) -> float:
    """What all n earn with the global ``policy`` [cells, G, A] of k local states and the ``local`` one [S, G, B]."""
    lumping = problem.lumping(local)
    return lumping.at_start(lumping.value(lumping.deployed(policy, k)))


def best_of_k(lumping: Lumping, k: int) -> float:
    """The most that a deterministic global policy of s_g and the histogram of k local states earns."""
    problem = lumping.problem

    def make() -> float:
        cells = histograms.histograms(k, problem.local_states)
        policies = deterministic(cells, problem.global_states, problem.global_actions)
        return max(lumping.at_start(lumping.value(lumping.deployed(policy, k))) for policy in policies)

    return problem.cache.get("best of k", (lumping.agents, lumping.policy.tobytes(), k), make)


def best_shared(problem: MeanFieldProblem, policy: np.ndarray, k: int) -> float:
    """The most that a deterministic local policy, shared by all, earns against the global ``policy``."""
    return max(team_value(problem, policy, local, k) for local in local_policies(problem))


def best_welfare(problem: MeanFieldProblem) -> float:
    """The most that a deterministic shared local policy earns together with a global agent that sees everyone."""

    def make() -> float:
        each = (problem.lumping(local) for local in local_policies(problem))
        return max(lumping.at_start(lumping.best) for lumping in each)

    return problem.cache.get("best welfare", None, make)


def best_single(problem: MeanFieldProblem, policy: np.ndarray, local: np.ndarray, k: int) -> float:
    """The most that the team earns when one local agent goes over to a deterministic policy of its own."""
    deviation = Deviation(problem, policy, local, k)
    return max(deviation.value(own) for own in local_policies(problem))
