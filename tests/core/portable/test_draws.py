"""Normal and Dirichlet draws: numpy's own up to rounding, from the same state to the same state."""

import numpy as np
import pytest

from orchestrator.core.portable.draws import dirichlets, next_bits, normals, with_state


def twins(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    return np.random.default_rng(seed), np.random.default_rng(seed)


def test_normals_are_numpy_s():
    own, numpys = twins(5)
    np.testing.assert_allclose(normals(own, 3, 100_000), numpys.normal(size=(3, 100_000)), rtol=1e-12)  # tail and all
    assert own.bit_generator.state == numpys.bit_generator.state
    assert normals(own, 0).shape == (0,)


@pytest.mark.parametrize("concentration", [0.1, 0.3, 0.99, 1.0, 1.01, 2.5, 100.0])
def test_dirichlets_are_numpy_s(concentration):
    own, numpys = twins(6)
    expected = numpys.dirichlet(np.full(5, concentration), size=(200, 20))
    np.testing.assert_allclose(dirichlets(own, concentration, 5, 200, 20), expected, rtol=1e-12)
    assert own.bit_generator.state == numpys.bit_generator.state


@pytest.mark.parametrize("concentration", [1e-4, 0.01, 0.05])
def test_small_concentrations(concentration):
    """Every row is a distribution, however small the gamma draws, with the variance of the law within 5 errors."""
    drawn = dirichlets(np.random.default_rng(1), concentration, 4, 20_000)
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, rtol=1e-14)
    variance = 3 / 16 / (4 * concentration + 1)
    assert abs(drawn.mean() - 0.25) < 1e-12
    assert abs(drawn[:, 0].var() - variance) < 5 * np.sqrt(((drawn[:, 0] - 0.25) ** 2).var() / 20_000)


def test_bits_are_numpy_s():
    own, numpys = twins(7)
    out = np.empty(1000, np.uint64)

    def fill(out: np.ndarray, state: np.ndarray) -> None:
        for i in range(len(out)):
            out[i] = next_bits(state)

    with_state(own, fill, out)
    assert out.tolist() == numpys.bit_generator.random_raw(1000).tolist()


def test_half_a_draw_of_integers_is_kept():
    """numpy keeps the other 32 bits of a 64-bit draw for the next small integer."""
    own, numpys = twins(8)
    for rng in (own, numpys):
        rng.integers(2**31, size=3)
    np.testing.assert_allclose(normals(own, 4), numpys.normal(size=4), rtol=1e-12)
    assert own.integers(2**31, size=3).tolist() == numpys.integers(2**31, size=3).tolist()


def test_other_generators_are_refused():
    with pytest.raises(TypeError, match="MT19937"):
        normals(np.random.Generator(np.random.MT19937(0)), 2)
