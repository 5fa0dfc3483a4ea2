"""A results folder as a notebook reads it: ``Results``.

Reading imports no algorithm and no environment. It writes nothing, except verdicts that have changed.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import UserError, nearest, plain
from orchestrator.planning.plain import is_name
from orchestrator.planning.seeds import seed_words
from orchestrator.planning.stored import StoredSweep, read_portraits
from orchestrator.store import Store
from orchestrator.store.sql import sql_text

log = logging.getLogger("orchestrator")

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from orchestrator.claims.verdict import Verdict
    from orchestrator.planning.judging import Judged
    from orchestrator.report.style import Width
    from orchestrator.store.store import Ask

#: Rows of tables by name, before they are stored.
Rows = dict[str, list[dict[str, object]]]
#: The views that judging reads; claims along curves read ``curves`` as well.
JUDGED = ("members", "summary", "verdicts", "claims", "claim_points", "registrations")
STATES = ("done", "diverged", "failed", "missing")


class Results:
    """A results folder. Every number is a row of a table, and ``sql`` reads all tables.

    ``location`` is a path or a URI such as ``s3://bucket/folder``. Raises ``UserError`` if it is not a results folder.
    """

    def __init__(self, location: str | Path = "results"):
        self.store = Store.open(location)

    def __repr__(self) -> str:
        return f"Results({self.store.folder.title!r})"

    def sql(self, query: str) -> "pd.DataFrame":
        """The result of a read-only DuckDB query over the views (docs/tables.md)."""
        return self.store.query(query).to_pandas()

    def sweeps(self) -> list[str]:
        """Names of the sweeps that were run into this folder."""
        return _sweeps(self.store.query)

    def loadable_sweeps(self) -> list[str]:
        """The sweeps whose files ``sweeps/NAME.json`` can be read. The others are logged as warnings."""
        return [stored.name for stored in self._loadable(self.sweeps())]

    def _loadable(self, names: Iterable[str]) -> list[StoredSweep]:
        loaded = []
        for name in names:
            try:
                loaded.append(self.stored(name))
            except UserError as error:
                log.warning("%s is left out: %s", plain(name), plain(str(error)))
        return loaded

    def stored(self, sweep: str) -> StoredSweep:
        """The sweep as it was last run into this folder. Raises ``UserError`` for an unknown name."""
        data = self.store.folder.read(f"sweeps/{sweep}.json") if is_name(sweep) else None
        if data is None:
            raise UserError(f"This results folder holds no sweep {sweep!r}: {nearest(sweep, self.sweeps())}")
        return StoredSweep.read(sweep, data)

    def summary(self, sweep: str) -> "pd.DataFrame":
        """One row per replicate: case, agents, what varies, seed, ``<metric>_final``, ``<metric>_tail``, costs, ids."""
        return self._of(sweep, "summary", '"case", agents, cell_id, seed')

    def curves(self, sweep: str) -> "pd.DataFrame":
        """One row per replicate and record: case, agents, what varies, seed, round, ``<metric>``, its window mean."""
        return self._of(sweep, "curves", '"case", agents, cell_id, seed, round')

    def varying(self, sweep: str) -> list[str]:
        """Columns of the settings that differ between the sweep's cells. The first is always ``agents``."""
        return self.stored(sweep).axes

    def tidy(self, sweep: str) -> "pd.DataFrame":
        """The sweep's curves in long form, as seaborn takes them: one row per replicate, record and metric.

        Columns: sweep, case, algorithm, env, the settings that vary, cell_id, seed, round, agent_steps, bytes_sent,
        metric (its name), value (at the record), window_mean (mean since the last record).
        """
        import pandas as pd

        curves = self.curves(sweep)
        keys = ["sweep", "case", "algorithm", "env", *self.varying(sweep)]
        keys = [*keys, "cell_id", "seed", "round", "agent_steps", "bytes_sent"]
        keys = [key for key in keys if key in curves.columns]
        metrics = [name.removesuffix("_window") for name in curves.columns if name.endswith("_window")]
        parts = [
            curves[keys].assign(metric=name, value=curves.get(name), window_mean=curves[f"{name}_window"])
            for name in metrics
        ]
        if not parts:
            return pd.DataFrame(columns=[*keys, "metric", "value", "window_mean"])
        long = pd.concat(parts, ignore_index=True).dropna(subset=["value", "window_mean"], how="all")
        return long.reset_index(drop=True)

    def judge(self, sweep: str) -> "list[Verdict]":
        """Judge the sweep's claims by the rule (docs/claims.md). Verdicts that have changed are stored."""
        return self.judged(sweep)[sweep].verdicts

    def judge_all(self) -> "dict[str, list[Verdict]]":
        """``judge`` for every sweep that can be loaded: name -> its verdicts. The tables are read once for all."""
        return {name: own.verdicts for name, own in self.judged().items()}

    def judged(self, sweep: str | None = None) -> "dict[str, Judged]":
        """``judge`` for one sweep or for all, with the claims that were withdrawn after the data."""
        if sweep is not None:
            stored = self.stored(sweep)
            return self._judged(lambda _: [stored])
        return self._judged(lambda ask: self._loadable(_sweeps(ask)))

    def _judged(self, chosen: "Callable[[Ask], Sequence[StoredSweep]]") -> "dict[str, Judged]":
        from orchestrator.planning.judging import judged

        def work(ask: "Ask") -> "list[tuple[StoredSweep, Judged, Rows | None]]":
            found = []
            for stored in chosen(ask):
                own = judged(stored, ask, self.store.query)
                told = [*own.verdicts, *own.withdrawn]
                found.append((stored, own, _changed(stored, told, ask) if told else None))
            return found

        found = self.store.reading(JUDGED, work)
        for _, _, changed in found:
            if changed is not None:
                self._keep(changed)
        return {stored.name: own for stored, own, _ in found}

    def _keep(self, rows: "Rows") -> None:
        from orchestrator.store.schema import table

        try:
            self.store.append({name: table(name, held) for name, held in rows.items() if held})
        except UserError as error:  # what a read-only folder holds can still be judged
            log.warning("The verdicts are not stored. %s", error)

    def status_rows(self, sweep: str | None = None) -> list[dict[str, Any]]:
        """Numbers of planned, done, diverged, failed and missing replicates: one row per sweep and case.

        ``seeds`` is the planned number of seeds in words, such as ``8 of up to 64``.
        """
        given = [self.stored(sweep)] if sweep else None
        # One query finds the sweeps and their replicates; a cell without any has one row, without a seed.
        found = self.store.query(
            'SELECT sweep, "case", cell_id, seed, status FROM members LEFT JOIN runs USING (cell_id)'
            + (f" WHERE sweep = {sql_text(sweep)}" if sweep else "")
        )
        of_sweeps: dict[str, dict[tuple[object, object, object], str]] = {}
        for row in found.to_pylist():
            states = of_sweeps.setdefault(row["sweep"], {})
            if row["seed"] is not None:
                states[row["case"], row["cell_id"], row["seed"]] = row["status"]
        rows = []
        for stored in given or self._loadable(sorted(of_sweeps)):
            name, states = stored.name, of_sweeps.get(stored.name, {})
            cells = {(row["case"], row["cell_id"]) for row in stored.rows}
            # Seeds accumulate: those of an earlier run of the same cells count as well.
            keys = {key for key in states if key[:2] in cells}
            keys |= {(row["case"], row["cell_id"], row["seed"]) for row in stored.replicates}
            seeds = seed_words(len(stored.seeds), stored.at_most)
            for case in stored.cases:
                of_case = [states.get(key, "missing") for key in keys if key[0] == case]
                counts = {state: of_case.count(state) for state in STATES}
                rows.append({"sweep": name, "case": case, "seeds": seeds, "planned": len(of_case), **counts})
        return rows

    def status(self, sweep: str | None = None) -> "pd.DataFrame":
        """``status_rows`` as a frame: sweep, case, seeds, planned, done, diverged, failed, missing."""
        import pandas as pd

        return pd.DataFrame(self.status_rows(sweep), columns=["sweep", "case", "seeds", "planned", *STATES])

    def fingerprint(self, sweep: str) -> str:
        """SHA-256 over the sweep's numbers. It is equal wherever and however often the sweep was run.

        Raises ``UserError`` while nothing of the sweep is stored.
        """
        rows = self.status_rows(sweep)
        if not any(row["planned"] - row["missing"] for row in rows):
            raise UserError(f"Nothing of {sweep} is stored yet, so it has no fingerprint.")
        return self.store.fingerprint(sweep)

    def place(self, name: str) -> Path:
        """The default place of pages and figures: in the folder, or for a bucket in the working folder.

        Raises ``UserError`` if it leads out of that, through a link or a name.
        """
        return self.store.folder.within(name)

    def portraits(self, sweep: str) -> "dict[str, np.ndarray]":
        """Pictures of the sweep's environments, title -> uint8 [height, width, 3], as they were drawn at its start."""
        return read_portraits(sweep, self.store.folder.read(f"sweeps/{sweep}.npz"))

    def report(self, sweep: str, output: str | Path | None = None) -> Path:
        """Judge the sweep and write its page, one HTML file that needs nothing else. Returns the page's path."""
        return self._report(sweep, Path(output) if output else self.place(f"reports/{sweep}"))[0]

    def report_all(self, output: str | Path | None = None) -> Path:
        """Write the page of every sweep and an index of them. Returns the index's path."""
        from orchestrator.report import write

        folder = Path(output) if output else self.place("reports")
        entries = []
        for sweep in self.loadable_sweeps():
            page, judged = self._report(sweep, folder / sweep)
            link = page.relative_to(folder).as_posix()
            entries.append(write.Entry(sweep, link, self.stored(sweep).description, judged))
        return write.write_index(entries, folder)

    def _report(self, sweep: str, folder: Path) -> "tuple[Path, Judged]":
        from orchestrator.report import write

        judged, stored = self.judged(sweep)[sweep], self.stored(sweep)
        cells = f"SELECT cell_id FROM members WHERE sweep = {sql_text(sweep)}"
        timings = self.sql(f"SELECT * FROM timings WHERE cell_id IN ({cells})")
        tables = write.Tables(self.summary(sweep), self.curves(sweep), timings)
        return write.write_sweep(stored, tables, judged, self.portraits(sweep), folder), judged

    def plot(self, sweep: str, claim: str, width: "Width" = "single", curves: bool = False) -> "Axes":
        """The figure of a claim, by its name or number, as matplotlib axes. Nothing is stored.

        With ``curves``: of a claim about floors, the curves that they are fitted to, one line per value of ``versus``.
        ``width`` is one or two columns of a page, 3.5 or 7.2 inches. ``axes.figure`` is the figure: it shows itself in
        a notebook, and ``axes.figure.savefig("figure.pdf")`` writes it. Raises ``UserError`` for unknown names.
        """
        from orchestrator.planning.judging import verdict_on
        from orchestrator.report import write

        stored = self.stored(sweep)
        wanted = write.claim_named(stored, claim)
        return write.claim_axes(stored, wanted, verdict_on(wanted, stored, self.store.query), width, curves)

    def _of(self, sweep: str, view: str, order: str) -> "pd.DataFrame":
        from orchestrator.store.frames import in_reading_order

        rows = self.sql(f"SELECT * FROM {view} WHERE sweep = {sql_text(sweep)} ORDER BY {order}")
        return in_reading_order(rows.dropna(axis="columns", how="all") if len(rows) else rows)


def _sweeps(ask: "Ask") -> list[str]:
    """Names of the sweeps that were run into the folder."""
    return [row["sweep"] for row in ask("SELECT DISTINCT sweep FROM members ORDER BY sweep").to_pylist()]


def _changed(stored: StoredSweep, verdicts: "Sequence[Verdict]", ask: "Ask") -> "Rows | None":
    """The rows of ``verdicts`` by table; None if the folder holds the same already."""
    rows = [verdict.to_rows(stored.name, stored.hash) for verdict in verdicts]
    new = {"claims": [row for row, _ in rows], "claim_points": [point for _, points in rows for point in points]}
    where = f"sweep = {sql_text(stored.name)} AND sweep_hash = {sql_text(stored.hash)}"
    before = {name: ask(f"SELECT * FROM {name} WHERE {where}").to_pylist() for name in new}
    return None if all(_same_rows(before[name], new[name]) for name in new) else new


def _same_rows(stored: Sequence[dict[str, object]], new: Sequence[dict[str, object]]) -> bool:
    """Whether both hold the same rows, whatever their order and when they were stored. NaN equals NaN and null."""
    from orchestrator.store.schema import STAMPS

    def comparable(row: dict[str, object]) -> str:
        pairs = sorted((name, None if value != value else value) for name, value in row.items() if name not in STAMPS)
        return repr(pairs)

    return sorted(map(comparable, stored)) == sorted(map(comparable, new))
