"""Utilities f(lambda) of an agent's discounted occupancy, and their gradients, which are the shadow rewards.

Source: arXiv:2302.07938. lambda(s, a) = E sum_t gamma^t 1[s_t = s, a_t = a] has mass 1 / (1 - gamma); everything here
takes x = (1 - gamma) lambda, float64 [n, S, A], agent by agent, and gives gradients with respect to lambda. Entries are
raised to 1e-6 before a logarithm, so a place never visited has a large shadow reward, not an infinite one.

Reconstructed, since we do not know the paper's settings: all targets, references and rewards of ``UTILITIES``, and the
penalty on idling.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from algorithms.general_utilities.utility_formulas import (
    distance,
    distance_gradient,
    divergence,
    divergence_gradient,
    idle_gradient,
    idle_value,
    risk_gradient,
    risk_value,
    state_shares,
)
from orchestrator.core import dirichlets, pluggable, plugin_title, utility_class


@dataclass(frozen=True)
class Utility:
    """``value(x, gamma)`` -> float64 [n] and ``gradient(x, gamma)`` -> float64 [n, S, A], for x [n, S, A]."""

    name: str
    value: Callable[[np.ndarray, float], np.ndarray]
    gradient: Callable[[np.ndarray, float], np.ndarray]
    about: str = ""


#: Names or utilities; agent i has number i mod their count.
Each: TypeAlias = Sequence[str | Utility]


def entropy() -> Utility:
    """- sum x ln x; gradient - (1 - gamma) (ln x + 1)."""
    about = "entropy of the time spent at each state and action"
    return replace(kl(np.ones((1, 1))), name="entropy", about=about)


def kl(reference: np.ndarray) -> Utility:
    """- sum x ln(x / reference); gradient - (1 - gamma) (ln(x / reference) + 1). ``reference`` [S, A]."""
    return Utility(
        "kl",
        lambda x, gamma: divergence(x, reference),
        lambda x, gamma: divergence_gradient(x, reference, gamma),
        "minus the Kullback-Leibler divergence from a reference occupancy",
    )


def l2(target: np.ndarray) -> Utility:
    """- |x - target|^2 / 2; gradient (1 - gamma) (target - x). ``target`` [S, A]."""
    return Utility(
        "l2",
        lambda x, gamma: distance(x, target),
        lambda x, gamma: distance_gradient(x, target, gamma),
        "minus half the squared distance to a target occupancy",
    )


def risk(reward: np.ndarray, aversion: float) -> Utility:
    """<lambda, r> - c (<x, r^2> - <x, r>^2), c = ``aversion``; gradient r - c (1 - gamma) (r^2 - 2 <x, r> r).

    ``reward`` r is [S, A].
    """
    return Utility(
        "risk",
        lambda x, gamma: risk_value(x, reward, aversion, gamma),
        lambda x, gamma: risk_gradient(x, reward, aversion, gamma),
        f"discounted return less {aversion:g} times the variance of the reward",
    )


def linear(reward: np.ndarray) -> Utility:
    """<lambda, r>; gradient r: ordinary reinforcement learning. ``reward`` r is [S, A]."""
    return replace(risk(reward, 0.0), name="linear", about="discounted return")


def idle(action: int = 0, weight: float = 1.0) -> Utility:
    """- weight z^2 / 2 with z = sum_s x(s, ``action``), the share of time at the idle action; reconstructed.

    Gradient - (1 - gamma) weight z at that action, 0 elsewhere.
    """
    return Utility(
        "idle",
        lambda x, gamma: idle_value(x, action, weight),
        lambda x, gamma: idle_gradient(x, action, weight, gamma),
        f"minus {weight / 2:g} times the squared share of time at action {action}",
    )


def of_states(utility: Utility) -> Utility:
    """``utility`` of the time at each state, whatever the action: x(s) as [n, S, 1]; targets are [S, 1]."""

    def gradient(x: np.ndarray, gamma: float) -> np.ndarray:
        return np.repeat(utility.gradient(state_shares(x), gamma), x.shape[2], axis=2)

    return Utility(
        f"state-{utility.name}",
        lambda x, gamma: utility.value(state_shares(x), gamma),
        gradient,
        f"{utility.about}, of states whatever the action",
    )


def weighted(*parts: tuple[float, Utility]) -> Utility:
    """The sum of weight times utility over ``parts``."""

    def value(x: np.ndarray, gamma: float) -> np.ndarray:
        return sum((weight * part.value(x, gamma) for weight, part in parts), np.zeros(len(x)))

    def gradient(x: np.ndarray, gamma: float) -> np.ndarray:
        return sum((weight * part.gradient(x, gamma) for weight, part in parts), np.zeros(x.shape))

    return Utility(" + ".join(f"{weight:g} {part.name}" for weight, part in parts), value, gradient)


def custom(
    function: Callable[[np.ndarray], float], gradient: Callable[[np.ndarray], np.ndarray], name: str = "custom"
) -> Utility:
    """A user's own f(x) of one agent's occupancy x [S, A], and df / dx [S, A]; see ``check_gradient``.

    Both get copies: what they do to x reaches no other agent.
    """
    return Utility(
        name,
        lambda x, gamma: np.array([float(function(one.copy())) for one in x]),
        lambda x, gamma: (1 - gamma) * np.array([gradient(one.copy()) for one in x], np.float64).reshape(x.shape),
        "a user-defined function",
    )


def check_gradient(
    function: Callable[[np.ndarray], float],
    gradient: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    tolerance: float = 1e-4,
) -> None:
    """Compare df / dx [S, A] with finite differences of f at ``x`` [S, A], each entry moved on its own.

    Raises ValueError that names the first entry that is not finite or whose difference exceeds ``tolerance`` times
    max(1, |df / dx|).
    """
    x = np.array(x, np.float64)
    claimed = np.asarray(gradient(x.copy()), np.float64)
    if claimed.shape != x.shape:
        raise ValueError(f"the gradient must have the occupancy's shape {x.shape}, got {claimed.shape}.")
    for entry in np.ndindex(x.shape):
        step = 1e-5 * max(abs(x[entry]), 1e-3)
        ahead, behind = x.copy(), x.copy()
        ahead[entry] += step
        behind[entry] -= step if x[entry] >= step else 0.0  # occupancies below 0 may be outside the domain of f
        slope = (float(function(ahead)) - float(function(behind))) / (ahead[entry] - behind[entry])
        if not abs(slope - claimed[entry]) <= tolerance * max(1.0, abs(slope)):
            where = ", ".join(str(index) for index in entry)
            raise ValueError(f"the gradient at entry ({where}) is {claimed[entry]:.6g}; differences give {slope:.6g}.")


def check(utility: Utility, states: int, actions: int, gamma: float) -> None:
    """``check_gradient`` of a utility at the even occupancy and at three others.

    Raises ValueError that names the utility and the first entry which is wrong, or what its own code raised.
    """
    rng = np.random.default_rng(0)
    for share in (1.0, 0.5, 0.2, 0.05):
        x = share / (states * actions) + (1 - share) * dirichlets(rng, 1.0, states * actions).reshape(states, actions)
        try:
            check_gradient(
                lambda x: float(utility.value(x[None], gamma)[0]),
                lambda x: utility.gradient(x[None], gamma)[0] / (1 - gamma),
                x,
            )
        except Exception as error:
            text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}."
            shape = "" if isinstance(error, ValueError) else f"for occupancies of shape ({states}, {actions}) "
            raise ValueError(f"utility {utility.name}: {shape}{text}") from error


def _rising(states: int, actions: int) -> np.ndarray:
    """An occupancy [S, A] that grows in proportion to the state's number, even over actions."""
    return np.repeat(np.arange(1.0, states + 1)[:, None], actions, axis=1) / (actions * states * (states + 1) / 2)


#: Name -> what builds it, given the environment's own reward [n, S, A] of the agents that will have it.
UTILITIES: Mapping[str, Callable[[np.ndarray], Utility]] = {
    "entropy": lambda reward: entropy(),
    "state-entropy": lambda reward: of_states(entropy()),
    "l2": lambda reward: l2(np.full(reward.shape[1:], 1 / reward[0].size)),
    "state-l2": lambda reward: of_states(l2(np.full((reward.shape[1], 1), 1 / reward.shape[1]))),
    "kl": lambda reward: kl(_rising(*reward.shape[1:])),
    "state-kl": lambda reward: of_states(kl(_rising(reward.shape[1], 1))),
    "risk": lambda reward: risk(reward, 1.0),
    "linear": lambda reward: linear(reward),
    "idle": lambda reward: idle(),
}


NAMES: tuple[str, ...] = tuple(UTILITIES)


def named(name: str, reward: np.ndarray) -> Utility:
    """The utility of this name for n agents whose environment pays ``reward`` [n, S, A].

    Raises ValueError if there is none.
    """
    if name in UTILITIES:
        return UTILITIES[name](reward)
    if not pluggable("utility", name):
        raise ValueError(f"unknown utility {name!r}; the utilities are {', '.join(NAMES)}.")
    own = utility_class(name)()
    return custom(own.value, own.gradient, plugin_title(name))


def values(each: Each, members: range, x: np.ndarray, gamma: float, reward: np.ndarray) -> np.ndarray:
    """f_i of the occupancies ``x`` [n, S, A] of ``members``, float64 [n]; agent i has number i mod k of k utilities.

    ``reward`` [n, S, A] is what their environment pays them, for utilities that are made of it.
    """
    out = np.empty(len(members))
    for utility, rows in _shares(each, members, reward):
        out[rows] = utility.value(x[rows], gamma)
    return out


def shadow_rewards(each: Each, members: range, x: np.ndarray, gamma: float, reward: np.ndarray) -> np.ndarray:
    """r_i = df_i / d lambda_i at the occupancies ``x`` [n, S, A] of ``members``, float64 [n, S, A]; see ``values``.

    Raises ValueError where one is not finite, naming utility, agent and entry.
    """
    out = np.empty(x.shape)
    for utility, rows in _shares(each, members, reward):
        out[rows] = utility.gradient(x[rows], gamma)
    for row, s, a in np.argwhere(~np.isfinite(out)):
        agent = members[row]
        utility = each[agent % len(each)]
        raise ValueError(
            f"the gradient of {utility if isinstance(utility, str) else utility.name} is {out[row, s, a]} for agent"
            f" {agent} at state {s}, action {a}, where its occupancy is {x[row, s, a]:.3g}."
        )
    return out


def _shares(each: Each, members: range, reward: np.ndarray) -> Iterator[tuple[Utility, slice]]:
    """Every utility that some of ``members`` have, and their rows."""
    count = len(each)
    for k in range(count):
        first = (k - members.start) % count
        if first < len(members):
            rows, utility = slice(first, None, count), each[k]
            yield named(utility, reward[rows]) if isinstance(utility, str) else utility, rows
