"""Utilities by hand, their gradients by differences, each agent its own, and what a wrong gradient is told."""

import math

import numpy as np
import pytest

from algorithms.general_utilities import utilities
from algorithms.general_utilities.utilities import (
    NAMES,
    check_gradient,
    custom,
    entropy,
    idle,
    kl,
    l2,
    linear,
    named,
    of_states,
    risk,
    shadow_rewards,
    values,
    weighted,
)

X = np.array([[0.1, 0.2], [0.3, 0.4]])
GAMMA = 0.9


def paid(n=1, states=2, actions=2):
    """A reward of 1 in the last state."""
    return np.tile(np.eye(states)[:, -1:], (n, 1, actions))


def occupancies(n, states=2, actions=2, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(states * actions), size=n).reshape(n, states, actions)


def value(utility, x=X):
    return float(utility.value(x[None], GAMMA)[0])


def gradient(utility, x=X):
    return utility.gradient(x[None], GAMMA)[0]


def test_by_hand():
    """Values and gradients of x = (.1, .2; .3, .4), gradients with respect to lambda = 10 x."""
    reward = np.array([[0.0, 1.0], [2.0, 3.0]])  # <x, r> = 2, <x, r^2> = 5
    assert value(entropy()) == pytest.approx(-sum(p * math.log(p) for p in (0.1, 0.2, 0.3, 0.4)), rel=1e-14)
    np.testing.assert_allclose(gradient(entropy()), -0.1 * (np.log(X) + 1), rtol=1e-13)
    assert value(of_states(entropy())) == pytest.approx(-0.3 * math.log(0.3) - 0.7 * math.log(0.7), rel=1e-14)
    states = -0.1 * (np.log([[0.3, 0.3], [0.7, 0.7]]) + 1)
    np.testing.assert_allclose(gradient(of_states(entropy())), states, rtol=1e-13)
    np.testing.assert_allclose(gradient(kl(X)), np.full((2, 2), -0.1), rtol=1e-13)
    assert value(kl(X)) == 0
    assert value(l2(np.full((2, 2), 0.25))) == pytest.approx(-0.5 * 0.05, rel=1e-14)
    np.testing.assert_allclose(gradient(l2(np.full((2, 2), 0.25))), [[0.015, 0.005], [-0.005, -0.015]], rtol=1e-13)
    assert value(linear(reward)) == pytest.approx(20, rel=1e-14)
    np.testing.assert_allclose(gradient(linear(reward)), reward, rtol=0, atol=0)
    assert value(risk(reward, 0.5)) == pytest.approx(20 - 0.5 * (5 - 4), rel=1e-14)
    np.testing.assert_allclose(gradient(risk(reward, 0.5)), reward - 0.05 * (reward**2 - 4 * reward), rtol=1e-13)
    assert value(idle()) == pytest.approx(-0.08, rel=1e-14)
    np.testing.assert_allclose(gradient(idle()), [[-0.04, 0], [-0.04, 0]], rtol=1e-13)
    assert value(idle(1, 2.0)) == pytest.approx(-0.36, rel=1e-14)


def test_kl_by_hand():
    """sum x ln(x / r) with r = (.4, .3; .2, .1)."""
    expected = sum(p * math.log(p / r) for p, r in ((0.1, 0.4), (0.2, 0.3), (0.3, 0.2), (0.4, 0.1)))
    assert value(kl(X[::-1, ::-1])) == pytest.approx(-expected, rel=1e-13)
    states = of_states(kl(np.array([[0.5], [0.5]])))
    assert value(states) == pytest.approx(-0.3 * math.log(0.6) - 0.7 * math.log(1.4), rel=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(2, 2), (4, 3)])
def test_gradients_by_differences(name, shape):
    """df / dx = (df / d lambda) / (1 - gamma)."""
    utility = named(name, paid(1, *shape))
    for x in occupancies(5, *shape, seed=3):
        x = 0.9 * x + 0.1 / x.size  # curvature 1 / x within the differences' reach
        check_gradient(lambda x: value(utility, x), lambda x: gradient(utility, x) / (1 - GAMMA), x, tolerance=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_s_numbers_do_not_depend_on_who_is_beside_it(name):
    x = occupancies(7)
    utility = named(name, paid())
    x.setflags(write=False)
    for i in range(7):
        assert utility.value(x, GAMMA)[i] == value(utility, x[i])
        np.testing.assert_array_equal(utility.gradient(x, GAMMA)[i], gradient(utility, x[i]))


def test_the_even_occupancy_is_the_best_of_entropies():
    even = np.full((1, 2, 3), 1 / 6)
    assert value(entropy(), even[0]) == pytest.approx(math.log(6), rel=1e-14)
    assert value(of_states(entropy()), even[0]) == pytest.approx(math.log(2), rel=1e-14)
    assert value(named("l2", paid(1, 2, 3)), even[0]) == 0
    assert value(named("state-l2", paid(1, 2, 3)), even[0]) == 0


def test_places_never_visited_are_clamped():
    x = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert value(entropy(), x) == 0
    assert gradient(entropy(), x)[0, 0] == pytest.approx(-0.1 * (math.log(1e-6) + 1), rel=1e-14)
    np.testing.assert_array_equal(gradient(entropy(), x), gradient(entropy(), np.maximum(x, 1e-6)))
    assert np.isfinite(gradient(kl(x))).all()


def test_a_weighted_sum():
    both = weighted((2.0, entropy()), (-1.0, idle()))
    assert value(both) == 2 * value(entropy()) - value(idle())
    np.testing.assert_array_equal(gradient(both), 2 * gradient(entropy()) - gradient(idle()))
    assert both.name == "2 entropy + -1 idle"


@pytest.mark.parametrize("first", [0, 1, 5])
def test_agents_take_turns_at_the_utilities(first):
    """Agent i has utility i mod 3, whichever consecutive agents are asked for."""
    own, x = custom(lambda x: x[0, 0] ** 3, lambda x: np.diag([3 * x[0, 0] ** 2, 0])), occupancies(9)
    each = ("entropy", "l2", own)
    found, shadow = values(each, range(9), x, GAMMA, paid(9)), shadow_rewards(each, range(9), x, GAMMA, paid(9))
    for i in range(9):
        utility = (entropy(), named("l2", paid()), own)[i % 3]
        assert found[i] == value(utility, x[i])
        np.testing.assert_array_equal(shadow[i], gradient(utility, x[i]))
    members = range(first, min(first + 4, 9))
    part = x[members.start : members.stop]
    np.testing.assert_array_equal(values(each, members, part, GAMMA, paid(9)), found[members.start : members.stop])
    np.testing.assert_array_equal(
        shadow_rewards(each, members, part, GAMMA, paid(9)), shadow[members.start : members.stop]
    )


def test_a_user_s_own():
    own = custom(lambda x: float(x[1].sum() ** 2), lambda x: np.array([[0, 0], [1, 1]]) * 2 * x[1].sum(), "square")
    assert value(own) == pytest.approx(0.49, rel=1e-14)
    np.testing.assert_allclose(gradient(own), [[0, 0], [0.14, 0.14]], rtol=1e-13)
    check_gradient(lambda x: x[1].sum() ** 2, lambda x: np.array([[0, 0], [1, 1]]) * 2 * x[1].sum(), X)


def test_a_wrong_gradient_is_named():
    def wrong(x):
        slopes = -(np.log(x) + 1)
        slopes[1, 0] *= 1.01
        return slopes

    with pytest.raises(ValueError, match=r"gradient at entry \(1, 0\) is 0.2060\d+; differences give 0.2039"):
        check_gradient(lambda x: -(x * np.log(x)).sum(), wrong, X, tolerance=1e-3)
    check_gradient(lambda x: -(x * np.log(x)).sum(), wrong, X, tolerance=1e-2)
    with pytest.raises(ValueError, match=r"shape \(2, 2\), got \(4,\)"):
        check_gradient(lambda x: 0.0, lambda x: np.zeros(4), X)


def test_a_gradient_that_is_not_finite_is_named():
    edge = np.array([[0.0, 0.5], [0.25, 0.25]])
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=r"entry \(0, 0\) is inf"):
        check_gradient(lambda x: np.sqrt(x).sum(), lambda x: 0.5 / np.sqrt(x), edge)
    root = custom(lambda x: np.sqrt(x).sum(), lambda x: 0.5 / np.sqrt(x), "root")
    x = np.stack([X, X, edge, X])
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=r"root is inf for agent 7 at state 0, action 0"):
        shadow_rewards(("entropy", root), range(5, 9), x, GAMMA, paid(4))


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ValueError, match="unknown utility 'entrpy'; the utilities are entropy, state-entropy, l2"):
        values(("entrpy",), range(1), X[None], GAMMA, paid())
    assert tuple(utilities.UTILITIES) == NAMES
