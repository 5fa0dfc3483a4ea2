"""The programme of ``make faults``: a seed is a programme, and what it reports is what is wrong."""

import itertools
from collections import Counter

import pytest

from tests.tools.faults.cases import CASES, KILLED
from tests.tools.faults.compare import Differences, Outcome, differences
from tests.tools.faults.programme import BORN_LATE, MOST, VICTIMS, Course, programme
from tests.tools.faults.report import Report

TABLES = {
    "runs": [{"cell_id": "c", "seed": seed, "error_tail": 0.5, "note": None} for seed in (0, 1)],
    "metrics": [{"replicate_id": f"c-{seed}", "round": t, "error": 1.0 / (3 + t)} for seed in (0, 1) for t in (0, 1)],
    "agents": [],
}


def courses(seed: int, number: int = 20) -> list[Course]:
    return list(itertools.islice(programme(seed), number))


def test_a_seed_is_a_programme():
    """So that a fault which was found can be looked at again."""
    assert courses(5) == courses(5)
    assert courses(5) != courses(6)


def test_every_process_of_every_sweep_is_killed():
    planned = courses(0)
    assert Counter(course.case for course in planned) == dict.fromkeys(KILLED, 4)
    kills = [(course.case, kill) for course in planned for kill in course.kills]
    assert len(kills) == 20 * MOST
    assert {kill.victim for _, kill in kills} == set(VICTIMS)
    assert all(CASES[case].actors for case, kill in kills if kill.victim == "actor")
    assert all(kill.victim not in BORN_LATE for _, kill in kills if kill.moment == "start")
    assert {course.kills[0].moment for course in planned} == {"storing"}


@pytest.mark.parametrize(
    ("table", "change", "found"),
    [
        ("runs", lambda rows: rows, Differences()),
        ("runs", lambda rows: rows[1:], Differences(lost=1)),
        ("metrics", lambda rows: rows[:2], Differences(lost=2)),
        ("runs", lambda rows: [*rows, rows[0]], Differences(doubled=1)),
        ("metrics", lambda rows: [*rows, rows[0] | {"round": 9}], Differences(doubled=1)),
        ("metrics", lambda rows: [rows[0] | {"error": 1 / 3 + 2**-54}, *rows[1:]], Differences(bits=1)),
        ("runs", lambda rows: [row | {"status": "failed"} for row in rows], Differences(bits=2)),
        ("runs", lambda rows: [row | {"note": "another", "other": None} for row in rows], Differences()),
    ],
    ids=["nothing", "replicate", "records", "doubled", "unknown", "last bit", "failed", "circumstances"],
)
def test_what_is_lost_doubled_or_changed_is_counted(table, change, found):
    planted = Outcome("f", TABLES | {table: change(TABLES[table])})
    assert differences(planted, Outcome("f", TABLES)) == found


def test_a_fingerprint_that_no_row_explains_counts_too():
    assert differences(Outcome("f", TABLES), Outcome("g", TABLES)) == Differences(bits=1)


def test_the_report_is_good_until_something_is_wrong(capsys):
    report = Report()
    report.add("kill driver", "1: 3 of 24 stored", 12.0)
    report.add("sweep walks", "1 kill", 40.0, Differences())
    report.skip("read-only folder", "it cannot be made")
    assert report.good
    report.add("sweep walks", "2 kills", 50.0, Differences(lost=2), "a hang")
    assert not report.good
    assert capsys.readouterr().out.splitlines() == [
        "kill driver: 1: 3 of 24 stored",
        "sweep walks: 1 kill; lost 0, doubled 0, bits 0",
        "read-only folder: skipped, because it cannot be made",
        "sweep walks: 2 kills; lost 2, doubled 0, bits 0; WRONG: a hang",
    ]
    assert [line.split() for line in report.table().splitlines()[1:-1]] == [
        ["kill", "driver", "1", "12", "s", "0", "0", "0", "0"],
        ["sweep", "walks", "2", "50", "s", "2", "0", "0", "1"],
        ["read-only", "folder", "skipped"],
    ]
