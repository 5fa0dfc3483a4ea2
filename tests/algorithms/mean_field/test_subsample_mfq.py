"""SUBSAMPLE-MFQ against Bellman backups over joint states and actions, and what it deploys against what is best."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from algorithms.mean_field.cells import JointCells
from envs.mean_field import histograms
from envs.mean_field.random_population import RandomPopulation
from orchestrator.errors import UserError
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task
from tests.tools.joint import Everyone

SPARSE = {"every": 1000, "per_decade": 1}


def task(seeds=(0,), environment="random-population", **settings):
    keyed = {key.replace("__", "."): value for key, value in settings.items()}
    return Task(make_cell("subsample-mfq", environment, {"rollouts": 0} | keyed, SPARSE), tuple(seeds))


def run(hosts=1, **settings):
    fleet = InlineFleet(hosts)
    outcome = run_task(task(**settings), fleet)
    assert [replica.error for replica in outcome.replicas] == [""] * len(outcome.replicas)
    return outcome.replicas, fleet


def summary(hosts=1, **settings):
    return run(hosts, **settings)[0][0].recorder.summary()


def coordinator(**settings) -> Any:
    return task(**settings).coordinator(0)


def table_of(fleet: InlineFleet) -> np.ndarray:
    """Q of a cell on one host."""
    block: Any = fleet.hosts[0].blocks[0, "cells"]
    return block.q


def population(agents: int, instance: int, **settings) -> RandomPopulation:
    return RandomPopulation(RandomPopulation.Parameters(**settings), agents, instance)


SHAPES = [{}, {"states": 3}, {"global_states": 3, "local_actions": 3, "global_actions": 3}]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sweeps", [1, 2, 7])
def test_exact_sweeps_are_backups_over_everyone(sweeps, shape):
    """V of (s_g, states of k agents) and Q of all their joint actions, k = 2 of 4."""
    env = {f"env__{key}": value for key, value in (shape | {"persistence": 0.3}).items()}
    replicas, fleet = run(agents=4, k=2, rounds=sweeps, **env)
    problem = population(2, 0, persistence=0.3, **shape)
    everyone = Everyone(problem)
    before = everyone.best(sweeps - 1)
    q = everyone.backup(before)
    found: Any = replicas[0].coordinator
    np.testing.assert_allclose(everyone.spread(found.values), q.max(axis=(2, 3)), atol=1e-12)
    table = table_of(fleet)
    actions = problem.local_actions
    classes = problem.local_states * actions
    counts = [c for c in itertools.product(range(3), repeat=classes) if sum(c) == 2]
    place = {c: row for row, c in enumerate(counts)}
    assert table.shape == (len(counts), problem.global_states, problem.global_actions)
    for (x, s), (y, b) in itertools.product(enumerate(everyone.states), enumerate(everyone.actions)):
        group = [i * actions + j for i, j in zip(s, b)]
        row = place[tuple(group.count(z) for z in range(classes))]
        np.testing.assert_allclose(table[row], q[x, :, y], atol=1e-12)
    change = abs(q.max(axis=(2, 3)) - before).max()
    assert replicas[0].recorder.summary()["change_final"] == pytest.approx(change, abs=1e-12)


def test_one_sweep_by_hand():
    """From V = 0 it is the reward: the best of r_g, and the mean of each one's best r_l."""
    found: Any = run(agents=3, k=2, rounds=1, env__global_weight=1)[0][0].coordinator
    problem = population(2, 0, global_weight=1)
    each = problem.local_reward.max(axis=2)
    expected = problem.global_reward.max(axis=1) + np.array([each[1], (each[0] + each[1]) / 2, each[0]])
    np.testing.assert_allclose(found.values, expected, atol=1e-15)


def test_sampled_sweeps_come_near_the_exact_ones_and_are_biased_upwards():
    shape = {"agents": 4, "k": 2, "env__persistence": 0.3}
    exact: Any = run(rounds=2000, **shape)[0][0].coordinator
    off = {}
    for samples in (1, 10, 200):
        found: Any = run(rounds=150, samples=samples, **shape)[0][0].coordinator
        off[samples] = found.values - exact.values
    assert off[1].mean() > off[10].mean() > off[200].mean() > 0
    assert off[1].mean() > 0.2
    assert abs(off[200]).max() < 0.05 * exact.values.max()


def test_a_sampled_sweep_has_the_mean_of_the_exact_one():
    """From one V that is not 0, without a maximum over the noise: each Q within five standard errors."""
    made = [coordinator(agents=3, k=2, samples=m, env__persistence=0.3) for m in ("inf", 4000)]
    values = np.random.default_rng(0).normal(size=(3, 2))
    q = []
    for each in made:
        block = JointCells("cells", range(each.groups()["cells"]), each.parameters, each.problem, 0)
        block.start()
        reply = block.sweep(values)
        np.testing.assert_array_equal(reply["values"], block.q.max(axis=2))
        q.append(block.q)
    error = 0.9 * np.ptp(values) / 2 / math.sqrt(4000)
    assert 0 < abs(q[1] - q[0]).max() < 5 * error


# What is deployed.


def rows_of(k: int, classes: int) -> list[tuple[int, ...]]:
    return [c for c in itertools.product(range(k + 1), repeat=classes) if sum(c) == k]


@pytest.mark.parametrize("extraction", ["own", "modal"])
@pytest.mark.parametrize(("k", "shape"), [(3, (2, 2, 2, 2)), (2, (3, 2, 2, 3)), (4, (2, 3, 3, 2))])
def test_deployed_is_the_first_of_the_best(k, shape, extraction):
    """Values of few sizes, so that many are alike."""
    states, globals_, global_actions, actions = shape
    env = {"states": states, "global_states": globals_, "global_actions": global_actions, "local_actions": actions}
    found = coordinator(agents=5, k=k, action_extraction=extraction, **{f"env__{x}": y for x, y in env.items()})
    rows, cells = rows_of(k, states * actions), rows_of(k, states)
    rng = np.random.default_rng(k)
    value = rng.integers(3, size=(len(rows), globals_)) * 10.0
    value *= 1 + rng.choice([0, 1e-14, -1e-14], size=value.shape)  # rounding is no difference
    action = rng.integers(global_actions, size=value.shape)
    policy, shares = found.deployed(value, action)
    assert policy.shape == (len(cells), globals_, global_actions)
    assert shares.shape == (len(cells), globals_, states, actions)
    for (c, cell), g in itertools.product(enumerate(cells), range(globals_)):
        of = [r for r, row in enumerate(rows) if tuple(np.reshape(row, (states, actions)).sum(axis=1)) == cell]
        most = max(value[r, g] for r in of)
        first = next(r for r in of if value[r, g] > most - 1e-6)
        assert policy[c, g].tolist() == np.eye(global_actions)[action[first, g]].tolist()
        split = np.reshape(rows[first], (states, actions))
        for s in range(states):
            if extraction == "modal":
                totals = split.sum(axis=0).tolist()
                expected = [float(b == totals.index(max(totals))) for b in range(actions)]
            elif cell[s]:
                expected = [count / cell[s] for count in split[s].tolist()]
            else:
                expected = [1 / actions] * actions  # of no use: who looks sees itself
            assert shares[c, g, s].tolist() == expected


def test_the_first_global_action_is_taken_of_those_alike():
    found = coordinator(agents=2, k=2, env__global_actions=3)
    block = JointCells("cells", range(found.groups()["cells"]), found.parameters, found.problem, 0)
    block.start()
    assert block.decided()["action"].max() == 0
    block.q = np.zeros(block.q.shape)
    block.q[:, 0, 1:], block.q[:, 1, 2] = 5, 1e-6
    decided = block.decided()
    assert decided["action"].tolist() == [[1, 2]] * block.n
    assert decided["value"].tolist() == [[5, 1e-6]] * block.n


def splits(replica: Any) -> bool:
    """Whether agents of one state are told to do different things anywhere."""
    found = replica.coordinator
    everyone = Everyone(found.problem, found.parameters.k)
    q = everyone.backup(everyone.best())
    told = q.max(axis=3)
    alike = np.array([[len(dict(zip(x, y))) == len(set(zip(x, y))) for y in everyone.actions] for x in everyone.states])
    best = told.max(axis=2)
    kept = np.where(alike[:, None], told, -np.inf).max(axis=2)
    return bool((kept < best - 1e-9).any())


def test_who_sees_everyone_loses_nothing_unless_alike_agents_part():
    """k = n = 4 on ten instances, agents that often move."""
    whole = []
    for instance in range(10):
        replica = run(agents=4, k=4, rounds=2000, env__instance=instance, env__persistence=0.2)[0][0]
        gap = replica.recorder.summary()["gap_full_sup_final"]
        assert gap > -1e-9
        whole.append(not splits(replica))
        if whole[-1]:
            assert abs(gap) < 1e-9
    assert sum(whole) >= 7


def test_gaps_are_those_over_all_joint_states():
    """n = 3, k = 2: V* and V of what is deployed, both by brute force."""
    for extraction, instance in itertools.product(["own", "modal"], [0, 3]):
        replica = run(agents=3, k=2, rounds=2000, action_extraction=extraction, env__instance=instance)[0][0]
        k_agents, everyone = (Everyone(population(n, instance)) for n in (2, 3))
        q = k_agents.backup(k_agents.best())
        found: Any = replica.coordinator
        rows, value, action = rows_of(2, 4), np.zeros((10, 2)), np.zeros((10, 2), int)
        for (x, s), (y, b) in itertools.product(enumerate(k_agents.states), enumerate(k_agents.actions)):
            group = [2 * i + j for i, j in zip(s, b)]
            row = rows.index(tuple(group.count(z) for z in range(4)))
            value[row], action[row] = q[x, :, y].max(axis=1), q[x, :, y].argmax(axis=1)
        policy, shares = found.deployed(value, action)  # held to the letter above
        reached = everyone.value(everyone.looking(policy, 2), everyone.mingling(shares, 2))
        gap, summary_ = everyone.best() - reached, replica.recorder.summary()
        assert summary_["gap_full_sup_final"] == pytest.approx(gap.max(), abs=1e-9)
        assert summary_["gap_full_mean_final"] == pytest.approx(everyone.at_start(gap), abs=1e-9)
        assert summary_["return_final"] == pytest.approx(everyone.at_start(reached), abs=1e-9)


def test_seeing_more_loses_less_on_average():
    """Four instances, n = 8."""
    gap = {k: [] for k in (1, 3, 5, 8)}
    for k, instance in itertools.product(gap, range(4)):
        gap[k].append(summary(agents=8, k=k, rounds=600, env__instance=instance)["gap_full_mean_final"])
    mean = [np.mean(found) for found in gap.values()]
    assert mean == sorted(mean, reverse=True)
    assert mean[0] > 0.03
    assert mean[-1] < 1e-9


def test_the_most_frequent_action_is_wrong_for_some():
    """Even where everyone is seen."""
    sup = {}
    for extraction in ("own", "modal"):
        shape = {"agents": 4, "k": 4, "rounds": 2000, "env__instance": 1, "env__persistence": 0.2}
        sup[extraction] = summary(action_extraction=extraction, **shape)["gap_full_sup_final"]
    assert abs(sup["own"]) < 1e-9
    assert sup["modal"] > 0.1


@pytest.mark.parametrize("extraction", ["own", "modal"])
def test_simulated_returns_have_the_exact_mean(extraction):
    """Forty seeds of sixty episodes, until nothing is left: the mean within four standard errors."""
    settings: dict[str, Any] = {"agents": 5, "k": 3, "rounds": 60, "rollouts": 60, "steps": 25, "env__gamma": 0.5}
    settings |= {"env__persistence": 0.4, "action_extraction": extraction, "env__global_weight": 1}
    replicas, _ = run(seeds=range(40), **settings)
    found = [replica.recorder.summary() for replica in replicas]
    simulated = np.array([each["return_simulated_final"] for each in found])
    assert len({each["return_final"] for each in found}) == 1
    error = simulated.std(ddof=1) / math.sqrt(len(simulated))
    assert 0 < error < 0.01
    assert abs(simulated.mean() - found[0]["return_final"]) < 4 * error


@pytest.mark.parametrize("samples", ["inf", 3])
@pytest.mark.parametrize("hosts", [2, 3, 5])
def test_shards_give_the_numbers_of_one_table(samples, hosts):
    settings = {"agents": 5, "k": 3, "rounds": 6, "samples": samples, "rollouts": 4, "steps": 5}
    assert summary(hosts, **settings) == summary(1, **settings)


# The squeeze.

SQUEEZE = {"environment": "gaussian-squeeze", "agents": 4, "env__actions": 3, "env__sigma": 1.5}


def paid(total: float, mu: float) -> float:
    return total * math.exp(-(((total - mu) / 1.5) ** 2))


def test_who_sees_itself_alone_takes_the_best_common_number():
    for mu in (3, 5, 6.5):
        found = summary(k=1, rounds=1, env__mu=mu, **SQUEEZE)
        assert found["return_final"] == pytest.approx(max(paid(4 * number, mu) for number in range(3)), rel=1e-13)


def test_two_can_part():
    """mu = 6 of four agents: one and two, each by a coin, so the sum is 4 + Binomial(4, 1/2)."""
    found = summary(k=2, rounds=1, env__mu=6, **SQUEEZE)
    mean = sum(math.comb(4, heads) / 16 * paid(4 + heads, 6) for heads in range(5))
    best = max(paid(total, 6) for total in range(9))
    assert found["return_final"] == pytest.approx(mean, rel=1e-13)
    assert found["gap_full_sup_final"] == pytest.approx(best - mean, rel=1e-12)
    modal = summary(k=2, rounds=1, env__mu=6, action_extraction="modal", **SQUEEZE)
    assert modal["return_final"] == pytest.approx(paid(4, 6), rel=1e-13)  # of one each the first: all take 1


def test_the_table_of_the_squeeze_is_scaled_to_everyone():
    replicas, fleet = run(k=2, rounds=1, env__mu=6, **SQUEEZE)
    table = table_of(fleet)[:, 0, 0]
    expected = [paid(2 * (row[1] + 2 * row[2]), 6) for row in rows_of(2, 3)]
    np.testing.assert_allclose(table, expected, rtol=1e-14)
    found: Any = replicas[0].coordinator
    assert found.values[0, 0] == max(table)


# What is announced and what is refused.


def test_metrics_depend_on_what_can_be_had():
    gaps = {"gap_full_sup", "gap_full_mean", "return"}
    assert gaps <= set(task(agents=5, k=3).cell.metrics())
    assert not gaps & set(task(agents=100_000, k=3).cell.metrics())
    assert "return_simulated" not in task(agents=5, k=3).cell.metrics()
    assert "return_simulated" in task(agents=5, k=3, rollouts=2).cell.metrics()
    assert coordinator(agents=5, k=4).warnings() == []


def test_rows_are_histograms_of_states_with_actions():
    made = coordinator(agents=9, k=5, env__states=3, env__local_actions=3)
    assert made.groups() == {"global": 1, "agents": 9, "cells": histograms.histograms(5, 9)}
    made.start()
    assert made.sizes()["cells"] == math.comb(13, 5)
    assert made.cells == math.comb(7, 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"agents": 4, "k": 5}, "k is 5; of 4 local agents the global one can see 1 to 4"),
        ({"agents": 4, "k": 0}, "k is 0; it should be greater than or equal to 1"),
        ({"agents": 4, "k": 2, "samples": 0}, "samples is 0; it should be greater than or equal to 1"),
        ({"agents": 4, "k": 2, "action_extraction": "mean"}, "action_extraction is 'mean'; it should be 'own' or"),
        (
            {"agents": 300, "k": 200, "env.states": 3},
            "k is 200: exact expectations (samples: inf) need",
        ),
        ({"agents": 300, "k": 90, "env.states": 3, "samples": 2}, "histograms takes"),
        (
            {"agents": 300, "k": 40, "env.states": 4, "env.local_actions": 6, "samples": 2},
            "k up to ",
        ),
    ],
)
def test_what_is_refused(settings, words):
    with pytest.raises(UserError) as refused:
        _ = Task(make_cell("subsample-mfq", "random-population", settings), (0,)).outlook
    assert words in str(refused.value)


def test_it_needs_local_agents_that_act_on_what_they_are_paid_for():
    with pytest.raises(UserError, match="it needs an environment of kind mean-field or pooled-mean-field"):
        make_cell("subsample-mfq", "graphon-robots", {"agents": 4})
