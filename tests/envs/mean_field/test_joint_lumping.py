"""Lumpings in which local agents choose against all joint states and joint actions of three of them."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldProblem, Sizes
from envs.mean_field.gaussian_squeeze import GaussianSqueeze
from envs.mean_field.joint_lumping import Decentralised, JointLumping, owners
from tests.tools.joint import Everyone  # pyright: ignore[reportMissingImports]


class Anything(MeanFieldProblem):
    """Nothing alike, rewards of both signs."""

    def fill(self) -> None:
        rng = np.random.default_rng(self.instance)
        g, a, s, b = self.parameters.sizes
        self.global_kernel = rng.dirichlet(np.ones(g), size=(g, a))
        self.local_kernel = rng.dirichlet(np.ones(s), size=(s, g, b))
        self.global_reward, self.local_reward = rng.normal(size=(g, a)), rng.normal(size=(s, g, b))


class Squared(Anything):
    """Another pooled reward: the square of the mean of r_l."""

    def pooled(self, counts):
        return super().pooled(counts) ** 2


def problem_of(agents: int, seed: int, sizes: Sizes, kind: type = Anything) -> MeanFieldProblem:
    return kind(SimpleNamespace(gamma=0.8, sizes=sizes), agents, seed)


@pytest.mark.parametrize(
    ("agents", "sizes"),
    [
        (1, Sizes(2, 2, 3, 2)),
        (3, Sizes(2, 2, 2, 2)),
        (3, Sizes(3, 2, 2, 2)),
        (3, Sizes(2, 3, 3, 2)),
        (2, Sizes(2, 2, 2, 3)),
    ],
)
def test_the_best_is_that_of_all_joint_actions(agents, sizes):
    problem = problem_of(agents, agents, sizes)
    everyone = Everyone(problem)
    np.testing.assert_allclose(everyone.spread(JointLumping(problem).best), everyone.best(), atol=1e-11)
    assert problem.jointly is problem.jointly


def test_the_best_goes_by_the_pooled_reward():
    problem = problem_of(3, 5, Sizes(2, 2, 2, 2), Squared)
    everyone = Everyone(problem)
    everyone.paid = everyone.paid**2
    np.testing.assert_allclose(everyone.spread(JointLumping(problem).best), everyone.best(), atol=1e-11)


@pytest.mark.parametrize("sizes", [Sizes(2, 2, 2, 2), Sizes(3, 3, 2, 2), Sizes(2, 2, 3, 2)])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_each_looks_for_itself(sizes, k):
    """The global agent draws k of three, each local one k - 1 others; everyone moves under the present s_g."""
    problem = problem_of(3, 10 * k, sizes)
    everyone, rng = Everyone(problem), np.random.default_rng(k)
    rows = histograms.histograms(k, sizes.local_states)
    policy = rng.dirichlet(np.ones(sizes.global_actions), size=(rows, sizes.global_states))
    shares = rng.dirichlet(np.ones(sizes.local_actions), size=(rows, sizes.global_states, sizes.local_states))
    found = Decentralised(problem, policy, shares, k)
    expected = everyone.value(everyone.looking(policy, k), everyone.mingling(shares, k))
    np.testing.assert_allclose(everyone.spread(found.value), expected, atol=1e-11)
    np.testing.assert_allclose(found.globally.sum(axis=2), 1, atol=1e-12)
    np.testing.assert_allclose(found.locally.sum(axis=3), 1, atol=1e-12)


def test_a_single_agent_sees_itself():
    problem = problem_of(1, 4, Sizes(2, 2, 3, 2))
    rng = np.random.default_rng(0)
    policy, shares = rng.dirichlet(np.ones(2), size=(3, 2)), rng.dirichlet(np.ones(2), size=(3, 2, 3))
    everyone = Everyone(problem)
    expected = everyone.value(everyone.looking(policy, 1), everyone.mingling(shares, 1))
    np.testing.assert_allclose(everyone.spread(Decentralised(problem, policy, shares, 1).value), expected, atol=1e-11)


def test_what_is_best_for_all_is_worth_its_value():
    """One state, so that nobody can err: told what to do is no better than doing it."""
    problem = problem_of(3, 2, Sizes(2, 2, 1, 2))
    q = Everyone(problem).backup(Everyone(problem).best())[0]
    alike = q[:, [0, -1]]  # the reward is additive and nothing moves: all do the same
    np.testing.assert_allclose(alike.max(axis=(1, 2)), q.max(axis=(1, 2)), atol=1e-12)
    policy = np.eye(2)[alike.max(axis=1).argmax(axis=1)][None]
    shares = np.eye(2)[alike.max(axis=2).argmax(axis=1)][None, :, None]
    np.testing.assert_allclose(Decentralised(problem, policy, shares, 2).value, problem.jointly, atol=1e-11)


def test_the_mean_reward_is_that_of_every_joint_action():
    sizes = Sizes(2, 2, 2, 3)
    problem = problem_of(3, 8, sizes)
    cells = np.array([[0, 3], [1, 2], [2, 1], [3, 0]])
    locally = np.random.default_rng(1).dirichlet(np.ones(3), size=(4, 2, 2))
    found = problem.expected(cells, locally)
    assert found.shape == (4, 2)
    for (row, cell), g in itertools.product(enumerate(cells), range(2)):
        where, mean = np.repeat([0, 1], cell), 0.0
        for acted in itertools.product(range(3), repeat=3):
            chance = math.prod(locally[row, g, s, b] for s, b in zip(where, acted))
            mean += chance * sum(problem.local_reward[s, g, b] for s, b in zip(where, acted)) / 3
        assert found[row, g] == pytest.approx(mean, abs=1e-13)


@pytest.mark.parametrize("gamma", [0, 0.5])
def test_the_squeeze_is_paid_by_the_mean_over_every_joint_action(gamma):
    """Four agents, numbers 0 to 3: a curved reward of the sum, so the mean reward is not that of the mean."""
    problem = GaussianSqueeze(GaussianSqueeze.Parameters(actions=4, mu=5, sigma=2, gamma=gamma), 4, 0)
    chance = np.array([0.1, 0.4, 0.2, 0.3])
    everything = list(itertools.product(range(4), repeat=4))
    paid = {sum(b): sum(b) * math.exp(-(((sum(b) - 5) / 2) ** 2)) for b in everything}
    mean = sum(math.prod(chance[list(b)]) * paid[sum(b)] for b in everything)
    assert problem.expected(np.array([[4]]), chance[None, None, None])[0, 0] == pytest.approx(mean, rel=1e-13)
    found = Decentralised(problem, np.ones((1, 1, 1)), chance[None, None, None], 2).value
    assert found[0, 0] == pytest.approx(mean / (1 - gamma), rel=1e-12)
    assert problem.jointly[0, 0] == pytest.approx(max(paid.values()) / (1 - gamma), rel=1e-12)
    # The closed form is what every joint action gives.
    assert JointLumping(problem).best[0, 0] == pytest.approx(problem.jointly[0, 0], rel=1e-12)
    two = problem.pooled(np.array([[0, 1, 1, 0], [1, 0, 0, 1]]))
    assert two[:, 0].tolist() == pytest.approx([paid[6], paid[6]])


def test_owners_are_the_histograms_of_states():
    rows = histograms.enumerated(3, 6)  # three states, two actions
    place = Everyone(problem_of(3, 0, Sizes(1, 1, 3, 1))).row(3)
    group = [[s for s in range(3) for _ in range(row[2 * s] + row[2 * s + 1])] for row in rows.tolist()]
    assert owners(rows, 2, 3).tolist() == [place(states) for states in group]
