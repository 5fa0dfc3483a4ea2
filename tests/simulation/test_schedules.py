"""Some schedules of faults: no number may differ, be lost or be doubled. ``make simulate`` runs thousands."""

import pytest

from tests.tools.simulation.schedules import simulate

SCHEDULES = 48


@pytest.mark.parametrize("first", range(0, SCHEDULES, 12))
def test_schedules_of_faults(first):
    told = [fault for seed in range(first, first + 12) for fault in simulate(seed).told]
    assert len(told) > 12  # much went wrong


def test_a_seed_is_a_schedule():
    """So that a fault which was found can be looked at again."""
    assert simulate(5).told == simulate(5).told
    assert simulate(5).told != simulate(6).told
