"""Printing tables, verdicts and plans; rich on a terminal, plain text elsewhere."""

import json
import math
import shlex
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.checks.finding import Finding
    from orchestrator.claims.verdict import Verdict
    from orchestrator.planning.plan import Plan
    from orchestrator.planning.sweeps import Sweep
    from orchestrator.results import Results

#: Rows of a table printed on a terminal before it is cut.
MOST_ROWS = 200
STATES = {"ok": "green", "note": "yellow", "wrong": "red"}
COLOURS = {"supported": "green", "refuted": "red", "inconclusive": "yellow"}


def console() -> Console:
    """Stdout, as wide as the terminal; without one, wide enough for most tables."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def grid(titles: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[bool] = ()) -> None:
    """Print a plain aligned table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for k, title in enumerate(titles):
        table.add_column(title, justify="right" if k < len(numbers) and numbers[k] else "left", overflow="fold")
    if not any(titles):
        table.show_header = False
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    screen = console()
    with screen.capture() as capture:
        screen.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def records(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a line a value, a paragraph a row: for rows that are wider than the screen."""
    width = max(map(len, titles))
    for row in rows:
        print("\n".join(f"{title:{width}}  {shown(cell)}" for title, cell in zip(titles, row, strict=True)) + "\n")


def shown(value: Any) -> str:
    """A value for people: floats to six digits, nothing for null."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def table(rows: pa.Table, format: str, file: str | None = None) -> None:
    """Print or write an Arrow table as table, csv, json or parquet. Raises ``UserError`` if the file cannot be."""
    try:
        if format == "parquet":
            _parquet(rows, file)
        elif format == "table" and file is None:
            _aligned(rows)
        else:
            _text(rows, format, file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"--output: {file} cannot be written: {error.strerror or error}.") from error


def _parquet(rows: pa.Table, file: str | None) -> None:
    import pyarrow.parquet as pq

    if file is None:
        raise UserError("--format parquet needs --output FILE.")
    pq.write_table(rows, file)


def _aligned(rows: pa.Table) -> None:
    numbers = [pa.types.is_integer(field.type) or pa.types.is_floating(field.type) for field in rows.schema]
    cut = [list(row.values()) for row in rows.slice(0, MOST_ROWS).to_pylist()]
    if _width(rows.column_names, cut) > console().width:
        cut = [[_shorter(cell) for cell in row] for row in cut]
    if _width(rows.column_names, cut) > console().width:
        records(rows.column_names, cut)
    else:
        grid(rows.column_names, cut, numbers)
    if rows.num_rows > MOST_ROWS:
        print(f"… {rows.num_rows - MOST_ROWS} more rows; --format csv or --output FILE has them all.", file=sys.stderr)


def _width(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> int:
    columns = zip(titles, *([shown(cell) for cell in row] for row in rows), strict=True)
    return sum(max(map(len, column)) + 2 for column in columns) - 2


def _shorter(value: Any) -> Any:
    """A float to four digits: six are nice, a table that fits is nicer."""
    return f"{value:.4g}" if isinstance(value, float) else value


def _text(rows: pa.Table, format: str, file: str | None) -> None:
    if format == "json":
        content = json.dumps(
            [{key: _jsonable(value) for key, value in row.items()} for row in rows.to_pylist()], indent=1
        )
        content += "\n"
    else:
        content = rows.to_pandas().to_csv(index=False)
    if file is None:
        sys.stdout.write(content)
    else:
        with open(file, "w") as stream:
            stream.write(content)


def _jsonable(value: Any) -> Any:
    """Floats keep all their digits; what JSON has no word for is null, a time is ISO 8601."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str) or value is None else str(value)


def frame(rows: "pd.DataFrame", format: str) -> None:
    """Print a pandas frame."""
    table(pa.Table.from_pandas(rows, preserve_index=False), format)


def verdicts(found: "Mapping[str, Sequence[Verdict]]", format: str) -> None:
    """Print the verdicts of several sweeps."""
    if format != "table":
        rows = [verdict.to_rows(sweep, "")[0] for sweep, of_sweep in found.items() for verdict in of_sweep]
        if format == "json":
            rows = [{k: _jsonable(v) for k, v in row.items() if k != "sweep_hash"} for row in rows]
            print(json.dumps(rows, indent=1, allow_nan=False))
        else:
            table(pa.Table.from_pylist(rows), format)
        return
    screen = console()
    for sweep, of_sweep in found.items():
        for verdict in of_sweep:
            colour = COLOURS[verdict.verdict]
            screen.print(f"[{colour}]{verdict.verdict:12}[/] {sweep}: ", end="")
            screen.print(verdict.claim, markup=False, style="bold")
            screen.print(f"             {verdict.reason}", markup=False)


def announce(planned: "Plan") -> None:
    """Say on stderr what will run before it does."""
    from orchestrator.planning.preflight import estimate

    name, left = planned.sweep.name, planned.total - planned.finished
    if not left:
        print(f"{name}: all {planned.total} replicates are stored; nothing to run.", file=sys.stderr)
        return
    words = f"{name}: {left} of {planned.total} replicates to run ({len(planned.tasks)} cells)"
    costs = [estimate(task, planned.agents_per_actor) for task in planned.tasks]
    if actors := max(cost.actors for cost in costs):
        seconds = sum(cost.rounds for cost in costs) + max(cost.start for cost in costs)
        words += f", up to {actors} agent processes a cell, about {seconds:.0f} s to start them and to call them"
    print(words + ".", file=sys.stderr)


def findings(found: Iterable["Finding"], well: str, ill: str) -> bool:
    """Print each as it comes: what is there, and below it what that means. Returns whether all is well."""
    screen, width, wrong = console(), 6, []
    for one in found:
        screen.print(f"[{STATES[one.state]}]{one.state:{width}}[/]", end="")
        screen.print(f"{one.what}: {one.found}", markup=False, soft_wrap=True)
        print(textwrap.fill(one.meaning, 79, initial_indent=" " * width, subsequent_indent=" " * width), flush=True)
        wrong += [one.what] if one.state == "wrong" else []
    print(f"\n{ill}: {', '.join(wrong)}." if wrong else f"\n{well}")
    return not wrong


def under_way(found: "Results", sweeps: Iterable[str]) -> None:
    """Say on stderr which sweeps a driver on this machine runs now, and where it writes its log."""
    from orchestrator.progress import logfile

    for sweep in sweeps:
        path = logfile.place(found.store.folder, sweep)
        if logfile.running(path):
            print(f"{sweep} is running; its log is {path}.", file=sys.stderr)


def stopped(definition: "Sweep", results: str, words: Sequence[str]) -> None:
    """Say after Ctrl-C what is stored, and the command that goes on from there; ``words`` are those of this one."""
    from orchestrator.store.store import existing

    cells = {cell.id for _, cell in definition.cells}
    store = existing(results)
    stored = sum(seed in definition.seeds for _, seed in store.finished(cells)) if store else 0
    command = shlex.join(["orchestrator", *words])
    print(
        f"Stopped. {stored} of {len(cells) * len(definition.seeds)} replicates are stored. To go on:\n  {command}",
        file=sys.stderr,
    )


def outcome(found: "Results", definition: "Sweep") -> int:
    """Print what came of a sweep: verdicts, or the metrics where nothing is claimed. Returns failed replicates."""
    name = definition.name
    if definition.claims:
        verdicts({name: found.judge(name, definition)}, "table")
    else:
        _metrics(found, definition)
    status = found.status(name)
    failed, diverged = int(status["failed"].sum()), int(status["diverged"].sum())
    if diverged:
        print(f"{diverged} replicates diverged: a result, which running them again does not change.", file=sys.stderr)
    if failed:
        print(f"{failed} replicates failed. They stay so until they are run with --retry-failed.", file=sys.stderr)
    if failed or diverged:
        sql = f"SELECT replicate_id, status, error FROM summary WHERE sweep = '{name}' AND status <> 'done'"
        where = "" if found.store.location == "results" else f" --results {found.store.folder.title}"
        print(f'What happened: orchestrator query "{sql}"{where}', file=sys.stderr)
    return failed


def _metrics(found: "Results", definition: "Sweep") -> None:
    """Mean over seeds of each metric in the last half of the runs, a row a cell, with the settings that vary."""
    summary = found.summary(definition.name)
    done = summary[summary["status"] == "done"]
    tails = [column for column in done.columns if column.endswith("_tail")]
    keys = [key.replace("env.", "env_") for key in (*definition.grid, *definition.zip)]
    keys = ["case", *(key for key in dict.fromkeys(["agents", *keys]) if key in done.columns)]
    if len(done):
        cells = done.groupby(keys, dropna=False)  # a case that does not know a key has no value of it
        means = cells[tails].mean().reset_index()
        means.insert(len(keys), "seeds", cells.size().to_numpy())
        frame(means, "table")
