"""Texts in CSV files: a spreadsheet that opens one takes some of them for formulas and runs them."""

from typing import TYPE_CHECKING

from orchestrator.errors import plain

if TYPE_CHECKING:
    import pyarrow as pa

#: What a text begins with that spreadsheets take for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def csv_text(rows: "pa.Table", raw: bool) -> str:
    """The rows as CSV. Texts are made harmless, unless they are to be ``raw``."""
    frame = rows.to_pandas()
    if not raw:
        frame = frame.rename(columns=harmless)
        for k, field in enumerate(rows.schema):
            if str(field.type) in ("string", "large_string"):
                frame.isetitem(k, [harmless(cell) if isinstance(cell, str) else cell for cell in frame.iloc[:, k]])
    return frame.to_csv(index=False)


def harmless(text: str) -> str:
    """``text`` for a cell of a spreadsheet: what it would take for a formula gets a quote in front; numbers do not."""
    if text.startswith(FORMULA):
        try:
            float(text)
        except ValueError:
            text = f"'{text}"
    return plain(text)
