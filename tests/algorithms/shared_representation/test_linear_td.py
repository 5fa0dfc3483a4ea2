"""The TD family: one round of each by hand, their exact limits, and the same bits however they are run."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.shared_representation.fedtd import FedTD
from algorithms.shared_representation.frozen_map_td import FrozenMapTD
from algorithms.shared_representation.independent_td import IndependentTD, leading_subspace
from algorithms.shared_representation.joint_average_td import JointAverageTD
from algorithms.shared_representation.kernels import server_step, step_size
from algorithms.shared_representation.pfedtd_rep import PFedTDRep
from algorithms.shared_representation.shared_head_td import SharedHeadTD
from envs.linear.shared_subspace_mrp import SharedSubspaceMRP
from orchestrator.core.declared import assign
from tests.tools.td import BASIS, assert_same_bits, by_hand, one_round, run, tail, two_states

ALGORITHMS = (
    "joint-average-td",
    "pfedtd-rep",
    "independent-td",
    "svd-subspace",
    "fedtd",
    "shared-head-td",
    "oracle-subspace-td",
    "frozen-map-td",
)


# One round by hand --------------------------------------------------------------------------------------------------


def test_joint_round_by_hand():
    """delta = 2 - .5 + (.8 - .6) * .5 = 1.6;  G = (1, 0) * 1.6 * .5 = (.8, 0).

    eta = .5 + .1 * 1.5 = .65;  w = .5 + .1 * 1.6 * .6 = .596;  B = (.6 + .5 * .8, .8) / |.| = (1, .8) / sqrt(1.64).
    """
    coordinator, block = by_hand(JointAverageTD, two_states(), alpha=0.1, beta=0.5)
    coordinator.basis = BASIS
    reply = one_round(coordinator, block)
    np.testing.assert_allclose(reply["gradient"], [[[0.8], [0.0]]], rtol=1e-15)
    np.testing.assert_allclose(block.gain, [0.65], rtol=1e-15)
    np.testing.assert_allclose(block.head, [[0.596]], rtol=1e-15)
    np.testing.assert_allclose(coordinator.basis, np.array([[1.0], [0.8]]) / np.sqrt(1.64), rtol=1e-15)
    assert block.position.tolist() == [1]


def test_joint_round_of_two_local_steps_by_hand():
    """The second from state 1, the map still old: delta = 1 - .65 + (.6 - .8) * .596 = .2308.

    G = (0, 1) * .2308 * .596 = (0, .1375568), the mean of both (.4, .0687784);  eta = .65 + .5 * .1 * .35;
    w = .596 + .1 * .2308 * .8 = .614464. With gain_step = .5 the first eta is .575, so delta is .3058 there.
    """
    coordinator, block = by_hand(JointAverageTD, two_states(), alpha=0.1, beta=0.5, local_steps=2, gain_step=1.0)
    coordinator.basis = BASIS
    reply = one_round(coordinator, block)
    np.testing.assert_allclose(reply["gradient"], [[[0.4], [0.0687784]]], rtol=1e-14)
    np.testing.assert_allclose(block.head, [[0.614464]], rtol=1e-14)
    np.testing.assert_allclose(block.gain, [0.65 + 0.1 * 0.35], rtol=1e-14)


def test_gain_step_is_a_multiple_of_alpha():
    """eta = .5 + 3 * .1 * (2 - .5) = .95."""
    coordinator, block = by_hand(JointAverageTD, two_states(), alpha=0.1, gain_step=3.0)
    one_round(coordinator, block)
    np.testing.assert_allclose(block.gain, [0.95], rtol=1e-15)


def test_pfedtd_round_takes_the_map_step_on_a_fresh_transition():
    """gamma = .5, K = 1. Head step in state 0: delta = 2 + (.5 * .8 - .6) * .5 = 1.9, w = .5 + .1 * 1.9 * .6 = .614.

    Map step in state 1: delta = 1 + (.5 * .6 - .8) * .614 = .693, G = (0, 1) * .693 * .614 = (0, .425502); the head
    stays. B = (.6, .8 + .2 * .425502) = (.6, .8851004), rescaled to norm 1.
    """
    sizes = {"alpha": 0.1, "beta": 0.2, "local_steps": 1, "schedule": "constant"}
    coordinator, block = by_hand(PFedTDRep, two_states(gamma=0.5), **sizes)
    coordinator.basis = BASIS
    reply = one_round(coordinator, block)
    np.testing.assert_allclose(block.head, [[0.614]], rtol=1e-15)
    np.testing.assert_allclose(reply["gradient"], [[[0.0], [0.425502]]], rtol=1e-14)
    expected = np.array([[0.6], [0.8851004]])
    np.testing.assert_allclose(coordinator.basis, expected / np.linalg.norm(expected), rtol=1e-14)
    assert block.position.tolist() == [0]  # two transitions: the chain goes on, it is not sampled anew
    assert block.gain.tolist() == [0.0]  # no gain under discounting


def test_heads_are_projected_on_the_ball():
    """B = I, alpha = 5, from w = 0: w = (10, 0) -> (1, 0); then delta = 1 + .5 = 1.5, w = (1, 7.5) -> norm 1."""
    problem = two_states(gamma=0.5, rank=2)
    sizes = {"alpha": 5.0, "local_steps": 2, "schedule": "constant", "radius": 1.0}
    coordinator, block = by_hand(PFedTDRep, problem, **sizes)
    coordinator.basis, block.head = np.eye(2), np.zeros((1, 2))
    one_round(coordinator, block)
    np.testing.assert_allclose(block.head, [np.array([1.0, 7.5]) / np.sqrt(57.25)], rtol=1e-14)


def test_a_head_inside_the_ball_is_left_alone():
    sizes = {"alpha": 0.1, "local_steps": 3, "schedule": "constant"}
    heads = []
    for radius in (0.9, np.inf):
        coordinator, block = by_hand(PFedTDRep, two_states(gamma=0.5), radius=radius, **sizes)
        one_round(coordinator, block)
        heads.append(block.head)
    assert np.abs(heads[0]).max() < 0.9
    np.testing.assert_array_equal(*heads)


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.floats(-2, 2), min_size=12, max_size=12))
def test_one_frobenius_factor_leaves_the_span(numbers: list[float]):
    """B + beta mean G = (3, 2) * a matrix of norm 1 is scaled to norm sqrt(r): all entries by one number."""
    gradient = np.array(numbers).reshape(2, 3, 2)
    basis = np.array([[1.0, 0.5], [0.0, 1.0], [0.25, 0.0]])
    moved = basis + 0.1 * (gradient[0] + gradient[1]) / 2
    moved_basis = server_step(basis, 0.1, gradient, True)
    np.testing.assert_allclose(np.linalg.norm(moved_basis), np.sqrt(2.0), rtol=1e-14)
    np.testing.assert_allclose(moved_basis * np.linalg.norm(moved) / np.sqrt(2.0), moved, rtol=1e-12, atol=1e-14)


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.floats(-2, 2), min_size=12, max_size=12))
def test_the_joint_server_returns_the_q_of_qr(numbers: list[float]):
    """Against LAPACK with the signs turned so that diag(R) > 0."""
    gradient = np.array(numbers).reshape(2, 3, 2)
    basis = np.eye(3)[:, :2]
    q, r = np.linalg.qr(basis + 0.1 * (gradient[0] + gradient[1]) / 2)
    expected = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    np.testing.assert_allclose(server_step(basis, 0.1, gradient, False), expected, atol=1e-13)


def test_shared_head_round_by_hand():
    """Agent 0 as in the joint round: w = .596, G = (.8, 0). Agent 1, in state 1, from the common head .5 as well:

    delta = 1 - .5 + (.6 - .8) * .5 = .4, w = .5 + .1 * .4 * .8 = .532, G = (0, .2). The head becomes .564,
    B = (.6 + .5 * .4, .8 + .5 * .1) / |.|.
    """
    coordinator, block = by_hand(SharedHeadTD, two_states(2), agents=2, alpha=0.1, beta=0.5)
    coordinator.basis, coordinator.head = BASIS, np.array([0.5])
    block.head[:] = 7.0  # what the agents held before does not matter
    one_round(coordinator, block)
    np.testing.assert_allclose(coordinator.head, [0.564], rtol=1e-15)
    expected = np.array([[0.8], [0.85]])
    np.testing.assert_allclose(coordinator.basis, expected / np.linalg.norm(expected), rtol=1e-14)
    np.testing.assert_allclose(block.gain, [0.65, 0.55], rtol=1e-15)


def test_fedtd_round_by_hand():
    """theta = (.5, .5). Agent 0: delta = 1.5, theta = (.65, .5). Agent 1: delta = .5, theta = (.5, .55)."""
    coordinator, block = by_hand(FedTD, two_states(2), agents=2, alpha=0.1)
    coordinator.theta = np.array([0.5, 0.5])
    block.head[:] = 7.0
    one_round(coordinator, block)
    np.testing.assert_allclose(coordinator.theta, [0.575, 0.525], rtol=1e-15)


def test_independent_round_by_hand():
    """theta = (.5, .5), delta = 2 - .5 + 0 = 1.5: only the entry of the state that was left moves, to .65."""
    coordinator, block = by_hand(IndependentTD, two_states(), alpha=0.1)
    assert one_round(coordinator, block) is None
    np.testing.assert_allclose(block.head, [[0.65, 0.5]], rtol=1e-15)


# Schedules ----------------------------------------------------------------------------------------------------------


def test_step_sizes_by_hand():
    assert step_size(0.2, 300, True, 0.5, 100.0) == 0.1  # .2 / sqrt(1 + 3)
    assert step_size(0.2, 0, True, 0.5, 100.0) == 0.2
    assert step_size(0.2, 300, False, 0.5, 100.0) == 0.2


def test_both_schedules_run_on_rounds():
    """t = 700, t_0 = 100: 1 + t / t_0 = 8, alpha = .4 / 8^(2/3) = .1, beta = .4 / 8 = .05."""
    coordinator, _ = by_hand(PFedTDRep, two_states(gamma=0.5), alpha=0.4, beta=0.4, offset=100.0)
    assign(coordinator, "completed", 700)
    assert coordinator.alpha() == pytest.approx(0.1, rel=1e-15)
    assert coordinator.beta() == pytest.approx(0.05, rel=1e-15)


# Limits -------------------------------------------------------------------------------------------------------------


def test_fedtd_ends_at_its_floor():
    """Within the 3 percent of the family's target, and far above what agents reach alone."""
    settings: dict[str, Any] = {"rounds": 20_000, "alpha": 0.05, "env__reward_noise": 0.0}
    averaged, alone = run("fedtd", **settings), run("independent-td", **settings)
    floor = tail(averaged, "theta_error_floor")
    assert tail(averaged, "theta_error") == pytest.approx(floor, rel=0.03)
    assert tail(alone, "theta_error") < 0.1 * floor


def test_oracle_beats_a_random_map_and_frozen_is_where_joint_starts():
    oracle, frozen = run("oracle-subspace-td", rounds=4000), run("frozen-map-td", rounds=4000)
    assert tail(oracle, "subspace_error") < 1e-28
    assert tail(oracle, "theta_error") < 0.1 * tail(frozen, "theta_error")
    start = run("joint-average-td", rounds=0)
    assert tail(frozen, "subspace_error") == pytest.approx(tail(start, "subspace_error"), rel=1e-14)
    coordinator, block = by_hand(FrozenMapTD, two_states())
    np.testing.assert_array_equal(block.own_map(), coordinator.basis)


def test_joint_learns_the_subspace_and_filters_the_conflict():
    settings: dict[str, Any] = {"rounds": 20_000, "agents": 8, "env__reward_noise": 0.0}
    joint, one_head = run("joint-average-td", **settings), run("shared-head-td", **settings)
    assert tail(joint, "subspace_error") < 0.05
    assert tail(joint, "theta_error") < 0.1 * tail(one_head, "theta_error")


@settings(deadline=None)  # the first example compiles
@given(st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_leading_subspace_is_that_of_the_svd(rank: int, seed: int):
    """Against LAPACK's SVD of theta^T, as projectors; directions of distinct size, so the subspace is unique."""
    rng = np.random.default_rng(seed)
    left, right = np.linalg.qr(rng.normal(size=(5, 5)))[0], np.linalg.qr(rng.normal(size=(9, 5)))[0]
    theta = right @ np.diag([5.0, 4.0, 3.0, 1.0, 0.5]) @ left.T
    subspace = leading_subspace(theta, rank)
    np.testing.assert_allclose(subspace @ subspace.T, left[:, :rank] @ left[:, :rank].T, atol=1e-12)


def test_svd_subspace_is_independent_td_read_differently():
    """The agents end in the same state to the last bit; the truncation removes error that is off the subspace."""
    settings: dict[str, Any] = {"rounds": 4000, "agents": 12, "env__features": 5}
    alone, svd = run("independent-td", **settings), run("svd-subspace", **settings)
    assert tail(svd, "gain_error") == tail(alone, "gain_error")
    assert tail(svd, "theta_error") < tail(alone, "theta_error")


CURES = ("kept", "removed", "projected")


def test_a_constant_feature_fails_and_has_two_cures():
    """With a constant in the span of the features nothing holds the map along it; each cure keeps it in place."""
    settings: dict[str, Any] = {"rounds": 30_000, "agents": 8, "env__states": 20, "env__features": 8}
    runs = {cure: run("joint-average-td", env__constant_feature=cure, **settings) for cure in CURES}
    error = {cure: tail(outcome, "subspace_error") for cure, outcome in runs.items()}
    assert max(error["removed"], error["projected"]) < 0.02
    assert error["kept"] > 3 * max(error["removed"], error["projected"])
    learned = runs["projected"].replicas[0].coordinator
    assert isinstance(learned, JointAverageTD)
    assert learned.problem.excluded_direction is not None
    assert np.abs(learned.problem.excluded_direction @ learned.basis).max() < 1e-12  # neither start nor steps leave it


def test_why_it_fails_the_fixed_point_is_a_line():
    """B* + theta_e c^T is as good as B*: the exact mean update vanishes there, at a subspace error of order 1."""
    parameters = SharedSubspaceMRP.Parameters(constant_feature="kept")
    problem = SharedSubspaceMRP(parameters, agents=8, instance=0)
    assert problem.constant_direction is not None
    moved = problem.basis + np.outer(problem.constant_direction, [1.0, -1.0])
    update = problem.expected_update(moved, problem.heads, problem.gains)
    assert max(np.abs(part).max() for part in update.values()) < 1e-13
    assert problem.errors(moved, problem.heads, problem.gains)["subspace_error"] > 0.3


# Runs ---------------------------------------------------------------------------------------------------------------

SETTINGS = [
    {"local_steps": 1, "schedule": "constant"},
    {"local_steps": 3, "schedule": "power", "offset": 20.0, "alpha_exponent": 0.6, "env__processes": 2},
    {"local_steps": 2, "env__objective": "discounted"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=["constant", "power", "discounted"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_leap_gives_the_bits_of_driven_rounds(algorithm: str, settings: dict[str, Any]):
    assert_same_bits(run(algorithm, 1, True, **settings), run(algorithm, 1, False, **settings))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_split_into_hosts_gives_the_same_bits(algorithm: str):
    whole = run(algorithm, local_steps=2)
    for hosts in (2, 3, 4):
        assert_same_bits(whole, run(algorithm, hosts=hosts, local_steps=2))


@pytest.mark.parametrize(
    ("algorithm", "numbers"),
    [
        ("joint-average-td", 2 * 4 * 2),
        ("pfedtd-rep", 2 * 4 * 2),
        ("shared-head-td", 2 * (4 * 2 + 2)),
        ("fedtd", 2 * 4),
        ("independent-td", 0),
        ("frozen-map-td", 0),
    ],
)
def test_what_travels(algorithm: str, numbers: int):
    """Per round and agent: the map down and its gradient up (d r each), heads (r) or theta (d), or nothing."""
    traffic = run(algorithm, local_steps=2).replicas[0].traffic
    assert traffic.bytes_sent == 60 * 4 * 8 * numbers
    assert traffic.agent_steps == 60 * 4 * (3 if algorithm == "pfedtd-rep" else 2)
