"""How often a sweep builds its problems: once per cell, whatever planning asks of them."""

import pytest

from orchestrator.api import carry_out
from orchestrator.planning.plan import plan
from orchestrator.planning.sweeps import checked
from orchestrator.plugins import registry

CELLS = 17


@pytest.fixture(name="built")
def _built(monkeypatch) -> list[int]:
    """Numbers of agents of the problems that were built, in order."""
    environment, agents_of = registry.environment("shared-subspace-mrp"), []
    construct = environment.__init__

    def counted(self, parameters, agents, *rest, **named):
        agents_of.append(agents)
        construct(self, parameters, agents, *rest, **named)

    monkeypatch.setattr(environment, "__init__", counted)
    return agents_of


@pytest.fixture(name="sweep")
def _sweep():
    content = {
        "name": "counted",
        "env": {"name": "shared-subspace-mrp", "states": 6, "features": 4, "rank": 1},
        "cases": {"joint": {"algorithm": "joint-average-td"}},
        "base": {"rounds": 1, "alpha": 0.1, "beta": 0.1},
        "grid": {"agents": list(range(1, CELLS + 1))},
        "seeds": "0..1",
    }
    return checked(content, "test")


def test_reading_a_sweep_builds_nothing(sweep, built):
    sweep.check()
    assert len(sweep.cells) == CELLS
    assert built == []


@pytest.mark.parametrize(("backend", "per_actor"), [("inline", None), ("ray", "auto"), ("ray", 2)])
def test_planning_builds_each_problem_once(sweep, built, backend, per_actor):
    planned = plan(sweep, None, backend, per_actor)
    assert built == list(range(1, CELLS + 1))
    assert len(planned.costs) == CELLS


def test_an_inline_sweep_runs_on_the_problems_that_planning_built(sweep, built, tmp_path):
    results = carry_out(sweep, tmp_path / "r", backend="inline", quiet=True)
    assert [row["done"] for row in results.status_rows()] == [2 * CELLS]
    assert built == list(range(1, CELLS + 1))


def test_what_is_stored_is_not_built_again(sweep, built, tmp_path):
    carry_out(sweep, tmp_path / "r", backend="inline", quiet=True)
    built.clear()
    carry_out(sweep, tmp_path / "r", backend="inline", quiet=True)
    assert built == []


def test_large_problems_are_released_before_the_run(sweep, built, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.planning.plan.KEPT_BYTES", -1.0)
    carry_out(sweep, tmp_path / "r", backend="inline", quiet=True)
    assert built == 2 * list(range(1, CELLS + 1))
