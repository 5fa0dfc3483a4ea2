"""Tables as claims read them, and what reading and judging claims imports."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.claims.columns import absent, columns_of, columns_of_rows, matches, numbers, with_missing

ROWS = [
    {"case": "a", "cell_id": "x", "seed": 0, "alpha": 0.5, "k": 3, "slow": True, "word": "auto"},
    {"case": "a", "cell_id": "x", "seed": 1, "alpha": None, "k": 4, "slow": False, "word": "0.1"},
]


@pytest.mark.parametrize("kind", ["rows", "frame", "arrow"])
def test_a_table_is_the_same_from_rows_pandas_and_arrow(kind):
    table = {
        "rows": lambda: columns_of_rows(ROWS),
        "frame": lambda: columns_of(pd.DataFrame(ROWS)),
        "arrow": lambda: columns_of(pa.Table.from_pylist(ROWS)),
    }[kind]()
    assert list(table) == list(ROWS[0])
    assert table.rows == 2
    assert table["seed"].tolist() == [0, 1]
    assert table["word"].tolist() == ["auto", "0.1"]
    assert table["slow"].tolist() == [True, False]
    assert absent(table["alpha"]).tolist() == [False, True]
    second = table.select(np.array([False, True])).replace(status="done", k=np.array([7]))
    assert (second.rows, second["cell_id"].tolist(), second["k"].tolist()) == (1, ["x"], [7])
    assert second["status"].tolist() == ["done"]


def test_an_arrow_column_in_chunks_with_and_without_gaps():
    first = pa.table({"x": [1.5, 2.5], "k": [1, 2], "gap": [0.5, None], "word": ["a", None], "count": [None, 3]})
    table = columns_of(pa.concat_tables([first, first.slice(1)]))
    assert table["x"].tolist() == [1.5, 2.5, 2.5]
    assert (table["k"].dtype, table["k"].tolist()) == (np.int64, [1, 2, 2])
    np.testing.assert_array_equal(table["gap"], [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(table["count"], [np.nan, 3.0, 3.0])
    assert table["word"].tolist() == ["a", None, None]
    assert columns_of(first.slice(0, 0))["x"].tolist() == []


@pytest.mark.parametrize(
    ("values", "wanted", "flags"),
    [
        (np.array([0.1, 0.2, np.nan]), [0.1, "0.2"], [True, False, False]),
        (np.array([1, 2, 3]), [1.0, 3], [True, False, True]),
        (np.array([True, False]), [True], [True, False]),
        (np.array(["0.1", "auto", None, "1e-05"], dtype=object), [0.1, 1e-5], [True, False, False, True]),
        (np.array(["true", "false", "1"], dtype=object), [True], [True, False, False]),
        (np.array([0.1, "auto", 3], dtype=object), [3.0, "auto"], [False, True, True]),
    ],
)
def test_matches(values, wanted, flags):
    assert matches(values, wanted).tolist() == flags


def test_what_is_not_a_number_is_nan():
    mixed = numbers(np.array(["0.5", "auto", None, 2, True], dtype=object))
    np.testing.assert_array_equal(mixed, [0.5, np.nan, np.nan, 2.0, 1.0])


def test_rows_that_are_missing_have_gaps_of_each_type():
    stored = columns_of(pd.DataFrame([ROWS[0] | {"status": "done", "steps": 5, "written": pd.Timestamp("2026-01-01")}]))
    table = with_missing(stored, columns_of_rows([row | {"planned_rounds": 9} for row in ROWS]))
    assert table["status"].tolist() == ["done", "missing"]
    np.testing.assert_array_equal(table["steps"], [5.0, np.nan])
    np.testing.assert_array_equal(table["planned_rounds"], [np.nan, 9.0])
    assert np.isnat(table["written"]).tolist() == [False, True]
    assert table["k"].tolist() == [3, 4]
    assert table["word"].tolist() == ["auto", "0.1"]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("orchestrator.claims.claim", ["numpy", "pandas", "scipy", "pyarrow"]),
        ("orchestrator.claims.judge", ["pandas", "scipy", "pyarrow", "matplotlib", "orchestrator.plugins.registry"]),
    ],
)
def test_claims_are_read_and_judged_without_heavy_imports(module, heavy):
    script = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


JUDGE = """
import sys
import pyarrow.parquet as pq
from orchestrator.claims.claim import read_claim
from orchestrator.claims.columns import columns_of
from orchestrator.claims.judge import judge
rows = columns_of(pq.ParquetFile(sys.argv[1]).read())
claim = {"name": "c", "case": "a", "metric": "e_tail", "law": "value", "at_most": 5}
verdict = judge(read_claim(claim), rows, rows)
print(verdict.verdict, verdict.estimate, [name for name in ("pandas", "scipy") if name in sys.modules])
"""


def test_a_stored_table_is_judged_without_pandas_and_scipy(tmp_path):
    rows = [{"case": "a", "cell_id": "x", "seed": k, "status": "done", "e_tail": 1.0 + k} for k in range(6)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    script = [sys.executable, "-c", JUDGE, str(tmp_path / "rows.parquet")]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "inconclusive 3.5 []"
