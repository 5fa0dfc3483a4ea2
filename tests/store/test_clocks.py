"""What is newer is told by what its writer saw, not by a clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.store import Store
from orchestrator.store import store as store_file
from orchestrator.store.schema import conform, table


@pytest.fixture
def clock(monkeypatch) -> Callable[[float], None]:
    """Set the clock of the next writers, in days ahead of the right one."""

    def set_to(days: float) -> None:
        class Wrong(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(UTC) + timedelta(days=days)

        monkeypatch.setattr(store_file, "datetime", Wrong)

    return set_to


def members(sweep_hash: str, *cells: str) -> dict:
    return {"members": [{"sweep": "s", "sweep_hash": sweep_hash, "case": "c", "cell_id": cell} for cell in cells]}


def judged(verdict: str, points: int) -> dict:
    return {
        "claims": [{"sweep": "s", "claim": "slope", "verdict": verdict}],
        "claim_points": [{"sweep": "s", "claim": "slope", "x": float(x)} for x in range(points)],
    }


def seen(store: Store) -> tuple:
    asked = (("members", "cell_id"), ("claims", "verdict"), ("claim_points", "x"), ("runs", "error"))
    return tuple(tuple(store.query(f"FROM {name} ORDER BY ALL")[column].to_pylist()) for name, column in asked)


NEW = (("b", "d"), ("supported",), (0.0, 1.0), ("second",))


@pytest.mark.parametrize("days", [1100, -1100, 0])
@pytest.mark.parametrize("compacted", [False, True])
def test_a_wrong_clock_costs_nothing(store, append, rows, clock, days, compacted):
    clock(days)
    append(
        store,
        members("old", "a", "b"),
        judged("inconclusive", 4),
        {"runs": rows(1, 0, "failed", error="first")["runs"]},
    )
    if compacted:
        store.compact()
    clock(0)
    other = Store.open(store.location)
    append(
        other, members("new", "b", "d"), judged("supported", 2), {"runs": rows(1, 0, "failed", error="second")["runs"]}
    )
    for _ in range(2):
        assert seen(store) == NEW
        store.compact()
    clock(-days)
    append(store, members("old", "a", "b"))
    assert seen(store)[0] == ("a", "b")


def test_rows_of_older_versions_are_ordered_by_their_time_and_are_older(store, append, rows):
    """They have no number; a folder that a clock had frozen is thawed by the next write."""
    for part, year in ((members("a", "a"), 2026), (members("b", "b"), 2031), (members("c", "c"), 2028)):
        content = conform("members", table("members", part["members"]), datetime(year, 1, 1))
        store.segments.add("members", content, 0, dict(zip(content.column_names, content.schema.types, strict=True)))
    assert seen(store)[0] == ("b",)
    append(store, members("c", "c", "d"))
    assert seen(store)[0] == ("c", "d")


def test_two_who_write_the_same_number_are_told_apart_in_one_way(tmp_path, append):
    """Both saw the same folder. Whoever reads, and in whatever order they were stored, sees the same one."""
    shown = set()
    for order in (("x", "y"), ("y", "x")):
        store = Store.open(tmp_path / "".join(order), create=True)
        for name in order:
            rows = [
                row | {"written": datetime(2026, 1, 1), "write_number": 7} for row in members(name, name)["members"]
            ]
            append(store, {"members": rows})
        shown.add(seen(store)[0])
    assert len(shown) == 1


def test_the_number_follows_the_largest_that_was_seen(store, append, rows):
    for number in (1, 2, 3):
        append(Store.open(store.location), rows(number, 0))
    store.compact()
    append(store, rows(4, 0))
    assert store.query("SELECT DISTINCT write_number FROM runs ORDER BY 1")["write_number"].to_pylist() == [1, 2, 3, 4]
