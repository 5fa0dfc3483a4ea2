"""What an algorithm warns of: told once before a sweep starts, with the number of cells, and kept with every run."""

import logging

import pytest

from orchestrator import Results
from orchestrator.api import carry_out
from orchestrator.planning.plan import plan
from orchestrator.planning.sweeps import checked

WORRYING = "tau_1 is {}; Theorem 1 of arXiv:2304.05632 needs it in (1/2, 1]."
APART = "graph 0-1 is not connected on average, which Assumption 3 of arXiv:2304.05632 needs."


def definition(**changes):
    """Three exponents, two of them outside the theory, on two graphs, one of them in pieces; and one cell more."""
    content = {
        "name": "wary",
        "env": {"name": "digital", "states": 3, "coupling": "private"},
        "cases": {
            "told": {
                "algorithm": "qd-learning",
                "tau_2": 0.1,
                "grid": {"tau_1": [0.3, 0.4, 0.7], "graph": ["ring", "0-1"]},
            },
            "alone": {"algorithm": "iql", "tau_1": 0.4},
        },
        "base": {"agents": 3, "rounds": 0},
        "seeds": "0..1",
    }
    return checked(content | changes, "test")


@pytest.fixture(name="said")
def _said(caplog):
    """What the program has logged so far."""
    caplog.set_level(logging.WARNING, logger="orchestrator")
    return lambda: [record.getMessage() for record in caplog.records]


def test_each_sentence_is_told_once_with_the_number_of_its_cells(said):
    """Not once a cell, nor once a seed; a cell of two warnings is counted in both."""
    plan(definition(), None, "inline", None)
    told = [f"{WORRYING.format(0.3)} (2 cells)", f"{APART} (3 cells)", f"{WORRYING.format(0.4)} (3 cells)"]
    assert said() == told


def test_one_cell_is_not_counted(said):
    plan(definition(cases={"alone": {"algorithm": "iql", "tau_1": 0.4}}), None, "inline", None)
    assert said() == [WORRYING.format(0.4)]


def test_they_are_told_before_anything_runs_and_stand_in_the_runs(said, tmp_path):
    told: list[list[str]] = []
    carry_out(definition(), tmp_path / "r", backend="inline", quiet=True, announce=lambda planned: told.append(said()))
    assert told[0] == said()
    assert len(told[0]) == 3
    runs = Results(tmp_path / "r").sql(
        """SELECT "case", tau_1, coalesce(graph, '') AS graph, seed, coalesce(note, 'nothing') AS note
        FROM runs JOIN members USING (cell_id)"""
    )
    notes = {(row["case"], row["tau_1"], row["graph"], row["seed"]): row["note"] for row in runs.to_dict("records")}
    for seed in (0, 1):
        assert notes["alone", 0.4, "", seed] == WORRYING.format(0.4)
        assert notes["told", 0.3, "ring", seed] == WORRYING.format(0.3)
        assert notes["told", 0.3, "0-1", seed] == f"{WORRYING.format(0.3)}\n{APART}"
        assert notes["told", 0.7, "0-1", seed] == APART
        assert notes["told", 0.7, "ring", seed] == "nothing"
    assert len(notes) == 2 * 7


def test_what_is_done_already_is_not_told_again(said, tmp_path, caplog):
    """Only the cells that are still to run are warned of."""
    exponents = definition(cases={"alone": {"algorithm": "iql", "grid": {"tau_1": [0.3, 0.4]}}})
    first = definition(cases={"alone": {"algorithm": "iql", "grid": {"tau_1": [0.3]}}})
    carry_out(first, tmp_path / "r", backend="inline", quiet=True)
    caplog.clear()
    carry_out(exponents, tmp_path / "r", backend="inline", quiet=True)
    assert said() == [WORRYING.format(0.4)]


def test_what_keeps_to_the_theory_is_told_of_nowhere(said, tmp_path):
    quiet = definition(cases={"alone": {"algorithm": "iql"}, "together": {"algorithm": "qd-learning"}})
    results = carry_out(quiet, tmp_path / "r", backend="inline", quiet=True)
    assert said() == []
    assert results.sql("SELECT note FROM runs")["note"].isna().all()
