"""SQL: sentences made of DuckDB's functions, types and casts over the stored tables, and texts with slips in them."""

import json
import re
from functools import cache
from pathlib import Path
from random import Random

from tests.tools.fuzz import odd, stored

VIEWS = (
    "members", "runs", "metrics", "agents", "timings", "claims", "verdicts", "registrations", "claim_points", "summary",
    "curves",
)  # fmt: skip
COLUMNS = ("cell_id", "seed", "agents", "status", "round", "theta_error", "written", "note", '"case"', "*", "versions")
TYPES = (
    "BOOLEAN", "TINYINT", "UBIGINT", "BIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL(38,10)", "VARCHAR",
    "BLOB", "BIT", "DATE", "TIME", "TIMETZ", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_NS", "TIMESTAMPTZ", "INTERVAL",
    "UUID", "JSON", "INTEGER[]", "VARCHAR[2]", "MAP(VARCHAR, INTEGER)", "STRUCT(a INTEGER, b VARCHAR)", '"NULL"',
    "UNION(i INTEGER, s VARCHAR)", "ENUM('a', 'b')", "BIGNUM", "VARINT", "GEOMETRY", "VARIANT", "nothing",
)  # fmt: skip
LITERALS = (
    "1", "-1", "0", "1.5", "1e400", "'a'", "''", "NULL", "true", "9223372036854775807", "'é\u202e'", "x'ff'", "'inf'",
    "'\\xff'::BLOB", "DATE '9999-12-31'", "TIMESTAMP 'infinity'", "INTERVAL 1 MONTH", "[1, 2]", "[]", "{'a': 1}",
    "MAP {'k': 1}", "'nan'::DOUBLE", "'{\"a\": [1]}'::JSON", "uuid()", "now()", "'2020-01-01 00:00'", "chr(0)",
    "'a' || chr(27)", "170141183460469231731687303715884105727", "'10101'::BIT", "TIME '24:00:00'", "x -> x + 1",
    "ROW(1, 'a')", "(SELECT 1)", "repeat('a', 1000)", "range(5)", "'1 day'::INTERVAL", "union_value(a := 1)",
)  # fmt: skip
#: Type of an argument -> what is of this type.
SAMPLES = {
    "VARCHAR": (
        "'a'", "''", "'é'", "NULL", "'%'", "'\\u202e'", "'[1]'", "'2020-01-01'", "'$.a'", "chr(0)", "'inf'", "'day'",
    ),
    "BIGINT": ("1", "0", "-1", "9223372036854775807", "NULL", "3"),
    "INTEGER": ("1", "0", "-1", "2147483647", "NULL", "3"),
    "DOUBLE": ("1.5", "0.0", "-1e308", "'nan'::DOUBLE", "'-inf'::DOUBLE", "NULL"),
    "TIMESTAMP": ("TIMESTAMP '2020-01-01'", "TIMESTAMP 'infinity'", "TIMESTAMP '294246-12-31 00:00:00'", "NULL"),
    "DATE": ("DATE '2020-02-29'", "DATE 'infinity'", "DATE '5000000-01-01'", "DATE '0001-01-01 (BC)'"),
    "TIMESTAMP WITH TIME ZONE": ("TIMESTAMPTZ '2020-01-01 00:00+14'", "'-infinity'::TIMESTAMPTZ"),
    "INTERVAL": ("INTERVAL 1 MONTH", "INTERVAL '-1' DAY", "INTERVAL 2147483647 MONTH", "INTERVAL 1 MICROSECOND"),
    "BLOB": ("'a'::BLOB", "'\\xFF\\x00'::BLOB"),
    "HUGEINT": ("170141183460469231731687303715884105727", "1::HUGEINT"),
    "DECIMAL": ("1.5", "99999999999999999999999999999999999999"),
    "TIME": ("TIME '24:00:00'", "TIME '00:00:00.000001'"),
    "LAMBDA": ("x -> x", "(x, y) -> x", "lambda x: x + 1"),
    "T[]": ("[1, 2]", "[]", "[NULL]", "['a']", "[[1]]"),
    "ANY[]": ("[1, 2]", "[]", "[NULL]", "['a']", "[[1]]"),
    "MAP(K, V)": ("MAP {'k': 1}", "MAP {}", "MAP {1: [1]}"),
    "JSON": ("'{}'::JSON", "'[1, null]'::JSON", "'\"\\u0000\"'::JSON"),
}  # fmt: skip
#: What a query must not do, and what looks like it.
FORBIDDEN = (
    "COPY (SELECT 1) TO 'evil.csv'", "ATTACH 'evil.db'", "CREATE TABLE t (i INTEGER)", "INSTALL httpfs", "LOAD json",
    "EXPORT DATABASE 'evil'", "PRAGMA database_list", "SET threads = 1", "CALL pragma_version()", "VACUUM", "BEGIN",
    "FROM read_csv('small.yaml')", "FROM 'small.yaml'", "FROM read_text('/etc/hostname')", "FROM glob('*')",
    "SELECT getenv('HOME')", "FROM duckdb_settings()", "FROM query('SELECT 1')", "FROM query_table('runs')",
    "SELECT 1; SELECT 2", "SELECT 1;", ";", "--", "/*", "EXECUTE a", "PREPARE a AS SELECT 1", "DESCRIBE runs",
    "SHOW TABLES", "SHOW ALL TABLES", "SUMMARIZE runs", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE SELECT 1", "VALUES (1)",
    "PIVOT runs ON status USING count(*)", "UNPIVOT runs ON agents, seed", "FROM runs SELECT", "SELECT $1", "SELECT ?",
    "FROM range(3) t(i)", "SELECT * EXCLUDE (seed) FROM runs", "SELECT COLUMNS('.*error.*') FROM summary", "FROM runs",
    "FROM runs USING SAMPLE 10%", "WITH RECURSIVE t AS (SELECT 1 AS i UNION SELECT i + 1 FROM t WHERE i < 9) FROM t",
    "SELECT * FROM runs r POSITIONAL JOIN runs s", "SELECT 1 AS a, 2 AS a, 3 AS A", 'SELECT 1 AS ""', "SELECT",
    'SELECT 1 AS "\u202e"', "SELECT i FROM range(70) t(i)", "FROM information_schema.tables", "FROM main.runs",
)  # fmt: skip


@cache
def functions() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """DuckDB's scalar functions, aggregates and macros, each with the types of its arguments."""
    import duckdb

    sql = """SELECT DISTINCT function_name, coalesce(parameter_types, []) FROM duckdb_functions()
        WHERE function_type IN ('scalar', 'aggregate', 'macro') AND regexp_matches(function_name, '^[a-z_]+$')
        AND function_name NOT LIKE 'icu_collate%' ORDER BY ALL"""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        return tuple((name, tuple(map(str, types))) for name, types in connection.execute(sql).fetchall())


def prepare(dice: Random, place: Path, base: Path) -> list[tuple[str, ...]]:
    """A query in a format, on the screen or into a file."""
    (place / "results").symlink_to(base)
    (place / "small.yaml").write_text(json.dumps(stored.SWEEP))
    sql = dice.choice(FORBIDDEN) if dice.random() < 0.15 else _select(dice)
    if dice.random() < 0.15:
        sql = odd.garbled(dice, sql, 2)
    format = dice.choice(("table", "csv", "json", "parquet"))
    words = ["query", sql, "--format", format]
    if format == "parquet" or dice.random() < 0.2:
        words += ["--output", dice.choice(("out", "out", "out", "new/out", ".", "small.yaml/x"))]
    return [odd.typed([*words, *(("--raw",) if dice.random() < 0.1 else ())])]


def _select(dice: Random) -> str:
    """One or two expressions, from a view or from nothing."""
    columns = COLUMNS if (view := dice.choice(VIEWS) if dice.random() < 0.4 else "") else ()
    shown = ", ".join(
        _expression(dice, columns) + (f" AS {_name(dice)}" if dice.random() < 0.3 else "")
        for _ in range(dice.choice((1, 1, 2)))
    )
    if not view:
        return f"SELECT {shown}"
    where = f" WHERE {_expression(dice, columns)}" if dice.random() < 0.2 else ""
    return f"SELECT {shown} FROM {view}{where}" + dice.choice(("", "", " GROUP BY ALL", " ORDER BY ALL", " LIMIT 3"))


def _expression(dice: Random, columns: tuple[str, ...], depth: int = 0) -> str:
    kind = dice.randrange(8)
    if depth > 2 or kind == 0:
        return dice.choice(LITERALS)
    if kind < 4:
        name, types = dice.choice(functions())
        return f"{name}({', '.join(_argument(dice, columns, of, depth + 1) for of in types)})"
    if kind < 6:
        cast = dice.choice(("CAST", "TRY_CAST", "TRY_CAST"))
        return f"{cast}({_expression(dice, columns, depth + 1)} AS {dice.choice(TYPES)})"
    if kind == 6:
        inner = [_expression(dice, columns, depth + 1) for _ in range(2)]
        return f"({inner[0]} {dice.choice(('+', '-', '*', '/', '||', '=', '<', 'IN', 'LIKE', '::', '->'))} {inner[1]})"
    return dice.choice(columns or LITERALS)


def _argument(dice: Random, columns: tuple[str, ...], of: str, depth: int) -> str:
    """An argument that a function of this type most often takes."""
    if of in SAMPLES and dice.random() < 0.9:
        return dice.choice(SAMPLES[of])
    if re.fullmatch(r"[A-Z_ ]{4,}(\[\])?", of) and not of.startswith("ANY") and dice.random() < 0.5:
        return f"TRY_CAST({_expression(dice, columns, depth)} AS {of})"
    return _expression(dice, columns, depth)


def _name(dice: Random) -> str:
    word = dice.choice(odd.WORDS).replace('"', '""')
    return f'"{word}"'
