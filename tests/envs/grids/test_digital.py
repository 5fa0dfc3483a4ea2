"""Digital: rows and rewards as stated, Q* against its own equation and by policy enumeration, slices of agents."""

import itertools
import warnings
from dataclasses import fields

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test
from pydantic import ValidationError
from scipy import stats

from envs.grids.digital import Digital, optimal_values


def problem(agents=5, instance=0, **parameters):
    return Digital(Digital.Parameters(**parameters), agents, instance)


def test_the_paper_s_sizes_are_the_defaults():
    given = problem(20)
    assert (given.states, given.actions, given.gamma, given.types) == (20, 2, 0.8, 1)
    assert given.adjacency == ("index", 1.0)
    assert (given.parameters.reward_range, given.parameters.reward_noise) == (4.0, 0.5)
    assert given.shared
    assert not problem(coupling="private").shared
    assert given.coordinates[0].ravel().tolist() == list(range(1, 21))
    assert [seen.tolist() for seen in given.seen] == [[0]]


def test_rows_are_stochastic_and_positive():
    given = problem(states=9, actions=3)
    assert given.transition.shape == (9, 3, 9)
    assert (given.transition > 0).all()
    np.testing.assert_allclose(given.transition.sum(axis=2), 1, rtol=1e-14)


def test_rows_are_normalised_uniforms():
    """Of many rows: two entries of a row keep the ratio of two uniforms, P(u / v < x) = x / 2 for x below 1."""
    rows = problem(1, states=60, actions=20).transition.reshape(-1, 60)
    ratio = rows[:, 0] / rows[:, 1]
    assert stats.kstest(ratio, lambda x: np.where(x < 1, x / 2, 1 - 1 / (2 * x))).pvalue > 1e-3


def test_mean_rewards_are_uniform_in_their_range():
    drawn = problem(100, reward_range=4.0).rewards(range(100)).ravel()
    assert stats.kstest(drawn / 4, "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(problem(reward_range=8.0).rewards(range(5)), 2 * problem().rewards(range(5)))


def test_an_agent_s_rewards_are_its_own():
    """The same whatever the number of agents and the members asked for; another agent's are others."""
    whole = problem(9).rewards(range(9))
    np.testing.assert_array_equal(problem(3).rewards(range(3)), whole[:3])
    np.testing.assert_array_equal(problem(9).rewards(range(4, 7)), whole[4:7])
    np.testing.assert_array_equal(problem(9).transition, problem(3).transition)
    assert len({row.tobytes() for row in whole}) == 9


def test_instances_differ():
    one, other = problem(), problem(instance=1)
    assert (one.transition != other.transition).all()
    assert (one.rewards(range(5)) != other.rewards(range(5))).all()


@pytest.mark.parametrize("parameters", [{}, {"gamma": 0.99, "states": 4}, {"gamma": 0.0}, {"states": 1, "actions": 1}])
def test_the_optimum_satisfies_the_optimality_equation_of_the_mean_reward(parameters):
    given = problem(**parameters)
    mean = given.rewards(range(5)).mean(axis=0)
    backed_up = mean + given.gamma * given.transition @ given.optimal.max(axis=1)
    np.testing.assert_allclose(given.optimal, backed_up, rtol=0, atol=1e-12)


def test_the_optimum_is_the_best_of_all_policies():
    """Three states, two actions: of the eight policies' exact values, the largest in every state."""
    given = problem(states=3)
    mean, state = given.rewards(range(5)).mean(axis=0), np.arange(3)
    values = [
        np.linalg.solve(np.eye(3) - 0.8 * given.transition[state, list(policy)], mean[state, list(policy)])
        for policy in itertools.product(range(2), repeat=3)
    ]
    np.testing.assert_allclose(given.optimal.max(axis=1), np.max(values, axis=0), rtol=1e-12)


def test_the_optimum_by_hand():
    """State 0 pays 1 to stay or 0 to go to state 1, which pays 3 for ever: 30 there, max(1 + .9 * 27, .9 * 30) here."""
    transition = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    values = optimal_values(transition, np.array([[1.0, 0.0], [3.0, 3.0]]), 0.9)
    np.testing.assert_allclose(values, [[1 + 0.9 * 27, 27], [30, 30]], rtol=1e-13)


def test_the_tables_of_a_slice_are_a_slice():
    given = problem(8)
    full = given.block(range(8))
    for members in (range(8), range(3, 6), range(7, 8)):
        part = given.block(members)
        rows = full.reward[full.reward_of[members.start : members.stop]]
        np.testing.assert_array_equal(part.reward[part.reward_of], rows)
        np.testing.assert_array_equal(part.type_of, full.type_of[members.start : members.stop])
        for field in fields(full):
            if field.name not in ("reward", "reward_of", "type_of"):
                np.testing.assert_array_equal(getattr(part, field.name), getattr(full, field.name))


def test_a_block_holds_the_process():
    """The alias tables give back P; every state is a start, seen as itself, and none is an end."""
    given = problem(states=7, actions=3, gamma=0.6, reward_noise=0.2)
    block = given.block(range(5))
    transition = np.zeros((7, 3, 7))
    for s, a, column in np.ndindex(7, 3, 7):
        kept = block.probability[s, a, column] / 7
        transition[s, a, block.successor[s, a, column]] += kept
        transition[s, a, block.successor[s, a, block.alias[s, a, column]]] += 1 / 7 - kept
    np.testing.assert_allclose(transition, given.transition, rtol=1e-13)
    assert block.observed.tolist() == [list(range(7))]
    assert block.starts.tolist() == list(range(7))
    assert not block.terminal.any()
    assert (block.limit, block.gamma, block.noise) == (0, 0.6, 0.2)
    np.testing.assert_array_equal(block.reward[block.reward_of], given.rewards(range(5)))


def test_noise_is_uniform_within_its_half_width():
    """Through the face: rewards minus their means fill [-.5, .5] evenly."""
    given = problem(states=4)
    env, mean, off = given.gym(2), given.rewards(range(2, 3))[0], []
    state, _ = env.reset(seed=1)
    for _ in range(4000):
        successor, reward, _, _, _ = env.step(1)
        off.append(float(reward) - mean[state, 1])
        state = successor
    assert np.abs(off).max() <= 0.5
    assert stats.kstest(np.array(off) + 0.5, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    "parameters", [{"states": 0}, {"actions": 0}, {"gamma": 1.0}, {"reward_noise": -1}, {"coupling": "both"}]
)
def test_what_makes_no_problem_is_refused(parameters):
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        problem(**parameters)


def test_nobody_is_no_team():
    with pytest.raises(ValueError, match="agents must be at least 1, got 0"):
        problem(0)


def test_pettingzoo_accepts_it(capsys):
    given = Digital(Digital.Parameters(states=5), 3, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(given.parallel(), num_cycles=100)
        parallel_seed_test(given.parallel, num_cycles=100)
    assert "Passed" in capsys.readouterr().out


def test_copies_move_and_pay_by_the_tables():
    """Mean successors and rewards of 4000 joint steps by hand-picked actions, within 5 standard errors."""
    given = Digital(Digital.Parameters(states=4), 3, 1)
    play = given.play()
    play.start(np.random.default_rng(2))
    off, came = [], np.zeros((4, 4))
    for _ in range(4000):
        before = play.observe()
        rewards, ended, cut = play.step(np.array([0, 1, 0]))
        assert not ended.any()
        assert not cut.any()
        off.append(rewards - given.rewards(range(3))[np.arange(3), before, [0, 1, 0]])
        came[before[0], play.observe()[0]] += 1
    assert np.abs(np.array(off)).max() <= 0.5
    assert np.abs(np.mean(off, axis=0)).max() < 5 * 0.29 / np.sqrt(4000)
    share = came / came.sum(axis=1, keepdims=True)
    assert np.abs(share - given.transition[:, 0]).max() < 5 * 0.5 / np.sqrt(came.sum(axis=1).min())


def test_a_picture_has_a_row_an_agent():
    given = Digital(Digital.Parameters(states=6), 3, 0)
    assert given.portrait().shape == (3 * 32 + 1, 6 * 32 + 1, 3)
