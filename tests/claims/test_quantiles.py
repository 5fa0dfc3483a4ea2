"""Our quantiles have eleven digits of scipy's, which is too slow to import for a verdict."""

import numpy as np
import pytest
from scipy.special import betaincinv, chdtri, stdtrit

from orchestrator.claims.statistics.quantiles import binomial_limits, chi_squared_quantile, t_quantile

TAILS = (0.1, 0.025, 0.01, 0.005, 0.001, 0.00625 / 5, 1e-5)


@pytest.mark.parametrize("tail", TAILS)
def test_student(tail):
    for seeds in (2, 3, 6, 8, 16, 40, 64, 320, 1000):
        assert t_quantile(seeds, tail) == pytest.approx(-stdtrit(seeds - 1, tail), rel=1e-11)
    assert t_quantile(8) == pytest.approx(2.3646242515927844, rel=1e-13)
    assert np.isnan(t_quantile(1, tail))


@pytest.mark.parametrize("tail", TAILS)
def test_chi_squared(tail):
    for degrees in (1, 2, 4, 7, 15, 39, 319):
        for share in (tail, 1 - tail):
            assert chi_squared_quantile(degrees, share) == pytest.approx(chdtri(degrees, 1 - share), rel=1e-10)


@pytest.mark.parametrize("tail", TAILS)
def test_clopper_and_pearson(tail):
    for runs in (1, 6, 8, 40, 368):
        for hits in {0, 1, runs // 2, runs}:
            low, high = binomial_limits(hits, runs, tail)
            assert low == pytest.approx(betaincinv(hits, runs - hits + 1, tail) if hits else 0, rel=1e-10)
            assert high == pytest.approx(betaincinv(hits + 1, runs - hits, 1 - tail) if hits < runs else 1, rel=1e-10)


def test_none_of_so_many_runs_hit():
    """0 of R: p with (1 - p)^R = .025. It takes 368 runs to bound a share by .01."""
    assert binomial_limits(0, 8, 0.025)[1] == pytest.approx(1 - 0.025 ** (1 / 8), rel=1e-12)
    assert binomial_limits(0, 368, 0.025)[1] < 0.01 < binomial_limits(0, 367, 0.025)[1]
