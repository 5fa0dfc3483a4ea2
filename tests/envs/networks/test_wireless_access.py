"""Wireless access: slots by hand, rollouts against the exact joint distribution of four users, ALOHA, bad input."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from pydantic import ValidationError

from envs.networks.wireless_access import WirelessAccess, move
from orchestrator.core.streams import member_streams


def problem(agents=25, **parameters):
    return WirelessAccess(WirelessAccess.Parameters(**parameters), agents, 0)


def streams(episodes, seed=0):
    return member_streams(seed, "test", "episodes", range(episodes))


def local(agents):
    return np.arange(agents + 1), np.arange(agents)


def random_policy(given, rows, seed=0):
    policy = np.random.default_rng(seed).uniform(size=(given.agents, rows, 5)) * given.available[:, None]
    return policy / policy.sum(axis=2, keepdims=True)


def after(states, actions, agents=4, success=1.0, arrival=0.0):
    """The joint states after one slot."""
    given, states = problem(agents), np.array(states, np.int64)
    move(arrival, success, given.points, given.access, states, np.array(actions, np.int64), streams(1), 0)
    return states.tolist()


def test_a_packet_sent_alone():
    """The earliest one leaves; without it, an old one expires and a fresh one ages; flags do not stay."""
    assert after([6, 4, 2, 0], [1, 0, 0, 0]) == [3, 2, 0, 0]
    assert after([4, 0, 0, 2], [1, 0, 0, 0]) == [1, 0, 0, 0]
    assert after([5, 3, 1, 7], [0, 1, 0, 0]) == [2, 1, 0, 2]
    assert after([6, 0, 0, 0], [1, 0, 0, 0], arrival=1.0) == [7, 4, 4, 4]


def test_packets_that_do_not_get_through():
    """By a collision or by bad luck: nothing leaves, an old one expires."""
    assert after([4, 6, 2, 0], [1, 1, 0, 0]) == [2, 2, 0, 0]
    assert after([6, 0, 0, 0], [1, 0, 0, 0], success=0.0) == [2, 0, 0, 0]
    assert after([4, 2, 2, 7], [1, 1, 1, 1], arrival=1.0) == [6, 4, 4, 6]


def test_who_has_no_packet_disturbs_nobody():
    assert after([0, 2, 1, 0], [1, 1, 1, 1]) == [0, 1, 0, 0]


def test_users_collide_at_one_access_point_only():
    """Side 3: the first four users send to access points 0, 1 and 2; then users 1 and 4 both to point 1."""
    assert after([2] * 9, [1, 2, 0, 2, 0, 0, 0, 0, 0], agents=9) == [1, 1, 0, 1, 0, 0, 0, 0, 0]
    assert after([2] * 9, [1, 2, 0, 0, 2, 0, 0, 0, 1], agents=9) == [1, 0, 0, 0, 0, 0, 0, 0, 1]


def test_chances_of_arrival_and_success():
    """One user alone sends at every slot: .3 and .6 within five standard errors of 40,000 slots."""
    given = problem(4, arrival=0.3, success=0.6, slots=40000)
    policy = np.zeros((4, 8, 5))
    policy[0, :, 1] = policy[1:, :, 0] = 1
    seen = given.rollout(policy, *local(4), given.horizon, streams(1))[0] // 5
    assert abs((seen >= 4).mean() - 0.3) < 5 * np.sqrt(0.21 / (4 * 40000))
    waiting = seen[:-1, 0] >= 2
    got = seen[1:, 0][waiting] & 1
    assert abs(got.mean() - 0.6) < 5 * np.sqrt(0.24 / waiting.sum())
    assert not (seen[:, 1:] & 1).any()


def exact(given, policy, indptr, indices, horizon):
    """P(5 s_i + a_i = c at t) float64 [horizon, 4, 40]: four users, one access point, summed over all that may happen.

    States are tuples of (packet with one slot left, packet with two, got through).
    """
    arrival, success = given.parameters.arrival, given.parameters.success
    out = np.zeros((horizon, 4, 40))
    idle = {((0, 0),) * 4: 1.0}  # before arrivals: (packet with one slot left, got through)
    for t in range(horizon):
        now = defaultdict(float)
        for joint, mass in idle.items():
            for new in itertools.product((0, 1), repeat=4):
                chance = np.prod([arrival if e else 1 - arrival for e in new])
                now[tuple((old, e, got) for (old, got), e in zip(joint, new))] += mass * chance
        idle = defaultdict(float)
        for joint, mass in now.items():
            codes = [4 * fresh + 2 * old + got for old, fresh, got in joint]
            sends = []
            for i in range(4):
                row = sum(8**k * codes[j] for k, j in enumerate(indices[indptr[i] : indptr[i + 1]]))
                out[t, i, 5 * codes[i] : 5 * codes[i] + 5] += mass * policy[i, row]
                has = joint[i][0] or joint[i][1]
                sends.append((1 - policy[i, row, 1] * has, policy[i, row, 1] * has))
            for who in itertools.product((0, 1), repeat=4):
                chance = mass * np.prod([sends[i][who[i]] for i in range(4)])
                outcomes = [(success, who), (1 - success, (0,) * 4)] if sum(who) == 1 else [(1.0, (0,) * 4)]
                for share, through in outcomes:
                    kept = tuple((int(e2 and not (g and not e1)), g) for (e1, e2, _), g in zip(joint, through))
                    idle[kept] += chance * share
    return out


@pytest.mark.parametrize("hops", [0, 1])
def test_rollouts_of_four_users_are_distributed_as_defined(hops):
    """States with actions at every observation, and the return, under random local and all-seeing policies."""
    given, episodes = problem(4, slots=5, arrival=0.6, success=0.7), 40000
    indptr, indices = given.graph.within(hops)
    policy = random_policy(given, 8 ** (4 if hops else 1), seed=hops)
    seen = given.rollout(policy, indptr, indices, given.horizon, streams(episodes))
    wanted = exact(given, policy, indptr, indices, given.horizon)
    np.testing.assert_allclose(wanted.sum(axis=2), 1, rtol=1e-12)
    found = (seen[..., None] == np.arange(40)).mean(axis=0)
    bound = 5 * np.sqrt(wanted * (1 - wanted).clip(0) / episodes) + (wanted > 0) * 3 / episodes
    assert (np.abs(found - wanted) <= bound).all()
    flags = wanted.reshape(6, 4, 8, 5)[:, :, 1::2].sum(axis=(2, 3)).mean(axis=1)
    returns = given.episode_return(seen)
    value = (0.7 ** np.arange(5) * flags[1:]).sum()
    assert abs(returns.mean() - value) < 5 * returns.std() / np.sqrt(episodes)


def test_aloha_at_one_access_point():
    """In the first slot, one of four sends alone with chance 4 q (1 - q)^3, q = p / 2, and four fifths get through."""
    given, q = problem(4, slots=1), 0.15
    seen = given.rollout(given.aloha(0.3), *local(4), 2, streams(40000))
    returns = given.episode_return(seen)
    assert abs(returns.mean() - 0.8 * q * (1 - q) ** 3) < 5 * returns.std() / 200


def test_aloha_sends_what_there_is_to_points_there_are():
    given = problem(9)
    policy = given.aloha(0.4)
    assert policy.shape == (9, 8, 5)
    assert (policy[:, :2] == [1, 0, 0, 0, 0]).all()
    for i, row in ((0, [0.6, 0.4, 0, 0, 0]), (1, [0.6, 0.2, 0.2, 0, 0]), (4, [0.6, 0.1, 0.1, 0.1, 0.1])):
        np.testing.assert_allclose(policy[i, 2:], np.tile(row, (6, 1)), rtol=1e-15)
    assert not policy[~np.broadcast_to(given.available[:, None], policy.shape)].any()
    assert (given.aloha(1)[:, 2:, 0] == 0).all()
    with pytest.raises(ValueError, match=r"p must be a probability, got 1\.5"):
        given.aloha(1.5)


def test_rows_do_not_depend_on_which_are_simulated_together():
    given = problem()
    rng, halves = streams(10), streams(10)
    whole = given.rollout(given.aloha(0.5), *local(25), 13, rng)
    parts = [given.rollout(given.aloha(0.5), *local(25), 13, part) for part in (halves[:3], halves[3:])]
    assert (np.concatenate(parts) == whole).all()
    assert (halves == rng).all()
    returns = [given.episode_return(part) for part in parts]
    assert (np.concatenate(returns) == given.episode_return(whole)).all()


def test_nine_users_by_hand():
    """Access points 0 1 / 2 3 between users 0 1 2 / 3 4 5 / 6 7 8."""
    given = problem(9)
    reached = [[0], [0, 1], [1], [0, 2], [0, 1, 2, 3], [1, 3], [2], [2, 3], [3]]
    assert [[int(k) for k in row if k >= 0] for row in given.access] == reached
    assert given.available.sum(axis=1).tolist() == [2, 3, 2, 3, 5, 3, 2, 3, 2]
    assert given.available[1].tolist() == [True, True, True, False, False]
    near = [[1, 3, 4], [0, 2, 3, 4, 5], [1, 4, 5], [0, 1, 4, 6, 7], [0, 1, 2, 3, 5, 6, 7, 8]]
    assert [given.graph.neighbours(i).tolist() for i in range(5)] == near
    assert given.hops[0].tolist() == [0, 1, 2, 1, 1, 2, 2, 2, 2]
    assert given.diameter == given.hops.max() == 2


def test_neighbours_are_those_who_share_an_access_point():
    given = problem(25)
    assert given.points == 16
    for i, j in itertools.permutations(range(25), 2):
        shared = set(given.access[i]) & set(given.access[j]) - {-1}
        assert bool(shared) == (j in given.graph.neighbours(i))
    assert given.diameter == given.hops.max() == 4


def test_rewards_and_returns_by_hand():
    given = problem(4, gamma=0.5)
    assert given.reward.shape == (4, 8, 5)
    assert (given.reward == (np.arange(8) % 2)[:, None]).all()
    assert given.horizon == 13
    states = np.array([[[1, 0, 0, 0], [5, 0, 3, 0], [0, 0, 0, 0], [4, 2, 6, 7]]])  # flags at time 0 count for nothing
    np.testing.assert_allclose(given.episode_return(5 * states + 4), [(2 + 0.25) / 4], rtol=1e-15)


@pytest.mark.parametrize("agents", [-4, 0, 1, 5, 24])
def test_users_that_fill_no_square_are_refused(agents):
    with pytest.raises(ValueError, match=rf"agents must be the square of a number from 2 on .* got {agents}\."):
        problem(agents)


def test_policies_that_do_not_fit_are_refused():
    given = problem(9)
    with pytest.raises(ValueError, match=r"policy must have shape \(9, 8 or more, 5\), got \(9, 4, 5\)"):
        given.rollout(given.aloha(0.5)[:, :4], *local(9), 2, streams(1))
    with pytest.raises(ValueError, match="policy must be 0 where `available` is False; agent 0 has fewer"):
        given.rollout(np.full((9, 8, 5), 0.2), *local(9), 2, streams(1))
    with pytest.raises(ValueError, match="indptr must be 10 ascending numbers"):
        given.rollout(given.aloha(0.5), np.arange(9), np.arange(9), 2, streams(1))
    with pytest.raises(ValueError, match=r"indices must name agents 0\.\.8"):
        given.rollout(given.aloha(0.5), np.arange(10), np.arange(9) - 1, 2, streams(1))
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        given.rollout(given.aloha(0.5), *local(9), 0, streams(1))


@pytest.mark.parametrize("parameters", [{"gamma": 1.0}, {"slots": 0}, {"arrival": 1.1}, {"success": -0.1}, {"n": 4}])
def test_what_makes_no_slots_is_refused(parameters):
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        WirelessAccess.Parameters(**parameters)
