"""The measured points: one row per configuration and repeat, stored in docs/scaling/points.parquet."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "scaling"
FILE = FOLDER / "points.parquet"

#: column -> (type, what it is)
COLUMNS: dict[str, tuple[str, str]] = {
    "study": ("str", "packed, nodes or tree"),
    "reduction": ("str", "rows: every agent's row reaches the coordinator; tree: a block's partial sums do"),
    "agents": ("int64", "number of agents N"),
    "actors": ("int64", "Ray actors that hold them; 0: in the coordinator's process"),
    "nodes": ("int64", "nodes that the actors are spread over, the coordinator's among them"),
    "features": ("int64", "feature dimension d: an agent's reply is d float64"),
    "local_steps": ("int64", "TD steps K of an agent per round"),
    "chains": ("int64", "distinct Markov chains that the agents run"),
    "payload_bytes": ("int64", "bytes of the replies of a round, all agents"),
    "remote_bytes": ("int64", "those of them that come from other nodes"),
    "delay_ms": ("float64", "set: one way from the coordinator's node to another"),
    "mbit": ("float64", "set: rate of every node's link in Mbit/s; 0: not bounded"),
    "rtt_ms": ("float64", "measured: least round trip of ping to another node; 0: no other"),
    "throughput_mbit": ("float64", "measured: one TCP stream from another node in Mbit/s; 0: no other"),
    "repeat": ("int64", "0, 1, 2: consecutive thirds of a run's rounds; 3, 4, 5: of a second run"),
    "rounds": ("int64", "rounds in this repeat"),
    "seconds_per_round": ("float64", "median over those rounds"),
    "seconds_agents": ("float64", "median part spent in the agents' methods, the slowest actor's"),
    "seconds_coordinator": ("float64", "median part between a reply and the next call: the reduction, above all"),
    "seconds_transport": ("float64", "median part of the call beyond the agents' methods"),
    "cpu_coordinator": ("float64", "median CPU time of the coordinator's process, all its threads; 0: not taken"),
    "peak_memory_bytes": ("int64", "largest resident memory of the coordinator's process and all actors; 0: not taken"),
    "cores": ("int64", "CPU cores of the machine, which all nodes share"),
}

#: The columns of a configuration: rows with the same values are its repeats.
KEYS = [
    "study",
    "reduction",
    "agents",
    "actors",
    "nodes",
    "features",
    "local_steps",
    "chains",
    "delay_ms",
    "mbit",
]


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with exactly the columns above; missing values are 0."""
    frame = rows.reindex(columns=list(COLUMNS))
    frame = frame.fillna({name: 0 for name, (kind, _) in COLUMNS.items() if kind != "str"})
    return frame.astype({name: kind for name, (kind, _) in COLUMNS.items()})


def load() -> pd.DataFrame:
    """All points measured so far."""
    return table(pd.read_parquet(FILE))


def add(study: str, rows: Iterable[dict[str, Any]]) -> None:
    """Replace earlier rows of the same configurations by these rows."""
    new = table(pd.DataFrame([row | {"study": study} for row in rows]))
    old = load() if FILE.exists() else new.iloc[:0]
    old = old[~old.set_index(KEYS).index.isin(new.set_index(KEYS).index)]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    both = pd.concat([old, new], ignore_index=True)
    both.sort_values([*KEYS, "repeat"], kind="stable", ignore_index=True).to_parquet(FILE, index=False)


def least(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration: its fastest repeat, because other work of the machine slows the others.

    CPU time is the least of the repeats in which it was measured.
    """
    taken = frame.assign(cpu_coordinator=frame.cpu_coordinator.where(frame.cpu_coordinator > 0))
    cpu = taken.groupby(KEYS)["cpu_coordinator"].transform("min").fillna(0.0)
    fastest = frame.groupby(KEYS, sort=True)["seconds_per_round"].idxmin()
    return frame.assign(cpu_coordinator=cpu).loc[np.asarray(fastest)].reset_index(drop=True)
