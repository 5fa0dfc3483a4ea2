"""Constraints by hand and met, what cannot be met, episodes with an end, users who share access points."""

from typing import Any

import numpy as np
import pytest

from algorithms.general_utilities import measures, utilities
from algorithms.general_utilities.shadow_primal_dual import DualAgents, ShadowPrimalDualParameters
from envs.networks.kernels import softmax
from envs.networks.wireless_access import WirelessAccess
from orchestrator.errors import UserError
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

LINE = {"agents": 4, "env__steps": 20, "env__gamma": 0.9, "batch": 24, "utilities": "linear"}


def task(algorithm, environment, seeds=(0,), **settings):
    keyed = {key.replace("__", "."): value for key, value in settings.items()}
    return Task(make_cell(algorithm, environment, keyed), seeds)


def summary(algorithm, environment, **settings):
    return run_task(task(algorithm, environment, **settings), InlineFleet()).replicas[0].recorder.summary()


@pytest.mark.parametrize("dual", ["closed", "accumulating"])
def test_multipliers_by_hand(dual):
    """Entropies ln 2 and 0 against 0.5, dual step 2: mu = 0 and 1; another round adds to the accumulating one alone."""
    settings: Any = {"threshold": 0.5, "dual": dual, "dual_step": 2.0, "utilities": "linear"}
    given = ShadowPrimalDualParameters(**settings)
    problem: Any = task("shadow-primal-dual", "message-line", agents=2).coordinator(0).problem
    agents = DualAgents("agents", range(2), given, problem, 0)
    agents.start()
    x = np.array([[[0.25, 0.25], [0.25, 0.25]], [[0.0, 0.0], [0.5, 0.5]]])
    own = utilities.shadow_rewards(("linear",), range(2), x, problem.gamma, problem.reward)
    kept = utilities.shadow_rewards(("state-entropy",), range(2), x, problem.gamma, problem.reward)
    for expected in ([0.0, 1.0], [0.0, 1.0 if dual == "closed" else 2.0]):
        agents.learn(x)
        np.testing.assert_allclose(agents.shadow_rewards(x), own + np.array(expected)[:, None, None] * kept)
        np.testing.assert_allclose(agents.multipliers()["mu"], expected)
        np.testing.assert_allclose(agents.slack, [np.log(2) - 0.5, -0.5])


def test_without_a_dual_step_there_is_no_constraint():
    free = summary("shadow-policy-gradient", "message-line", rounds=3, **LINE)
    bound = summary("shadow-primal-dual", "message-line", rounds=3, dual_step=0.0, **LINE)
    assert {name: bound[name] for name in free} == free


def test_a_constraint_costs_return_and_is_met_better_by_a_larger_step():
    """All-ones has no entropy: the harder the multipliers push, the less is violated and the less is earned."""
    found = [
        summary("shadow-primal-dual", "message-line", rounds=60, step=2.0, threshold=0.5, dual_step=mu, **LINE)
        for mu in (0.0, 3.0, 100.0)
    ]
    violations, returns = ([of[name] for of in found] for name in ("mean_violation_final", "return_final"))
    assert violations[0] > 0.4
    assert violations[0] > violations[1] > violations[2]
    assert violations[2] < 0.1
    assert returns[0] > returns[1] > returns[2]


def test_an_infeasible_constraint_tells_the_least_violation():
    """The entropy of two states is at most ln 2 = 0.693: 0.8 is missed by 0.107 at the least."""
    found = summary("shadow-primal-dual", "message-line", rounds=80, step=2.0, threshold=0.8, dual_step=100.0, **LINE)
    assert 0.8 - np.log(2) - 1e-12 <= found["least_violation_final"] < 0.2


def test_the_end_of_an_episode_is_the_environment_s():
    coordinator: Any = task("shadow-policy-gradient", "message-line", agents=3).coordinator(0)
    assert coordinator.horizon == 126
    assert not coordinator.warnings()
    shorter: Any = task("shadow-policy-gradient", "message-line", agents=3, horizon=20).coordinator(0)
    assert any("horizon is 20: gamma^H is 0.82" in text for text in shorter.warnings())


def test_neighbourhoods_that_a_batch_cannot_visit_are_told():
    coordinator: Any = task("shadow-policy-gradient", "wireless-access", agents=25).coordinator(0)
    (told,) = coordinator.warnings()
    assert "neighbourhoods of 9 agents have 10^14.4 cells, of which a batch visits at most 832" in told


def test_users_learn_to_share():
    """Linear utility on four users and one access point: learning beats the best ALOHA, kappa = 1 beats kappa = 0."""
    settings = {"agents": 4, "utilities": "linear", "batch": 200, "step": 60.0, "theta_scale": 0.0}
    alone, together = (
        summary("shadow-policy-gradient", "wireless-access", rounds=60, kappa=k, **settings) for k in (0, 1)
    )
    aloha = summary("slotted-aloha", "wireless-access", agents=4, rounds=0)
    assert together["return_final"] > alone["return_final"]
    assert together["return_final"] > aloha["return_final"]


def test_aloha_finds_the_best_of_its_probabilities():
    """Four users and one access point: at p = 1 nearly everything collides, at 0.05 nearly nothing is sent."""
    found = {
        p: summary("slotted-aloha", "wireless-access", agents=4, rounds=0, probability=p) for p in (0.05, 0.3, 1.0)
    }
    best = summary("slotted-aloha", "wireless-access", agents=4, rounds=0)
    assert max(of["return_final"] for of in found.values()) <= best["return_final"] + 0.005
    assert 0.1 < best["sending_final"] < 0.8


def test_no_action_is_drawn_that_a_user_has_not():
    problem = WirelessAccess(WirelessAccess.Parameters(), 9, 0)
    coordinator: Any = task("shadow-policy-gradient", "wireless-access", agents=9).coordinator(0)
    block = coordinator.blocks()["agents"]("agents", range(9), coordinator.parameters, problem, 0)
    block.start()
    policy = softmax(block.theta)
    assert (policy[~np.repeat(problem.available[:, None], 8, axis=1)] == 0).all()
    np.testing.assert_allclose(policy.sum(axis=2), 1)
    assert measures.evaluate(policy, problem, 0, 13, seed=0)[1] > 0


@pytest.mark.parametrize(
    ("algorithm", "settings", "words"),
    [
        (
            "shadow-policy-gradient",
            {"critic": "exact"},
            "critic is exact; only voter-network with kappa_policy 0 has one",
        ),
        ("shadow-primal-dual", {"critic": "exact"}, "critic is 'exact'; it should be 'td' or 'batch'"),
        ("shadow-primal-dual", {"constraint": "fame"}, "constraint is 'fame'; it takes one of entropy"),
        ("shadow-policy-gradient", {"horizon": 127}, "horizon is 127; an episode of message-line has 126 steps"),
    ],
)
def test_what_is_refused(algorithm, settings, words):
    with pytest.raises(UserError) as refused:
        _ = task(algorithm, "message-line", agents=3, **settings).outlook
    assert words in str(refused.value)
