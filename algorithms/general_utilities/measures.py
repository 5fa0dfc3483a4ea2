"""Utilities and returns of the present policies, and gradients against exact ones where there are closed forms."""

from collections.abc import Mapping
from typing import cast

import numpy as np

from algorithms.general_utilities import batch, utilities
from algorithms.general_utilities.agents import observers
from envs.networks.base import NetworkProblem
from envs.networks.kernels import softmax
from envs.networks.message_line import MessageLine
from envs.networks.voter_network import VoterNetwork
from orchestrator.core import member_streams, ordered_mean, ordered_sum

OUTCOME: Mapping[str, str] = {
    "utility": "F, mean over agents of f_i at their occupancies; exact, or of 1000 episodes where nothing is",
    "return": "mean over agents of the environment's own reward, summed over an episode as the environment says",
}
EXACT: Mapping[str, str] = {
    "q_span": "max over agents of the span of the exact shadow Q over everything beyond kappa hops",
    "gradient_norm_sq": "||grad F||^2, exact",
    "truncation_error": "||g_kappa - grad F|| / ||grad F||, g_kappa exact with Q of agents within kappa hops only",
}
SAMPLED: Mapping[str, str] = {
    "gradient_error": "||g - grad F|| / ||grad F|| of the last sampled gradient; 1 before the first",
    "gradient_cosine": "cosine of the last sampled gradient and grad F; 0 before the first",
}
LABELS: Mapping[str, str] = {
    "utility": "mean utility F",
    "return": "mean return of an episode",
    "q_span": "span of the shadow Q beyond κ hops",
    "gradient_norm_sq": "squared gradient norm ‖∇F‖²",
    "truncation_error": "relative truncation error of ∇F",
    "gradient_error": "relative error of the sampled ∇F",
    "gradient_cosine": "cosine of the sampled and exact ∇F",
    "violation": "largest constraint violation",
    "mean_violation": "mean constraint violation",
    "least_violation": "least violation so far",
    "multiplier": "mean multiplier μᵢ",
    "sending": "probability of sending",
}
EPISODES, AT_ONCE = 1000, 100  #: of an evaluation where nothing is exact; the same streams each time: smooth curves
STEPS = 60  #: of an episode where the environment has no end and no horizon is given


def evaluate(
    policy: np.ndarray, problem: NetworkProblem, hops: int, steps: int, seed: int, role: str = "evaluation"
) -> tuple[np.ndarray, float]:
    """Occupancies x [N, S, A] and the return of a ``policy`` [N, O, A] of the states within ``hops``.

    Where nothing is exact, of ``EPISODES`` of so many ``steps`` on the streams that ``role`` names.
    """
    if problem.closed_form and hops == 0:
        x = cast(VoterNetwork, problem).occupancy(policy)
        return x, float(ordered_sum((x * problem.reward).reshape(-1))) / (problem.agents * (1 - problem.gamma))
    indptr, indices, _ = observers(problem, hops)
    if problem.exact_is_cheap:
        return cast(MessageLine, problem).evaluate(policy, indptr, indices)
    x, received = np.zeros(problem.reward.shape), 0.0
    for first in range(0, EPISODES, AT_ONCE):
        streams = member_streams(seed, "coordinator", role, range(first, first + AT_ONCE))
        seen = problem.rollout(policy, indptr, indices, steps, streams)
        of_agents = np.ascontiguousarray(seen.transpose(2, 0, 1))
        x += batch.batch_occupancy(of_agents, problem.states, problem.actions, problem.gamma) * AT_ONCE / EPISODES
        received += float(ordered_mean(problem.episode_return(seen))) * AT_ONCE / EPISODES
    return x, received


def exact(theta: np.ndarray, problem: VoterNetwork, each: utilities.Each, hops: int) -> dict[str, float]:
    """The metrics of ``EXACT`` of local softmax policies ``theta`` [N, S, A]."""
    pi, _, reward = _at(theta, problem, each)
    gradient, heard = problem.gradient(pi, reward), problem.truncated_gradient(pi, reward, hops)
    norm = square(gradient)
    return {
        "q_span": float(problem.q_span(pi, reward, hops).max()),
        "gradient_norm_sq": norm,
        "truncation_error": float(np.sqrt(square(heard - gradient) / norm)) if norm > 0 else 0.0,
    }


def sampled(before: np.ndarray, estimate: np.ndarray, problem: VoterNetwork, each: utilities.Each) -> dict[str, float]:
    """The metrics of ``SAMPLED`` of an ``estimate`` [N, S, A] of the gradient at ``before`` [N, S, A]."""
    pi, _, reward = _at(before, problem, each)
    gradient = problem.gradient(pi, reward)
    norm, length = square(gradient), square(estimate)
    aligned = float(ordered_sum((gradient * estimate).reshape(-1)))
    return {
        "gradient_error": float(np.sqrt(square(estimate - gradient) / norm)) if norm > 0 else 0.0,
        "gradient_cosine": aligned / float(np.sqrt(norm * length)) if norm * length > 0 else 0.0,
    }


def truncated(theta: np.ndarray, problem: VoterNetwork, each: utilities.Each, hops: int) -> np.ndarray:
    """The exact gradient [N, S, A] with the shadow Q of agents within ``hops`` only."""
    pi, _, reward = _at(theta, problem, each)
    return problem.truncated_gradient(pi, reward, hops)


def _at(theta: np.ndarray, problem: VoterNetwork, each: utilities.Each) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Policies, their exact occupancies and the shadow rewards there, [N, S, A] each."""
    pi = softmax(np.array(theta))
    x = problem.occupancy(pi)
    return pi, x, utilities.shadow_rewards(each, range(problem.agents), x, problem.gamma, problem.reward)


def known_q(
    theta: np.ndarray, problem: VoterNetwork, each: utilities.Each, hops: int, centred: bool
) -> dict[str, np.ndarray]:
    """The exact shadow Q for ``PolicyAgents.evaluate_known``, agents beyond ``hops`` at their mean states and actions.

    ``centred``: of shadow rewards less their means.
    """
    pi, x, reward = _at(theta, problem, each)
    if centred:
        reward = batch.centre(x, reward)
    constant, on_state, on_action = problem.shadow_q(pi, reward)
    constant = constant + beyond(problem.hops, hops, on_state, on_action, x)
    return {"constant": constant, "on_state": on_state, "on_action": on_action, "reward": reward}


def beyond(apart: np.ndarray, hops: int, on_state: np.ndarray, on_action: np.ndarray, x: np.ndarray) -> np.ndarray:
    """sum_j over the agents more than ``hops`` away of on_state E s_j + on_action E a_j, float64 [N].

    ``apart`` [N, N] are hops between agents, ``on_state`` and ``on_action`` [N, N], ``x`` [N, 2, 2] the occupancies.
    """
    states, actions = x[:, 1, 0] + x[:, 1, 1], x[:, 0, 1] + x[:, 1, 1]
    terms = np.where((apart > hops)[:, :, None], np.stack([on_state * states, on_action * actions], axis=2), 0.0)
    return ordered_sum(np.ascontiguousarray(terms.reshape(len(x), -1).T))


def square(array: np.ndarray) -> float:
    """Sum of the squares, added in order."""
    return float(ordered_sum((array * array).reshape(-1)))
