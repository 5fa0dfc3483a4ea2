"""Graphon mean-field subsampling: sweeps against going through all neighbours' moves, returns, and what is refused."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from envs.mean_field import histograms
from orchestrator.errors import UserError
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

BLOCK = {"env__graphon": "block", "agents": 6}
SHORT = {"rollouts": 2, "steps": 2}


def task(seeds=(0,), record=None, **settings):
    keyed = {key.replace("__", "."): value for key, value in settings.items()}
    record = record or {"every": 1000, "per_decade": 1}
    return Task(make_cell("graphon-mfs", "graphon-robots", keyed, record), seeds)


def replica(hosts=1, **settings):
    found = run_task(task(**settings), InlineFleet(hosts)).replicas[0]
    assert found.error == ""
    return found


def summary(hosts=1, **settings):
    return replica(hosts, **settings).recorder.summary()


def model(s: int, a: int, busy: float) -> tuple[dict[int, float], float]:
    """Where an agent gets to, and what it is paid."""
    where = {0: 0.0, 1: 0.0, 2: 0.0}
    success, otherwise = (max(0.1, 0.9 - 0.8 * busy), 1) if a == 2 else (0.9, s)
    where[a] += success
    where[otherwise] += 1 - success
    return where, (10, 5, 20)[s] * max(0.4, 1 - 5 * busy) - 5 * (a == 2)


def best(values: dict[int, float]) -> list[int]:
    return [a for a, v in values.items() if v >= max(values.values()) - 1e-9]


def reference(kappa: int, gamma: float, sweeps: int, follow: str) -> dict[tuple, float]:
    """Q(s, F, a) after so many sweeps, F the sorted states of the neighbours, going through all of their moves."""
    shown = list(itertools.combinations_with_replacement(range(3), kappa))
    q = {(s, f, a): 0.0 for s in range(3) for f in shown for a in range(3)}
    history = []
    for _ in range(sweeps):
        value = {(s, f): max(q[s, f, a] for a in range(3)) for s in range(3) for f in shown}
        greedy = {(s, f): best({a: q[s, f, a] for a in range(3)}) for s in range(3) for f in shown}
        history = [*history, greedy] if follow == "average" else [greedy]
        new = {}
        for f in shown:
            busy, goes = f.count(2) / kappa, []
            for j in f:
                where = dict.fromkeys(range(3), 0.0)
                for policy in history:
                    for a in policy[j, f]:
                        for t, chance in model(j, a, busy)[0].items():
                            where[t] += chance / len(policy[j, f]) / len(history)
                goes.append(where)
            for s, a in itertools.product(range(3), repeat=2):
                where, paid = model(s, a, busy)
                ahead = 0.0
                for to in itertools.product(range(3), repeat=kappa):
                    chance = math.prod(of[t] for of, t in zip(goes, to, strict=True))
                    ahead += chance * sum(where[t] * value[t, tuple(sorted(to))] for t in range(3))
                new[s, f, a] = paid + gamma * ahead
        q = new
    return q


@pytest.mark.parametrize("follow", ["greedy", "average"])
@pytest.mark.parametrize(("kappa", "sweeps"), [(1, 9), (2, 7), (3, 5)])
def test_sweeps_are_those_of_all_the_neighbours_moves(kappa, sweeps, follow):
    expected = reference(kappa, 0.95, sweeps, follow)
    found: Any = replica(kappa=kappa, rounds=sweeps, follow=follow, **BLOCK, **SHORT).coordinator
    for row, cell in enumerate(histograms.enumerated(kappa, 3)):
        f = tuple(np.repeat(np.arange(3), cell).tolist())
        for s in range(3):
            assert found.values[row, s] == pytest.approx(max(expected[s, f, a] for a in range(3)), abs=1e-9)


def test_exact_sweeps_stop_when_they_rest():
    """At gamma = .5 they rest, and nobody works: that is the best joint policy here."""
    found = replica(kappa=3, rounds=500, env__gamma=0.5, follow="greedy", **BLOCK)
    assert found.status == "done"
    assert found.coordinator.completed < 60
    outcome = found.recorder.summary()
    assert outcome["change_final"] < 1e-11
    assert abs(outcome["gap_full_sup_final"]) < 1e-9


def test_greedy_neighbours_can_cycle_and_rounds_end_it():
    """Two sweeps later all is as it was; averaged neighbours settle instead."""
    now, next_, later = (replica(kappa=2, rounds=r, follow="greedy", **BLOCK, **SHORT) for r in (600, 601, 602))
    assert now.coordinator.completed == 600
    assert now.recorder.summary()["change_final"] > 1
    one, two, three = (of.recorder.summary()["return_final"] for of in (now, next_, later))
    assert one == pytest.approx(three, rel=1e-9)
    assert abs(one - two) > 10
    average = [summary(kappa=2, rounds=r, follow="average", **BLOCK, **SHORT)["return_final"] for r in (600, 601)]
    assert abs(average[0] - average[1]) < 1


def test_sampled_sweeps_are_near_the_exact_ones():
    """The first sweep from V = 0 takes no draw, the second does: off by its noise alone."""
    exact: Any = replica(kappa=3, rounds=2, **BLOCK, **SHORT).coordinator
    means = {}
    for samples in (1, 2000):
        drawn: Any = replica(kappa=3, rounds=2, samples=samples, **BLOCK, **SHORT).coordinator
        means[samples] = np.abs(drawn.values - exact.values).mean()
    assert means[2000] < 0.25
    assert means[1] > 5 * means[2000]


@pytest.mark.parametrize("samples", ["inf", 3])
@pytest.mark.parametrize("hosts", [2, 3])
@pytest.mark.parametrize("graphon", ["radial", "block"])
def test_placement_changes_no_number(samples, hosts, graphon):
    settings = {"agents": 9, "kappa": 3, "rounds": 8, "samples": samples, "rollouts": 4, "steps": 5}
    settings |= {"env__graphon": graphon, "env__radius": 0.4, "record": {"every": 3, "per_decade": 1}}
    if graphon == "block":
        settings["agents"] = 5
    assert summary(hosts, **settings) == summary(1, **settings)


@pytest.mark.parametrize(("kappa", "blocks", "follow"), [(1, 2, "greedy"), (4, 3, "greedy"), (2, 2, "average")])
def test_the_simulated_return_is_the_exact_one(kappa, blocks, follow):
    """Sixteen seeds of 100 episodes, within four standard errors; gamma^90 of what is left is below 1e-4."""
    settings = {"agents": 5, "kappa": kappa, "follow": follow, "rounds": 6, "rollouts": 100, "steps": 90}
    of = task(tuple(range(16)), env__graphon="block", env__blocks=blocks, env__gamma=0.9, **settings)
    found = [each.recorder.summary() for each in run_task(of, InlineFleet()).replicas]
    simulated = np.array([each["return_simulated_final"] for each in found])
    exact = {each["return_final"] for each in found}
    assert len(exact) == 1
    error = simulated.std(ddof=1) / 4
    assert 0 < error < 0.3
    assert abs(simulated.mean() - exact.pop()) < 4 * error + 1e-2


def test_nothing_is_above_the_best():
    """All gaps are positive, also where nobody has learned anything."""
    for rounds in (0, 3, 10):
        found = summary(kappa=3, rounds=rounds, **BLOCK, **SHORT)
        assert found["gap_full_sup_final"] >= found["gap_full_mean_final"] >= -1e-8
    assert summary(kappa=3, rounds=0, **BLOCK, **SHORT)["gap_full_mean_final"] > 1


def test_metrics_are_those_within_reach():
    exact = {"return", "gap_full_sup", "gap_full_mean"}
    small = task(agents=8, env__graphon="block")
    assert exact <= set(small.cell.metrics())
    assert small.coordinator(0).warnings() == []
    larger = task(agents=20, env__graphon="block")
    assert exact & set(larger.cell.metrics()) == {"return"}
    assert larger.coordinator(0).warnings() == [
        "agents is 20: the gap is out of reach of exact arithmetic and left out."
    ]
    large = task(agents=40, env__graphon="block")
    assert not exact & set(large.cell.metrics())
    assert "the exact return and the gap are out of reach" in large.coordinator(0).warnings()[0]
    radial = task(agents=25)
    assert set(radial.cell.metrics()) == {"return_simulated", "cells", "change"}
    assert radial.coordinator(0).warnings() == []


def test_each_agent_s_return():
    """The middle of the grid has more neighbours than the corners: agents are not paid alike."""
    of = task(record={"every": 5, "agents": True}, agents=9, env__radius=0.4, kappa=2, rounds=5, rollouts=30, steps=20)
    found = run_task(of, InlineFleet(2)).replicas[0]
    returns = found.agents["return_simulated"]
    assert returns.shape == (9,)
    assert returns.mean() == pytest.approx(found.recorder.summary()["return_simulated_final"])
    assert np.ptp(returns) > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kappa": 0}, "kappa is 0; it should be greater than or equal to 1"),
        ({"samples": 0}, "samples is 0; it should be greater than or equal to 1 or it should be 'inf'"),
        ({"follow": "nobody"}, "follow is 'nobody'; it should be 'greedy' or 'average'"),
        ({"kappa": 100}, "kappa is 100: exact expectations (samples: inf) need"),
        ({"kappa": 100}, "kappa up to 57 would fit, or a number of samples."),
        ({"kappa": 30_000, "samples": 1}, "kappa is 30000: a table of 5e+08 histograms takes"),
        ({"kappa": 30_000, "samples": 1}, "would fit into 4 GB."),
        ({"env.graphon": "star"}, "env.graphon is 'star'; it should be 'radial' or 'block'"),
        ({"agents": 4}, "graphon-robots: radius is 0.3: on the 2 x 2 grid of 4 agents"),
    ],
)
def test_what_is_refused(settings, words):
    with pytest.raises(UserError) as refused:
        _ = Task(make_cell("graphon-mfs", "graphon-robots", {"agents": 16} | settings), (0,)).outlook
    assert words in str(refused.value)


@pytest.mark.parametrize("samples", ["inf", 1])
def test_what_is_named_would_fit(samples):
    with pytest.raises(UserError) as refused:
        _ = task(agents=16, kappa=100_000, samples=samples).outlook
    fit = int(str(refused.value).split("kappa up to ")[1].split()[0])
    assert task(agents=16, kappa=fit, samples=samples).coordinator(0).memory < 5e9
    with pytest.raises(UserError):
        _ = task(agents=16, kappa=fit + 1, samples=samples).outlook


def test_infinity_may_be_a_number():
    """As YAML and the command line read it."""
    one, other = (make_cell("graphon-mfs", "graphon-robots", {"agents": 16, "samples": m}) for m in ("inf", math.inf))
    assert one.id == other.id
