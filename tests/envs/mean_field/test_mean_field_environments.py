"""Each mean-field environment by hand: rewards, transition rows, what it refuses."""

import itertools
import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from envs.mean_field.constrained_exploration import ConstrainedExploration
from envs.mean_field.federated_optimisation import FederatedOptimisation, folded
from envs.mean_field.gaussian_squeeze import GaussianSqueeze
from envs.mean_field.lumping import action_values
from envs.mean_field.random_population import RandomPopulation
from envs.mean_field.tracking_line import TrackingLine
from envs.mean_field.warehouse import Warehouse
from tests.tools.populations import EACH, made


@pytest.mark.parametrize("environment", EACH)
def test_shapes_are_those_of_its_sizes(environment):
    problem = made(environment)
    g, a, s, b = environment.Parameters().sizes
    assert problem.global_kernel.shape == (g, a, g)
    assert problem.local_kernel.shape == (s, g, b, s)
    assert problem.global_reward.shape == (g, a)
    assert problem.local_reward.shape == problem.local_policy.shape == (s, g, b)
    assert (problem.kind == "mean-field") == (environment is not GaussianSqueeze)
    with pytest.raises(ValueError, match="agents must be at least 1, got 0"):
        made(environment, agents=0)


def test_tracking_line_moves_and_clips():
    problem = made(TrackingLine)

    def local(s, g, a):
        return problem.local_kernel[s + 1, g + 2, a + 1].tolist()

    assert local(0, 0, 1) == [0, 0, 1]
    assert local(1, 2, 0) == [1, 0, 0]  # 1 + 0 - 2 = -1
    assert local(-1, -1, 0) == [0, 1, 0]  # -1 + 0 + 1 = 0
    assert local(1, -2, 1) == [0, 0, 1]  # 4, clipped to 1
    assert problem.global_kernel[2 + 1, 2 + 2].tolist() == [0, 0, 0, 0, 1]  # 1 + 2, clipped to 2
    assert problem.global_kernel[2 - 2, 2 + 1].tolist() == [0, 1, 0, 0, 0]
    assert problem.gamma == 0.9


def test_tracking_line_pays():
    """(1 - |s|) + (.5 - .1 |a|) + (.3 - .1 |s - s_g|) + .2 near, at least .1; and r_g."""
    problem = made(TrackingLine)
    local, paid = problem.local_reward, problem.global_reward
    assert local[1, 2, 1] == pytest.approx(1 + 0.5 + 0.3 + 0.2)  # s = s_g = a = 0
    assert local[2, 3, 0] == pytest.approx(0 + 0.4 + 0.3 + 0.2)  # s = 1, s_g = 1, a = -1
    assert local[0, 4, 2] == pytest.approx(0 + 0.4 + 0.0)  # s = -1, s_g = 2, a = 1: three apart
    assert local[1, 3, 1] == pytest.approx(1 + 0.5 + 0.2 + 0.2)  # s = 0, s_g = 1: one apart is near
    assert local[1, 0, 1] == pytest.approx(1 + 0.5 + 0.1)  # s = 0, s_g = -2: two apart, not near
    assert local.min() == pytest.approx(0.4)  # the floor of .1 is never reached on these points
    assert paid[2, 2] == pytest.approx(1.2)
    assert paid[0, 2] == pytest.approx(1.4)
    assert paid[3, 4] == pytest.approx(1.2)


def test_warehouse_by_hand():
    problem = made(Warehouse)
    # s_g = 0, a_g = 2: scores .6, .1, 3.1, .1, .1
    powers = np.exp([0.6, 0.1, 3.1, 0.1, 0.1])
    np.testing.assert_allclose(problem.global_kernel[0, 2], powers / powers.sum(), rtol=1e-13)
    # s = 4 goes up to 0, s_g = 4: scores of 4 are .1 + 3.5 + .3, of 0 .1 + 1.5
    powers = np.exp([1.6, 0.1, 0.1, 0.1, 3.9])
    np.testing.assert_allclose(problem.local_kernel[4, 4, 1], powers / powers.sum(), rtol=1e-13)
    # s = 1 stays, s_g = 3: no bonus for a move
    powers = np.exp([0.1, 3.6, 0.1, 0.4, 0.1])
    np.testing.assert_allclose(problem.local_kernel[1, 3, 0], powers / powers.sum(), rtol=1e-13)
    # s = 1 goes down to 0
    powers = np.exp([1.6, 3.6, 0.1, 0.4, 0.1])
    np.testing.assert_allclose(problem.local_kernel[1, 3, 2], powers / powers.sum(), rtol=1e-13)
    assert problem.local_reward[2, 2].tolist() == [10.0, 10.5, 9.7]
    assert problem.local_reward[0, 4].tolist() == [1.0, 1.5, 0.7]  # neighbours on the ring
    np.testing.assert_allclose(problem.local_reward[0, 2], 2 / 3 + np.array([0, 0.5, -0.3]))
    assert (problem.global_reward == 1).all()
    assert problem.gamma == 0.95


def squeeze(x):
    return x * math.exp(-(((x - 400) / 200) ** 2))


def test_the_best_sum_of_a_squeeze():
    """n = 100: the derivative is 0 at x (x - 400) = 200^2 / 2, so at 200 + sqrt(60 000) = 444.9."""
    problem = made(GaussianSqueeze, agents=100)
    assert problem.best_value == pytest.approx(max(squeeze(x) for x in range(901)), rel=1e-14)
    assert problem.best_value == pytest.approx(squeeze(445), rel=1e-14)
    assert made(GaussianSqueeze, agents=100, gamma=0.5).best_value == pytest.approx(2 * squeeze(445))
    assert made(GaussianSqueeze, agents=10).best_value == pytest.approx(squeeze(90))  # 400 is out of reach


def test_expected_squeeze_is_the_mean_over_all_joint_actions():
    problem = made(GaussianSqueeze, agents=3, actions=4, mu=5.0, sigma=2.0)
    chance = np.array([0.1, 0.4, 0.0, 0.5])
    everyone = itertools.product(range(4), repeat=3)
    expected = sum(math.prod(chance[list(a)]) * sum(a) * math.exp(-(((sum(a) - 5) / 2) ** 2)) for a in everyone)
    assert problem.mean_reward(chance) == pytest.approx(expected, rel=1e-13)
    assert problem.mean_reward([0, 0, 0, 1]) == pytest.approx(9 * math.exp(-4), rel=1e-14)
    for wrong in ([0.5, 0.5], [0.5, 0.5, 0.5, -0.5], [0.2, 0.2, 0.2, 0.2], [math.nan] * 4):
        with pytest.raises(ValueError, match="probabilities must be a distribution over 4 actions"):
            problem.mean_reward(wrong)


def test_a_squeezed_team_is_paid_together():
    """60 agents; of 2 that choose 9 and 4, sum 13, it is guessed that all choose 390."""
    problem = made(GaussianSqueeze, agents=60)
    two, all_of_them = np.zeros((2, 10), np.int64)
    two[[9, 4]] = 1
    all_of_them[[7, 0]] = 50, 10
    paid = problem.pooled(np.array([two, all_of_them]))
    np.testing.assert_allclose(paid, [[squeeze(390)], [squeeze(350)]], rtol=1e-14)
    assert problem.global_reward.tolist() == [[0.0]]
    with pytest.raises(ValueError, match="gaussian-squeeze has no lumping: its reward is not a mean"):
        problem.lumping(problem.local_policy)


def test_robots_and_box_move_on_the_grid():
    """3 x 3 cells, box 2 x 2 with places 0 1 / 2 3; slip .1: the other four actions have .025 each."""
    problem = made(ConstrainedExploration)
    local, box = problem.local_kernel, problem.global_kernel
    assert local.shape == (9, 4, 5, 9)
    # the middle going right: 5 with .9, and .025 each for staying, up, down, left
    np.testing.assert_allclose(local[4, 2, 2], [0, 0.025, 0, 0.025, 0.025, 0.9, 0, 0.025, 0])
    # the top left corner going up: it stays with .9, and with .025 each by staying and by going left
    np.testing.assert_allclose(local[0, 0, 1], [0.95, 0.025, 0, 0.025, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(box[0, 2], [0.1, 0.9, 0, 0])
    np.testing.assert_allclose(box[0, 1], [1, 0, 0, 0])
    np.testing.assert_allclose(box[3, 1], [0, 0.9, 0, 0.1])
    np.testing.assert_allclose(box[3, 4], [0, 0, 0.9, 0.1])
    np.testing.assert_allclose(box[2, 0], [0, 0, 1, 0])
    np.testing.assert_allclose(box[1, 3], [0, 0.1, 0, 0.9])


def test_robots_are_paid_inside_the_box():
    problem = made(ConstrainedExploration, penalty=2.5)
    holds = [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    for g, s in itertools.product(range(4), range(9)):
        expected = problem.values[s] if s in holds[g] else -2.5
        assert problem.local_reward[s, g].tolist() == [expected] * 5
    assert (problem.values >= 0).all()
    assert (problem.values < 1).all()
    assert len(set(problem.values.tolist())) == 9
    assert made(ConstrainedExploration, instance=0).values.tolist() == problem.values.tolist()
    assert made(ConstrainedExploration, instance=1).values.tolist() != problem.values.tolist()
    everywhere = made(ConstrainedExploration, side=2)  # a box as large as the grid holds all
    assert everywhere.local_reward.tolist() == [[[value] * 5] for value in everywhere.values]


def test_a_box_larger_than_its_grid_is_refused():
    with pytest.raises(ValueError, match=r"env\.box is 4; it goes up to env\.side, 3"):
        ConstrainedExploration.Parameters(box=4)


def test_clients_step_and_drift():
    """Five levels 0, .25, ... and steps .1, .3, .9; noise .7."""
    problem = made(FederatedOptimisation)
    np.testing.assert_allclose(problem.step_sizes, [0.1, 0.3, 0.9])
    np.testing.assert_allclose(problem.global_kernel[0, 2], [0.1, 0, 0.9])
    np.testing.assert_allclose(problem.global_kernel[1, 1], [0, 1, 0])
    np.testing.assert_allclose(problem.local_kernel[2, 0, 0], [0, 0, 0.9, 0.1, 0])
    np.testing.assert_allclose(problem.local_kernel[4, 2, 0], [0, 0, 0, 0, 1])
    # x = .5, alpha = .9: |N(.05, .63)| < .125, so z between -.175 / .63 and .075 / .63
    assert problem.local_kernel[2, 2, 1, 0] == pytest.approx(
        stats.norm.cdf(0.075 / 0.63) - stats.norm.cdf(-0.175 / 0.63)
    )
    edges = [0, 0.125, 0.375, 0.625, 0.875, np.inf]
    for s, (g, alpha) in itertools.product(range(5), enumerate([0.1, 0.3, 0.9])):
        away = stats.foldnorm(c=(1 - alpha) * s / 4 / (0.7 * alpha), scale=0.7 * alpha)
        np.testing.assert_allclose(problem.local_kernel[s, g, 1], np.diff(away.cdf(edges)), atol=1e-12)


def test_folded_chances_against_draws():
    drawn = abs(np.random.default_rng(0).normal(0.3, 0.4, size=20_000))
    grid = np.array([0.0, 0.5, 1.0])
    counts = np.bincount(abs(drawn[:, None] - grid).argmin(axis=1), minlength=3)
    assert stats.chisquare(counts, 20_000 * folded(0.3, 0.4, grid)).pvalue > 1e-3


def test_clients_pay_for_distance_and_for_taking_part():
    paid = made(FederatedOptimisation, cost=0.02).local_reward
    for g in range(3):
        np.testing.assert_allclose(paid[:, g, 0], [0, -0.03125, -0.125, -0.28125, -0.5])
        np.testing.assert_allclose(paid[:, g, 1], paid[:, g, 0] - 0.02)


def test_the_best_step_size_depends_on_where_the_clients_are():
    """V* of ten clients: the largest step where all are far, small ones where all are near, each best somewhere.

    With the largest in force those who are near are about to be thrown out, so that the middle one had best follow.
    """
    problem = made(FederatedOptimisation, agents=10)
    chain = problem.lumping(problem.local_policy)
    q = action_values(chain.reward, chain.population, problem.global_kernel, problem.gamma, chain.best)
    choice = q.argmax(axis=2)
    assert choice[chain.cells[:, 4] == 10].tolist() == [[2, 2, 2]]
    assert choice[chain.cells[:, 0] == 10].tolist() == [[0, 0, 1]]
    assert set(choice[:, 0]) == set(choice[:, 1]) == {0, 1, 2}


def test_no_step_size_does_as_well_as_choosing_it():
    problem = made(FederatedOptimisation, agents=5)
    chain = problem.lumping(problem.local_policy)
    best = chain.at_start(chain.best)
    for action in range(3):
        always = np.zeros(chain.reward.shape)
        always[..., action] = 1.0
        assert chain.at_start(chain.value(always)) < best - 0.02


def test_random_populations_differ_by_instance_alone():
    one, same, other = (made(RandomPopulation, instance=i, states=3, global_states=2) for i in (4, 4, 5))
    for array in ("global_kernel", "local_kernel", "global_reward", "local_reward"):
        np.testing.assert_array_equal(getattr(one, array), getattr(same, array))
        assert not np.allclose(getattr(one, array), getattr(other, array))
    twice = made(RandomPopulation, instance=4, states=3, global_states=2, global_weight=0.2)
    np.testing.assert_allclose(twice.global_reward, 2 * one.global_reward)
    np.testing.assert_array_equal(twice.local_reward, one.local_reward)


def test_random_rows_and_rewards_are_drawn_as_stated():
    """800 rows of two states: the first entry of Dirichlet(.3, .3) is Beta(.3, .3); rewards are uniform."""
    problems = [made(RandomPopulation, instance=i, persistence=0.0, matching=0.0) for i in range(100)]
    first = np.concatenate([p.local_kernel[..., 0].ravel() for p in problems])
    assert first.size == 800
    assert stats.kstest(first, stats.beta(0.3, 0.3).cdf).pvalue > 1e-3
    paid = np.concatenate([p.local_reward.ravel() for p in problems])
    assert stats.kstest(paid, "uniform").pvalue > 1e-3
    lead = np.concatenate([p.global_reward.ravel() for p in problems])
    assert stats.kstest(lead / 0.1, "uniform").pvalue > 1e-3
    even = made(RandomPopulation, concentration=100.0, persistence=0.0).local_kernel
    assert abs(even - 0.5).max() < 0.2


def test_random_populations_stay_and_are_paid_for_meeting():
    """Mixed with staying, with where the global action leads, and with 1 for being in the same state."""
    bare = made(RandomPopulation, instance=3, states=3, control=0.0, persistence=0.0, matching=0.0, global_actions=3)
    full = made(RandomPopulation, instance=3, states=3, control=0.7, persistence=0.9, matching=0.4, global_actions=3)
    np.testing.assert_allclose(full.local_kernel[1, 0, 1], 0.1 * bare.local_kernel[1, 0, 1] + [0, 0.9, 0])
    np.testing.assert_allclose(full.global_kernel[0, 2], 0.3 * bare.global_kernel[0, 2] + [0.7, 0])  # 2 modulo 2
    np.testing.assert_allclose(full.local_reward[1, 1], 0.6 * bare.local_reward[1, 1] + 0.4)
    np.testing.assert_allclose(full.local_reward[2, 1], 0.6 * bare.local_reward[2, 1])


@pytest.mark.parametrize(
    ("environment", "parameters", "sentence"),
    [
        (TrackingLine, {"gamma": 1.0}, "less than 1"),
        (GaussianSqueeze, {"mu": 0.0}, "greater than 0"),
        (GaussianSqueeze, {"sigma": 0.0}, "greater than 0"),
        (GaussianSqueeze, {"actions": 1}, "greater than or equal to 2"),
        (GaussianSqueeze, {"actions": 101}, "less than or equal to 100"),
        (ConstrainedExploration, {"side": 6}, "less than or equal to 5"),
        (ConstrainedExploration, {"side": 1}, "greater than or equal to 2"),
        (ConstrainedExploration, {"box": 0}, "greater than or equal to 1"),
        (ConstrainedExploration, {"hit": 0.0}, "greater than 0"),
        (ConstrainedExploration, {"slip": 1.1}, "less than or equal to 1"),
        (ConstrainedExploration, {"penalty": -1.0}, "greater than or equal to 0"),
        (ConstrainedExploration, {"instance": -1}, "greater than or equal to 0"),
        (FederatedOptimisation, {"levels": 1}, "greater than or equal to 2"),
        (FederatedOptimisation, {"steps": 1}, "greater than or equal to 2"),
        (FederatedOptimisation, {"noise": 0.0}, "greater than 0"),
        (FederatedOptimisation, {"hit": 1.5}, "less than or equal to 1"),
        (FederatedOptimisation, {"drift": -0.1}, "greater than or equal to 0"),
        (FederatedOptimisation, {"cost": -0.1}, "greater than or equal to 0"),
        (RandomPopulation, {"states": 5}, "less than or equal to 4"),
        (RandomPopulation, {"global_states": 0}, "greater than or equal to 1"),
        (RandomPopulation, {"global_actions": 7}, "less than or equal to 6"),
        (RandomPopulation, {"local_actions": 0}, "greater than or equal to 1"),
        (RandomPopulation, {"concentration": 0.0}, "greater than or equal to 0.01"),
        (RandomPopulation, {"global_weight": -0.1}, "greater than or equal to 0"),
    ],
)
def test_what_is_out_of_bounds_is_refused(environment, parameters, sentence):
    with pytest.raises(ValidationError, match=rf"{next(iter(parameters))}[\s\S]*{sentence}"):
        environment.Parameters(**parameters)
