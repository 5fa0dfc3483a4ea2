"""Tables from rows: types, promotion, the text of a number."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from orchestrator.store import views
from orchestrator.store.schema import FLOAT, INT, TABLES, WRITE_ORDER, table, text, united


def test_every_table_is_written_and_documented():
    assert set(WRITE_ORDER) == set(TABLES)
    for schema in TABLES.values():
        assert schema.rows
        assert all(meaning for _, meaning in schema.columns.values())
        assert set(schema.key) <= schema.columns.keys()


def test_fixed_columns_come_first_and_free_columns_are_typed_by_value():
    built = table(
        "runs",
        [
            {"replicate_id": "a", "k": 1, "step": 1, "flag": True, "mix": 1, "none": None, "loss_tail": 1},
            {"replicate_id": "b", "k": np.int64(2), "step": np.float32(0.5), "flag": None, "mix": "on", "x": "text"},
        ],
    )
    fixed = list(TABLES["runs"].columns)
    assert built.column_names == [*fixed, "flag", "k", "loss_tail", "mix", "step", "x"]
    assert built.select(["flag", "k", "loss_tail", "mix", "step", "x"]).to_pydict() == {
        "flag": [True, None],
        "k": [1, 2],
        "loss_tail": [1.0, None],
        "mix": ["1", "on"],
        "step": [1.0, 0.5],
        "x": [None, "text"],
    }
    assert built.schema.field("k").type == INT
    assert built.schema.field("loss_tail").type == FLOAT


def test_metrics_are_float64_whatever_the_value():
    built = table("metrics", [{"replicate_id": "a", "round": 0, "loss": 1, "ok": True}])
    assert [built.schema.field(name).type for name in ("loss", "ok")] == [FLOAT, FLOAT]


@pytest.mark.parametrize("value", [[1], {"a": 1}, object()])
def test_a_value_that_fits_no_column_is_refused(value):
    with pytest.raises(TypeError, match="column hops"):
        table("runs", [{"replicate_id": "a", "hops": value}])


def test_cells_that_disagree_about_a_type_are_united_as_a_reader_would():
    """An instance of its own and one that follows the seed; m draws and infinitely many; a column that one lacks."""
    of = [
        {"replicate_id": "a", "env_instance": "seed", "samples": 30, "step": 1},
        {"replicate_id": "b", "env_instance": 0, "samples": "inf", "step": 0.5},
        {"replicate_id": "c", "env_instance": None, "samples": None, "step": None, "k": 3},
    ]
    found = united([table("runs", [row]) for row in of])
    assert found.select(["env_instance", "samples", "step", "k"]).to_pydict() == {
        "env_instance": ["seed", "0", None],
        "samples": ["30", "inf", None],
        "step": [1.0, 0.5, None],
        "k": [None, None, 3],
    }


def test_a_key_cannot_be_null():
    with pytest.raises(ValueError, match="column round is part of the key"):
        table("metrics", [{"replicate_id": "a"}])


def numbers() -> dict[pa.DataType, np.ndarray]:
    """Doubles of any bit pattern, round decimals and special ones; integers of any size."""
    random = np.random.default_rng(0)
    patterns = random.integers(0, 2**64, 50_000, dtype=np.uint64).view(np.float64)
    decimals = [sign * m * 10.0**e for sign in (1, -1) for m in (1, 9, 1.5, 123456789) for e in range(-25, 25)]
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, 2.0**53, 2.0**63]
    integers = [random.integers(-(2**bits), 2**bits, 5_000) for bits in (4, 33, 53, 62)]
    ends = [2**63 - 1, -(2**63), 2**53 + 1]
    return {FLOAT: np.concatenate([patterns, decimals, special]), INT: np.concatenate([*integers, ends])}


@pytest.mark.parametrize(("type_", "values"), numbers().items(), ids=["double", "int64"])
def test_python_and_duckdb_write_a_number_alike(type_, values):
    with duckdb.connect() as connection:
        connection.register("source", pa.table({"x": pa.array(values, type_)}))
        found = connection.sql(f"SELECT {views.as_text('x', type_)} FROM source").fetchall()
    assert [cell for (cell,) in found] == [text(value) for value in values.tolist()]
