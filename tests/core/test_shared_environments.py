"""What seeds share of an environment cannot be changed, and what can be changed is not shared."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from pydantic import BaseModel

from orchestrator.core import Block, Environment
from orchestrator.core.arrays import frozen
from orchestrator.core.declared import assign


class Arrays(NamedTuple):
    phi: np.ndarray
    gamma: float


@dataclass(frozen=True)
class Tables:
    phi: np.ndarray
    name: str = "tables"


@dataclass
class Changing:
    phi: np.ndarray


class Simulator:
    """It remembers how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self) -> int:
        self.asked += 1
        return self.asked


ONES = np.ones(3)


@pytest.mark.parametrize(
    ("value", "fixed"),
    [
        (None, True),
        (1.5, True),
        (ONES, True),
        (Arrays(ONES, 0.9), True),
        ((ONES, Arrays(ONES, 0.9)), True),
        (Tables(ONES), True),
        (np.array([Simulator()]), False),
        (Changing(ONES), False),
        ([ONES], False),
        ({"phi": ONES}, False),
        ((ONES, [1]), False),
        (Simulator(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_be_changed(value: Any, fixed: bool):
    assert frozen(value)[0] is fixed


def test_arrays_become_read_only_views_and_the_owner_keeps_its_own():
    phi = np.ones(3)
    _, shared = frozen(Arrays(phi, 0.9))
    assert isinstance(shared, Arrays)
    assert np.shares_memory(shared.phi, phi)
    with pytest.raises(ValueError, match="read-only"):
        shared.phi[0] = 2
    _, tables = frozen(Tables(phi))
    with pytest.raises(ValueError, match="read-only"):
        tables.phi += 1
    phi[0] = 3
    assert shared.phi[0] == 3


class Model(BaseModel):
    pass


class Problem(Environment):
    name, kind, Parameters = "problem", "own", Model

    def __init__(self, simulated: bool):
        super().__init__(Model(), 4, 0)
        self.simulated, self.built = simulated, 0

    def block(self, members: range) -> object:
        self.built += 1
        return Simulator() if self.simulated else Arrays(np.ones(len(members)), 0.9)


def blocks(problem: Problem) -> list[Block[Any, Any, Any]]:
    """Those of two seeds, as a host builds them."""
    made = [Block("agents", range(4), Model(), problem, seed) for seed in (0, 1)]
    shared: dict[range, Any] = {}
    for block in made:
        assign(block, "environments", shared)
    return made


def test_a_simulator_is_each_seeds_own():
    problem = Problem(simulated=True)
    first, second = blocks(problem)
    assert [first.env.ask(), first.env.ask(), second.env.ask()] == [1, 2, 1]
    assert problem.built == 2


def test_arrays_are_built_once_for_all_seeds():
    problem = Problem(simulated=False)
    first, second = blocks(problem)
    assert np.shares_memory(first.env.phi, second.env.phi)
    assert problem.built == 1
