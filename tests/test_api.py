"""``orchestrator.run`` as a notebook calls it."""

import pytest

from orchestrator import run
from orchestrator.errors import UserError

CELL = ("joint-average-td", "shared-subspace-mrp")


def rounds(results) -> list[int]:
    """Recorded rounds of the only replicate."""
    return results.sql('SELECT round FROM metrics WHERE "window" = 2')["round"].tolist()


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
