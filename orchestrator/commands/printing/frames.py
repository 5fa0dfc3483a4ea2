"""Printing tables: aligned for people, or as CSV, JSON and parquet."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.commands.spreadsheets import csv_text
from orchestrator.errors import UserError, line, plain

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


#: Rows of a table printed on a terminal before it is cut.
MOST_ROWS = 200


def console() -> Console:
    """Stdout, as wide as the terminal; without one, wide enough for most tables."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def grid(titles: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[bool] = ()) -> None:
    """Print a plain aligned table. A cell that does not fit into the screen is folded."""
    screen = console()
    lines = [[shown(cell) for cell in row] for row in rows]
    heads = [plain(title) for title in titles]
    right = [k < len(numbers) and numbers[k] for k in range(len(titles))]
    widths = [max(map(cell_len, column)) for column in zip(heads, *lines, strict=True)]
    simple = not any("\n" in cell or "\t" in cell for cells in (heads, *lines) for cell in cells)
    if simple and sum(widths) + 2 * len(widths) <= screen.width:
        _print_lines(screen, heads, lines, widths, right)
    else:
        _print_folded(screen, heads, lines, right)


def _print_lines(
    screen: Console, heads: list[str], lines: list[list[str]], widths: list[int], right: list[bool]
) -> None:
    """Print a table that fits. It takes a fiftieth of the time of rich's, which matters for ten thousand rows."""

    def joined(cells: list[str]) -> str:
        gaps = [" " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)]
        return "  ".join(g + c if r else c + g for c, g, r in zip(cells, gaps, right, strict=True)).rstrip()

    if any(heads):
        screen.print(Text(joined(heads), style="bold"), soft_wrap=True)
    print("\n".join(map(joined, lines)), end="\n" if lines else "")


def _print_folded(screen: Console, heads: list[str], lines: list[list[str]], right: list[bool]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head, number in zip(heads, right, strict=True):
        table.add_column(Text(head), justify="right" if number else "left", overflow="fold")
    table.show_header = any(heads)
    for cells in lines:
        table.add_row(*map(Text, cells))
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
    content = json_text(rows.to_pylist()) if format == "json" else csv_text(rows, raw)
    if file is None:
        sys.stdout.write(content)
    else:
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(content)


def json_text(records: Sequence[Mapping[str, object]]) -> str:
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
