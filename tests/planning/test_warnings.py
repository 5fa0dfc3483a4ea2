"""Warnings of algorithms: logged once before a sweep starts, with the number of cells, and stored with every run."""

import logging

import pytest

from orchestrator import Results
from orchestrator.api import carry_out
from orchestrator.planning.plan import plan
from orchestrator.planning.sweeps import checked

WORRYING = "tau_1 is {}; Theorem 1 of arXiv:2304.05632 needs it in (1/2, 1]."
APART = "graph 0-1 is not connected on average, which Assumption 3 of arXiv:2304.05632 needs."


def definition(**changes):
    """Three exponents, two outside the theory, on two graphs, one of them not connected, and one more cell."""
    content = {
        "name": "wary",
        "env": {"name": "digital", "states": 3, "coupling": "private"},
        "cases": {
            "theory": {
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


@pytest.fixture(name="logged")
def _logged(caplog):
    """Messages that the program has logged so far."""
    caplog.set_level(logging.WARNING, logger="orchestrator")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_plan_has_each_sentence_once_with_the_number_of_its_cells(logged):
    """Not once per cell or per seed. A cell with two warnings counts in both. Planning itself logs nothing."""
    warnings = [f"{WORRYING.format(0.3)} (2 cells)", f"{APART} (3 cells)", f"{WORRYING.format(0.4)} (3 cells)"]
    assert plan(definition(), None, "inline", None).warnings == warnings
    assert logged() == []


def test_one_cell_is_not_counted():
    planned = plan(definition(cases={"alone": {"algorithm": "iql", "tau_1": 0.4}}), None, "inline", None)
    assert planned.warnings == [WORRYING.format(0.4)]


def test_they_are_logged_before_anything_runs_and_stored_in_runs(logged, tmp_path):
    before: list[list[str]] = []
    announce = lambda planned: before.append(logged())  # noqa: E731
    carry_out(definition(), tmp_path / "r", backend="inline", quiet=True, announce=announce)
    assert before[0] == logged()
    assert len(before[0]) == 3
    runs = Results(tmp_path / "r").sql(
        """SELECT "case", tau_1, coalesce(graph, '') AS graph, seed, coalesce(note, 'nothing') AS note
        FROM runs JOIN members USING (cell_id)"""
    )
    notes = {(row["case"], row["tau_1"], row["graph"], row["seed"]): row["note"] for row in runs.to_dict("records")}
    for seed in (0, 1):
        assert notes["alone", 0.4, "", seed] == WORRYING.format(0.4)
        assert notes["theory", 0.3, "ring", seed] == WORRYING.format(0.3)
        assert notes["theory", 0.3, "0-1", seed] == f"{WORRYING.format(0.3)}\n{APART}"
        assert notes["theory", 0.7, "0-1", seed] == APART
        assert notes["theory", 0.7, "ring", seed] == "nothing"
    assert len(notes) == 2 * 7


def test_finished_cells_are_not_warned_of(logged, tmp_path, caplog):
    """Only cells that are still to run have warnings."""
    exponents = definition(cases={"alone": {"algorithm": "iql", "grid": {"tau_1": [0.3, 0.4]}}})
    first = definition(cases={"alone": {"algorithm": "iql", "grid": {"tau_1": [0.3]}}})
    carry_out(first, tmp_path / "r", backend="inline", quiet=True)
    caplog.clear()
    carry_out(exponents, tmp_path / "r", backend="inline", quiet=True)
    assert logged() == [WORRYING.format(0.4)]


def test_parameters_within_the_theory_have_no_warning(logged, tmp_path):
    quiet = definition(cases={"alone": {"algorithm": "iql"}, "together": {"algorithm": "qd-learning"}})
    results = carry_out(quiet, tmp_path / "r", backend="inline", quiet=True)
    assert logged() == []
    assert results.sql("SELECT note FROM runs")["note"].isna().all()


def test_too_few_seeds_for_a_verdict_are_told_before_the_run():
    """Not for a claim whose numbers have no noise, and not for one that the cells cannot decide anyway."""
    claim = {"case": "a", "metric": "mean_bias_tail", "law": "value", "at_least": 0}
    content = {
        "name": "s", "env": {"name": "digital"}, "cases": {"a": {"algorithm": "iql"}}, "seeds": "0..3",
        "claims": [{"name": "told", **claim}, {"name": "exact", "deterministic": True, **claim}],
    }  # fmt: skip
    told = "seeds: 4 seeds are too few for a verdict on 'told'; it takes 6 or more."
    assert checked(content, "s").undecidable_claims() == [told]
    assert checked(content | {"seeds": "0..5"}, "s").undecidable_claims() == []
