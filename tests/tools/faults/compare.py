"""What a results folder holds, compared with an undisturbed run: replicates lost, rows doubled, bits that differ."""

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator import Results
from orchestrator.store.fingerprint import CIRCUMSTANCES
from orchestrator.store.schema import STAMPS

#: Table -> its key. Each key has one row.
KEYS = {"runs": ("cell_id", "seed"), "metrics": ("replicate_id", "round"), "agents": ("replicate_id", "agent")}

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]


class Differences(NamedTuple):
    """Numbers of rows; all are zero where nothing went wrong."""

    lost: int = 0  #: expected, but not there
    doubled: int = 0  #: there once too often, or not expected at all
    bits: int = 0  #: there once with another value

    def __str__(self) -> str:
        return f"lost {self.lost}, doubled {self.doubled}, bits {self.bits}"


class Outcome(NamedTuple):
    """The results of one sweep."""

    fingerprint: str
    tables: Tables


def outcome(results: str | Path, sweep: str) -> Outcome:
    """The results of ``sweep`` in a folder that it has to itself."""
    folder = Results(results)
    asked = {name: f"FROM {name}" for name in KEYS}
    tables = {name: folder.store.query(sql).to_pylist() for name, sql in asked.items()}
    return Outcome(folder.fingerprint(sweep), tables)


def differences(found: Outcome, expected: Outcome) -> Differences:
    """How ``found`` differs from ``expected``."""
    lost = doubled = bits = 0
    for name, key in KEYS.items():
        without = CIRCUMSTANCES if name == "runs" else STAMPS
        wanted = {_key(row, key): _bits(row, without) for row in expected.tables[name]}
        there = collections.Counter(_key(row, key) for row in found.tables[name])
        lost += len(wanted.keys() - there.keys())
        doubled += sum(count - (key in wanted) for key, count in there.items())
        again = [(_key(row, key), _bits(row, without)) for row in found.tables[name]]
        bits += sum(values != wanted.get(at, values) for at, values in again)
    # What no row shows, such as a cell that belongs to another case.
    unseen = found.fingerprint != expected.fingerprint and not (lost or doubled or bits)
    return Differences(lost, doubled, bits + unseen)


def _key(row: Row, key: Sequence[str]) -> tuple[object, ...]:
    return tuple(row[column] for column in key)


def _bits(row: Row, without: Sequence[str]) -> dict[str, str]:
    """The row's values, except some columns, in a form in which equal means equal bits.

    Nulls are left out: what never had a value may be a column here and none there.
    """
    return {
        column: value.hex() if isinstance(value, float) else repr(value)
        for column, value in row.items()
        if column not in without and value is not None
    }
