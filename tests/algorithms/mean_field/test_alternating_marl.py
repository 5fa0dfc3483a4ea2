"""ALTERNATING-MARL: whole runs, UPDATE's rule, cycles."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from algorithms.mean_field import gaps
from algorithms.mean_field.alternating_marl import AlternatingMARL
from algorithms.mean_field.local_learning import induced_response
from tests.tools.alternating import (
    MOVING,
    by,
    every,
    fresh,
    one_of,
    policy_of,
    population,
    run,
    summary,
    talked,
    task,
)
from tests.tools.joint import Everyone


@pytest.mark.parametrize("instance", range(8))
def test_exact_turns_come_to_rest(instance):
    """Within three turns, local agents content; and who sees everyone has nothing to gain."""
    for k in (1, 3, 7):
        replica = run(k=k, env__instance=instance, **MOVING)
        found = replica.recorder.summary()
        assert replica.status == "done"
        assert replica.coordinator.done
        assert 1 <= found["turns_final"] <= 3
        assert found["cycles_final"] == 0
        made: Any = replica.coordinator
        assert found["return_final"] == pytest.approx(made.team, abs=1e-9)  # the last policy is the accepted one
        assert abs(found["gap_local_shared_final"]) < 1e-9
        assert found["gap_local_single_final"] > -1e-9
        assert found["welfare_gap_final"] > -1e-9
        assert found["gap_full_sup_final"] > -1e-9
        if k == 7:
            assert found["gap_full_sup_final"] < 1e-9


def test_the_last_policy_is_taken_even_where_it_is_worse():
    """One that is best for three agents but not for seven was refused; at the end nobody asks."""
    settings: dict[str, Any] = MOVING | {"k": 3, "env__instance": 3, "env__gamma": 0.9}
    replica = run(**settings)
    made: Any = replica.coordinator
    found = replica.recorder.summary()
    assert (made.turns, made.accepted) == (2, 2)
    assert found["return_final"] < made.team - 0.3
    assert found["gap_local_shared_final"] > 0.05


def test_measured_are_the_gaps_of_the_present_policies():
    replica = run(agents=3, k=2, rounds=20_000, env__instance=2, env__persistence=0.5, env__matching=0.5)
    found, made = replica.recorder.summary(), replica.coordinator
    assert isinstance(made, AlternatingMARL)
    everyone = Everyone(population(3, 2, persistence=0.5, matching=0.5))
    seen, local = everyone.looking(made.policy, 2), made.local

    def team(globally, locally):
        return everyone.at_start(everyone.value(globally, locally))

    present = team(seen, by(local))
    assert found["return_final"] == pytest.approx(present, abs=1e-10)
    apart = everyone.best_globally(by(local)) - everyone.value(seen, by(local))
    assert found["gap_full_sup_final"] == pytest.approx(apart.max(), abs=1e-10)
    assert found["gap_full_mean_final"] == pytest.approx(everyone.at_start(apart), abs=1e-10)
    options = every(2, 2, 2)
    shared = max(team(seen, by(each)) for each in options) - present
    assert found["gap_local_shared_final"] == pytest.approx(shared, abs=1e-10)
    welfare = max(everyone.at_start(everyone.best_globally(by(each))) for each in options) - present
    assert found["welfare_gap_final"] == pytest.approx(welfare, abs=1e-10)
    single = max(team(seen, one_of(own, local)) for own in options) - present
    assert found["gap_local_single_final"] == pytest.approx(3 * single, abs=1e-9)
    of_k = max(team(everyone.looking(each, 2), by(local)) for each in every(3, 2, 2)) - present
    assert found["gap_best_k_final"] == pytest.approx(of_k, abs=1e-10)
    # G-LEARN against the present local policy: greedy for two agents who are both seen.
    two = Everyone(population(2, 2, persistence=0.5, matching=0.5))
    q = np.einsum("xgy,xgya->xga", two.acted(by(local)), two.backup(two.best_globally(by(local))))
    for s, each in zip(two.states, q):
        np.testing.assert_array_equal(made.policy[two.row(2)(s)], np.eye(2)[each.argmax(axis=1)])


def test_what_one_gains_is_counted_as_often_as_there_are_agents():
    """At round 0, where everyone does everything alike and there is much to gain."""
    row = run(agents=3, k=2, rounds=1, env__persistence=0.5).recorder.rows()[0]
    everyone, even = Everyone(population(3, persistence=0.5)), np.full((3, 2, 2), 0.5)
    seen, local = everyone.looking(even, 2), np.full((2, 2, 2), 0.5)
    values = [everyone.at_start(everyone.value(seen, one_of(own, local))) for own in (local, *every(2, 2, 2))]
    assert row["round"] == 0
    assert row["gap_local_single"] == pytest.approx(3 * (max(values) - values[0]), abs=1e-10)
    assert row["gap_local_single"] > 0.01


def test_nothing_is_accepted_that_raises_too_little():
    """One turn of both and the last of the global agent, whose policy is taken as it is."""
    replica = run(k=3, eta=1e6, **MOVING)
    made: Any = replica.coordinator
    assert (made.turns, made.accepted, made.cycles) == (1, 0, 0)
    np.testing.assert_array_equal(made.local, made.problem.local_policy)
    assert made.done
    assert made.phase == "finish"
    assert not np.array_equal(made.policy, np.full(made.policy.shape, 0.5))
    two = run(k=3, **MOVING).recorder.summary()
    assert two["accepted_final"] >= 2


@pytest.mark.parametrize("alternations", [1, 4])
def test_everything_is_accepted_without_end(alternations):
    found = summary(k=3, eta=-math.inf, alternations=alternations, **MOVING)
    assert found["turns_final"] == alternations
    assert found["accepted_final"] == 2 * alternations
    assert found["cycles_final"] == 0


def test_twice_eta_is_the_mark():
    made = fresh(agents=3, k=2, eta=0.25)
    made.team = 1.0
    assert not made.better(1.5)
    assert made.better(1.5 + 1e-9)
    assert not made.better(0.0)
    made = fresh(agents=3, k=2, eta=-math.inf)
    made.team = 1.0
    assert made.better(-1e9)
    assert not fresh(agents=3, k=2, eta=0).better(-math.inf)


def test_only_what_raises_the_value_by_more_than_the_mark_is_taken():
    """The first turn of the global agent with eta just below and just above half of what it gains."""
    for factor, taken in ((0.999, True), (1.001, False)):
        of = task(agents=5, k=3, env__persistence=0.5, sweeps=1, rounds=100)
        probe: Any = of.coordinator(0)
        probe.start()
        talked(probe, of, probe.round)
        gain = probe.team - gaps.team_value(probe.problem, np.full((4, 2, 2), 0.5), probe.problem.local_policy, 3)
        assert probe.accepted == 1
        assert gain > 1e-3
        of = task(agents=5, k=3, env__persistence=0.5, sweeps=1, rounds=100, eta=factor * gain / 2)
        made: Any = of.coordinator(0)
        made.start()
        talked(made, of, made.round)
        assert (made.accepted, made.changed, made.phase) == (int(taken), taken, "respond")
        assert np.array_equal(made.policy, probe.policy) == taken


def test_a_turn_that_changes_nothing_is_the_last_but_the_global_agents():
    made = fresh(agents=3, k=2, alternations=3)
    made.phase, made.changed, made.team = "respond", False, 1e9
    talked(made, task(agents=3, k=2), made.round)
    assert (made.phase, made.turns, made.accepted) == ("finish", 1, 0)
    for turns, then in ((0, "learn"), (1, "learn"), (2, "finish")):
        made.phase, made.changed, made.turns = "respond", True, turns
        talked(made, task(agents=3, k=2), made.round)
        assert (made.phase, made.turns) == (then, turns + 1)
    made.phase, made.changed, made.turns, made.team = "respond", False, 0, -1e9
    talked(made, task(agents=3, k=2), made.round)
    assert (made.phase, made.changed, made.accepted) == ("learn", True, 1)
    assert made.team == gaps.team_value(made.problem, made.policy, made.local, 2)


def test_cycles_are_returns_to_pairs_that_were_left():
    made = fresh(agents=3, k=2)
    counted = []
    for policy, local in [(0, 0), (0, 0), (1, 0), (0, 0), (0, 0), (0, 1), (1, 0), (2, 2), (0, 1)]:
        made.policy, made.local = np.full((3, 2, 2), float(policy)), np.full((2, 2, 2), float(local))
        made.remember()
        counted.append(made.cycles)
    assert counted == [0, 0, 0, 1, 1, 1, 2, 2, 3]
    assert len(made.pairs) == 9
    assert len(set(made.pairs.tolist())) == 4
    assert made.pairs[0] == made.pairs[1] == made.pairs[3]


@pytest.mark.parametrize("learner", ["team", "selfish", "k-chain"])
def test_local_learners_respond_to_what_they_are_after(learner):
    """All deterministic policies by brute force, for the team of four, for k = 2, and for one's own pay."""
    env: dict[str, Any] = {"persistence": 0.2, "matching": 0.3}
    for instance in range(5):
        of = task(agents=4, k=2, local_learner=learner, env__instance=instance, **{f"env__{x}": env[x] for x in env})
        made: Any = of.coordinator(0)
        made.start()
        made.policy = policy_of(np.random.default_rng(instance), 2)
        (found,) = talked(made, of, made.response)
        if learner == "selfish":
            everyone = Everyone(population(4, instance, **env))
            chain, _, chosen = everyone.chain(everyone.looking(made.policy, 2), by(made.local))
            size = chain.shape[0] * chain.shape[1]
            met = np.linalg.solve(np.eye(size) - 0.9 * chain.reshape(size, size).T, everyone.start().reshape(-1))
            moves = np.einsum("xg,xga,gah->gh", met.reshape(-1, 2), chosen, made.problem.global_kernel)
            expected = induced_response(made.problem, moves)
        else:
            everyone = Everyone(population(4 if learner == "team" else 2, instance, **env))
            seen = everyone.looking(made.policy, 2)
            options = every(2, 2, 2)
            worth = [everyone.at_start(everyone.value(seen, by(local))) for local in options]
            expected = options[int(np.argmax(worth))]
            even = everyone.at_start(everyone.value(seen, by(made.local)))
            if even > max(worth):
                expected = made.local
        np.testing.assert_array_equal(found, expected)


def test_learners_after_other_things_end_elsewhere():
    env = {"persistence": 0.2, "matching": 0.6, "global_weight": 1, "concentration": 0.3, "instance": 2}
    ends = {}
    for learner in ("team", "selfish", "k-chain"):
        settings: dict[str, Any] = {"agents": 7, "k": 2, "rounds": 5000, "local_learner": learner}
        ends[learner] = summary(**settings, **{f"env__{name}": value for name, value in env.items()})["return_final"]
    assert ends["selfish"] > ends["team"] + 0.1 > ends["k-chain"] + 0.2  # whoever begins well need not end well


def test_many_local_policies_are_climbed():
    """Three states each and two actions are 512 policies: no single change helps the result."""
    of = task(agents=4, k=2, rounds=20_000, env__states=3, env__global_states=3, env__persistence=0.3)
    made: Any = of.coordinator(0)
    made.start()
    made.policy = np.random.default_rng(0).dirichlet(np.ones(2), size=(6, 3))
    assert not gaps.few_local(made.problem.parameters)
    found, own = talked(made, of, made.response, made.selfish)
    reached = gaps.team_value(made.problem, made.policy, found, 2)
    for start in (own, made.local):
        assert reached >= gaps.team_value(made.problem, made.policy, start, 2)
    for s, g, b in itertools.product(range(3), range(3), range(2)):
        other = found.copy()
        other[s, g] = np.eye(2)[b]
        assert gaps.team_value(made.problem, made.policy, other, 2) <= reached + 1e-11
