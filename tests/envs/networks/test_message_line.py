"""Message line: the exact evaluation against the joint chain and rollouts, figures of the uniform policy, bad input."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from envs.networks import message_line
from envs.networks.message_line import MessageLine
from orchestrator.core.streams import member_streams


def problem(agents=10, **parameters):
    return MessageLine(MessageLine.Parameters(**parameters), agents, 0)


def observed(given, hops=0):
    """indptr and indices of the agents within so many hops."""
    return given.graph.within(hops)


def even(agents, members=1):
    return np.full((agents, 2**members, 2), 0.5)


def random_policy(indptr, seed=0):
    most = int(np.diff(indptr).max())
    return np.random.default_rng(seed).dirichlet((1, 1), size=(len(indptr) - 1, 2**most))


def streams(episodes, seed=0):
    return member_streams(seed, "test", "episodes", range(episodes))


def joint_chain(given, policy, indptr, indices):
    """Occupancy and return by summing over all joint states and actions, as the problem is defined."""
    n, alone = given.agents, given.parameters.alone
    joint = list(itertools.product((0, 1), repeat=n))
    occupancy, total, weight, expected = np.zeros((n, 2, 2)), 0.0, 1.0, 0.0
    now = {(1,) * n: 1.0}
    for t in range(given.parameters.steps + 1):
        after = dict.fromkeys(joint, 0.0)
        total += weight
        for s, mass in now.items():
            if t > 0:
                expected += mass * (1.0 * s[0] + 0.1 * sum(s[1:])) / n
            rows = [sum(2**k * s[j] for k, j in enumerate(indices[indptr[i] : indptr[i + 1]])) for i in range(n)]
            for a in joint:
                chance = mass * np.prod([policy[i, rows[i], a[i]] for i in range(n)])
                for i in range(n):
                    occupancy[i, s[i], a[i]] += weight * chance
                ones = [s[1], *((a[i] * (1.0 if s[i + 1] else alone)) for i in range(1, n - 1)), a[n - 1]]
                for then in joint:
                    after[then] += chance * np.prod([one if s_i else 1 - one for one, s_i in zip(ones, then)])
        now = after
        weight *= given.gamma
    return occupancy / total, expected


@pytest.mark.parametrize(("agents", "hops"), [(2, 0), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1)])
def test_the_evaluation_is_that_of_the_joint_chain(agents, hops):
    given = problem(agents, gamma=0.9, steps=6, alone=0.7)
    indptr, indices = observed(given, hops)
    policy = random_policy(indptr, seed=agents)
    occupancy, expected = given.evaluate(policy, indptr, indices)
    wanted, value = joint_chain(given, policy, indptr, indices)
    np.testing.assert_allclose(occupancy, wanted, rtol=0, atol=1e-14)
    assert expected == pytest.approx(value, abs=1e-13)
    assert given.expected_return(policy, indptr, indices) == expected
    assert (given.occupancy(policy, indptr, indices) == occupancy).all()


@pytest.mark.parametrize(("indptr", "indices"), [([0, 1, 3, 3, 4], [3, 0, 3, 0]), ([0, 0, 0, 0, 0], [])])
def test_agents_may_observe_others_than_their_neighbours_or_nobody(indptr, indices):
    """Agent 0 the last, agent 1 the ends, agent 2 nobody, agent 3 the first; or all of them nobody."""
    given = problem(4, steps=5)
    policy = random_policy(indptr, seed=3)
    occupancy, expected = given.evaluate(policy, indptr, indices)
    wanted, value = joint_chain(given, policy, indptr, indices)
    np.testing.assert_allclose(occupancy, wanted, rtol=0, atol=1e-14)
    assert expected == pytest.approx(value, abs=1e-13)


@pytest.mark.parametrize("hops", [0, 1, 2, 6])
def test_a_small_buffer_changes_nothing_but_the_time(hops, monkeypatch):
    given = problem(7, steps=20)
    indptr, indices = observed(given, hops)
    policy = random_policy(indptr)
    occupancy, expected = given.evaluate(policy, indptr, indices)
    for buffer in (1, 2**8, 2**10):
        monkeypatch.setattr(message_line, "BUFFER", buffer)
        again, value = given.evaluate(policy, indptr, indices)
        np.testing.assert_allclose(again, occupancy, rtol=0, atol=1e-14)
        assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("agents", "hops"), [(10, 1), (10, 3), (10, 9), (13, 2)])
def test_observing_more_than_one_uses_changes_nothing(agents, hops):
    given = problem(agents)
    indptr, indices = observed(given, hops)
    local = random_policy(observed(given)[0])
    wide = np.empty((agents, 2 ** int(np.diff(indptr).max()), 2))
    for i in range(agents):
        place = indices[indptr[i] : indptr[i + 1]].tolist().index(i)
        wide[i] = local[i, np.arange(wide.shape[1]) >> place & 1]
    occupancy, expected = given.evaluate(local, *observed(given))
    again, value = given.evaluate(wide, indptr, indices)
    np.testing.assert_allclose(again, occupancy, rtol=0, atol=1e-13)
    assert value == pytest.approx(expected, abs=1e-11)


def uniform_return(steps):
    """Of the uniform policy at ten agents: whoever it hangs on, P(s_i' = 1) is linear in P(s_{i+1} = 1)."""
    ones, total = np.ones(10), 0.0
    for _ in range(steps):
        ones = np.array([ones[1], *(0.5 * (0.8 + 0.2 * ones[2:])), 0.5])
        total += (ones[0] + 0.1 * ones[1:].sum()) / 10
    return total


def test_returns_of_two_policies():
    """All-ones: 23.75. Uniform: 10.70 from the start at 1; 10.62 within .02 over 125 steps once that is forgotten."""
    given, ones = problem(), np.tile([0.0, 1.0], (10, 2, 1))
    assert given.expected_return(ones, *observed(given)) == pytest.approx(23.75, abs=1e-12)
    found = given.expected_return(even(10), *observed(given))
    assert found == pytest.approx(uniform_return(125), abs=1e-12)
    assert found == pytest.approx(10.70, abs=0.01)
    later = problem(steps=1125).expected_return(even(10), *observed(given))
    early = problem(steps=1000).expected_return(even(10), *observed(given))
    assert later - early == pytest.approx(10.62, abs=0.02)


@pytest.mark.parametrize("hops", [0, 1])
def test_rollouts_agree_with_the_evaluation(hops):
    """Occupancies and the return as means over episodes, within five standard errors."""
    given = problem(6, steps=30, gamma=0.95)
    indptr, indices = observed(given, hops)
    policy = random_policy(indptr, seed=4)
    seen = given.rollout(policy, indptr, indices, given.horizon, streams(4000))
    assert seen.shape == (4000, 31, 6)
    assert (seen[:, 0] // 2 == 1).all()
    weight = 0.95 ** np.arange(31)
    share = np.einsum("bhic,h->bic", seen[..., None] == np.arange(4), weight / weight.sum())
    occupancy, expected = given.evaluate(policy, indptr, indices)
    error = share.std(axis=0) / np.sqrt(4000) + 1e-12
    assert (np.abs(share.mean(axis=0) - occupancy.reshape(6, 4)) < 5 * error).all()
    returns = given.episode_return(seen)
    assert abs(returns.mean() - expected) < 5 * returns.std() / np.sqrt(4000)


def test_rows_do_not_depend_on_which_are_simulated_together():
    given = problem(steps=20)
    indptr, indices = observed(given, 1)
    policy, rng, halves = random_policy(indptr), streams(10), streams(10)
    whole = given.rollout(policy, indptr, indices, 21, rng)
    parts = [given.rollout(policy, indptr, indices, 21, part) for part in (halves[:4], halves[4:])]
    assert (np.concatenate(parts) == whole).all()
    assert (halves == rng).all()
    returns = [given.episode_return(part) for part in parts]
    assert (np.concatenate(returns) == given.episode_return(whole)).all()


def test_an_episode_by_hand():
    """The last agent plays 0, the middle one cannot do without it: the 0 travels an agent a step."""
    given = problem(3, alone=0.0)
    policy = np.zeros((3, 2, 2))
    policy[0, :, 0] = policy[1, :, 1] = policy[2, :, 0] = 1
    seen = given.rollout(policy, *observed(given), 4, streams(1))
    assert seen[0].tolist() == [[2, 3, 2], [2, 3, 0], [2, 1, 0], [0, 1, 0]]
    assert given.episode_return(seen)[0] == pytest.approx((2 * 1.0 + 0.1) / 3)


def test_what_algorithms_are_told():
    given = problem(4)
    assert given.reward[:, 1].tolist() == [[1.0, 1.0]] + [[0.1, 0.1]] * 3
    assert not given.reward[:, 0].any()
    assert given.available.shape == (4, 2)
    assert given.available.all()
    assert given.horizon == 126
    assert given.hops.tolist() == [[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]]
    assert given.diameter == 3
    assert [problem(n).exact_is_cheap for n in (12, 13)] == [True, False]


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="agents must be at least 2, got 1"):
        problem(1)
    with pytest.raises(ValueError, match="the exact evaluation takes up to 14 agents, got 15"):
        problem(15).evaluate(even(15), *observed(problem(15)))
    given = problem(3)
    indptr, indices = observed(given, 1)
    with pytest.raises(ValueError, match=r"policy must have shape \(3, 8 or more, 2\), got \(3, 2, 2\)"):
        given.evaluate(even(3), indptr, indices)
    with pytest.raises(ValueError, match="indptr must be 4 ascending numbers"):
        given.evaluate(even(3), np.arange(3), np.arange(3))
    with pytest.raises(ValueError, match=r"indices must name agents 0\.\.2"):
        given.rollout(even(3), np.arange(4), np.arange(1, 4), 2, streams(1))
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        given.rollout(even(3), *observed(given), 0, streams(1))


@pytest.mark.parametrize("parameters", [{"gamma": 1.0}, {"steps": 0}, {"alone": 1.1}, {"agents": 3}])
def test_what_makes_no_line_is_refused(parameters):
    with pytest.raises(ValidationError, match=next(iter(parameters))):
        MessageLine.Parameters(**parameters)
