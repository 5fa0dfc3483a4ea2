"""The sampled shadow gradient against the exact one, who hears whom, and what is said."""

from typing import Any

import numpy as np
import pytest

from algorithms.general_utilities import critic
from algorithms.general_utilities.batch import batch_occupancy, observed_rows, packed, unpacked
from orchestrator.core.rounds import Call, Exchange
from orchestrator.errors import UserError
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning import preflight
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task
from orchestrator.running.lockstep import Replica, converse
from tests.tools.engine import COORDINATORS


def task(algorithm="shadow-policy-gradient", seeds=(0,), **settings):
    keyed = {key.replace("__", "."): value for key, value in settings.items()}
    return Task(make_cell(algorithm, "voter-network", keyed), seeds)


def summary(**settings):
    return run_task(task(**settings), InlineFleet()).replicas[0].recorder.summary()


@pytest.mark.parametrize(("codes", "words"), [(2, 2), (4, 3), (5, 4), (40, 7), (2**31, 32)])
def test_as_many_steps_to_a_word_as_fit(codes, words):
    seen = np.random.default_rng(0).integers(codes, size=(3, 64))
    seen[0] = codes - 1
    sent = packed(seen, codes)
    assert sent.shape == (3, words)
    np.testing.assert_array_equal(unpacked(sent, codes, 64), seen)


def test_occupancy_of_a_batch_by_hand():
    """Two trajectories of two steps at gamma 1/2: weights 1 and 1/2 each, 3 in all."""
    seen = np.array([[[0, 3], [2, 3]]])
    np.testing.assert_allclose(batch_occupancy(seen, 2, 2, 0.5), [[[1 / 3, 0], [1 / 3, 1 / 3]]])


def test_cells_tell_neighbourhoods_apart():
    seen = np.array([[0, 1, 2, 3], [3, 3, 0, 0], [1, 2, 3, 0]])
    numbers = critic.cell_numbers(seen[[0, 2]], critic.place_values(2, 4))
    np.testing.assert_array_equal(numbers, [0 + 4 * 1, 1 + 4 * 2, 2 + 4 * 3, 3 + 0])


@pytest.mark.parametrize("members", [3, 15, 16, 64])
def test_cells_are_numbered_by_their_first_visit(members):
    """16 codes a member: numbers of 12 and of 60 bits are exact; beyond 62 bits sums modulo 2^64 tell cells apart."""
    rng = np.random.default_rng(members)
    seen = rng.integers(16, size=(members, 50))[:, rng.integers(50, size=400)]
    numbers = critic.cell_numbers(seen, critic.place_values(members, 16))
    if members <= 15:
        assert numbers.tolist() == [sum(16**k * code for k, code in enumerate(row)) for row in seen.T.tolist()]
    count, cell, *_ = critic.index_cells(numbers)
    first = {}
    for row in map(tuple, seen.T.tolist()):
        first.setdefault(row, len(first))
    assert count == len(first)
    np.testing.assert_array_equal(cell, [first[row] for row in map(tuple, seen.T.tolist())])


def test_td_by_hand():
    """Cells 0, 1, 0, 1 (rewards 1, 2, 3, 4) at gamma 1/2, steps 1 / visits^0.6; the last step is a successor only."""
    q = critic.td_values(2, np.array([0, 1, 0, 1]), np.array([1.0, 2.0, 3.0, 4.0]), 4, 0.5)
    first, second = 1.0, 2.0 + 0.5 * 1.0
    np.testing.assert_allclose(q, [first + (3.0 + 0.5 * second - first) / 2**0.6, second], rtol=1e-15)


def test_cells_seen_as_last_steps_alone_have_the_mean():
    """One cell pays 1 and leads to one never left: Q(1) is the mean, which is Q(0), so Q(0) = 1 / (1 - gamma)."""
    np.testing.assert_allclose(critic.batch_values(2, np.array([0, 1]), np.array([1.0, 9.0]), 2, 0.5), [2, 2])


def test_the_batch_critic_solves_its_own_equation():
    """A cycle of two cells paying 1 and 0: Q = 1 / (1 - gamma^2) and gamma Q."""
    cell = np.array([0, 1, 0, 1, 0, 1])
    q = critic.batch_values(2, cell, np.array([1.0, 0, 1, 0, 1, 0]), 6, 0.9)
    np.testing.assert_allclose(q, [1 / (1 - 0.81), 0.9 / (1 - 0.81)], rtol=1e-7)


def test_flipped_actions_and_unvisited_cells():
    """One agent, a cycle of (0, 0), (0, 1), (1, 0); the flip of the last is unvisited and takes the mean of Q."""
    seen, reward = np.array([[0, 1, 2] * 4]), np.array([[1.0, 3.0, 8.0] * 4])
    steps = critic.Steps(seen, np.array([0, 1]), np.array([0]), radix=4, horizon=12)
    out = critic.letters(steps, reward, 2, 1, 0.5, critic.batch_values)
    q = np.linalg.solve(np.eye(3) - 0.5 * np.roll(np.eye(3), 1, axis=1), [1.0, 3.0, 8.0])
    np.testing.assert_allclose(out[0, 0, 0, :3], [q[0] - q[1], q[1] - q[0], q[2] - q.mean()], rtol=1e-6)
    along = critic.values(steps, reward, 0.5, critic.batch_values)
    np.testing.assert_allclose(along[0, :3], q, rtol=1e-6)


def test_three_actions_send_two_columns():
    """Q of one agent with a single state is r_a plus a constant: columns are r_a - r_{a+1} and r_a - r_{a+2}."""
    seen, reward = np.array([[0, 1, 2, 0, 2, 1, 1, 0, 2, 2] * 40]), np.array([1.0, 4.0, 9.0])
    steps = critic.Steps(seen, np.array([0, 1]), np.array([0]), radix=3, horizon=400)
    out = critic.letters(steps, reward[seen], 3, 1, 0.0, critic.batch_values)
    np.testing.assert_allclose(out[0, 0, :, :3], [[1 - 4, 4 - 9, 9 - 1], [1 - 9, 4 - 1, 9 - 4]])


@pytest.mark.parametrize("estimator", [pytest.param("centred", marks=pytest.mark.slow), "counterfactual"])
def test_a_large_batch_finds_the_exact_gradient(estimator):
    found = summary(agents=3, kappa=2, batch=3000, horizon=60, rounds=1, estimator=estimator, env__beta=0.4)
    assert found["gradient_cosine_final"] > 0.97
    assert found["gradient_error_final"] < 0.25


def test_counterfactuals_take_variance_away():
    """Errors at kappa = 2, mean over 4 seeds: raw is the worst by far, the default the best."""
    error = {}
    for estimator in ("raw", "centred", "counterfactual"):
        of = task(seeds=(0, 1, 2, 3), agents=6, kappa=2, batch=32, horizon=40, rounds=1, estimator=estimator)
        replicas = run_task(of, InlineFleet()).replicas
        error[estimator] = np.mean([r.recorder.summary()["gradient_error_final"] for r in replicas])
    assert error["counterfactual"] < error["centred"] < error["raw"] / 2


def test_nobody_hears_beyond_kappa():
    """What agent 5 of a line does reaches, at kappa = 1, gradients of agents 3 to 5: its Q travels one hop on."""
    of = task(agents=6, kappa=1, batch=4, horizon=9)
    coordinator: Any = of.coordinator(0)
    coordinator.start()
    gradients = []
    rng = np.random.default_rng(0)
    seen = rng.integers(4, size=(6, 4, 9))
    other = seen.copy()
    other[5] = rng.integers(4, size=(4, 9))
    for data in (seen, other):
        fleet = InlineFleet(2)
        fleet.load(of, None)
        replica = Replica(0, coordinator)

        def talk(data=data):
            graph = coordinator.problem.graph
            yield Call("watch", scattered={"seen": data, "rows": data // 2})
            yield Exchange("trajectory", "evaluate", graph, hops=1, shared={"width": coordinator.width})
            reply = yield Exchange("messages", "ascend", graph, hops=1, addressed=("message",))
            return reply["gradient"]

        gradients.append(converse(fleet, of.sizes, [(replica, talk)], charged=False)[0])
        assert replica.error == ""
    changed = (gradients[0] != gradients[1]).any(axis=(1, 2))
    np.testing.assert_array_equal(changed, [False, False, False, True, True, True])


def test_learning_raises_the_utility():
    before = summary(agents=6, kappa=1, rounds=0, env__beta=0.8)
    after = summary(agents=6, kappa=1, rounds=20, batch=32, horizon=40, step=3.0, env__beta=0.8)
    assert after["utility_final"] > before["utility_final"] + 0.02


def test_exact_ascent_climbs_and_truncation_is_exact_at_the_diameter():
    found = [summary(algorithm="exact-gradient", agents=5, kappa=4, rounds=r, step=3.0) for r in (0, 10, 40)]
    assert found[0]["utility_final"] < found[1]["utility_final"] < found[2]["utility_final"]
    assert found[0]["truncation_error_final"] == pytest.approx(0, abs=1e-12)
    assert found[0]["q_span_final"] == 0


def test_kappa_beyond_the_diameter_is_told_and_clipped():
    wide, full = task(agents=4, kappa=9), task(agents=4, kappa=3)
    clipped: Any = wide.coordinator(0)
    assert clipped.hops == 3
    assert any("diameter is 3" in text for text in wide.coordinator(0).warnings())
    assert not full.coordinator(0).warnings()
    assert any("horizon is 5" in text for text in task(agents=4, horizon=5).coordinator(0).warnings())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kappa": -1}, "kappa is -1; it should be greater than or equal to 0"),
        ({"utilities": "entropy fame"}, "utilities is 'entropy fame'; it takes names with spaces between, of entropy"),
        (
            {"kappa_policy": 12, "agents": 64},
            "kappa_policy is 12: a policy would have 10^7.5 rows; at most 10^6",
        ),
        ({"critic": "exact", "kappa_policy": 1}, "critic is exact; only voter-network with kappa_policy 0 has one"),
        ({"env__graph": "0-1 2-3"}, "graph must be connected; no path leads from agent 0 to agent 2"),
    ],
)
def test_what_is_refused(settings, words):
    with pytest.raises(UserError) as refused:
        _ = task(**({"agents": 4} | settings)).outlook
    assert words in str(refused.value)


OWN = COORDINATORS / "own_utility.py"


def test_a_utility_of_the_user_s_own():
    """From 50 % to 70 % of the time in state 1, which policies of the voter network can reach."""
    found = [
        summary(algorithm=f"{OWN}:Seventy", agents=3, kappa=2, rounds=r, step=60.0, env__start=0.5) for r in (0, 40)
    ]
    assert found[0]["utility_final"] < found[1]["utility_final"]
    assert found[1]["utility_final"] == pytest.approx(0, abs=2e-3)


def test_a_wrong_gradient_is_refused_before_anything_runs():
    with pytest.raises(UserError, match=r"utility seventy: the gradient at entry \(1, 0\) is .*; differences give"):
        _ = task(f"{OWN}:Wrong", agents=3).outlook


def test_a_letter_holds_one_column_and_is_charged_its_way():
    """Line of 4, kappa = 1: exchange A takes 6 edges, so do the letters of exchange C, 8 bytes a step each."""
    of = run_task(task(agents=4, kappa=1, batch=2, horizon=31, rounds=1), InlineFleet()).replicas[0].traffic
    assert of.bytes_sent == 6 * 2 * 8 + 6 * 62 * 8
    assert of.messages == 12
    wider = run_task(task(agents=4, kappa=2, batch=2, horizon=31, rounds=1), InlineFleet()).replicas[0].traffic
    assert wider.bytes_sent == 10 * 2 * 8 + (6 + 2 * 4) * 62 * 8


@pytest.mark.parametrize("wants", ["state-entropy", "entropy l2 linear"])
@pytest.mark.parametrize(("estimator", "most"), [("centred", 0.15), ("counterfactual", 0.06)])
def test_the_exact_critic_is_the_limit_of_the_batch_critic(estimator, most, wants):
    """At full observation its gradients err by the sampling of states and actions alone."""
    error = {}
    for known in ("exact", "batch"):
        settings = {"agents": 3, "kappa": 2, "batch": 2000, "rounds": 1, "env__start": 0.5, "utilities": wants}
        replicas = run_task(task(seeds=(0, 1), estimator=estimator, critic=known, **settings), InlineFleet()).replicas
        error[known] = np.mean([replica.recorder.summary()["gradient_error_final"] for replica in replicas])
    assert error["exact"] < most
    assert error["exact"] < 1.1 * error["batch"]


def test_policies_that_observe_their_neighbours():
    """kappa_policy = 1 on a line of 3: up to 8 rows; returns rise, and nothing is measured against closed forms."""
    settings = {"agents": 3, "kappa": 1, "kappa_policy": 1, "utilities": "linear", "theta_scale": 0.0, "step": 3.0}
    found = [summary(rounds=rounds, batch=16, horizon=20, **settings) for rounds in (0, 20)]
    assert set(found[0]) == {f"{m}_{at}" for m in ("utility", "return") for at in ("final", "tail")}
    assert found[1]["return_final"] > found[0]["return_final"] + 0.5
    rows = observed_rows(np.array([[[3, 0, 2]]]), 2, 2, *task(agents=3).coordinator(0).problem.graph.within(1))
    np.testing.assert_array_equal(rows, [[[0b01, 0b101, 0b10]]])


def test_what_a_round_takes_is_bounded_before_it_runs():
    """Letters of 512 agents to everyone: 8 GB, three times over; the plan refuses it on a machine that has less."""
    of = task(agents=512, kappa=511, batch=64, horizon=60)
    assert of.coordinator(0).memory == pytest.approx(3 * 8 * 512**2 * 64 * 60, rel=0.05)
    with pytest.raises(UserError, match=r"agents is 512: their environments and messages take about 24\.\d GB"):
        preflight.check_fits(of, None, 16e9)
    assert any(
        "have 10^308.3 cells, of which a batch visits at most 3840" in text for text in of.coordinator(0).warnings()
    )
