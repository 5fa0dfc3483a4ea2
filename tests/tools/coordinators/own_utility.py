"""A user's own utility in a file of the user's: agents that want to spend 70 % of the time in state 1."""

import numpy as np

from algorithms.general_utilities.shadow_policy_gradient import ShadowPolicyGradient, ShadowPolicyGradientParameters
from algorithms.general_utilities.utilities import custom


def value(x: np.ndarray) -> float:
    return -float((x[1].sum() - 0.7) ** 2)


def slope(x: np.ndarray) -> np.ndarray:
    """Df / dx: the same for both actions in state 1, 0 elsewhere."""
    return np.array([[0.0, 0.0], [1.0, 1.0]]) * -2 * (x[1].sum() - 0.7)


class SeventyParameters(ShadowPolicyGradientParameters):
    """Those of the shadow policy gradient."""

    @property
    def each(self):
        return (custom(value, slope, "seventy"),)


class Seventy(ShadowPolicyGradient):
    """Every agent has this utility."""

    name = "seventy"
    Parameters = SeventyParameters


class WrongParameters(SeventyParameters):
    """The same with a factor forgotten."""

    @property
    def each(self):
        return (custom(value, lambda x: slope(x) / 2, "seventy"),)


class Wrong(Seventy):
    """Its gradient is not that of its utility."""

    Parameters = WrongParameters
