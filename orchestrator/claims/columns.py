"""Tables as claims read them: numpy arrays of one length by name, from a pandas frame, an Arrow table or plain rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

#: A column of any type: numbers as numpy's own, texts and what is mixed as Python objects.
Column = NDArray[Any]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Setting = bool | int | float | str

#: Column of the rounds that were planned; ``rounds`` of the tables are the rounds that finished.
PLANNED_ROUNDS = "planned_rounds"


class Frame(Protocol):
    """A pandas frame or an Arrow table: columns by name, each with ``to_numpy()``. Neither library is imported here."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> Any: ...


class Columns(Mapping[str, Column]):
    """A table of ``rows`` rows. A column is made by ``read(name)`` when it is first used, because tables are wide."""

    def __init__(self, names: Iterable[str], read: Callable[[str], Column], rows: int):
        self._read, self._known = read, dict[str, Column | None].fromkeys(names)
        self.rows = rows

    def __getitem__(self, name: str) -> Column:
        known = self._known[name]
        if known is None:
            known = self._known[name] = self._read(name)
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Columns":
        """The rows with these flags or at these indices."""
        number = int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows)
        return Columns(self, lambda name: self[name][rows], number)

    def replace(self, **columns: Setting | Column) -> "Columns":
        """The table with these columns added or replaced; one value stands for a whole column."""
        return Columns(
            [*self, *(name for name in columns if name not in self)],
            lambda name: _full(columns[name], self.rows) if name in columns else self[name],
            self.rows,
        )


def columns_of(table: Columns | Frame) -> Columns:
    """The columns of a pandas frame or an Arrow table; missing numbers are NaN, missing texts None or NaN."""
    if isinstance(table, Columns):
        return table
    if hasattr(table, "column_names"):
        names = cast("Iterable[str]", getattr(table, "column_names"))  # noqa: B009
        return Columns(names, lambda name: _arrow_array(table[name]), len(table))
    names = cast("Iterable[object]", getattr(table, "columns"))  # noqa: B009
    return Columns(map(str, names), lambda name: table[name].to_numpy(), len(table))


def columns_of_rows(rows: Sequence[Mapping[str, object]]) -> Columns:
    """The columns of ``rows`` (name -> value); a value that a row lacks is NaN among numbers, otherwise None."""
    names = dict.fromkeys(name for row in rows for name in row)
    return Columns(names, lambda name: _array([row.get(name) for row in rows]), len(rows))


def with_missing(summary: Columns, planned: Columns) -> Columns:
    """``summary`` and the rows of ``planned`` (case, cell_id, seed, parameters) it lacks, with status ``missing``."""
    if not summary.rows:
        return planned.replace(status="missing")
    stored = set(_keys(summary))
    lacking = planned.select(np.array([key not in stored for key in _keys(planned)], dtype=bool))
    if not lacking.rows:
        return summary
    lacking = lacking.replace(status="missing")
    names = dict.fromkeys([*summary, *lacking])
    return Columns(names, lambda name: _stacked(name, summary, lacking), summary.rows + lacking.rows)


def column_name(key: str) -> str:
    """The column of a grid key: ``env.gamma`` is ``env_gamma``."""
    return f"env_{key.removeprefix('env.')}" if key.startswith("env.") else key


def numbers(values: Column) -> Floats:
    """A column as float64; what is not a number is NaN."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    return np.array([_number(value) for value in values], dtype=np.float64)


def absent(values: Column) -> Flags:
    """Which values are missing: NaN or None."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.array([value is None or value != value for value in values], dtype=bool)


def matches(values: Column, wanted: Sequence[Setting]) -> Flags:
    """Which ``values`` equal one of ``wanted``. A column with texts holds its numbers and truth values as text too."""
    if values.dtype.kind in "biuf":
        return np.isin(values, [value for value in wanted if not isinstance(value, str)])
    return np.array([any(_equal(value, one) for one in wanted) for value in values], dtype=bool)


def listed(items: Iterable[object], most: int = 4) -> str:
    """``a, b, c`` and how many more there are."""
    words = [f"{item:g}" if isinstance(item, float) else str(item) for item in items]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def _keys(table: Columns) -> Iterable[tuple[object, ...]]:
    return zip(table["case"], table["cell_id"], table["seed"].tolist(), strict=True)


def _full(value: Setting | Column, rows: int) -> Column:
    if isinstance(value, np.ndarray):
        return value
    return np.full(rows, value, dtype=object if isinstance(value, str) else None)


def _arrow_array(column: Any) -> Column:
    """An Arrow column as an array. Its own ``to_numpy`` imports pandas, which takes longer than judging a claim."""
    if column.null_count == 0 and str(column.type) in ("int64", "double"):
        return np.from_dlpack(column.combine_chunks())
    return _array(column.to_pylist())


def _array(values: Sequence[object]) -> Column:
    """One array of Python values: bool, int64, float64 with NaN for None, otherwise the objects themselves."""
    kinds = {type(value) for value in values}
    if kinds == {bool} or kinds == {int}:
        return np.array(values)
    if kinds <= {int, float, type(None)}:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _stacked(name: str, first: Columns, second: Columns) -> Column:
    """A column of two tables, one below the other; NaN, NaT or None in the rows of a table that lacks it."""
    if name in first and name in second:
        parts = [first[name], second[name]]
        if parts[0].dtype != parts[1].dtype and not all(part.dtype.kind in "iuf" for part in parts):
            parts = [part.astype(object) for part in parts]
        return np.concatenate(parts)
    there = first[name] if name in first else second[name]
    lacking = second.rows if name in first else first.rows
    if there.dtype.kind in "iuf":
        gap: Column = np.full(lacking, np.nan)
    elif there.dtype.kind == "M":
        gap = np.full(lacking, "NaT", dtype=there.dtype)
    else:
        gap = np.full(lacking, None, dtype=object)
    return np.concatenate([there, gap] if name in first else [gap, there])


def _number(value: object) -> float:
    try:
        return float(cast("str | float", value))
    except (TypeError, ValueError):
        return np.nan


def _equal(value: object, wanted: Setting) -> bool:
    if isinstance(value, str) and not isinstance(wanted, str):
        return value == str(wanted).lower() if isinstance(wanted, bool) else _number(value) == wanted
    return value == wanted
