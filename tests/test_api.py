"""``orchestrator.run`` as a notebook calls it."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from algorithms.shared_representation.joint_average_td import JointAverageTD
from envs.linear.shared_subspace_mrp import SharedSubspaceMRP
from orchestrator import run
from orchestrator.api import _spans
from orchestrator.errors import UserError
from orchestrator.planning import sweeps
from orchestrator.planning.plain import to_plain

CELL = ("joint-average-td", "shared-subspace-mrp")


def rounds(results) -> list[int]:
    """Recorded rounds of the only replicate."""
    return results.sql("SELECT round FROM metrics ORDER BY round")["round"].tolist()


@pytest.mark.parametrize(
    ("record", "expected"),
    [({"every": 5, "per_decade": 1}, [0, 1, 10, 20]), ({"per_decade": 2}, [0, 1, 3, 10, 20])],
)
def test_record_says_when_a_run_is_measured(tmp_path, record, expected):
    results = run(*CELL, agents=2, rounds=20, seeds="0", backend="inline", results=tmp_path / "r", record=record)
    assert rounds(results) == expected


def test_the_schedule_is_part_of_the_cell(tmp_path):
    ids = set()
    for every in (1, 5):
        results = run(
            *CELL,
            agents=2,
            rounds=20,
            seeds="0",
            backend="inline",
            results=tmp_path / str(every),
            record={"every": every},
        )
        ids |= set(results.sql("SELECT cell_id FROM runs")["cell_id"])
    assert len(ids) == 2


def test_unknown_words_of_record_are_named(tmp_path):
    with pytest.raises(UserError, match=r"record has no parameter 'record\.evry': did you mean 'record\.every'"):
        run(*CELL, backend="inline", results=tmp_path / "r", record={"evry": 5})


def test_the_command_line_has_it_as_record_every(tmp_path, call):
    words = ["run", *CELL, "--rounds", "20", "--seeds", "0", "--backend", "inline", "--results", str(tmp_path / "r")]
    code, out, err = call(*words, "--record-every", "7")
    assert code == 0, err
    _, out, _ = call("query", 'SELECT round FROM metrics WHERE "window" = 2', "--format", "csv", "--results",
                     str(tmp_path / "r"))  # fmt: skip
    assert out.split() == ["round", "18"]  # round 14 is measured and has no row of its own
    code, _, err = call(*words, "--record-every", "0")
    assert code == 2
    assert "record.every is 0" in err


NUMBERS = [
    (np.int64(2), [2]),
    (np.array([2, 4]), [2, 4]),
    (range(2, 5, 2), [2, 4]),
    ((2, 4), [2, 4]),
    ([np.int32(2), np.float64(4)], [2, 4]),
    (np.array(2), [2]),
    (np.float32(2.0), [2]),
]


@pytest.mark.parametrize(("agents", "expected"), NUMBERS, ids=[repr(given) for given, _ in NUMBERS])
def test_numbers_and_lists_of_every_kind(agents, expected):
    definition = sweeps.adhoc(*CELL, _spans({"agents": agents, "rounds": np.int16(3)}), to_plain(range(2)), None, 1)
    assert [cell.agents for _, cell in definition.cells] == expected
    assert definition.seeds == (0, 1)
    assert {cell.rounds for _, cell in definition.cells} == {3}


def test_values_inside_lists_are_plain_as_well():
    given = {"a": np.array([[1.5, 2.0]]), "b": (Path("own.py"), {"c": np.bool_(True)})}
    assert to_plain(given) == {"a": [[1.5, 2.0]], "b": ["own.py", {"c": True}]}


def test_classes_stand_for_their_names(tmp_path, monkeypatch):
    (tmp_path / "own_problem.py").write_text(
        "from envs.linear.shared_subspace_mrp import SharedSubspaceMRP\n"
        "class Own(SharedSubspaceMRP):\n    name, version = 'own-problem', 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("own_problem").Own
    settings = {"agents": 2, "rounds": 1, "seeds": 0, "backend": "inline", "results": tmp_path / "r"}
    by_class = run(JointAverageTD, own, **settings).sql("SELECT algorithm, env, cell_id FROM runs")
    assert by_class[["algorithm", "env"]].to_numpy().tolist() == [["joint-average-td", "own-problem"]]
    by_name = run("joint-average-td", f"{tmp_path}/own_problem.py:Own", **settings).sql("SELECT cell_id FROM runs")
    assert by_name["cell_id"].tolist() == by_class["cell_id"].tolist()


def test_a_class_of_a_notebook_cell_is_refused_with_the_way_out():
    own = type("Own", (SharedSubspaceMRP,), {"__module__": "a_notebook"})
    with pytest.raises(UserError, match=r"Own is not in a file.*%%writefile own\.py, and pass '\./own\.py:Own'"):
        run(JointAverageTD, own)
