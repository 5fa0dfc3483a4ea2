"""Episodes of a population: who is drawn, where members go, and where they begin, against counting."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from algorithms.mean_field import population
from algorithms.mean_field.parameters import SubsamplingParameters
from algorithms.mean_field.population import Overseer, Population
from envs.common.chains import alias_tables
from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldProblem, Sizes
from orchestrator.core.streams import generator, member_streams

#: Chi-square tests fail at this level, at fixed seeds.
LEVEL = 1e-4


class Anything(MeanFieldProblem):
    """Nothing alike, some chances 0."""

    def fill(self) -> None:
        rng = np.random.default_rng(self.instance)
        g, a, s, b = self.parameters.sizes
        self.global_kernel = rng.dirichlet(np.ones(g), size=(g, a))
        self.local_kernel = rng.dirichlet(np.ones(s), size=(s, g, b))
        self.local_kernel[0, 0, 0] = np.eye(s)[-1]
        self.global_reward, self.local_reward = rng.normal(size=(g, a)), rng.normal(size=(s, g, b))
        self.local_policy = rng.dirichlet(np.ones(b), size=(s, g))


class Urn(Anything):
    """Members begin alike."""

    concentration = 0.7


SIZES = Sizes(3, 2, 3, 2)


def seeing(k: int) -> SubsamplingParameters:
    return SubsamplingParameters(k=k, rollouts=0, steps=1, samples="inf")


def problem_of(agents: int, kind: type = Anything, sizes: Sizes = SIZES) -> Any:
    return kind(SimpleNamespace(gamma=0.8, sizes=sizes), agents, 1)


def fits(counts: Any, chances: Any) -> bool:
    """Whether ``counts`` may come from ``chances``; what is impossible must not be met."""
    counts, chances = np.ravel(counts), np.ravel(chances)
    possible = chances > 0
    if counts[~possible].any():
        return False
    counts, chances = counts[possible], chances[possible]
    return len(counts) == 1 or stats.chisquare(counts, counts.sum() * chances / chances.sum()).pvalue > LEVEL


def subsets(rows: np.ndarray, k: int, members: int) -> list[tuple[int, ...]]:
    """The members whose histogram, each alone in its state, has such a rank; those drawn twice are there twice."""
    cells = histograms.enumerated(k, members)
    return [tuple(np.repeat(np.arange(members), cells[row]).tolist()) for row in rows]


def revealing(members: int, k: int, episodes: int, seed: int = 0) -> np.ndarray:
    """Actions of a global agent that names what it saw of members each of whom is in a state of its own."""
    rows = histograms.histograms(k, members)
    states = np.repeat(np.arange(members)[:, None], episodes, axis=1)
    present, rng = np.zeros((1, episodes), np.int64), member_streams(seed, "global", "any", range(1))
    policy, stay = np.eye(rows)[:, None], np.ones((1, rows, 1))
    return population.oversee(states, k, policy, stay, histograms.binomials(k, members), present, rng)[0]


@pytest.mark.parametrize(("members", "k"), [(5, 2), (5, 1), (6, 3), (4, 3)])
def test_the_global_agent_draws_every_subset_alike(members, k):
    drawn = subsets(revealing(members, k, 12_000), k, members)
    every = list(itertools.combinations(range(members), k))
    assert set(drawn) == set(every)
    assert fits([drawn.count(subset) for subset in every], np.ones(len(every)))


def test_successive_draws_know_nothing_of_each_other():
    drawn = subsets(revealing(4, 2, 14_400), 2, 4)
    every: list[tuple[int, ...]] = list(itertools.combinations(range(4), 2))
    pairs = np.zeros((6, 6))
    for before, after in zip(drawn[::2], drawn[1::2]):
        pairs[every.index(before), every.index(after)] += 1
    assert fits(pairs, np.ones((6, 6)))


def test_who_draws_all_sees_all():
    assert set(subsets(revealing(5, 5, 50), 5, 5)) == {(0, 1, 2, 3, 4)}


def test_what_is_seen_is_of_the_same_episode():
    """All three in each of many episodes that are in different states."""
    states = np.random.default_rng(0).integers(3, size=(3, 40))
    cells = histograms.enumerated(3, 3).tolist()
    expected = [cells.index(np.bincount(each, minlength=3).tolist()) for each in states.T]
    present, table = np.zeros(40, np.int64), histograms.binomials(3, 3)
    rng, stay = member_streams(0, "any", "any", range(3)), np.ones((1, 10, 1))
    assert population.oversee(states, 3, np.eye(10)[:, None], stay, table, present[None], rng).tolist() == [expected]
    shares = np.ascontiguousarray(np.repeat(np.eye(10)[:, None, None], 3, axis=2))
    moves = population.rows(np.repeat(np.eye(3)[:, None, None], 10, axis=2))
    place = population.sample(present, states, 0, 3, shares, table, *moves, states.copy(), rng)
    np.testing.assert_array_equal(place % 10, [expected] * 3)


@pytest.mark.parametrize(("members", "k"), [(5, 1), (5, 2), (5, 3), (4, 4)])
def test_each_draws_others_besides_itself(members, k):
    """Each member in a state of its own; what a local agent does names what it saw. Blocks of two and the rest."""
    rows, episodes = histograms.histograms(k, members), 6_000
    states = np.repeat(np.arange(members)[:, None], episodes, axis=1)
    shares = np.ascontiguousarray(np.repeat(np.eye(rows)[:, None, None], members, axis=2))
    stay = population.rows(np.repeat(np.eye(members)[:, None, None], rows, axis=2))
    table, seen, place = histograms.binomials(k, members), np.zeros(episodes, np.int64), []
    for own in (range(2), range(2, members)):
        present, rng = states[own.start : own.stop].copy(), member_streams(0, "agents", "any", own)
        place.append(population.sample(seen, states, own.start, k, shares, table, *stay, present, rng))
        np.testing.assert_array_equal(present, states[own.start : own.stop])
    for i, found in enumerate(np.concatenate(place)):
        np.testing.assert_array_equal(found // rows, i)
        drawn = subsets(found % rows, k, members)
        every = [subset for subset in itertools.combinations(range(members), k) if i in subset]
        assert set(drawn) == set(every)
        assert fits([drawn.count(subset) for subset in every], np.ones(len(every)))


def test_where_the_global_agent_goes():
    """s_g' given s_g and the action, and the action given what is seen: all three members, so nothing is left open."""
    problem, episodes = problem_of(3), 30_000
    rng = np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(2), size=(10, 3))
    block = Overseer("global", range(1), seeing(3), problem, 0)
    before = block.begin(policy, episodes, "any")["state"][0]
    assert fits(np.bincount(before, minlength=3), np.ones(3))
    row = histograms.enumerated(3, 3).tolist().index([1, 0, 2])
    reply = block.act(np.repeat([[2], [0], [2]], episodes, axis=1))
    action, after = reply["action"][0], reply["state"][0]
    for g in range(3):
        assert fits(np.bincount(action[before == g], minlength=2), policy[row, g])
        for a in range(2):
            there = (before == g) & (action == a)
            assert fits(np.bincount(after[there], minlength=3), problem.global_kernel[g, a])


@pytest.mark.parametrize("sampled", [False, True])
def test_where_local_agents_go(sampled):
    """The action given (s, s_g), by the policy, and s' given all three, under the s_g that was seen."""
    problem, episodes = problem_of(4), 12_000
    block = Population("agents", range(4), seeing(1), problem, 1)
    rng = np.random.default_rng(0)
    seen = rng.integers(3, size=episodes)
    before = block.begin(np.full((episodes, 3), 1 / 3), "any")["state"]
    local = problem.local_policy
    if sampled:  # of k = 1 that see themselves alone: the one in state s has rank 2 - s
        reply = block.sample(seen, before, np.ascontiguousarray(np.stack([local.transpose(1, 0, 2)] * 3)))
    else:
        reply = block.follow(seen, local)
    np.testing.assert_array_equal(reply["place"] // 2, before)
    action, after = reply["place"] % 2, reply["state"]
    for s, g in itertools.product(range(3), range(3)):
        there = (before == s) & (seen == g)
        assert fits(np.bincount(action[there], minlength=2), local[s, g])
        for b in range(2):
            went = after[there & (action == b)]
            assert fits(np.bincount(went, minlength=3), problem.local_kernel[s, g, b])


@pytest.mark.parametrize("cuts", [(0, 2, 5), (0, 1, 2, 3, 4, 5), (0, 4, 5)])
@pytest.mark.parametrize("sampled", [False, True])
def test_blocks_of_any_size_go_the_same_ways(cuts, sampled):
    problem, episodes, rng = problem_of(5), 7, np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(2), size=(6, 3, 3))
    spread = rng.dirichlet(np.ones(3), size=episodes)

    def walk(*cuts):
        blocks = [Population("agents", range(*ends), seeing(2), problem, 3) for ends in itertools.pairwise(cuts)]
        where = np.concatenate([block.begin(spread, "any")["state"] for block in blocks])
        out = [where]
        for step in range(6):
            seen = np.arange(step, step + episodes) % 3
            if sampled:
                replies = [block.sample(seen, where, shares) for block in blocks]
            else:
                replies = [block.follow(seen, problem.local_policy) for block in blocks]
            where = np.concatenate([reply["state"] for reply in replies])
            out += [np.concatenate([reply["place"] for reply in replies]), where]
        return np.array(out)

    whole = walk(0, 5)
    np.testing.assert_array_equal(walk(*cuts), whole)
    assert len({member.tobytes() for member in np.ascontiguousarray(whole.transpose(1, 0, 2))}) == 5


def test_episodes_of_a_role_begin_alike_and_those_of_another_do_not():
    block = Population("agents", range(4), seeing(5), problem_of(4), 0)
    spread = np.full((20, 3), 1 / 3)
    first = block.begin(spread, "any")["state"]
    block.follow(np.zeros(20, np.int64), block.problem.local_policy)
    np.testing.assert_array_equal(block.begin(spread, "any")["state"], first)
    assert (block.begin(spread, "another")["state"] != first).any()


def talk(problem: Any, count: int, steps: int, seed: int = 0, k: int = 1, **plays: np.ndarray) -> tuple[Any, list]:
    """``episodes`` carried out by one block of each group: its result, and what was called with what and replied."""
    parameters = seeing(k)
    blocks = {
        "global": Overseer("global", range(1), parameters, problem, seed),
        "agents": Population("agents", range(problem.agents), parameters, problem, seed),
    }
    rows = histograms.histograms(k, problem.local_states)
    shape = rows, problem.global_states, problem.global_actions
    policy = np.random.default_rng(5).dirichlet(np.ones(shape[2]), size=shape[:2])
    conversation = population.episodes(
        problem, count, steps, policy, "any", generator(seed, "coordinator", "any"), **plays
    )
    said, replies = [], None
    while True:
        try:
            calls: Any = conversation.send(replies)
        except StopIteration as end:
            return end.value, said
        replies = [getattr(blocks[call.on], call.method)(**call.shared) for call in calls]
        said.append([(call, reply) for call, reply in zip(calls, replies)])


@pytest.mark.parametrize("kind", [Anything, Urn])
def test_local_agents_begin_as_the_problem_says(kind):
    """Independently or by Polya's urn; s_g anywhere."""
    problem, count = problem_of(3, kind), 20_000
    _, said = talk(problem, count, 1, local=problem.local_policy)
    (_, at), (call, begun) = said[0]
    chances = dict(zip(itertools.product(range(3), repeat=3), itertools.repeat(1.0)))
    for s in chances:
        for i in range(3):
            urn = problem.concentration
            chances[s] *= 1 / 3 if urn is None else (s[:i].count(s[i]) + urn) / (i + 3 * urn)
    states = begun["state"]
    places = (states * np.array([[9], [3], [1]])).sum(axis=0)
    assert fits(np.bincount(places, minlength=27), np.array(list(chances.values())))
    assert fits(np.bincount(at["state"][0], minlength=3), np.ones(3))
    spread = call.shared["spread"]
    assert spread.shape == (count, 3)
    np.testing.assert_allclose(spread.sum(axis=1), 1, atol=1e-12)
    # Of Dirichlet(a, a, a): mean 1/3, variance (1/3)(2/3) / (3 a + 1).
    variance = 0 if problem.concentration is None else 2 / 9 / (3 * problem.concentration + 1)
    assert spread.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=5 * np.sqrt(variance / count) + 1e-12)
    assert spread.var(axis=0) == pytest.approx([variance] * 3, rel=0.05, abs=1e-12)


@pytest.mark.parametrize("sampled", [False, True])
def test_returns_are_the_rewards_of_what_was_done(sampled):
    """Discounted from the first step on, each step's by the present s_g, and s_g's ways counted, discounted."""
    problem = problem_of(4)
    shares = np.random.default_rng(2).dirichlet(np.ones(2), size=(6, 3, 3))
    plays: dict[str, Any] = {"shares": shares} if sampled else {"local": problem.local_policy}
    (total, moves), said = talk(problem, 5, 4, k=2, **plays)
    (_, begun), (_, spread) = said[0]
    seen, where = begun["state"][0], spread["state"]
    expected, ways = np.zeros(5), np.zeros((3, 3))
    assert len(said) == 5
    for t, ((asked, one), (call, acted)) in enumerate(said[1:]):
        assert (asked.method, call.method) == ("act", "sample" if sampled else "follow")
        assert call.agent_steps == 5
        np.testing.assert_array_equal(acted["place"] // 2, where)
        for e in range(5):
            g, a = seen[e], one["action"][0, e]
            local = np.mean([problem.local_reward[place // 2, g, place % 2] for place in acted["place"][:, e]])
            expected[e] += 0.8**t * (problem.global_reward[g, a] + local)
            ways[g, one["state"][0, e]] += 0.8**t
        seen, where = one["state"][0], acted["state"]
    np.testing.assert_allclose(total, expected, rtol=1e-13)
    np.testing.assert_allclose(moves, ways, rtol=1e-13)


def test_draws_from_a_row_are_those_of_its_alias_table():
    chances = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3))
    keep, alias = population.rows(chances)
    assert keep.shape == (6, 4)
    np.testing.assert_array_equal(keep.reshape(2, 3, 4), alias_tables(chances)[0])
    mass = keep.copy()
    for row, column in itertools.product(range(6), range(4)):
        mass[row, alias[row, column]] += 1 - keep[row, column]
    np.testing.assert_allclose(mass / 4, chances.reshape(6, 4), atol=1e-9)


def test_an_index_is_drawn_by_its_chance_and_never_without_one():
    rng = member_streams(0, "agents", "any", range(1))
    chance = np.array([0.0, 0.3, 0.0, 0.7, 0.0])
    found = [population.draw_index(chance, rng, 0) for _ in range(4000)]
    assert fits(np.bincount(found, minlength=5), chance)
    # Chances that fall short of 1 by rounding: the last that is possible.
    assert {population.draw_index(np.array([0.0, 1e-300, 0.0]), rng, 0) for _ in range(50)} == {1}
