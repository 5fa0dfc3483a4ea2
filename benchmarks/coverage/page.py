"""The counts as a table of numbers (docs/claims/coverage.csv) and as tables of the page (docs/claims.md)."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from benchmarks.coverage.studies import STUDIES, Row

CHECKOUT = Path(__file__).parents[2]
POINTS, PAGE = CHECKOUT / "docs" / "claims" / "coverage.csv", CHECKOUT / "docs" / "claims.md"
BEGIN, END = "<!-- coverage -->", "<!-- end -->"

TITLES = {
    "power": "Law `power`, five levels from 2 to 32",
    "bend": "Law `power` with `within: 0.15`, curves that are not one power law",
    "bound": "Law `bound`, five levels",
    "order": "Law `order`, five levels",
    "difference": "Law `order` with `by: difference`, one level",
    "value": "Law `value`, `at_most: 1`, one level",
    "shares": "Law `value`, `at_most`, a metric that is 0 or 1",
    "looks": "Law `power`, looks at 8, 16, … 64 seeds while inconclusive",
}


def write_counts(rows: Sequence[Row]) -> None:
    """Write the counts, one row per situation."""
    POINTS.parent.mkdir(exist_ok=True)
    with POINTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read_counts() -> list[Row]:
    """The stored counts."""
    texts = ("study", "process", "situation", "truth")
    with POINTS.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        row.update({name: int(count) for name, count in row.items() if name not in texts})
    return [Row(**row) for row in rows]


def share(count: int, curves: int) -> str:
    """A share with three digits: ``.045``."""
    return f"{count / curves:.3f}".removeprefix("0")


def rendered(text: str, rows: Sequence[Row]) -> str:
    """The page with new tables between its marks."""
    before, _, rest = text.partition(BEGIN)
    tables = [_coverage([row for row in rows if STUDIES[row.study].interval])]
    for study, title in TITLES.items():
        tables.append(f"**{title}**\n\n{_verdicts([row for row in rows if row.study == study])}")
    return f"{before}{BEGIN}\n" + "\n\n".join(tables) + f"\n{END}{rest.partition(END)[2]}"


def _coverage(rows: Sequence[Row]) -> str:
    numbers = sorted({row.seeds for row in rows})
    lines = ["| interval of | runs scatter as | " + " | ".join(f"R = {n}" for n in numbers) + " |"]
    lines.append("|---|---|" + "---:|" * len(numbers))
    for study, process in dict.fromkeys((row.study, row.process) for row in rows):
        own = {row.seeds: row for row in rows if (row.study, row.process) == (study, process)}
        cells = [share(own[n].curves - own[n].below - own[n].above, own[n].curves) for n in numbers]
        lines.append(f"| {study} | {process} | {' | '.join(cells)} |")
    return "**Coverage of the 95 % interval**\n\n" + "\n".join(lines)


def _verdicts(rows: Sequence[Row]) -> str:
    """One line per process and number of seeds; each cell is supported / refuted, in bold where it errs too often."""
    situations = {row.situation: row.truth for row in rows if "rare" not in row.situation}
    heads = [f"{name} ({truth})" for name, truth in situations.items()]
    lines = ["| runs scatter as | R | " + " | ".join(heads) + " |", "|---|---:|" + "---:|" * len(heads)]
    cells = {(row.process, row.seeds, row.situation): row for row in rows}
    for process, seeds in dict.fromkeys((row.process, row.seeds) for row in rows):
        for ending in ("", ", rare .1"):
            own = [cells.get((process, seeds, name + ending)) for name in situations]
            if all(own):
                text = [_cell(row) for row in own if row]
                lines.append(f"| {process}{ending and ', `rare: 0.1`'} | {seeds} | {' | '.join(text)} |")
    return "\n".join(lines)


def _cell(row: Row) -> str:
    text = f"{share(row.supported, row.curves)} / {share(row.refuted, row.curves)}"
    return f"**{text}**" if row.errs else text
