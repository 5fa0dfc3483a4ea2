"""Printing tables, verdicts and plans; rich on a terminal, plain text elsewhere."""

import json
import math
import shlex
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.commands.spreadsheets import csv_text
from orchestrator.errors import UserError, line, plain

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from orchestrator.checks.finding import Finding
    from orchestrator.claims.verdict import Verdict
    from orchestrator.planning.plan import Plan
    from orchestrator.planning.sweep import Sweep
    from orchestrator.results import Results

#: Rows of a table printed on a terminal before it is cut.
MOST_ROWS = 200
STATES = {"ok": "green", "note": "yellow", "wrong": "red"}
COLOURS = {"supported": "green", "refuted": "red", "inconclusive": "yellow", "withdrawn": "magenta"}


def console() -> Console:
    """Stdout, as wide as the terminal; without one, wide enough for most tables."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def grid(titles: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[bool] = ()) -> None:
    """Print a plain aligned table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for k, title in enumerate(titles):
        side = "right" if k < len(numbers) and numbers[k] else "left"
        table.add_column(Text(plain(title)), justify=side, overflow="fold")
    if not any(titles):
        table.show_header = False
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    screen = console()
    with screen.capture() as capture:
        screen.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def records(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one line per value and one paragraph per row, for rows that are wider than the screen."""
    width = max(len(plain(title)) for title in titles)
    for row in rows:
        pairs = zip(map(plain, titles), map(shown, row), strict=True)
        print("\n".join(f"{title:{width}}  {cell}" for title, cell in pairs) + "\n")


def shown(value: object) -> str:
    """A value for people: floats to six digits, nothing for null, no control characters."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else plain(str(value))


def table(rows: "pa.Table", format: str, file: str | None = None, raw: bool = False) -> None:
    """Print or write an Arrow table as table, csv, json or parquet. Raises ``UserError`` if the file cannot be.

    The texts of a CSV are made harmless for spreadsheets and terminals, unless they are to be ``raw``.
    """
    try:
        if format == "parquet":
            _parquet(rows, file)
        elif format == "table" and file is None:
            _aligned(rows)
        else:
            _text(rows, format, file, raw)
    except BrokenPipeError:
        raise
    except (ArithmeticError, NotImplementedError, ValueError) as error:  # for instance a date after the year 9999
        if file is None and sys.stdout.closed:
            raise
        raise UserError(
            f"The result cannot be written as {format} ({line(error)}); CAST the column to VARCHAR."
        ) from error
    except OSError as error:
        what = f"--output: {file}" if file else "The output"
        raise UserError(f"{what} cannot be written: {error.strerror or error}.") from error


def _parquet(rows: "pa.Table", file: str | None) -> None:
    import pyarrow.parquet as pq

    if file is None:
        raise UserError("--format parquet needs --output FILE.")
    pq.write_table(rows, file)


def _aligned(rows: "pa.Table") -> None:
    import pyarrow as pa

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


def _width(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
    columns = zip(titles, *([shown(cell) for cell in row] for row in rows), strict=True)
    return sum(max(map(len, column)) + 2 for column in columns) - 2


def _shorter(value: object) -> object:
    """A float to four digits: six are nice, a table that fits is nicer."""
    return f"{value:.4g}" if isinstance(value, float) else value


def _text(rows: "pa.Table", format: str, file: str | None, raw: bool) -> None:
    content = _json(rows.to_pylist()) if format == "json" else csv_text(rows, raw)
    if file is None:
        sys.stdout.write(content)
    else:
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(content)


def _json(records: Sequence[Mapping[str, object]]) -> str:
    """The records as a JSON array."""
    plain = [{key: _jsonable(value) for key, value in record.items()} for record in records]
    return json.dumps(plain, indent=1, allow_nan=False) + "\n"


def _jsonable(value: object) -> object:
    """Floats keep all their digits; what JSON has no word for is null, a time is ISO 8601."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str) or value is None else str(value)


def frame(rows: "pd.DataFrame", format: str) -> None:
    """Print a pandas frame."""
    import pyarrow as pa

    table(pa.Table.from_pandas(rows, preserve_index=False), format)


def rows(titles: Sequence[str], records: Sequence[Mapping[str, object]], format: str, raw: bool = False) -> None:
    """Print records that have the columns ``titles``, words first and then whole numbers."""
    cells = [[record[title] for title in titles] for record in records]
    if format == "table":
        grid(titles, cells, [bool(cells) and isinstance(cell, int) for cell in (cells or [titles])[0]])
    else:
        import pyarrow as pa

        table(pa.table({title: [row[k] for row in cells] for k, title in enumerate(titles)}), format, None, raw)


def verdicts(of_sweeps: "Mapping[str, Sequence[Verdict]]", format: str, raw: bool = False) -> None:
    """Print the verdicts of several sweeps."""
    if format != "table":
        records = [verdict.to_rows(sweep, "")[0] for sweep, own in of_sweeps.items() for verdict in own]
        records = [{name: value for name, value in record.items() if name != "sweep_hash"} for record in records]
        if format == "json":
            sys.stdout.write(_json(records))
        else:
            import pyarrow as pa

            table(pa.Table.from_pylist(records), format, None, raw)
        return
    screen = console()
    for sweep, own in of_sweeps.items():
        for verdict in own:
            colour = COLOURS[verdict.verdict]
            screen.print(f"[{colour}]{verdict.verdict:12}[/] ", end="")
            screen.print(f"{plain(sweep)}: ", markup=False, end="")
            screen.print(plain(verdict.claim), markup=False, style="bold")
            screen.print(f"             {plain(verdict.reason)}", markup=False)
            style = "bold" if verdict.standing.altered else None
            screen.print(f"             {plain(verdict.standing.sentence)}", markup=False, style=style)


def announce(planned: "Plan") -> None:
    """Print on stderr what will run, before it does."""
    name, left = planned.sweep.name, planned.total - planned.finished
    if not left:
        print(f"{name}: all {planned.total} replicates are stored{planned.seeds}; nothing to run.", file=sys.stderr)
        return
    words = f"{name}: {left} of {planned.total} replicates to run ({_cells(len(planned.tasks))}{planned.seeds})"
    costs = planned.costs.values()
    if actors := max(cost.actors for cost in costs):
        seconds = sum(cost.calls for cost in costs) + max(cost.start for cost in costs)
        words += f", up to {actors} agent processes per cell, about {seconds:.0f} s to start and to call them"
    print(words + ".", file=sys.stderr)


def own_files(files: Sequence[Path], imported: bool) -> None:
    """Print the user's own files that a sweep imports. It is printed before they are imported."""
    there = Path.cwd()
    shown = [str(file.relative_to(there)) if file.is_relative_to(there) else str(file) for file in files]
    print(f"The sweep {'imports' if imported else 'would import'} {', '.join(shown)}.", file=sys.stderr)
    if not imported:
        print("--dry-run imports no file, so it does not know the cells of this sweep.", file=sys.stderr)


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


def plan_table(planned: "Plan") -> None:
    """Print what a sweep would run."""
    from orchestrator.planning.batches import effort

    tasks = {task.cell.id: task for task in planned.tasks}
    keys = planned.sweep.varying
    lines: list[tuple[object, ...]] = []
    total = 0.0
    for (case, cell), row in zip(planned.sweep.cells, planned.sweep.rows, strict=True):
        task, cost = tasks.get(cell.id), planned.costs.get(cell.id)
        todo = ",".join(map(str, task.seeds)) if task else "stored"
        seconds = effort(task, planned.agents_per_actor) if task else 0.0
        total += seconds
        settings = [row.get(column) for column in keys.values()]
        costs = (cost.actors if cost else 0, f"{seconds:.1f}" if task else "")
        lines.append((case, cell.id, cell.agents, cell.rounds, *settings, todo, *costs))
    titles = ("case", "cell", "agents", "rounds", *keys, "seeds to run", "agent processes", "seconds")
    grid(titles, lines, (False, False, True, True, *(False for _ in keys), False, True, True))
    for text in planned.warnings:
        print(plain(text), file=sys.stderr)
    left = planned.total - planned.finished
    work = f" They take roughly {total:.1f} s on one core, besides starting and compiling." if left else ""
    print(f"{left} of {planned.total} replicates to run{planned.seeds}.{work}")


def findings(results: Iterable["Finding"], well: str, ill: str, explain: str = "ok note wrong") -> bool:
    """Print each finding as it comes, below those in the states ``explain`` what it means. Returns whether all is well.

    ``ill`` ends with the names of what is wrong.
    """
    screen, width, wrong = console(), 6, []
    for one in results:
        screen.print(f"[{STATES[one.state]}]{one.state:{width}}[/]", end="")
        screen.print(plain(f"{one.what}: {one.observed}"), markup=False, soft_wrap=True)
        if one.state in explain.split():
            print(textwrap.fill(plain(one.meaning), 79, initial_indent=" " * width, subsequent_indent=" " * width))
        sys.stdout.flush()
        wrong += [one.what] if one.state == "wrong" else []
    print(f"\n{ill}: {', '.join(wrong)}." if wrong else f"\n{well}")
    return not wrong


def running_sweeps(folder: "Results", sweeps: Iterable[str]) -> None:
    """Print on stderr which sweeps a process of this machine runs now, and the path of each log."""
    from orchestrator.progress import logfile

    for sweep in sweeps:
        path = logfile.log_path(folder.store.folder, sweep)
        if logfile.running(path):
            print(plain(f"{sweep} is running; its log is {path}."), file=sys.stderr)


def stopped(definition: "Sweep", results: str, words: Sequence[str]) -> None:
    """After Ctrl-C, print what is stored and the command that continues. ``words`` are those of this command."""
    from orchestrator.api import begun
    from orchestrator.store.store import existing

    cells = {cell.id for _, cell in definition.cells}
    store = existing(results)
    definition = begun(definition, store)
    stored = sum(seed in definition.seeds for _, seed in store.finished(cells)) if store else 0
    command = shlex.join(["orchestrator", *words])
    print(
        f"Stopped. {stored} of {len(cells) * len(definition.seeds)} replicates are stored. To continue:\n  {command}",
        file=sys.stderr,
    )


def outcome(folder: "Results", sweep: str) -> int:
    """Judge a sweep and print the verdicts, or the metrics where it makes no claims. Returns failed replicates."""
    if folder.stored(sweep).claims:
        judged = folder.judged(sweep)[sweep]
        verdicts({sweep: [*judged.verdicts, *judged.withdrawn]}, "table")
    else:
        _metrics(folder, sweep)
    counts = folder.status_rows(sweep)
    failed, diverged = (sum(row[state] for row in counts) for state in ("failed", "diverged"))
    if diverged:
        words = f"{_replicates(diverged)} diverged. That is a result: another run would diverge again."
        print(words, file=sys.stderr)
    if failed:
        again = "It is" if failed == 1 else "They are"
        print(f"{_replicates(failed)} failed. {again} run again only with --retry-failed.", file=sys.stderr)
    if failed or diverged:
        sql = f"SELECT replicate_id, status, error FROM summary WHERE sweep = '{sweep}' AND status <> 'done'"
        where = "" if folder.store.location == "results" else f" --results {folder.store.folder.title}"
        print(f'What happened: orchestrator query "{sql}"{where}', file=sys.stderr)
    return failed


def _replicates(count: int) -> str:
    return f"{count} replicate{'' if count == 1 else 's'}"


def _metrics(folder: "Results", sweep: str) -> None:
    """Mean over seeds of each metric in the last half of the runs: one row per cell, with the settings that vary."""
    summary = folder.summary(sweep)
    done = summary[summary["status"] == "done"]
    tails = [column for column in done.columns if column.endswith("_tail")]
    keys = ["case", *(key for key in folder.varying(sweep) if key in done.columns)]
    if len(done):
        cells = done.groupby(keys, dropna=False)  # a case that does not know a key has no value of it
        means = cells[tails].mean().reset_index()
        means.insert(len(keys), "seeds", cells.size().to_numpy())
        frame(means, "table")
