"""The faces of the grids: the checkers of gymnasium, PettingZoo and RLlib, pictures, who leaves when."""

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test

from envs.common.picture import BLOCKER, CELL, GAP, LINE, PAPER, colour, picture, side_by_side
from envs.grids.blocker import Blocker
from envs.grids.landmarks import Landmarks
from envs.grids.navigation import Navigation

PROBLEMS = {
    "landmarks": Landmarks(Landmarks.Parameters(size=2, slip=0.2, limit=12), 5, 0),
    "navigation": Navigation(Navigation.Parameters(size=3, limit=9), 3, 0),
    "blocker": Blocker(Blocker.Parameters(limit=12), 3, 0),
}
each = pytest.mark.parametrize("name", PROBLEMS)


@pytest.mark.parametrize("agent", range(5))
def test_gymnasium_accepts_it(agent):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*not having a spec")  # render modes are tested below
        check_env(PROBLEMS["landmarks"].gym(agent))
        check_env(PROBLEMS["landmarks"].gym(agent, render_mode="rgb_array"))


@each
def test_pettingzoo_accepts_it(name, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(PROBLEMS[name].parallel(), num_cycles=200)
        parallel_seed_test(PROBLEMS[name].parallel, num_cycles=200)
    assert "Passed" in capsys.readouterr().out


@each
def test_rllib_accepts_it(name):
    # RLlib is imported in the tests that need it: it loads torch, and every process imports this file.
    from ray.rllib.utils.pre_checks.env import check_multiagent_environments

    for _ in range(20):  # its one random step ends the episode of an agent now and then
        check_multiagent_environments(PROBLEMS[name].rllib())


@each
def test_rllib_collects_whole_episodes(name):
    """RLlib's own episodes take what the face gives, until all agents are done; it is over exactly then."""
    from ray.rllib.env.multi_agent_episode import MultiAgentEpisode

    env = PROBLEMS[name].rllib()
    ends = set()
    for seed in range(40):
        observed, infos = env.reset(seed=seed)
        episode = MultiAgentEpisode(
            observation_space=env.observation_spaces, action_space=env.action_spaces, agent_to_module_mapping_fn=None
        )
        episode.add_env_reset(observations=observed, infos=infos)
        rng, live = np.random.default_rng(seed), set(observed)
        while live:
            actions = {agent: int(rng.integers(5)) for agent in sorted(live)}
            observed, rewards, terminated, truncated, infos = env.step(actions)
            assert set(observed) == set(rewards) == set(infos) == live == set(env.agents)
            assert all(env.get_observation_space(agent).contains(row) for agent, row in observed.items())
            episode.add_env_step(observed, actions, rewards, infos, terminateds=terminated, truncateds=truncated)
            live -= {agent for agent in live if terminated[agent] or truncated[agent]}
            assert episode.is_done == (not live) == (terminated["__all__"] or truncated["__all__"])
            assert not (terminated["__all__"] and truncated["__all__"])
        ends |= {"cut" if truncated["__all__"] else "done"}
    assert ends == {"cut", "done"}


@each
def test_both_faces_play_the_same_game(name):
    """One seed and the same actions: the same observations, rewards and ends from PettingZoo and RLlib."""
    ours, theirs = PROBLEMS[name].parallel(), PROBLEMS[name].rllib()
    rng = np.random.default_rng(0)
    for seed in (3, None, None):
        assert ours.reset(seed=seed) == theirs.reset(seed=seed)
        while ours.agents:
            actions = {agent: rng.integers(5) for agent in ours.agents}
            one, two = ours.step(actions), theirs.step(actions)
            assert one[:2] == two[:2]
            for flags, more in zip(one[2:4], two[2:4]):
                assert flags == {agent: flag for agent, flag in more.items() if agent != "__all__"}


def test_landmarks_leave_one_by_one_and_teams_together():
    env = PROBLEMS["landmarks"].parallel()
    sizes = set()
    for seed in range(20):
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        for step in range(12):
            assert env.agents
            _, rewards, terminated, truncated, _ = env.step({agent: rng.integers(5) for agent in env.agents})
            for agent, reward in rewards.items():
                assert reward == (1.0 if terminated[agent] else -0.01)
                assert truncated[agent] == (step == 11 and not terminated[agent])
            sizes.add(len(env.agents))
            if not env.agents:
                break
        assert env.agents == []
        assert env.step({}) == ({}, {}, {}, {}, {})
    assert len(sizes) > 3


@each
def test_bad_input_is_named(name):
    env = PROBLEMS[name].parallel()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions must hold 0\.\.4 for agent_1, got None"):
        env.step({"agent_0": 0})
    with pytest.raises(ValueError, match=r"actions must hold 0\.\.4 for agent_0, got 5"):
        env.step(dict.fromkeys(env.agents, 5))
    for face in (PROBLEMS[name].parallel, PROBLEMS[name].rllib):
        with pytest.raises(ValueError, match="render_mode must be one of rgb_array or None, got 'human'"):
            face(render_mode="human")


@each
def test_faces_render(name):
    problem = PROBLEMS[name]
    for face in (problem.parallel, problem.rllib):
        assert face().render() is None
        env = face(render_mode="rgb_array")
        env.reset(seed=1)
        image = env.render()
        assert image.dtype == np.uint8
        assert image.ndim == 3
        for agent in range(problem.agents):
            assert (image == colour(agent)).all(axis=2).sum() >= 4 * CELL
    env = PROBLEMS["landmarks"].gym(4, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (2 * CELL + 1, 2 * CELL + 1, 3)
    assert (env.render() == colour(4)).all(axis=2).any()


def centre(image, x, y):
    return tuple(image[y * CELL + CELL // 2, x * CELL + CELL // 2].tolist())


def test_pictures_by_hand():
    image = picture(3, 4, [(0, 0), (2, 1)], goals=[(3, 2), (0, 0)], blockers=[(1, 2)])
    assert image.shape == (3 * CELL + 1, 4 * CELL + 1, 3)
    assert image.dtype == np.uint8
    assert centre(image, 0, 0) == colour(0)
    assert centre(image, 2, 1) == colour(1)
    assert centre(image, 1, 2) == BLOCKER
    assert centre(image, 3, 2) == centre(image, 1, 1) == PAPER
    assert tuple(image[2 * CELL + 4, 3 * CELL + 4]) == colour(0)  # a goal is a frame
    assert tuple(image[4, 4]) == colour(1)
    assert tuple(image[CELL, 5]) == tuple(image[5, CELL]) == LINE
    assert len({colour(agent) for agent in range(40)}) == 40


def test_agents_in_one_cell_are_all_seen():
    image = picture(1, 2, [(1, 0)] * 3)
    across = {tuple(pixel) for pixel in image[CELL // 2].tolist()}
    assert {colour(0), colour(1), colour(2)} <= across
    frames = picture(1, 1, [], goals=[(0, 0)] * 3)
    assert {colour(0), colour(1), colour(2)} <= {tuple(pixel) for pixel in frames[CELL // 2].tolist()}


def test_boards_stand_side_by_side():
    boards = [np.full((10, 20, 3), k, np.uint8) for k in range(7)]
    image = side_by_side(boards)
    assert image.shape == (20 + GAP, 5 * 20 + 4 * GAP, 3)
    assert image[0, 20 + GAP, 0] == 1
    assert image[10 + GAP, 0, 0] == 5
    assert image[-1, -1, 0] == 255
