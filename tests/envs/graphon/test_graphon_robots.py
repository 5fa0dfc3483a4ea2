"""Graphons and robots by hand, and the lumping on blocks against value iteration on all joint states."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from envs.graphon import lumping
from envs.graphon.base import neighbours
from envs.graphon.graphon_robots import GraphonRobots
from envs.mean_field import histograms
from orchestrator.core.streams import member_streams

#: Agents 0, 1, 2 in one block and 3, 4 in another.
BLOCKS = {"graphon": "block", "blocks": 2}


def robots(agents: int, **given) -> GraphonRobots:
    return GraphonRobots(GraphonRobots.Parameters(**given), agents, 0)


def listed(agents: int, **given) -> list[dict[int, float]]:
    """Neighbour -> W, of each agent."""
    found = neighbours(GraphonRobots.Parameters(**given), agents, range(agents))
    rows = itertools.pairwise(found.indptr)
    return [dict(zip(found.indices[a:b].tolist(), found.weights[a:b].tolist(), strict=True)) for a, b in rows]


@pytest.mark.parametrize(
    ("agents", "radius", "agent", "expected"),
    [
        (9, 0.4, 4, [1, 3, 5, 7]),  # a third apart, diagonals sqrt(2) / 3
        (9, 0.5, 4, [0, 1, 2, 3, 5, 6, 7, 8]),
        (9, 0.4, 0, [1, 3]),
        (5, 0.5, 0, [1, 3]),  # three columns a third apart, two rows half apart
        (5, 0.4, 0, [1]),
        (25, 0.2, 12, [7, 11, 13, 17]),  # the radius is the distance: rounding decides nothing
        (25, 0.3, 12, [6, 7, 8, 11, 13, 16, 17, 18]),
    ],
)
def test_radial_neighbours(agents, radius, agent, expected):
    assert listed(agents, radius=radius)[agent] == dict.fromkeys(expected, 1.0)


def test_block_neighbours():
    found = listed(5, **BLOCKS, within=0.7, across=0.1)
    assert found[0] == {1: 0.7, 2: 0.7, 3: 0.1, 4: 0.1}
    assert found[4] == {0: 0.1, 1: 0.1, 2: 0.1, 3: 0.7}
    assert listed(5, **BLOCKS, across=0)[3] == {4: 1.0}
    assert robots(8, graphon="block", blocks=3).parameters.sizes(8).tolist() == [3, 3, 2]


def test_shares_of_a_state():
    """Agent 0 of five: 1 in its block is at work, 3 in the other; (1 + .2) / (2 + .4) = .5. Agent 3: .2 / 1.6."""
    states = np.array([[2], [2], [0], [2], [1]])
    _, paid = robots(5, **BLOCKS).block(range(5)).step(np.zeros((5, 1), np.int64), states, streams(5))
    # 20 max(.4, 1 - 5 / 2) = 8; agent 3 sees 0 and 1 at work: .4 / 1.6 = .25, so 8; agent 4: (.4 + 1) / 1.6, 5 * .4
    assert paid[:, 0].tolist() == pytest.approx([8, 8, 4, 8, 2])
    states, work = np.array([[2], [0], [0], [0], [0]]), np.full((5, 1), 2)
    _, paid = robots(5, **BLOCKS, across=0.1).block(range(5)).step(work, states, streams(5))
    # agent 1: 1 / 2.2 at work, 10 * .4; agent 3: .1 / 1.3, 10 (1 - .5 / 1.3) = 80 / 13; work costs 5
    assert paid[:, 0].tolist() == pytest.approx([20 - 5, 4 - 5, 4 - 5, 80 / 13 - 5, 80 / 13 - 5])


def test_the_model_by_hand():
    chance, paid = GraphonRobots.model(np.array([[0.75, 0.0, 0.25], [0.9, 0.0, 0.1], [0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(chance[0, 0], [[1, 0, 0], [0.1, 0.9, 0], [0, 0.3, 0.7]])
    np.testing.assert_allclose(chance[0, 2], [[0.9, 0, 0.1], [0, 0.9, 0.1], [0, 0.3, 0.7]])
    np.testing.assert_allclose(chance[1, 1, 2], [0, 0.18, 0.82])
    np.testing.assert_allclose(chance[2, 1, 2], [0, 0.9, 0.1])
    np.testing.assert_allclose(paid[0], [[4, 4, -1], [2, 2, -3], [8, 8, 3]])
    np.testing.assert_allclose(paid[1], [[5, 5, 0], [2.5, 2.5, -2.5], [10, 10, 5]])


def streams(agents: int, seed: int = 0) -> np.ndarray:
    return member_streams(seed, "agents", "test", range(agents))


def test_draws_are_in_proportion_to_w():
    """Agent 0 of five draws 1 and 2 with 1 / 2.4 each, 3 and 4 with .2 / 2.4 each: by state (2, 1, .2 + 1) / 2.4 ..."""
    episodes = 20_000
    states = np.repeat(np.array([[2], [0], [1], [2], [2]]), episodes, axis=1)
    shown = robots(5, **BLOCKS).block(range(5)).shown(3, states, streams(5))
    assert (shown.sum(axis=2) == 3).all()
    found = shown.sum(axis=1)
    for agent, expected in ((0, [1, 1, 0.4]), (3, [0.2, 0.2, 1.2])):
        share = np.array(expected) / sum(expected)
        assert stats.chisquare(found[agent], 3 * episodes * share).pvalue > 1e-4
    # three draws are independent: all of them show agent 0 no one at work with chance (2 / 2.4)^3
    none = (shown[0, :, 2] == 0).mean()
    assert none == pytest.approx((2 / 2.4) ** 3, abs=4 * 0.5 / math.sqrt(episodes))


def test_steps_follow_the_model():
    episodes = 20_000
    states = np.repeat(np.array([[2], [0], [1], [0], [0]]), episodes, axis=1)
    actions = np.repeat(np.array([[0], [2], [2], [1], [2]]), episodes, axis=1)
    after, _ = robots(5, **BLOCKS).block(range(5)).step(actions, states, streams(5))
    crowded, far = 0.9 - 0.8 / 2.4, 0.9 - 0.8 * 0.125
    for agent, expected in enumerate(
        [[0.9, 0, 0.1], [0, 1 - crowded, crowded], [0, 1 - crowded, crowded], [0.1, 0.9, 0], [0, 1 - far, far]]
    ):
        counts = np.bincount(after[agent], minlength=3)
        possible = np.array(expected) > 0
        assert counts[~possible].sum() == 0
        assert stats.chisquare(counts[possible], episodes * np.array(expected)[possible]).pvalue > 1e-4


@pytest.mark.parametrize("given", [{"radius": 0.5}, BLOCKS], ids=["radial", "block"])
def test_cuts_change_nothing(given):
    problem = robots(7, **given)
    rng = np.random.default_rng(0)
    states, actions = rng.integers(3, size=(7, 5)), rng.integers(3, size=(7, 5))

    def played(*cuts):
        parts = []
        for members in cuts:
            own, of = streams(7)[members.start : members.stop].copy(), problem.block(members)
            shown = of.shown(4, states, own)
            parts.append((shown, *of.step(actions[members.start : members.stop], states, own), own))
        return [np.concatenate(column) for column in zip(*parts)]

    for one, other in zip(played(range(7)), played(range(2), range(2, 3), range(3, 7)), strict=True):
        np.testing.assert_array_equal(one, other)


GAMMA = 0.6


def model_of(states: tuple[int, ...], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(s_i' | s, a_i) [n, A, S] and r_i / n [n, A] in a joint state, from the definition."""
    n = len(states)
    chance, paid = np.zeros((n, 3, 3)), np.zeros((n, 3))
    for i, s in enumerate(states):
        busy = sum(weights[i, j] for j in range(n) if states[j] == 2) / weights[i].sum()
        work = max(0.1, 0.9 - 0.8 * busy)
        chance[i, 2, [2, 1]] = work, 1 - work
        for a in (0, 1):
            chance[i, a, a] += 0.9
            chance[i, a, s] += 0.1
        paid[i] = ((10, 5, 20)[s] * max(0.4, 1 - 5 * busy) - np.array([0, 0, 5])) / n
    return chance, paid


def weights_of(problem: GraphonRobots) -> np.ndarray:
    found = np.zeros((problem.agents, problem.agents))
    place = np.repeat(np.arange(problem.parameters.blocks), problem.parameters.sizes(problem.agents))
    for i, j in itertools.permutations(range(problem.agents), 2):
        found[i, j] = problem.parameters.within if place[i] == place[j] else problem.parameters.across
    return found


def joint(problem: GraphonRobots, decide) -> dict[tuple[int, ...], float]:
    """V of all joint states; ``decide(Q of all joint actions [A] * n, states)`` gives the value."""
    n, weights = problem.agents, weights_of(problem)
    everyone = list(itertools.product(range(3), repeat=n))
    models = {states: model_of(states, weights) for states in everyone}
    value = np.zeros((3,) * n)
    for _ in range(70):
        new = np.empty_like(value)
        for states in everyone:
            chance, paid = models[states]
            q = GAMMA * value
            for i in range(n):  # the first axis goes, the action's is put last: after n times they are in order
                q = np.tensordot(q, chance[i], axes=(0, 1))
            for i in range(n):
                q = q + paid[i].reshape([3 if k == i else 1 for k in range(n)])
            new[states] = decide(q, states)
        value = new
    return {states: value[states] for states in everyone}


def cell_of(problem: GraphonRobots, states: tuple[int, ...]) -> int:
    ends = np.cumsum([0, *problem.parameters.sizes(problem.agents)])
    counts = [np.bincount(states[a:b], minlength=3) for a, b in itertools.pairwise(ends)]
    return int(np.nonzero((problem.lumping.counts == np.array(counts)).all(axis=(1, 2)))[0][0])


@pytest.mark.parametrize(("agents", "blocks"), [(3, 1), (3, 2), (4, 2), (3, 3)])
def test_the_best_joint_policy_is_that_of_all_joint_states(agents, blocks):
    problem = robots(agents, graphon="block", blocks=blocks, gamma=GAMMA)
    best = joint(problem, lambda q, states: q.max())
    for states, expected in best.items():
        assert problem.lumping.best[cell_of(problem, states)] == pytest.approx(expected, abs=1e-9)
    assert max(best.values()) - min(best.values()) > 1
    start = problem.lumping.at_start(problem.lumping.best)
    assert start == pytest.approx(np.mean(list(best.values())), abs=1e-9)


@pytest.mark.parametrize(("agents", "blocks"), [(3, 1), (3, 2), (4, 2), (3, 3)])
def test_the_deployed_value_is_that_of_all_joint_states(agents, blocks):
    """Each agent draws two neighbours with replacement: by going through all pairs of them."""
    problem, kappa = robots(agents, graphon="block", blocks=blocks, gamma=GAMMA), 2
    weights, shown = weights_of(problem), histograms.enumerated(kappa, 3)
    policy = np.random.default_rng(1).dirichlet(np.ones(3), size=(len(shown), 3))
    place = {tuple(cell): row for row, cell in enumerate(shown.tolist())}

    def followed(q, states):
        for i, s in enumerate(states):
            act, share = np.zeros(3), weights[i] / weights[i].sum()
            for draws in itertools.product(range(agents), repeat=kappa):
                seen = place[tuple(np.bincount([states[j] for j in draws], minlength=3).tolist())]
                act += math.prod(share[j] for j in draws) * policy[seen, s]
            q = np.tensordot(q, act, axes=(0, 0))
        return q

    value = problem.lumping.value(problem.lumping.action_chances(policy, shown))
    for states, expected in joint(problem, followed).items():
        assert value[cell_of(problem, states)] == pytest.approx(expected, abs=1e-9)


def test_the_start_is_uniform():
    """Blocks of two and one: (1/9 for two in one state, 2/9 for two in different ones) times 1/3."""
    lumping = robots(3, **BLOCKS).lumping
    for counts, chance in zip(lumping.counts, lumping.first, strict=True):
        assert chance == pytest.approx((1 if 2 in counts[0] else 2) / 27)
    assert math.fsum(lumping.first) == pytest.approx(1)


@pytest.mark.parametrize(
    ("agents", "given", "words"),
    [
        (1, {}, "agents must be at least 2, for each to have a neighbour, got 1."),
        (4, {}, r"radius is 0.3: on the 2 x 2 grid of 4 agents some have no neighbour within it; 0.5 would do"),
        (7, {"radius": 0.33}, r"on the 3 x 3 grid of 7 agents some have no neighbour within it; 0.334 would do"),
        (13, {"radius": 0.2}, r"on the 4 x 4 grid of 13 agents some have no neighbour within it; 0.25 would do"),
        (3, {**BLOCKS, "blocks": 4}, "blocks is 4; 3 agents make 1 to 3 blocks"),
        (3, {**BLOCKS, "across": 0}, r"within is 1 and across 0: with 3 agents in 2 blocks some have no neighbour"),
        (4, {**BLOCKS, "across": 0, "within": 0}, r"within is 0 and across 0: with 4 agents in 2 blocks"),
    ],
)
def test_what_is_refused(agents, given, words):
    with pytest.raises(ValueError, match=words):
        robots(agents, **given)


@pytest.mark.parametrize("agents", [*range(2, 40), 50, 90])
def test_what_is_named_would_do(agents):
    """The radius of the sentence gives everyone a neighbour, a little less does not."""
    with pytest.raises(ValueError, match="would do") as refused:
        robots(agents, radius=1e-3)
    enough = float(str(refused.value).split()[-3])
    assert all(listed(agents, radius=enough))
    robots(agents, radius=enough)
    assert not all(listed(agents, radius=enough - 2e-3))


def test_exact_values_where_they_are_within_reach():
    given = GraphonRobots.Parameters
    assert given(graphon="block").solvable(12)
    assert given(graphon="block").lumpable(20)
    assert not given(graphon="block").solvable(20)
    assert not given(graphon="block").lumpable(40)
    assert not given(graphon="radial").lumpable(9)
    with pytest.raises(ValueError, match="Only graphon=block has blocks"):
        _ = robots(9, radius=0.5).lumping
    assert robots(8, **BLOCKS).memory > robots(8, radius=0.5).memory > 0


def test_operations_count_what_is_done():
    """One block of two: 6 counts; 9 places hold two agents in 45 ways; an improvement multiplies each with 6 values."""
    sizes = np.array([2])
    once = lumping.best_operations(sizes, 3, 3) / lumping.IMPROVEMENTS
    assert once == 45 * 6 + lumping.SWEEPS * 36
