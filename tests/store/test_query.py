"""SQL: what the views show, what an error says, and that no statement touches a file."""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestrator.errors import UserError
from orchestrator.store import views
from orchestrator.store.schema import TABLES, conform, table

VIEWS = [*TABLES, "summary", "curves"]


def values(store, sql: str) -> list[tuple]:
    return [tuple(row.values()) for row in store.query(sql).to_pylist()]


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_store_has_every_view_with_its_columns(store, view):
    result = store.query(f"FROM {view}")
    assert result.num_rows == 0
    if view in TABLES:
        assert {field.name: field.type for field in result.schema} == TABLES[view].types()
    else:
        assert {"sweep", "case", "replicate_id", "status"} <= set(result.column_names)


def test_an_empty_store_has_no_crossings(store):
    assert store.query("FROM first_crossing(round, 1)").num_rows == 0


@pytest.mark.parametrize("view", VIEWS)
def test_only_the_tables_that_a_view_needs_are_read(view):
    assert set(views.needed(views.named(f"select * from {view.upper()}"))) == set(views.NEEDS[view])


def test_nothing_is_drawn_into_what_is_printed():
    """DuckDB would draw a progress bar on a terminal once a query takes two seconds."""
    connection = views.connect({})
    assert connection.sql("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]


def test_a_query_that_names_no_table_itself_sees_them_all(store, append, rows):
    append(store, rows(1, 0))
    assert values(store, "SELECT count(*) FROM query('SELECT * FROM ru' || 'ns')") == [(1,)]


def test_a_name_that_is_not_there_is_compared_with_every_view(store):
    """Only the views that a statement names are defined, but a message says what else there is."""
    with pytest.raises(UserError, match='Did you mean "timings"'):
        store.query("FROM runs, nothing")


def test_summary_has_one_row_for_each_sweep_case_and_replicate(store, append, rows):
    append(store, rows(1, 0, alpha=0.5), rows(1, 1, alpha=0.5), rows(2, 0, alpha=0.1))
    append(store, {"members": [{"sweep": "t", "sweep_hash": "g", "case": "alone", "cell_id": f"{1:016x}"}]})
    found = values(store, 'SELECT sweep, "case", cell_id, seed, alpha, loss_tail, loss_final FROM summary ORDER BY ALL')
    one, two = f"{1:016x}", f"{2:016x}"
    assert found == [
        ("s", "joint", one, 0, 0.5, 1 / 11, 1 / 55),
        ("s", "joint", one, 1, 0.5, 1 / 12, 1 / 60),
        ("s", "joint", two, 0, 0.1, 1 / 19, 1 / 19 / 5),
        ("t", "alone", one, 0, 0.5, 1 / 11, 1 / 55),
        ("t", "alone", one, 1, 0.5, 1 / 12, 1 / 60),
    ]


def test_curves_join_records_with_their_run_and_count_at_the_record(store, append, rows):
    append(store, rows(1, 0, rounds=2, alpha=0.5))
    found = values(
        store, "SELECT sweep, alpha, rounds, round, agent_steps, bytes_sent, loss FROM curves ORDER BY round"
    )
    v = 1 / 11
    assert found == [("s", 0.5, 2, 0, 0, 0, v), ("s", 0.5, 2, 1, 2, 16, v / 2), ("s", 0.5, 2, 2, 4, 32, v / 3)]


def test_first_crossing_is_the_first_recorded_round_or_null(store, append, rows):
    append(store, rows(1, 0), rows(2, 0, rounds=1))
    # loss is 1/11, 1/22, 1/33, … and 1/19, 1/38
    found = values(store, "SELECT cell_id, first_round FROM first_crossing(loss, 0.031) ORDER BY cell_id")
    assert found == [(f"{1:016x}", 2), (f"{2:016x}", 1)]
    found = values(store, "SELECT cell_id, first_round FROM first_crossing(loss, 0.02) ORDER BY cell_id")
    assert found == [(f"{1:016x}", 4), (f"{2:016x}", None)]


def test_records_and_agents_without_their_run_do_not_show(store, append, rows):
    part = rows(1, 0) | {"agents": [{"replicate_id": f"{1:016x}-0", "agent": 1, "loss": 2.0}]}
    runs = part.pop("runs")
    append(store, part)
    assert [store.query(f"FROM {view}").num_rows for view in ("metrics", "agents", "curves")] == [0, 0, 0]
    append(store, {"runs": runs})
    assert [store.query(f"FROM {view}").num_rows for view in ("metrics", "agents", "curves")] == [5, 1, 5]


@pytest.mark.parametrize("order", [["failed", "done", "diverged"], ["done", "diverged", "failed"]])
def test_done_beats_diverged_beats_failed(store, append, rows, order):
    for status in order:
        append(store, rows(1, 0, status=status, error=status))
    append(store, rows(2, 0, status="failed", error="first"))
    append(store, rows(2, 0, status="failed", error="second"))
    found = [(f"{1:016x}", "done", "done"), (f"{2:016x}", "failed", "second")]
    assert values(store, "SELECT cell_id, status, error FROM runs ORDER BY ALL") == found
    store.compact()
    assert values(store, "SELECT cell_id, status, error FROM runs ORDER BY ALL") == found
    assert store.query("FROM metrics").num_rows == 10


def test_the_newest_membership_of_a_sweep_counts(store, append):
    def members(sweep_hash: str, *cells: str) -> dict:
        return {"members": [{"sweep": "s", "sweep_hash": sweep_hash, "case": "c", "cell_id": c} for c in cells]}

    sql = "SELECT cell_id FROM members ORDER BY cell_id"
    append(store, members("old", "a", "b", "c"))
    append(store, members("new", "b", "d"))
    assert values(store, sql) == [("b",), ("d",)]
    append(store, members("old", "a", "b", "c"))
    assert values(store, sql) == [("a",), ("b",), ("c",)]
    store.compact()
    assert values(store, sql) == [("a",), ("b",), ("c",)]
    append(store, members("new", "b", "d"))
    assert values(store, sql) == [("b",), ("d",)]


def test_a_newer_judgement_of_a_sweep_replaces_the_older_one(store, append):
    def judged(sweep: str, verdicts: dict[str, str], points: int) -> dict:
        return {
            "claims": [{"sweep": sweep, "claim": claim, "verdict": v} for claim, v in verdicts.items()],
            "claim_points": [{"sweep": sweep, "claim": "slope", "x": float(x), "used": True} for x in range(points)],
        }

    append(store, judged("s", {"slope": "inconclusive", "dropped": "refuted"}, 4))
    append(store, judged("t", {"slope": "supported"}, 1))
    append(store, judged("s", {"slope": "supported"}, 2))
    for _ in range(2):
        found = values(store, "SELECT sweep, claim, verdict FROM claims ORDER BY ALL")
        assert found == [("s", "slope", "supported"), ("t", "slope", "supported")]
        assert values(store, "SELECT sweep, x FROM claim_points ORDER BY ALL") == [("s", 0), ("s", 1), ("t", 0)]
        assert values(store, "SELECT claim, verdict FROM verdicts WHERE sweep = 's' ORDER BY written, claim") == [
            ("dropped", "refuted"),
            ("slope", "inconclusive"),
            ("slope", "supported"),
        ]
        store.compact()


def test_segments_that_are_older_than_a_fixed_column_are_read(store):
    """Verdicts of before looks were counted have none."""
    row = {"sweep": "s", "claim": "slope", "verdict": "supported"}
    rows = conform("claims", table("claims", [row]), datetime(2026, 1, 1)).drop_columns(["seeds", "look"])
    folder = Path(store.location) / "claims"
    folder.mkdir(exist_ok=True)
    pq.write_table(rows, folder / "0001767225600000-0123456789abcdef.parquet")
    for _ in range(2):
        assert values(store, "SELECT verdict, look FROM verdicts") == [("supported", None)]
        store.compact()


def test_conflicting_parameter_types_are_promoted_as_documented(store, append, rows):
    for cell, parameters in enumerate(
        [{"a": 1, "b": 3}, {"a": 2.5, "b": 2.5}, {"a": 2, "b": "seed"}, {"b": True, "new": 1}, {"a": None, "b": 1e-5}]
    ):
        append(store, rows(cell, 0, **parameters))
    found = values(store, "SELECT a, b, new FROM runs ORDER BY cell_id")
    expected = [(1.0, "3", None), (2.5, "2.5", None), (2.0, "seed", None), (None, "true", 1), (None, "1e-05", None)]
    assert found == expected
    assert values(store, "SELECT cell_id FROM runs WHERE b = '3' AND a = 1") == [("0" * 16,)]
    store.compact()
    assert values(store, "SELECT a, b, new FROM runs ORDER BY cell_id") == expected


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT agentz FROM runs", 'Candidate bindings: "agents"'),
        ("SELECT * FROM runz", 'Did you mean "runs"'),
        ("SELECT * FROM first_crossing(lozz, 1)", 'Candidate bindings: "loss"'),
        ("SELEC 1", "syntax error"),
        ("SELECT case FROM summary", 'needs double quotes: "case"'),
        ("SELECT CAST(algorithm AS INTEGER) FROM runs", "Could not convert string 'td'"),
        ("", "A query is a single reading statement"),
        ("SELECT 1; SELECT 2", "A query is a single reading statement"),
    ],
)
def test_an_error_is_duckdbs_own_sentence(store, append, rows, sql, said):
    append(store, rows(1, 0))
    with pytest.raises(UserError) as caught:
        store.query(sql)
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)


ESCAPES = [
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "EXPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/out.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE TABLE mine AS SELECT * FROM runs",
    "DROP VIEW runs",
    "INSERT INTO runs SELECT * FROM runs",
    "SET enable_external_access = true",
    "PRAGMA enable_profiling",
    "CALL enable_logging()",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{folder}')",
    "SELECT * FROM read_parquet('{folder}/runs/*.parquet')",
    "SELECT * FROM read_csv('{folder}/store.json')",
    "SELECT * FROM read_text('{folder}/store.json')",
    "SELECT * FROM read_blob('{folder}/store.json')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{folder}/store.json'",
    "FROM python_variable",
]


@pytest.mark.parametrize("sql", ESCAPES)
def test_no_statement_writes_or_reads_a_file(store, append, rows, sql, monkeypatch, tmp_path):
    python_variable = store.query("SELECT 1")  # DuckDB would find it by its name
    append(store, rows(1, 0))
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError):
        store.query(sql.format(folder=store.location))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert python_variable.num_rows == 1


@pytest.mark.parametrize("sql", [sql for sql in ESCAPES if "{folder}" in sql or "external" in sql])
def test_duckdb_itself_is_locked_too(store, sql):
    Path(store.location, "runs").mkdir()
    with views.connect({}) as connection, pytest.raises(duckdb.Error):
        connection.sql(sql.format(folder=store.location)).fetchall()
    assert not list(Path(store.location).glob("out*"))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temp_directory", ""),  # or a large query would spill to the working folder
        ("enable_external_access", False),
        ("python_enable_replacements", False),  # or a query could name the caller's variables
        ("lock_configuration", True),
    ],
)
def test_duckdb_is_closed_in_each_way(setting, value):
    with views.connect({}) as connection:
        assert connection.sql(f"SELECT current_setting('{setting}')").fetchall() == [(value,)]


@pytest.mark.parametrize(
    "sql", ["SHOW TABLES", "DESCRIBE summary", "SUMMARIZE runs", "EXPLAIN FROM runs", "VALUES (1)"]
)
def test_every_reading_statement_is_allowed(store, append, rows, sql):
    append(store, rows(1, 0))
    assert store.query(sql).num_rows > 0


def test_repeated_columns_and_wide_sums(store, append, rows):
    """A name that stands twice gets a number, and a sum of whole numbers is one."""
    append(store, rows(2, 1))
    found = store.query(
        "SELECT a.seed, b.seed, sum(a.seed) AS total FROM runs a JOIN runs b USING (replicate_id) GROUP BY ALL"
    )
    assert found.column_names == ["seed", "seed_1", "total"]
    assert store.query("SELECT 1 AS a_1, 2 AS a, 3 AS a, 4 AS a").column_names == ["a_1", "a", "a_2", "a_3"]
    assert {type(row["total"]) for row in found.to_pylist()} == {int}


def test_repeated_names_of_columns_take_no_time(store):
    """Five hundred took minutes: each name was compared with all others, for each of them again."""
    names = store.query("SELECT " + ", ".join(["1 AS x"] * 2000) + ", 2 AS x_1, 3 AS y").column_names
    assert names[:3] == ["x", "x_2", "x_3"]
    assert names[-2:] == ["x_1", "y"]
    assert len(set(names)) == len(names) == 2002


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("INTERVAL 1 DAY", "1 day"),
        ("union_value(a := 5)", "5"),
        ("[INTERVAL 1 DAY]", "[1 day]"),
        ("{'a': union_value(b := 'c')}", "{'a': c}"),
        ("'101'::BIT", "101"),
    ],
)
def test_types_that_only_duckdb_knows_are_texts(store, sql, text):
    assert values(store, f"SELECT 1 AS i, {sql} AS i, NULL AS j") == [(1, text, None)]


def test_half_of_a_surrogate_pair_is_no_query(store):
    with pytest.raises(UserError, match="holds a character that no text can have"):
        store.query("SELECT '\ud800'")
