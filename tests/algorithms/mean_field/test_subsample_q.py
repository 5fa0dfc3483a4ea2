"""Gaps of mode tracking against their closed form and the reference figures, sampled backups, and what is refused."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import hypergeom

from orchestrator.errors import UserError
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

#: Sup gaps of 401 frozen agents, to three digits.
REFERENCE = {1: 0.900, 9: 0.387, 25: 0.234, 51: 0.159, 101: 0.105, 201: 0.061}


def task(seeds=(0,), **settings):
    keyed = {key.replace("__", "."): value for key, value in settings.items()}
    return Task(make_cell("subsample-q", "mode-tracking", keyed, {"every": 1000, "per_decade": 1}), seeds)


def summary(hosts=1, **settings):
    replica = run_task(task(**settings), InlineFleet(hosts)).replicas[0]
    assert replica.error == ""
    return replica.recorder.summary()


def closed_form(agents: int, k: int) -> float:
    """Frozen agents, two states: going for the sample's majority against going for the population's, .9 each time."""
    worst, aim = 0.0, np.array([[0.9, 0.1], [0.1, 0.9]])
    for ones in range(agents + 1):
        paid = np.array([agents - ones, ones]) / agents
        wrong = hypergeom(agents, ones, k).cdf(k // 2)  # odd k: the sample shows a majority of zeros
        taken = wrong * aim[0] + (1 - wrong) * aim[1]
        worst = max(worst, 0.9 / (1 - 0.9) * ((aim @ paid).max() - taken @ paid))
    return worst


@pytest.mark.parametrize("k", REFERENCE)
def test_the_reference_figures_come_out(k):
    found = summary(agents=401, k=k, rounds=1000, env__persistence=1)
    assert found["gap_full_sup_final"] == pytest.approx(closed_form(401, k), abs=1e-9)
    assert round(found["gap_full_sup_final"], 3) == REFERENCE[k]
    assert found["subsampling_final"] == np.sqrt((401 - k) / (401 * k))


@pytest.mark.parametrize("persistence", [1, 0.9])
def test_who_sees_everyone_loses_nothing(persistence):
    found = summary(agents=31, k=31, rounds=1000, env__persistence=persistence, env__states=2)
    assert abs(found["gap_full_sup_final"]) < 1e-11
    assert found["change_final"] < 1e-11


def test_seeing_more_loses_less():
    """Three states, n = 15, agents that often change."""
    gaps = [summary(agents=15, k=k, rounds=400, env__states=3, env__persistence=0.9) for k in (1, 3, 5, 9, 15)]
    sup = [found["gap_full_sup_final"] for found in gaps]
    assert sup == sorted(sup, reverse=True)
    assert sup[0] > 0.3
    mean = [found["gap_full_mean_final"] for found in gaps]
    assert mean == sorted(mean, reverse=True)
    assert all(m <= s for m, s in zip(mean, sup))


def test_exact_sweeps_stop_when_they_rest():
    replica = run_task(task(agents=21, k=5, rounds=5000), InlineFleet()).replicas[0]
    assert replica.status == "done"
    assert replica.recorder.rows()[-1]["round"] < 600


def test_sampled_backups_come_near_the_exact_ones_and_are_biased_upwards():
    """A maximum over noisy values: V is too high, the less so the more draws there are."""
    exact: Any = run_task(task(agents=9, k=5, rounds=1000), InlineFleet()).replicas[0].coordinator
    np.testing.assert_allclose(exact.values, exact.exact, atol=1e-11)
    assert "bias_final" not in summary(agents=9, k=5, rounds=10)
    bias = {m: summary(agents=9, k=5, rounds=300, samples=m)["bias_final"] for m in (1, 8, 64)}
    assert bias[1] > bias[8] > bias[64] > 0
    assert bias[64] < 0.15


@pytest.mark.parametrize("samples", ["inf", 3])
@pytest.mark.parametrize("hosts", [2, 3, 6])
def test_shards_give_the_numbers_of_one_table(samples, hosts):
    settings = {"agents": 9, "k": 5, "rounds": 20, "samples": samples, "env__states": 3}
    assert summary(hosts, **settings) == summary(1, **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"agents": 4, "k": 5}, "k is 5; of 4 local agents the global one can see 1 to 4"),
        ({"agents": 4, "k": 0}, "k is 0; it should be greater than or equal to 1"),
        ({"samples": 0}, "samples is 0; it should be greater than or equal to 1 or it should be 'inf'"),
        ({"env.states": 7}, "env.states is 7; it should be less than or equal to 6"),
    ],
)
def test_what_is_refused(settings, words):
    with pytest.raises(UserError) as refused:
        _ = Task(make_cell("subsample-q", "mode-tracking", {"agents": 9, "k": 3} | settings), (0,)).outlook
    assert words in str(refused.value)


def test_infinity_may_be_a_number():
    """As YAML and the command line read it."""
    one, other = (make_cell("subsample-q", "mode-tracking", {"agents": 9, "samples": m}) for m in ("inf", float("inf")))
    assert one.id == other.id


def test_even_samples_can_tie():
    assert task(agents=9, k=3).coordinator(0).warnings() == []
    assert "k is 4, an even number" in task(agents=9, k=4).coordinator(0).warnings()[0]
