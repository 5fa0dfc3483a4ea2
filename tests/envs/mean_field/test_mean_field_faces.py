"""The faces of the mean-field environments: the checkers, and samples that agree with the tables."""

import builtins
import sys
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test
from scipy import stats

from envs.common.picture import CELL, PAPER, colour
from envs.mean_field import histograms
from envs.mean_field.gaussian_squeeze import GaussianSqueeze
from envs.mean_field.mode_tracking import ModeTracking
from envs.mean_field.random_population import RandomPopulation
from envs.mean_field.warehouse import Warehouse
from tests.tools.populations import EACH, made

each = pytest.mark.parametrize("environment", EACH)


#: Three agents with all rows well visited: 3 local states, 2 global ones.
SMALL = {"states": 3, "concentration": 2.0}


@each
@pytest.mark.parametrize("k", [2, None])
def test_gymnasium_accepts_it(environment, k):
    problem = made(environment)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*not having a spec")  # render modes are tested below
        check_env(problem.gym(k=k))
        check_env(problem.gym(k=k, horizon=2, render_mode="rgb_array"))
    seen = problem.gym(k=k).observation_space.nvec.tolist()
    assert seen == [problem.global_states] + [(k or 5) + 1] * problem.local_states


@each
def test_pettingzoo_accepts_it(environment, capsys):
    problem = made(environment)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(problem.parallel(k=2, horizon=7), num_cycles=30)
        parallel_seed_test(lambda: problem.parallel(k=2), num_cycles=30)
    assert "Passed" in capsys.readouterr().out
    env = problem.parallel(k=2)
    assert env.possible_agents == ["global", "local_0", "local_1", "local_2", "local_3", "local_4"]
    assert env.observation_space("local_3").nvec.tolist() == [problem.global_states, problem.local_states]
    assert env.action_space("global").n == problem.global_actions
    assert env.action_space("local_0").n == problem.local_actions


def chi_square(counts, chance):
    """The chance of so large a deviation of ``counts`` [..., X] from rows ``chance``; none where there is no chance."""
    assert not counts[chance == 0].any()
    visits = counts.sum(axis=-1)
    assert visits.min() > 50
    expected = visits[..., None] * chance
    possible = expected > 0
    return stats.chi2.sf(((counts - expected)[possible] ** 2 / expected[possible]).sum(), possible.sum() - visits.size)


def test_moves_agree_with_the_tables():
    """Everyone acts at random for 6000 steps: successors of the global agent and of each local one, by chi-square.

    Local agents move with the s_g that they are in, not with the next one: the tables of both differ. The reward is
    exactly that of the present states and actions, for everyone.
    """
    problem = made(RandomPopulation, agents=3, **SMALL)
    env, rng = problem.parallel(), np.random.default_rng(0)
    moves, leads = np.zeros(problem.local_kernel.shape), np.zeros(problem.global_kernel.shape)
    seen, _ = env.reset(seed=1)
    for _ in range(6000):
        actions = {agent: int(rng.integers(2)) for agent in env.agents}
        after, rewards, terminated, truncated, _ = env.step(actions)
        assert not any(terminated.values())
        assert not any(truncated.values())
        g, a = seen["global"][0], actions["global"]
        leads[g, a, after["global"][0]] += 1
        mean = 0.0
        for agent in env.agents[1:]:
            assert seen[agent][0] == g
            moves[seen[agent][1], g, actions[agent], after[agent][1]] += 1
            mean += problem.local_reward[seen[agent][1], g, actions[agent]] / 3
        assert set(rewards) == set(env.agents)
        assert len(set(rewards.values())) == 1
        assert rewards["global"] == pytest.approx(problem.global_reward[g, a] + mean, abs=1e-12)
        assert after["global"][1:].tolist() == np.bincount([after[x][1] for x in env.agents[1:]], minlength=3).tolist()
        seen = after
    assert chi_square(moves, problem.local_kernel) > 1e-3
    assert chi_square(leads, problem.global_kernel) > 1e-3


def test_what_the_global_agent_sees_is_a_sample_without_replacement():
    """k = 2 of 4, by chi-square against the hypergeometric."""
    problem = made(ModeTracking, agents=4, persistence=0.6)
    env = problem.parallel(k=2)
    population, sample = histograms.enumerated(4, 2), histograms.enumerated(2, 2)
    chance, counts = histograms.shown(population, sample), np.zeros((len(population), len(sample)))
    seen, _ = env.reset(seed=3)
    for _ in range(4000):
        low = sum(seen[f"local_{i}"][1] == 0 for i in range(4))
        assert seen["global"][1:].sum() == 2
        counts[low, seen["global"][1]] += 1
        seen, *_ = env.step(dict.fromkeys(env.agents, 0))
    assert chi_square(counts, chance) > 1e-3


def test_the_sample_is_drawn_afresh_each_step():
    """Of frozen agents, two in either state, one step may show both of one state and the next one of each."""
    problem, shown = made(ModeTracking, agents=4, persistence=1.0), set()
    for face in (problem.gym(k=2), problem.parallel(k=2)):
        seed = next(s for s in range(50) if problem.gym().reset(seed=s)[0][1] == 2)
        face.reset(seed=seed)
        assert np.bincount(face.episode.where).tolist() == [2, 2]
        for _ in range(40):
            names = getattr(face, "agents", None)
            seen = face.step(1 if names is None else dict.fromkeys(names, 0))[0]
            shown.add((names is None, int((seen if names is None else seen["global"])[1])))
        assert np.bincount(face.episode.where).tolist() == [2, 2]
    assert shown == {(single, count) for single in (True, False) for count in range(3)}


def test_the_global_agent_plays_the_exact_chain():
    """With k = n the gymnasium face is the lumping under the local policy: transitions and mean rewards."""
    problem = made(RandomPopulation, agents=2, concentration=3.0)
    problem.local_policy = np.random.default_rng(5).dirichlet(np.ones(2), size=(2, 2))
    chain, env = problem.lumping(problem.local_policy), problem.gym()
    counts, paid = np.zeros((3, 2, 2, 3, 2)), np.zeros((3, 2, 2, 2))
    rng = np.random.default_rng(1)
    seen, _ = env.reset(seed=2)
    for action in rng.integers(2, size=12_000):
        after, reward, terminated, truncated, _ = env.step(action)
        assert not terminated
        assert not truncated
        (g, low, _), (to_g, to_low, _) = seen, after  # cells are ordered by how many are in state 0
        counts[low, g, action, to_low, to_g] += 1
        paid[low, g, action] += reward, reward**2
        seen = after
    chance = np.einsum("gcd,gah->cgadh", chain.population, problem.global_kernel)
    assert chi_square(counts.reshape(3, 2, 2, 6), chance.reshape(3, 2, 2, 6)) > 1e-3
    visits = counts.sum(axis=(3, 4))
    mean = paid[..., 0] / visits
    deviation = np.sqrt(np.maximum(paid[..., 1] / visits - mean**2, 0))
    assert (abs(mean - chain.reward) < 4 * deviation / np.sqrt(visits) + 1e-12).all()
    assert deviation.max() > 0.01


def test_the_squeeze_pays_its_expectation():
    """Uniform actions of 40 agents: the mean reward of 4000 steps is ``mean_reward`` within 4 standard errors."""
    problem = made(GaussianSqueeze, agents=40, mu=150.0, sigma=60.0)
    env = problem.gym(k=7)
    env.reset(seed=0)
    paid = [env.step(0)[1] for _ in range(4000)]
    assert np.mean(paid) == pytest.approx(problem.mean_reward(np.full(10, 0.1)), abs=4 * np.std(paid) / 4000**0.5)
    assert np.std(paid) > 1


def test_starts_are_drawn_as_the_exact_start_says():
    """Uniform s_g, and the histogram's own distribution: independent states, or the warehouse's Dirichlet(.3)."""
    for environment, agents in ((ModeTracking, 4), (Warehouse, 2)):
        problem = made(environment, agents=agents)
        table, env = histograms.binomials(agents, problem.local_states), problem.gym()
        counts = np.zeros((problem.global_states, len(problem.first)))
        env.reset(seed=6)
        for _ in range(2000):
            seen = env.reset()[0]
            counts[seen[0], histograms.rank(seen[1:], table)] += 1
        assert stats.chisquare(counts.sum(axis=1)).pvalue > 1e-3
        assert stats.chisquare(counts.sum(axis=0), 2000 * problem.first).pvalue > 1e-3


@each
def test_a_seed_repeats_and_the_horizon_truncates(environment):
    problem = made(environment, agents=6)
    env, paths = problem.gym(k=2, horizon=4), []
    for _ in range(2):
        path = [env.reset(seed=7)[0].tolist()]
        for step in range(4):
            seen, reward, terminated, truncated, _ = env.step(0)
            path += [seen.tolist(), reward]
            assert not terminated
            assert truncated == (step == 3)
        paths.append(path)
    assert paths[0] == paths[1]
    env = problem.parallel(k=2, horizon=4)
    env.reset(seed=7)
    for step in range(4):
        assert len(env.agents) == 7
        *_, truncated, _ = env.step(dict.fromkeys(env.agents, 0))
        assert set(truncated.values()) == {step == 3}
    assert env.agents == []
    assert env.step({}) == ({}, {}, {}, {}, {})
    env.reset()
    assert len(env.agents) == 7


def test_bad_input_is_named():
    problem = made(ModeTracking)
    for face in (problem.gym, problem.parallel):
        for k in (0, 6):
            with pytest.raises(ValueError, match=rf"k must be in 1\.\.5, got {k}"):
                face(k=k)
        with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
            face(horizon=0)
        with pytest.raises(ValueError, match="render_mode must be one of rgb_array or None, got 'human'"):
            face(render_mode="human")
    single, env = problem.gym(), problem.parallel()
    single.reset(seed=0)
    for action in (-1, 2):
        with pytest.raises(ValueError, match=rf"action must be in 0\.\.1, got {action}"):
            single.step(action)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions must hold 0\.\.0 for local_1, got None"):
        env.step({"global": 1, "local_0": 0})
    with pytest.raises(ValueError, match=r"actions must hold 0\.\.1 for global, got 2"):
        env.step(dict.fromkeys(env.agents, 2))


def test_pictures_by_hand():
    """Frozen agents: a row of two global states, the present one filled, and bars four cells high."""
    problem = made(ModeTracking, agents=4)
    for face in (problem.gym, problem.parallel):
        assert face().render() is None
        env = face(render_mode="rgb_array")
        seen, _ = env.reset(seed=1)
        g, low, high = seen if face == problem.gym else seen["global"]
        image = env.render()
        assert image.shape == (CELL + 1 + 4 * CELL, 2 * CELL + 1, 3)
        assert image.dtype == np.uint8
        assert tuple(image[CELL // 2, g * CELL + CELL // 2]) == colour(0)
        assert tuple(image[CELL // 2, (1 - g) * CELL + CELL // 2]) == PAPER
        for s, count in enumerate((low, high)):
            bar = (image[CELL + 1 :, s * CELL + CELL // 2] == colour(1)).all(axis=1)
            assert bar.sum() == count * CELL
            assert bar[4 * CELL - count * CELL :].all()


def test_gymnasium_does_without_pettingzoo(monkeypatch):
    """Where PettingZoo is missing the one face works and the other says what to install."""
    problem, real = made(ModeTracking), builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == "pettingzoo":
            raise ModuleNotFoundError("No module named 'pettingzoo'", name="pettingzoo")
        return real(name, *rest)

    for name in ("envs.faces.pettingzoo", "envs.mean_field.pettingzoo", "envs.mean_field.episode"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    assert problem.gym().reset(seed=0)[0].sum() >= 5
    with pytest.raises(
        ModuleNotFoundError, match=r"PettingZoo is not installed; pip install 'marl-orchestrator\[deep\]'"
    ):
        problem.parallel()
