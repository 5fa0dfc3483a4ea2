"""Rows to put into stores, every number of which follows from (cell, seed), and tables like the store's views."""

import numpy as np
import pandas as pd

from orchestrator.store import Store
from orchestrator.store.schema import table

Rows = dict[str, list[dict]]


def replicate(cell: int, seed: int, status: str = "done", rounds: int = 4, **columns) -> Rows:
    """All rows of one replicate."""
    cell_id = f"{cell:016x}"
    key = {"replicate_id": f"{cell_id}-{seed}"}
    value = 1.0 / (3 + 8 * cell + seed)
    run = {"cell_id": cell_id, "seed": seed, "algorithm": "td", "env": "mrp", "agents": 2, "status": status}
    counts = {"rounds": rounds, "agent_steps": 2 * rounds, "calls": rounds, "messages": 4, "bytes_sent": 64}
    records = [
        {**key, "round": t, "agent_steps": 2 * t, "bytes_sent": 16 * t, "window": 1, "loss": value / (t + 1)}
        for t in range(rounds + 1)
    ]
    return {
        "members": [{"sweep": "s", "sweep_hash": "h", "case": "joint", "cell_id": cell_id}],
        "runs": [{**key, **run, **counts, "loss_tail": value, "loss_final": value / 5, **columns}],
        "metrics": records,
    }


def together(*parts: Rows) -> Rows:
    """Rows of several replicates, table by table."""
    return {name: [row for part in parts for row in part.get(name, [])] for name in {n for part in parts for n in part}}


def put(store: Store, *parts: Rows) -> None:
    """Append all parts in one call."""
    store.append({name: table(name, rows) for name, rows in together(*parts).items()})


def summary_table(metric, y, x=None, case="joint", versus="agents", **columns):
    """A table like the view ``summary``: one row per replicate, from ``y`` [levels, seeds] at the levels ``x``."""
    y = np.atleast_2d(np.asarray(y, dtype=float))
    x = np.zeros(len(y)) if x is None else x
    rows = [
        {"case": case, "cell_id": f"{case}-{at:g}", "seed": seed, "status": "done", versus: at, metric: value} | columns
        for at, values in zip(x, y, strict=True)
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)
