"""Measures all rows and writes docs/claims/coverage.csv and the tables of docs/claims.md."""

import sys
from itertools import groupby

from benchmarks.coverage import page
from benchmarks.coverage.studies import Row, count, keys


def main() -> None:
    """Prints its progress on stderr."""
    rows: list[Row] = []
    for (study, process), group in groupby(keys(), key=lambda key: key[:2]):
        print(f"{study}: {process} …", file=sys.stderr)
        for key in group:
            rows += count(*key)
    page.write_counts(rows)
    page.PAGE.write_text(page.rendered(page.PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    for row in rows:
        if row.errs:
            print(f"{'out of reach' if row.out_of_reach else 'BEYOND THE PROMISE'}: {row}")


if __name__ == "__main__":
    main()
