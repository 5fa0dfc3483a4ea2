"""Which states stand near each other: operators by hand for every metric, and what all operators have in common."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from algorithms.policy_reciprocity.adjacency import METRICS, Adjacency, adjacency, lifted
from envs.grids.digital import Digital


def problem(dimension: int, *types: tuple[list[int], Any]) -> Any:
    """What ``adjacency`` reads of an environment; each type is (seen coordinates, their values state by state)."""
    return SimpleNamespace(
        types=len(types),
        states=len(types[0][1]),
        dimension=dimension,
        seen=[np.array(seen, np.int64) for seen, _ in types],
        coordinates=[np.array(values) for _, values in types],
    )


def near(result: Adjacency, to: int, of: int) -> list[list[int]]:
    """For every state of type ``to``, the adjacent states of type ``of``."""
    return [np.flatnonzero(row).tolist() for row in result.operator(to, of)]


# Remark 1 -----------------------------------------------------------------------------------------------------------


def test_two_views_of_one_global_state():
    """s = [a, b, c] and s# = [a, b, d] of s_G = [a, b, c, d]: lifted, [a, b, c, 0] and [a, b, 0, d] differ twice."""
    a, b, c, d = 5, 6, 7, 8
    views = problem(4, ([0, 1, 2], [[a, b, c]]), ([0, 1, 3], [[a, b, d]]))
    s, other = (lifted(views.coordinates[t], views.seen[t], 4)[0] for t in (0, 1))
    assert s.tolist() == [a, b, c, 0]
    assert other.tolist() == [a, b, 0, d]
    assert (s != other).sum() == 2
    assert adjacency(views, "l0", 2, "uniform").operator(0, 1).tolist() == [[1.0]]
    assert adjacency(views, "l0", 1, "uniform").operator(0, 1).tolist() == [[0.0]]


# Every metric by hand -----------------------------------------------------------------------------------------------

#: Type 0 sees coordinates 0 and 1, type 1 sees 1 and 2. Lifted: A = 110, 120, 220 and B = 013, 023, 024.
TWO = ([0, 1], [[1, 1], [1, 2], [2, 2]]), ([1, 2], [[1, 3], [2, 3], [2, 4]])
ALL, SELF, NONE, CHAIN = [[0, 1, 2]] * 3, [[0], [1], [2]], [[], [], []], [[0, 1], [0, 1, 2], [1, 2]]

#: metric, level, then the states adjacent to each: A's of A, B's of A, A's of B, B's of B.
#: l0: A1 is 1 from A0 and from A2, B1 1 from B0 and from B2; A0-B0, A1-B1, A1-B2, A2-B1, A2-B2 are 2, the others 3.
#: shared: of a pair A, B only coordinate 1 is seen by both: A0-B0 agree in it, and A1, A2 with B1, B2.
#: euclidean, squared: A 1 2 1, B 1 2 1 (pairs 01 02 12); A0-B 10 11 18, A1-B 11 10 17, A2-B 14 13 20.
#: 1 - cosine: A .051 0 .051, B .035 .010 .008; A0-B .776 .608 .684, A1-B .717 .504 .6, A2-B .776 .608 .684.
BY_HAND = [
    ("l0", 0, SELF, NONE, NONE, SELF),
    ("l0", 1, CHAIN, NONE, NONE, CHAIN),
    ("l0", 2, ALL, [[0], [1, 2], [1, 2]], [[0], [1, 2], [1, 2]], ALL),
    ("l0", 3, ALL, ALL, ALL, ALL),
    ("shared", 0, SELF, [[0], [1, 2], [1, 2]], [[0], [1, 2], [1, 2]], SELF),
    ("shared", 1, CHAIN, ALL, ALL, CHAIN),
    ("euclidean", 1.2, CHAIN, NONE, NONE, CHAIN),
    ("euclidean", 3.2, ALL, [[0], [1], []], [[0], [1], []], ALL),
    ("euclidean", 3.7, ALL, [[0, 1], [0, 1], [1]], [[0, 1], [0, 1, 2], []], ALL),
    ("cosine", 0, [[0, 2], [1], [0, 2]], NONE, NONE, SELF),
    ("cosine", 0.02, [[0, 2], [1], [0, 2]], NONE, NONE, [[0, 2], [1, 2], [0, 1, 2]]),
    ("cosine", 0.61, ALL, [[1], [1, 2], [1]], [[], [0, 1, 2], [1]], ALL),
    ("index", 0, SELF, SELF, SELF, SELF),
    ("index", 1, CHAIN, CHAIN, CHAIN, CHAIN),
]


@pytest.mark.parametrize(("metric", "rho", "aa", "ab", "ba", "bb"), BY_HAND, ids=[f"{m}-{r}" for m, r, *_ in BY_HAND])
def test_adjacent_states_by_hand(metric, rho, aa, ab, ba, bb):
    """Every row of W, uniform: one over the number of adjacent states at each of them."""
    result = adjacency(problem(3, *TWO), metric, rho, "uniform")
    for (to, of), rows in {(0, 0): aa, (0, 1): ab, (1, 0): ba, (1, 1): bb}.items():
        expected = np.zeros((3, 3))
        for s, states in enumerate(rows):
            expected[s, states] = 1 / max(1, len(states))
        np.testing.assert_allclose(result.operator(to, of), expected, rtol=1e-15)


def test_exponential_weights_by_hand():
    """exp(d - rho_s#) / Z with d = 3. Two states at 0 and 1: e^3 and e^2 over their sum, .7311 and .2689."""
    result = adjacency(problem(3, *TWO), "l0", 1, "exponential").operator(0, 0)
    near_one, beside = np.e / (np.e + 1), 1 / (np.e + 1)
    z = np.e + 2  # of A1: itself and two states at 1
    expected = [[near_one, beside, 0], [1 / z, np.e / z, 1 / z], [0, beside, near_one]]
    np.testing.assert_allclose(result, expected, rtol=1e-14)
    assert result[0, 0] == pytest.approx(0.731058578630005, rel=1e-14)


def test_exponential_weights_between_types_by_hand():
    """All at level 3: A0 is 2 from B0 and 3 from B1, B2; A1 is 3 from B0 and 2 from B1, B2."""
    result = adjacency(problem(3, *TWO), "l0", 3, "exponential").operator(0, 1)
    np.testing.assert_allclose(result[0], np.array([np.e, 1, 1]) / (np.e + 2), rtol=1e-14)
    np.testing.assert_allclose(result[1], np.array([1, np.e, np.e]) / (2 * np.e + 1), rtol=1e-14)


def test_euclidean_weights_fall_with_the_distance():
    """A0 at 0, A1 at 1, A2 at sqrt 2."""
    result = adjacency(problem(3, *TWO), "euclidean", 1.5, "exponential").operator(0, 0)
    weights = np.exp([0, -1, -np.sqrt(2)])
    np.testing.assert_allclose(result[0], weights / weights.sum(), rtol=1e-14)


def test_digital_at_level_one_is_tridiagonal():
    given_problem = Digital(Digital.Parameters(states=6), 3, 0)
    result = adjacency(given_problem, *given_problem.adjacency, "uniform").operator(0, 0)
    expected = np.zeros((6, 6))
    for s in range(6):
        beside = [t for t in (s - 1, s, s + 1) if 0 <= t < 6]
        expected[s, beside] = 1 / len(beside)
    np.testing.assert_array_equal(result, expected)


# Who is alone -------------------------------------------------------------------------------------------------------


def test_isolated_states_by_hand():
    two = problem(3, *TWO)
    every = [(t, s) for t in (0, 1) for s in range(3)]
    assert adjacency(two, "l0", 0, "uniform").isolated() == every
    assert adjacency(two, "l0", 1, "uniform").isolated() == []
    assert adjacency(two, "cosine", 0.02, "uniform").isolated() == [(0, 1)]
    assert adjacency(two, "cosine", 0, "uniform").isolated() == [(0, 1), (1, 0), (1, 1), (1, 2)]
    assert adjacency(two, "euclidean", 0.5, "uniform").isolated() == every
    assert adjacency(two, "index", 0, "uniform").isolated() == []  # the same row of the other type is adjacent


# What all operators have in common ----------------------------------------------------------------------------------


@st.composite
def problems(draw):
    """Up to three types with up to six states, seeing any of up to four coordinates, values 1 to 3."""
    dimension, types, states = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 6))
    made = []
    for _ in range(types):
        seen = sorted(draw(st.sets(st.integers(0, dimension - 1), min_size=1)))
        value = st.lists(st.integers(1, 3), min_size=len(seen), max_size=len(seen))
        made.append((seen, draw(st.lists(value, min_size=states, max_size=states))))
    return problem(dimension, *made)


metrics = st.sampled_from(METRICS)
levels = st.sampled_from([0, 0.1, 0.5, 1, 1.5, 2, 3])


@given(problems(), metrics, levels, st.sampled_from(["uniform", "exponential"]))
def test_rows_are_averages(of, metric, rho, weights):
    """Weights are positive and sum to 1 wherever a state has neighbours; within a type it neighbours itself."""
    result = adjacency(of, metric, rho, weights)
    assert (result.weights > 0).all()
    for to in range(of.types):
        assert (np.diag(result.operator(to, to)) > 0).all()
        for source in range(of.types):
            total = result.operator(to, source).sum(axis=1)
            np.testing.assert_allclose(total[total > 0], 1, rtol=1e-14)


@given(problems(), metrics, levels)
def test_adjacency_is_mutual(of, metric, rho):
    result = adjacency(of, metric, rho, "exponential")
    for to in range(of.types):
        for source in range(of.types):
            np.testing.assert_array_equal(result.operator(to, source) > 0, result.operator(source, to).T > 0)


@given(problems(), metrics, levels, levels)
def test_a_higher_level_keeps_all_that_were_adjacent(of, metric, one, other):
    assume(one != other)
    low, high = (adjacency(of, metric, rho, "uniform") for rho in sorted((one, other)))
    for to in range(of.types):
        for source in range(of.types):
            assert not ((low.operator(to, source) > 0) & (high.operator(to, source) == 0)).any()


@given(problems(), metrics, levels)
def test_isolated_states_neighbour_only_themselves(of, metric, rho):
    result = adjacency(of, metric, rho, "uniform")
    alone = [
        (t, s)
        for t in range(of.types)
        for s in range(of.states)
        if near(result, t, t)[s] == [s] and not any(near(result, t, u)[s] for u in range(of.types) if u != t)
    ]
    assert result.isolated() == alone


def test_operators_are_built_once():
    of = problem(3, *TWO)
    assert adjacency(of, "l0", 1, "uniform") is adjacency(of, "l0", 1, "uniform")
    assert adjacency(of, "l0", 1, "uniform") is not adjacency(of, "l0", 2, "uniform")
