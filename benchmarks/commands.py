"""What a researcher waits for at the prompt: the help, and a query over ten thousand replicates."""

import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from orchestrator.store import Store
from orchestrator.store.schema import table

REPLICATES, RECORDS, SEEDS = 10_000, 20, 10
QUERY = """SELECT "case", alpha, avg(error_tail) AS error FROM summary WHERE sweep = 'many' GROUP BY ALL ORDER BY ALL"""
PROGRAM = "import sys\nfrom orchestrator import cli\nsys.argv[0] = 'orchestrator'\ncli.main()"


def fill(location: str) -> None:
    """A store of one sweep: a thousand cells of ten seeds, twenty records each, compacted."""
    store = Store.open(location, create=True)
    cells = [f"{k:016x}" for k in range(REPLICATES // SEEDS)]
    cases = ("joint", "alone")
    members = [
        {"sweep": "many", "sweep_hash": "0" * 16, "case": cases[k % 2], "cell_id": cell} for k, cell in enumerate(cells)
    ]
    store.append({"members": table("members", members)})
    runs, metrics = [], []
    for k, cell in enumerate(cells):
        for seed in range(SEEDS):
            own = {"replicate_id": f"{cell}-{seed}"}
            runs.append(
                own
                | {"cell_id": cell, "seed": seed, "algorithm": "a", "env": "e", "agents": 4, "status": "done"}
                | {"rounds": 100, "alpha": 0.01 * (k % 50), "error_tail": k / (1 + seed), "error_final": float(k)}
            )
            metrics += [own | {"round": r, "window": 1, "error": 1.0 / (1 + r)} for r in range(RECORDS)]
    store.append({"metrics": table("metrics", metrics), "runs": table("runs", runs)})
    store.compact()


def seconds(*words: str) -> float:
    """The best of three, the start of Python included."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.DEVNULL, check=True, env=os.environ)
        times.append(time.perf_counter() - began)
    return min(times)


def measure() -> list[dict[str, Any]]:
    """Two rows."""
    with tempfile.TemporaryDirectory() as folder:
        fill(f"{folder}/r")
        asked = seconds("query", QUERY, "--results", f"{folder}/r")
    helped = seconds("--help")
    return [
        {
            "what": f"query: a mean over {REPLICATES} replicates",
            "measured": f"{asked:.2f} s",
            "target": "< 1 s",
            "met": asked < 1,
            "details": "the whole command, after compact",
        },
        {
            "what": "--help",
            "measured": f"{helped:.2f} s",
            "target": "< 0.5 s",
            "met": helped < 0.5,
            "details": "the whole command",
        },
    ]
