"""The shared-subspace problems: the truth they state is the truth, whatever the options and whoever builds them."""

import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.linear.shared_subspace_mrp import SharedSubspaceMRP

VARIANTS = {
    "average": {},
    "gaussian heads": {"heads": "gaussian", "reward_noise": 1.0},
    "approximation error": {"approximation_error": 0.5},
    "discounted": {"objective": "discounted", "gamma": 0.9},
    "discounted, approximation error": {"objective": "discounted", "approximation_error": 0.7},
    "constant kept": {"constant_feature": "kept"},
    "constant kept, approximation error": {"constant_feature": "kept", "approximation_error": 0.4},
    "constant projected": {"constant_feature": "projected", "approximation_error": 0.4},
    "tabular": {"feature_kind": "one-hot", "objective": "discounted", "common_kernel": 0.3, "processes": 4},
    "tabular average": {"feature_kind": "one-hot", "constant_feature": "projected"},
}


def problem(agents=8, instance=0, **parameters):
    return SharedSubspaceMRP(SharedSubspaceMRP.Parameters(**parameters), agents, instance)


@pytest.fixture(params=VARIANTS)
def variant(request):
    return problem(**VARIANTS[request.param])


def test_the_truth_is_a_fixed_point(variant):
    """The expected update of basis, heads and gains vanishes at (B*, w*, J), and every error is 0 there."""
    update = variant.expected_update(variant.basis, variant.heads, variant.gains)
    for part in update.values():
        assert np.abs(part).max() < 1e-13
    errors = variant.errors(variant.basis, variant.heads, variant.gains)
    represented = {name: error for name, error in errors.items() if not name.startswith("value_error")}
    assert set(errors) == set(variant.metrics)
    assert max(represented.values()) < 1e-25
    assert errors["value_error"] == pytest.approx(variant.parameters.approximation_error**2, abs=1e-13)


def test_the_update_moves_elsewhere(variant):
    """Away from the truth the expected update equals sums over states and successors, written out."""
    rng = np.random.default_rng(5)
    basis, heads, gains = (rng.normal(size=a.shape) for a in (variant.basis, variant.heads, variant.gains))
    update = variant.expected_update(basis, heads, gains)
    total = np.zeros_like(basis)
    for i, p in enumerate(variant.process_of):
        estimate = variant.phi @ basis @ heads[i]
        delta = variant.reward[p] - gains[i] + variant.gamma * variant.transition[p] @ estimate - estimate
        direction = variant.phi.T @ (variant.stationary[p] * delta)
        np.testing.assert_allclose(update["heads"][i], basis.T @ direction, atol=1e-13)
        total += np.outer(direction, heads[i]) / variant.agents
    np.testing.assert_allclose(update["basis"], total, atol=1e-13)
    np.testing.assert_allclose(update["gains"], variant.gains - gains, atol=1e-15)


def test_bellman_and_poisson_equations(variant):
    """J + V = r + gamma P V with J = mu r (average), and mu P = mu."""
    ahead = np.einsum("pst,pt->ps", variant.transition, variant.values)
    gains = variant.gains[: variant.process_count]
    np.testing.assert_allclose(gains[:, None] + variant.values, variant.reward + variant.gamma * ahead, atol=1e-12)
    np.testing.assert_allclose(np.einsum("ps,pst->pt", variant.stationary, variant.transition), variant.stationary)
    if variant.average:
        np.testing.assert_allclose((variant.stationary * variant.reward).sum(axis=1), gains, atol=1e-12)
    else:
        assert not gains.any()


def test_td_systems_and_fixed_points(variant):
    """A and b are their definitions by matrix products, and A theta* = b."""
    for p in range(variant.process_count):
        weighted = variant.phi.T * variant.stationary[p]
        differences = variant.phi - variant.gamma * variant.transition[p] @ variant.phi
        np.testing.assert_allclose(variant.A[p], weighted @ differences, atol=1e-14)
        np.testing.assert_allclose(variant.b[p], weighted @ (variant.reward[p] - variant.gains[p]), atol=1e-14)
        np.testing.assert_allclose(variant.A[p] @ variant.theta[p], variant.b[p], atol=1e-14)


def test_truth_has_the_stated_form(variant):
    np.testing.assert_allclose(variant.basis.T @ variant.basis, np.eye(2), atol=1e-14)
    np.testing.assert_allclose(variant.heads @ variant.basis.T, variant.theta, atol=1e-13)


def test_errors_are_their_formulas(variant):
    """Every error against plain numpy, for an estimate drawn at random with a basis that is not orthonormal."""
    rng = np.random.default_rng(11)
    basis, heads, gains = (rng.normal(size=a.shape) for a in (variant.basis, variant.heads, variant.gains))
    errors = variant.errors(basis, heads, gains)
    q = np.linalg.qr(basis)[0]
    gap = heads @ basis.T - variant.theta
    assert errors["subspace_error"] == pytest.approx(2 - np.sum((q.T @ variant.basis) ** 2), abs=1e-12)
    assert errors["theta_error"] == pytest.approx((gap**2).sum(axis=1).mean())
    assert errors["head_error"] == pytest.approx(((gap @ variant.basis) ** 2).sum(axis=1).mean())
    if variant.average:
        assert errors["gain_error"] == pytest.approx(((gains - variant.gains) ** 2).mean())
    assert errors["value_error"] == pytest.approx(value_error(variant, heads @ basis.T))
    whole = variant.errors_theta(heads @ basis.T, gains)
    assert whole == pytest.approx({name: errors[name] for name in whole})
    if not variant.average:
        best = [
            basis @ np.linalg.solve(basis.T @ a @ basis, basis.T @ b) for a, b in zip(variant.A, variant.b, strict=True)
        ]
        assert errors["value_error_best_head"] == pytest.approx(
            value_error(variant, np.array(best)[variant.process_of])
        )


def value_error(problem, theta):
    error = theta @ problem.phi.T - problem.values[problem.process_of]
    mu = problem.stationary[problem.process_of]
    if problem.average:
        error = error - (mu * error).sum(axis=1, keepdims=True)
    return (mu * error**2).sum(axis=1).mean()


@settings(max_examples=30, deadline=None)
@given(
    bounds=st.tuples(st.integers(0, 24), st.integers(0, 24)).map(sorted),
    processes=st.sampled_from([0, 2, 4, 12, 24]),
    objective=st.sampled_from(["average", "discounted"]),
    instance=st.integers(0, 3),
)
def test_a_slice_of_agents_is_a_slice_of_the_block(bounds, processes, objective, instance):
    """Bit for bit, and without drawing the others: the tables of any consecutive members are rows of the full block."""
    given = problem(24, instance, processes=processes, objective=objective, common_kernel=0.3, approximation_error=0.2)
    members = range(*bounds)
    part, full = given.block(members), given.block(range(24))
    rows = full.process[members.start : members.stop]
    for name in ("probability", "alias", "reward"):
        np.testing.assert_array_equal(getattr(part, name)[part.process], getattr(full, name)[rows])
    assert len(part.reward) == len(set(rows.tolist()))
    np.testing.assert_array_equal(part.phi, full.phi)
    assert (part.gamma, part.average) == (full.gamma, full.average)


@pytest.mark.parametrize("processes", [0, 4])
def test_tables_are_the_processes(processes):
    """Agent i's alias tables give P of process i mod M, and its reward is that process's reward."""
    given = problem(8, processes=processes, reward_noise=0.5)
    block = given.block(range(8))
    assert (block.noise, block.gamma, block.average) == (0.5, 1.0, True)
    for agent in range(8):
        base = agent % processes if processes else agent
        keep, alias = block.probability[block.process[agent]], block.alias[block.process[agent]]
        mass = keep.copy()
        for s in range(20):
            np.add.at(mass[s], alias[s], 1 - keep[s])
        np.testing.assert_allclose(mass / 20, given.transition[base], atol=1e-15)
        np.testing.assert_array_equal(block.reward[block.process[agent]], given.reward[base])
        assert given.process_of[agent] == base


def test_more_agents_leave_the_first_ones_alone():
    few, many = problem(4), problem(32)
    np.testing.assert_array_equal(few.transition, many.transition[:4])
    np.testing.assert_array_equal(few.reward, many.reward[:4])
    assert not np.array_equal(problem(4, instance=1).reward, few.reward)


def test_heads_options():
    """Balanced: +e0, +e1, -e0, -e1, ... times sqrt(2); same-sign without the minus; gaussian spreads."""
    c = np.sqrt(2)
    np.testing.assert_allclose(problem(4).heads, [[c, 0], [0, c], [-c, 0], [0, -c]], atol=1e-14)
    np.testing.assert_allclose(problem(4, heads="same-sign").heads, [[c, 0], [0, c], [c, 0], [0, c]], atol=1e-14)
    drawn = problem(512, heads="gaussian").heads
    assert np.abs(drawn.mean(axis=0)).max() < 0.2
    assert np.abs(drawn.std(axis=0) - 1).max() < 0.15


def test_features():
    """Centred with longest row 1; a kept constant lies along constant_direction and projection takes it out."""
    phi = problem().phi
    np.testing.assert_allclose(phi.mean(axis=0), 0, atol=1e-16)
    assert np.linalg.norm(phi, axis=1).max() == pytest.approx(1, abs=1e-15)
    assert problem().constant_direction is None
    for kind in ("gaussian", "one-hot"):
        kept = problem(constant_feature="kept", feature_kind=kind)
        projected = problem(constant_feature="projected", feature_kind=kind)
        direction = kept.constant_direction
        assert direction is not None
        np.testing.assert_allclose(kept.phi @ direction, 1, atol=1e-12)
        np.testing.assert_allclose(projected.phi @ direction, 0, atol=1e-12)
        np.testing.assert_allclose(kept.basis.T @ direction, 0, atol=1e-12)
        assert np.linalg.matrix_rank(projected.phi, tol=1e-10) == projected.features - 1


def test_a_kept_constant_leaves_a_line_of_fixed_points():
    """Moving B along theta_e leaves the expected update 0 when the constant is kept: B* is not identified."""
    for constant in ("kept", "projected"):
        given = problem(constant_feature=constant)
        direction = given.constant_direction
        assert direction is not None
        moved = given.basis + 0.3 * np.outer(direction / np.linalg.norm(direction), [1.0, -1.0])
        update = given.expected_update(moved, given.heads, given.gains)
        assert np.abs(update["basis"]).max() < 1e-13
        assert given.errors(moved, given.heads, given.gains)["subspace_error"] > 0.1
        assert given.errors(moved, given.heads, given.gains)["value_error"] < 1e-25
    removed = problem()
    bent = removed.basis + 0.3 * np.outer(np.ones(8) / np.sqrt(8), [1.0, -1.0])
    assert np.abs(removed.expected_update(bent, removed.heads, removed.gains)["basis"]).max() > 1e-4


def test_approximation_error_keeps_the_fixed_point():
    """Same kernels and theta*, other rewards: u_i is there, has the stated size, and TD does not see it."""
    plain, bent = problem(), problem(approximation_error=0.5)
    np.testing.assert_array_equal(plain.transition, bent.transition)
    np.testing.assert_array_equal(plain.theta, bent.theta)
    np.testing.assert_allclose(plain.A, bent.A, atol=1e-15)
    np.testing.assert_allclose(plain.b, bent.b, atol=1e-14)
    u = bent.values - plain.values
    np.testing.assert_allclose((bent.stationary * u**2).sum(axis=1), 0.25, rtol=1e-12)
    assert np.abs(plain.reward - bent.reward).max() > 0.1


def test_fedtd_floor_of_the_conflict():
    """theta_bar solves the summed systems; with 32 balanced heads nothing common is left: floor near 2."""
    given = problem(32)
    theta, floor = given.fedtd_floor()
    np.testing.assert_allclose(given.A.sum(axis=0) @ theta, given.b.sum(axis=0), atol=1e-14)
    independent = np.linalg.lstsq(given.A.mean(axis=0), given.b.mean(axis=0), rcond=None)[0]
    assert floor == pytest.approx(np.mean([np.sum((independent - own) ** 2) for own in given.theta]), rel=1e-10)
    assert floor == pytest.approx(2.0, abs=0.02)
    assert given.errors_theta(np.tile(theta, (32, 1)))["theta_error"] == pytest.approx(floor)


@pytest.mark.parametrize("constant", ["kept", "projected"])
def test_fedtd_floor_where_the_systems_are_singular(constant):
    given = problem(8, constant_feature=constant)
    theta, _ = given.fedtd_floor()
    expected = np.linalg.pinv(given.A.sum(axis=0), rcond=1e-10) @ given.b.sum(axis=0)
    np.testing.assert_allclose(theta, expected, atol=1e-11)


@pytest.mark.parametrize(
    ("agents", "parameters", "says"),
    [
        (0, {}, "agents must be at least 1"),
        (1, {}, "rank must be at most the number of distinct processes (1)"),
        (3, {}, "heads=balanced needs the number of distinct processes to be a multiple of rank (2), got 3"),
        (3, {"heads": "same-sign"}, "heads=same-sign needs"),
        (6, {"processes": 4}, "agents must be a multiple of processes (4)"),
        (9, {"processes": 3}, "multiple of rank (2), got 3"),
        (12, {"rank": 12, "features": 8}, "rank must be at most 8"),
        (12, {"rank": 8, "constant_feature": "kept", "heads": "gaussian"}, "rank must be at most 7"),
        (8, {"states": 8}, "features must be at most 7"),
        (8, {"states": 9, "approximation_error": 0.1}, "features must be at most 7"),
        (8, {"feature_kind": "one-hot"}, "constant_feature=removed does not fit"),
        (8, {"objective": "discounted", "constant_feature": "kept"}, "belongs to objective=average"),
        (8, {"feature_kind": "one-hot", "objective": "discounted", "approximation_error": 1}, "must be 0"),
    ],
)
def test_what_does_not_fit_is_named(agents, parameters, says):
    with pytest.raises(ValueError) as error:
        problem(agents, **parameters)
    assert says in str(error.value)


def test_what_just_fits():
    assert problem(2).agents == 2
    assert problem(1, rank=1).heads == pytest.approx(np.ones((1, 1)))
    assert problem(3, heads="gaussian").heads.shape == (3, 2)
    tight = problem(2, states=10, approximation_error=0.3)
    assert tight.errors(tight.basis, tight.heads, tight.gains)["value_error"] == pytest.approx(0.09)


@pytest.mark.parametrize("bad", [{"states": 1}, {"gamma": 1.0}, {"instance": -1}, {"heads": "odd"}, {"state": 3}])
def test_fields_check_themselves(bad):
    with pytest.raises(pydantic.ValidationError):
        SharedSubspaceMRP.Parameters(**bad)


def test_members_outside_are_refused():
    with pytest.raises(ValueError, match=r"0\.\.7"):
        problem(8).block(range(4, 9))
