"""Histograms against enumeration and numpy, and the lumping against value iteration on all joint states."""

import itertools
import math
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldProblem, Sizes
from envs.mean_field.mode_tracking import ModeTracking
from envs.mean_field.warehouse import Warehouse


@pytest.mark.parametrize(("members", "states"), [(1, 1), (4, 1), (0, 3), (7, 2), (3, 5), (6, 4)])
def test_ranks_are_the_places_of_the_enumeration(members, states):
    cells, table = histograms.enumerated(members, states), histograms.binomials(members, states)
    expected = [c for c in itertools.product(range(members + 1), repeat=states) if sum(c) == members]
    assert list(map(tuple, cells.tolist())) == expected
    assert len(cells) == histograms.histograms(members, states)
    assert [histograms.rank(cell, table) for cell in cells] == list(range(len(cells)))


def test_316_251_histograms_of_fifty_agents_in_five_states():
    table = histograms.binomials(50, 5)
    assert histograms.histograms(50, 5) == 316_251
    assert histograms.rank(np.array([50, 0, 0, 0, 0]), table) == 316_250
    assert histograms.rank(np.array([0, 0, 0, 0, 50]), table) == 0


def test_too_many_to_number_is_said():
    with pytest.raises(ValueError, match="histograms of 1000 members over 12 states are too many to number"):
        histograms.binomials(1000, 12)


@pytest.mark.parametrize(("members", "states"), [(1, 2), (5, 2), (4, 3), (3, 4)])
def test_moves_are_those_of_the_members(members, states):
    """P(F' | F) by summing over where every single member goes."""
    chance = np.random.default_rng(members).dirichlet(np.ones(states), size=states)
    cells = histograms.enumerated(members, states)
    found = histograms.moves(cells, chance[None], cells)
    for row, cell in zip(found, cells, strict=True):
        where, expected = np.repeat(np.arange(states), cell), Counter()
        for to in itertools.product(range(states), repeat=members):
            expected[tuple(np.bincount(to, minlength=states))] += math.prod(chance[s, t] for s, t in zip(where, to))
        np.testing.assert_allclose(row, [expected[tuple(c)] for c in cells], rtol=1e-12)
    np.testing.assert_array_equal(histograms.moves(cells[1:2], chance[None], cells), found[1:2])


def test_rows_may_have_moves_of_their_own():
    """Three classes of sources into two states, each row by its own kernel."""
    chance = np.random.default_rng(0).dirichlet(np.ones(2), size=(2, 3))
    sources, cells = np.array([[1, 0, 2], [0, 1, 2]]), histograms.enumerated(3, 2)
    found = histograms.moves(sources, chance, cells)
    for row, source in enumerate(sources):
        alone = histograms.moves(source[None], chance[row][None], cells)
        np.testing.assert_array_equal(found[row], alone[0])
    everyone_first = chance[0, 0, 0] * chance[0, 2, 0] ** 2
    assert found[0, 3] == pytest.approx(everyone_first, rel=1e-12)


def test_what_a_sample_shows_is_hypergeometric():
    population, sample = histograms.enumerated(9, 3), histograms.enumerated(4, 3)
    found = histograms.shown(population, sample)
    for row, counts in zip(found, population, strict=True):
        np.testing.assert_allclose(row, stats.multivariate_hypergeom.pmf(sample, counts, 4), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(histograms.shown(population, population), np.eye(len(population)))


class Anything(MeanFieldProblem):
    """Three global and two local states, two actions each, nothing alike."""

    def fill(self) -> None:
        rng = np.random.default_rng(self.instance)
        self.global_kernel = rng.dirichlet(np.ones(3), size=(3, 2))
        self.local_kernel = rng.dirichlet(np.ones(2), size=(2, 3, 2))
        self.global_reward, self.local_reward = rng.normal(size=(3, 2)), rng.normal(size=(2, 3, 2))
        self.local_policy = rng.dirichlet(np.ones(2), size=(2, 3))


def random_problem(agents: int, seed: int) -> MeanFieldProblem:
    parameters: Any = SimpleNamespace(gamma=0.8, sizes=Sizes(3, 2, 2, 2))
    return Anything(parameters, agents, seed)


def joint(problem: MeanFieldProblem, decide) -> dict:
    """V of every (s_g, local states) by iteration over all of them; ``decide(q, g, locals)`` gives the value."""
    n, everyone = problem.agents, list(itertools.product(range(2), repeat=problem.agents))
    value = {(g, s): 0.0 for g in range(3) for s in everyone}
    for _ in range(120):
        new = {}
        for g, s in value:
            chance = [np.einsum("b,bt->t", problem.local_policy[i, g], problem.local_kernel[i, g]) for i in s]
            reward = sum(problem.local_policy[i, g] @ problem.local_reward[i, g] for i in s) / n
            ahead = np.zeros(3)
            for t in everyone:
                weight = math.prod(chance[i][t[i]] for i in range(n))
                ahead += weight * np.array([value[h, t] for h in range(3)])
            q = problem.global_reward[g] + reward + problem.gamma * problem.global_kernel[g] @ ahead
            new[g, s] = decide(q, g, s)
        value = new
    return value


@pytest.mark.parametrize("agents", [3, 4])
def test_lumping_is_exact(agents):
    """V* on (s_g, histogram) is V* on all joint states, and so is the value of a policy of k sampled local states."""
    problem, k = random_problem(agents, agents), 2
    lumping = problem.lumping(problem.local_policy)
    cells = list(map(tuple, lumping.cells.tolist()))
    best = joint(problem, lambda q, g, s: q.max())
    sampled = histograms.enumerated(k, 2)
    policy = np.random.default_rng(0).dirichlet(np.ones(2), size=(len(sampled), 3))
    place = {tuple(c): row for row, c in enumerate(sampled.tolist())}

    def deployed(q, g, s):
        seen = [place[tuple(np.bincount(draw, minlength=2))] for draw in itertools.combinations(s, k)]
        return np.mean([policy[row, g] @ q for row in seen])

    followed = joint(problem, deployed)
    value = lumping.value(lumping.deployed(policy, k))
    for (g, s), expected in best.items():
        row = cells.index(tuple(np.bincount(s, minlength=2)))
        assert lumping.best[row, g] == pytest.approx(expected, abs=1e-10)
        assert value[row, g] == pytest.approx(followed[g, s], abs=1e-10)


def test_the_start_is_uniform():
    """Two agents: histograms (0, 2), (1, 1), (2, 0) with chances 1/4, 1/2, 1/4, half at each global state."""
    problem = ModeTracking(ModeTracking.Parameters(), 2, 0)
    np.testing.assert_allclose(problem.first, [0.25, 0.5, 0.25])
    chain = problem.lumping(problem.local_policy)
    assert chain.at_start(np.array([[4.0, 0], [0, 0], [0, 8]])) == pytest.approx((1 + 2) / 2)


def test_a_start_may_be_of_one_kind():
    """Two robots in five zones by a draw of Dirichlet(.3): both in a given zone with chance .3 * 1.3 / (1.5 * 2.5)."""
    problem = Warehouse(Warehouse.Parameters(), 2, 0)
    cells = problem.lumping(problem.local_policy).cells
    chance = dict(zip(map(tuple, cells.tolist()), problem.first))
    assert chance[2, 0, 0, 0, 0] == pytest.approx(0.3 * 1.3 / (1.5 * 2.5))
    assert chance[0, 1, 0, 1, 0] == pytest.approx(2 * 0.3 * 0.3 / (1.5 * 2.5))
    assert sum(problem.first) == pytest.approx(1)


def test_what_is_no_distribution_is_named():
    problem = random_problem(2, 0)
    problem.local_kernel[1, 2, 0] *= 0.9
    with pytest.raises(ValueError, match=r"local_kernel: row \(1, 2, 0\) is not a distribution: it sums to 0.9"):
        problem._check()
    with pytest.raises(ValueError, match="agents must be at least 1, got 0"):
        ModeTracking(ModeTracking.Parameters(), 0, 0)
