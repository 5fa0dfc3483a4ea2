"""ALTERNATING-MARL: values, gaps and responses against brute force over joint states."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from algorithms.mean_field import gaps
from algorithms.mean_field.deviation import Deviation
from algorithms.mean_field.local_learning import above, best_of, climbed, induced_response
from tests.tools.alternating import by, every, one_of, policy_of, population, problems
from tests.tools.joint import Everyone

# Values.


@problems
@pytest.mark.parametrize("k", [1, 2, 3])
def test_one_may_go_its_own_way(make, k):
    problem, rng = make(3, instance=k) if make is population else make(3, k), np.random.default_rng(k)
    policy, (own, local) = policy_of(rng, k), rng.dirichlet(np.ones(2), size=(2, 2, 2))
    everyone, deviation = Everyone(problem), Deviation(problem, policy, local, k)
    for follows in (own, np.eye(2)[[[0, 1], [1, 0]]]):
        value = everyone.value(everyone.looking(policy, k), one_of(follows, local))
        assert deviation.value(follows) == pytest.approx(everyone.at_start(value), abs=1e-11)
    team = gaps.team_value(problem, policy, local, k)
    assert deviation.value(local) == pytest.approx(team, abs=1e-11)
    together = everyone.value(everyone.looking(policy, k), by(local))
    assert team == pytest.approx(everyone.at_start(together), abs=1e-11)


def test_one_of_two_may_go_its_own_way():
    problem, rng = population(2, 3, states=3, global_states=3), np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(2), size=(3, 3))
    own, local = rng.dirichlet(np.ones(2), size=(2, 3, 3))
    everyone = Everyone(problem)
    value = everyone.value(everyone.looking(policy, 1), one_of(own, local))
    assert Deviation(problem, policy, local, 1).value(own) == pytest.approx(everyone.at_start(value), abs=1e-11)


@problems
@pytest.mark.parametrize("k", [1, 2])
def test_gaps_are_to_the_best_of_their_classes(make, k):
    problem, rng = make(3), np.random.default_rng(4)
    policy, local = policy_of(rng, k), rng.dirichlet(np.ones(2), size=(2, 2))
    everyone = Everyone(problem)
    seen = everyone.looking(policy, k)

    def team(globally, locally):
        return everyone.at_start(everyone.value(globally, locally))

    lumping = problem.lumping(local)
    of_k = max(team(everyone.looking(each, k), by(local)) for each in every(k + 1, 2, 2))
    assert gaps.best_of_k(lumping, k) == pytest.approx(of_k, abs=1e-11)
    shared = max(team(seen, by(each)) for each in every(2, 2, 2))
    assert gaps.best_shared(problem, policy, k) == pytest.approx(shared, abs=1e-11)
    single = max(team(seen, one_of(own, local)) for own in every(2, 2, 2))
    assert gaps.best_single(problem, policy, local, k) == pytest.approx(single, abs=1e-11)
    welfare = max(everyone.at_start(everyone.best_globally(by(each))) for each in every(2, 2, 2))
    assert gaps.best_welfare(problem) == pytest.approx(welfare, abs=1e-11)
    value = lumping.value(lumping.deployed(policy, k))
    apart = everyone.best_globally(by(local)) - everyone.value(seen, by(local))
    found = gaps.global_gaps(lumping, value)
    assert found["gap_full_sup"] == pytest.approx(apart.max(), abs=1e-11)
    assert found["gap_full_mean"] == pytest.approx(everyone.at_start(apart), abs=1e-11)


def test_what_is_kept_of_a_chain_is_kept_by_k():
    lumping = population().lumping(population().local_policy)
    assert len({gaps.best_of_k(lumping, k) for k in (1, 2, 3)}) == 3
    assert gaps.best_of_k(lumping, 1) < gaps.best_of_k(lumping, 2) < gaps.best_of_k(lumping, 3)


def test_how_many_policies_are_few():
    assert gaps.few_local(population().parameters)
    assert gaps.few_local(population(local_actions=1, states=4, global_states=6).parameters)
    assert gaps.few_local(population(states=4).parameters)  # 2^8 = 256
    assert not gaps.few_local(population(states=3, global_states=3).parameters)  # 2^9
    assert gaps.small(population().parameters, 3)  # 2^(4 * 2)
    assert not gaps.small(population().parameters, 4)
    found = list(gaps.local_policies(population()))
    assert len(found) == 16
    np.testing.assert_array_equal(found, every(2, 2, 2))


@problems
@pytest.mark.parametrize("k", [1, 2, 3])
def test_visits_are_those_of_joint_states(make, k):
    """sum over t of gamma^t P(where everyone is at t), and where s_g goes from there."""
    problem, rng = make(3), np.random.default_rng(k)
    policy, local = policy_of(rng, k), rng.dirichlet(np.ones(2), size=(2, 2))
    everyone, lumping = Everyone(problem), problem.lumping(local)
    chain, _, chosen = everyone.chain(everyone.looking(policy, k), by(local))
    now, met = everyone.start(), np.zeros((8, 2))
    for _ in range(600):
        met, now = met + now, problem.gamma * np.einsum("xg,xgzh->zh", now, chain)
    deployed = lumping.deployed(policy, k)
    found, row = lumping.visits(deployed), everyone.row(3)
    expected = np.zeros((4, 2))
    for s, each in zip(everyone.states, met):
        expected[row(s)] += each
    np.testing.assert_allclose(found, expected, atol=1e-11)
    assert found.sum() == pytest.approx(1 / (1 - problem.gamma), rel=1e-12)
    ways = np.einsum("xg,xga,gah->gh", met, chosen, problem.global_kernel)
    np.testing.assert_allclose(lumping.moved(deployed), ways, atol=1e-11)


# L-LEARN.


@pytest.mark.parametrize("never", [False, True])
def test_the_response_of_one_paid_alone(never):
    """Against the value of every deterministic policy of (s_i, s_g), each by a linear equation."""
    for instance in range(6):
        problem = population(3, instance, states=3, persistence=0.2, matching=0.3)
        moves = np.random.default_rng(instance).random((2, 2)) * 7
        moves[1] *= not never
        drift = np.eye(2) if never else moves / moves.sum(axis=1, keepdims=True)
        drift[0] = moves[0] / moves[0].sum()
        values = []
        for own in every(3, 2, 2):
            act = own.argmax(axis=2)
            at = np.arange(3)[:, None], np.arange(2)[None]
            moved = problem.local_kernel[*at, act][:, :, :, None] * drift[None, :, None, :]
            reward = problem.local_reward[*at, act]
            values.append(np.linalg.solve(np.eye(6) - 0.9 * moved.reshape(6, 6), reward.reshape(-1)))
        found = induced_response(problem, moves)
        assert found.shape == (3, 2, 2)
        best = next(v for own, v in zip(every(3, 2, 2), values) if np.array_equal(own, found))
        np.testing.assert_allclose(best, np.max(values, axis=0), atol=1e-10)


def test_of_responses_alike_the_first_is_taken():
    problem = population()
    problem.local_reward[:] = 0
    problem.local_kernel[:] = 0.5
    np.testing.assert_array_equal(induced_response(problem, np.ones((2, 2))).argmax(axis=2), np.zeros((2, 2)))


def answered(conversation: Any) -> Any:
    """What a conversation that says nothing comes to."""
    with pytest.raises(StopIteration) as end:
        next(conversation)
    return end.value.value


def judged(worth: Callable) -> tuple[Callable, list]:
    asked = []

    def objective(policy):
        asked.append(policy)
        return worth(policy)
        yield

    return objective, asked


def test_the_best_is_the_first_and_the_present_if_none_is_better():
    even = np.full((2, 2, 2), 0.5)
    options = every(2, 2, 2)
    worth = {policy.tobytes(): float(i % 8) for i, policy in enumerate(options)}
    objective, _ = judged(lambda policy: worth.get(policy.tobytes(), 3.0))
    assert answered(best_of(iter(options), even, objective)) is options[7]
    objective, asked = judged(lambda policy: worth.get(policy.tobytes(), 7.0 - 1e-14))
    assert answered(best_of(iter(options), even, objective)) is even
    assert len(asked) == 17
    assert not above(1.0 + 1e-13, 1.0)
    assert above(1.0 + 1e-11, 1.0)
    assert not above(1e6 + 1e-7, 1e6)
    assert not above(-1.0, 1.0)


def test_climbing_ends_where_no_single_change_helps():
    """On random worths of all 64 policies: a local maximum no worse than where it began, the better of two starts."""
    options = every(3, 2, 2)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        worth = {policy.tobytes(): float(w) for policy, w in zip(options, rng.random(64))}
        objective, _ = judged(lambda policy, worth=worth: worth[policy.tobytes()])
        starts = [options[i] for i in rng.integers(64, size=2)]
        found = answered(climbed(starts, objective))
        reached = worth[found.tobytes()]
        assert reached >= max(worth[start.tobytes()] for start in starts)
        for s, g in itertools.product(range(3), range(2)):
            other = found.copy()
            other[s, g] = other[s, g, ::-1]
            assert worth[other.tobytes()] <= reached
