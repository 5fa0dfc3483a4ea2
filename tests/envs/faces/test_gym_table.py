"""The gymnasium faces: gymnasium's own checker, and samples that agree with the tables."""

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy import stats

from envs.grids.digital import Digital
from envs.linear.shared_subspace_mdp import SharedSubspaceMDP
from envs.linear.shared_subspace_mrp import SharedSubspaceMRP
from envs.linear.windy_cliff import WindyCliff

PROBLEMS = {
    "mrp": SharedSubspaceMRP(SharedSubspaceMRP.Parameters(states=4, features=3, reward_noise=0.5), 2, 0),
    "mdp": SharedSubspaceMDP(SharedSubspaceMDP.Parameters(states=4, features=6, reward_noise=0.5), 2, 0),
    "cliff": WindyCliff(WindyCliff.Parameters(rows=2, columns=3), 2, 0),
    "digital": Digital(Digital.Parameters(states=4), 2, 0),
}
#: Standard deviation of a reward; digital's is uniform within 0.5.
NOISE = {"mrp": 0.5, "mdp": 0.5, "cliff": 0.0, "digital": 0.5 / 3**0.5}


def tables(problem, agent):
    """(transition [S, A, S], reward [S, A]) as the exact solution has them."""
    if problem is PROBLEMS["mrp"]:
        return problem.transition[agent][:, None], problem.reward[agent][:, None]
    if problem is PROBLEMS["mdp"]:
        return problem.transition[agent], problem.reward[agent]
    if problem is PROBLEMS["digital"]:
        return problem.transition, problem.rewards(range(2))[agent]
    return problem.grids(np.array([agent]))[0], np.repeat(problem.cell_reward[:, None], 4, axis=1)


@pytest.mark.parametrize("name", PROBLEMS)
def test_gymnasium_accepts_it(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(PROBLEMS[name].gym(1), skip_render_check=True)


@pytest.mark.parametrize("name", PROBLEMS)
def test_samples_agree_with_the_tables(name):
    """Chi-square of successors in every state and action, and mean rewards within 4 standard errors."""
    problem = PROBLEMS[name]
    transition, reward = tables(problem, 1)
    states, actions, _ = transition.shape
    env = problem.gym(1)
    counts, paid = np.zeros(transition.shape), np.zeros((states, actions))
    rng = np.random.default_rng(1)
    state, _ = env.reset(seed=2)
    for action in rng.integers(actions, size=40_000):
        successor, gain, terminated, truncated, _ = env.step(action)
        assert not terminated
        assert not truncated
        counts[state, action, successor] += 1
        paid[state, action] += float(gain)
        state = successor
    visits = counts.sum(axis=2)
    assert visits.min() > 50
    assert not counts[transition == 0].any()
    expected = visits[..., None] * transition
    possible = expected > 0
    statistic = (((counts - expected)[possible]) ** 2 / expected[possible]).sum()
    freedom = possible.sum() - states * actions
    assert stats.chi2.sf(statistic, freedom) > 1e-3
    error = 4 * NOISE[name] / np.sqrt(visits) + 1e-9
    assert (np.abs(paid / visits - reward) < error).all()


def test_a_seed_repeats_and_the_horizon_truncates():
    env = PROBLEMS["mrp"].gym(0, horizon=3)
    paths = []
    for _ in range(2):
        path = [env.reset(seed=7)[0]]
        for step in range(3):
            state, reward, terminated, truncated, _ = env.step(0)
            path += [state, reward]
            assert not terminated
            assert truncated == (step == 2)
        paths.append(path)
    assert paths[0] == paths[1]


def test_start_states():
    """The shared-subspace faces start anywhere, windy cliff in its start cell."""
    starts = {int(PROBLEMS["mrp"].gym().reset(seed=seed)[0]) for seed in range(50)}
    assert starts == set(range(4))
    assert {int(PROBLEMS["cliff"].gym().reset(seed=seed)[0]) for seed in range(20)} == {3}


def test_rewards_carry_the_stated_noise():
    """Rewards minus the table's means: standard deviation 0.5, within 4 standard errors over 5000 steps."""
    problem = PROBLEMS["mrp"]
    env, off = problem.gym(0), []
    state, _ = env.reset(seed=3)
    for _ in range(5000):
        successor, reward, _, _, _ = env.step(0)
        off.append(float(reward) - problem.reward[0, state])
        state = successor
    assert np.std(off) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2 * 5000))
