"""A results folder as a notebook reads it: ``Results``."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import UserError, nearest
from orchestrator.planning import sweeps
from orchestrator.planning.sweeps import Sweep
from orchestrator.store import Store
from orchestrator.store.frames import readable

log = logging.getLogger("orchestrator")


if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from orchestrator.claims.verdict import Verdict
    from orchestrator.report.style import Width


class Results:
    """A results folder: every number is a row of a table, ``sql`` reads them all.

    Raises ``UserError`` if ``location`` is no results folder.
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
        return sorted(self.sql("SELECT DISTINCT sweep FROM members")["sweep"])

    def readable(self) -> list[str]:
        """The sweeps whose definitions can be read here; a plug-in that is gone is told in the log."""
        found = []
        for name in self.sweeps():
            try:
                _ = self.definition(name).cells
                found.append(name)
            except UserError as error:
                log.warning("%s is left out: %s", name, error)
        return found

    def summary(self, sweep: str) -> "pd.DataFrame":
        """One row a replicate: case, agents, what varies, seed, ``<metric>_final`` and ``_tail``, costs, the rest."""
        return self._of(sweep, "summary", '"case", agents, cell_id, seed')

    def curves(self, sweep: str) -> "pd.DataFrame":
        """One row a replicate and record: case, agents, what varies, seed, round, ``<metric>`` and its window …"""
        return self._of(sweep, "curves", '"case", agents, cell_id, seed, round')

    def varying(self, sweep: str) -> list[str]:
        """Columns of the settings that differ between the sweep's cells, cases apart; ``agents`` is always one."""
        definition = self.definition(sweep)
        spans = [
            *definition.grid,
            *definition.zip,
            *(key for own in definition.cases.values() for key in own.get("grid", {})),
        ]
        return list(dict.fromkeys(["agents", *(key.replace("env.", "env_") for key in spans)]))

    def tidy(self, sweep: str) -> "pd.DataFrame":
        """The sweep's curves in long form, as seaborn takes them: one row a replicate, record and metric.

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

    def definition(self, sweep: str) -> Sweep:
        """The sweep as it was last run into this folder."""
        data = self.store.folder.read(f"sweeps/{sweep}.json")
        if data is None:
            raise UserError(f"This results folder holds no sweep {sweep!r}: {nearest(sweep, self.sweeps())}")
        try:
            content = json.loads(data)
        except ValueError as error:
            raise UserError(
                f"sweeps/{sweep}.json of the results folder is damaged ({error}). Run the sweep again: it writes the "
                "file anew and computes only what is missing."
            ) from error
        return sweeps.checked(content, sweep)

    def judge(self, sweep: str, definition: Sweep | None = None) -> "list[Verdict]":
        """Judge the sweep's claims by the rule (docs/claims.md) and store the verdicts."""
        return self.judged(definition or self.definition(sweep))[2]

    def judged(self, definition: Sweep) -> "tuple[pd.DataFrame, pd.DataFrame, list[Verdict]]":
        """``judge`` with what it judged: ``summary``, ``curves`` and the stored verdicts of a sweep's claims."""
        from orchestrator.claims.judge import judge
        from orchestrator.store.schema import table

        sweep = definition.name
        planned, curves = self.planned(definition), self.curves(sweep)
        verdicts = [judge(claim, planned, curves, definition.varied, definition.command) for claim in definition.judged]
        rows = [verdict.to_rows(sweep, definition.hash) for verdict in verdicts]
        if rows:
            points = [point for _, of_claim in rows for point in of_claim]
            claims = {"claims": table("claims", [row for row, _ in rows])}
            try:
                self.store.append(claims | ({"claim_points": table("claim_points", points)} if points else {}))
            except UserError as error:  # a folder that can only be read: what it holds can still be judged
                log.warning("The verdicts are not stored. %s", error)
        return planned[planned["status"] != "missing"], curves, verdicts

    def status(self, sweep: str | None = None) -> "pd.DataFrame":
        """Planned and stored replicates of every sweep (or one), a row a case."""
        import pandas as pd

        rows = []
        for name in [sweep] if sweep else self.readable():
            summary = self.planned(self.definition(name))
            counts = summary.groupby("case", sort=False)["status"].value_counts().unstack(fill_value=0)
            for case, of_case in counts.iterrows():
                row = {"sweep": name, "case": case, "planned": int(of_case.sum())}
                states = ("done", "diverged", "failed", "missing")
                rows.append(row | {state: int(of_case.get(state, 0)) for state in states})
        return pd.DataFrame(rows, columns=["sweep", "case", "planned", "done", "diverged", "failed", "missing"])

    def fingerprint(self, sweep: str) -> str:
        """SHA-256 over the sweep's numbers: equal wherever and however often it was run.

        Raises ``UserError`` while nothing of the sweep is stored.
        """
        if not (self.planned(self.definition(sweep))["status"] != "missing").any():
            raise UserError(f"Nothing of {sweep} is stored yet, so it has no fingerprint.")
        return self.store.fingerprint(sweep)

    @property
    def local(self) -> Path:
        """Where pages and figures go unless told otherwise: the folder itself, or the working folder for a bucket."""
        return self.store.folder.local or Path()

    def report(self, sweep: str, output: str | Path | None = None) -> Path:
        """Judge the sweep and write its page, one HTML file that needs nothing else; returns its path."""
        from orchestrator.report import write

        return write.report(self, sweep, Path(output) if output else self.local / "reports" / sweep)[0]

    def report_all(self, output: str | Path | None = None) -> Path:
        """Write the page of every sweep and an index over them; returns the index's path."""
        from orchestrator.report import write

        return write.report_all(self, Path(output) if output else self.local / "reports")

    def plot(self, sweep: str, claim: str, width: "Width" = "single") -> "Axes":
        """The figure of a claim, by its name or number, as matplotlib axes; nothing is stored.

        ``width`` is one or two columns of a page, 3.5 or 7.2 inches. ``axes.figure`` is the figure: it shows itself in
        a notebook, and ``axes.figure.savefig("figure.pdf")`` writes it. Raises ``UserError`` for unknown names.
        """
        from orchestrator.report import write

        return write.plot(self, sweep, claim, width)

    def _of(self, sweep: str, view: str, order: str) -> "pd.DataFrame":
        name = sweep.replace("'", "''")
        found = self.sql(f"SELECT * FROM {view} WHERE sweep = '{name}' ORDER BY {order}")
        return readable(found.dropna(axis="columns", how="all") if len(found) else found)

    def planned(self, definition: Sweep) -> "pd.DataFrame":
        """The sweep's summary with a row of status ``missing`` for every planned replicate that the store lacks.

        Seeds accumulate: all that are stored of the sweep's cells count, whichever start ran them.
        """
        import pandas as pd

        from orchestrator.claims.columns import PLANNED_ROUNDS, columns_of, columns_of_rows, with_missing

        rows = [
            {"case": case, "cell_id": cell.id, "seed": seed, PLANNED_ROUNDS: cell.rounds, **cell.columns()}
            for case, cell in definition.cells
            for seed in definition.seeds
        ]
        planned = pd.DataFrame(rows)
        cells = ["case", "cell_id"]
        summary = self.summary(definition.name)
        if len(summary):
            rounds = {cell.id: cell.rounds for _, cell in definition.cells}
            summary[PLANNED_ROUNDS] = summary["cell_id"].map(rounds)
            summary = summary[pd.MultiIndex.from_frame(summary[cells]).isin(pd.MultiIndex.from_frame(planned[cells]))]
        return pd.DataFrame(dict(with_missing(columns_of(summary), columns_of_rows(rows))))
