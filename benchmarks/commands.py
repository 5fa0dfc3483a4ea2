"""What a researcher waits for at the prompt: the help, a query over ten thousand replicates, a report of 20 claims."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import yaml

from orchestrator import sweep
from orchestrator.store import Store
from orchestrator.store.schema import table

REPLICATES, RECORDS, SEEDS = 10_000, 20, 10
QUERY = """SELECT "case", alpha, avg(error_tail) AS error FROM summary WHERE sweep = 'many' GROUP BY ALL ORDER BY ALL"""
CLAIMS = 20
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


def claimed(folder: str) -> str:
    """The name of a sweep with CLAIMS claims, run and judged: half on speedups, half on orders."""
    metrics = ("theta_error", "subspace_error")
    speedups = [
        {"name": f"{case} {metric} {what}", "case": case, "metric": f"{metric}_{what}", "versus": "agents"}
        | {"law": "power", "expect": -1, "within": 0.2}
        for case in ("joint", "apart")
        for metric in metrics
        for what in ("tail", "final")
    ]
    orders = [
        {"name": f"{metric} {what} at {n}", "case": "joint", "below": "apart", "metric": f"{metric}_{what}"}
        | {"law": "order", "where": {"agents": n}}
        for n in (2, 4, 8)
        for metric in metrics
        for what in ("tail", "final")
    ]
    content = {
        "name": "twenty",
        "env": {"name": "shared-subspace-mrp", "states": 20, "features": 8, "rank": 2},
        "cases": {"joint": {"algorithm": "joint-average-td"}, "apart": {"algorithm": "svd-subspace"}},
        "base": {"alpha": 0.1, "beta": 0.1, "rounds": 2000},
        "grid": {"agents": [2, 4, 8, 16]},
        "claims": speedups + orders,
    }
    assert len(content["claims"]) == CLAIMS
    file = pathlib.Path(folder, "twenty.yaml")
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    sweep(file, results=f"{folder}/r", backend="inline")
    return content["name"]


def seconds(*words: str) -> float:
    """The best of three, the start of Python included."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.DEVNULL, check=True, env=os.environ)
        times.append(time.perf_counter() - began)
    return min(times)


def measure() -> list[dict[str, Any]]:
    """Three rows."""
    with tempfile.TemporaryDirectory() as folder:
        fill(f"{folder}/r")
        asked = seconds("query", QUERY, "--results", f"{folder}/r")
    with tempfile.TemporaryDirectory() as folder:
        name = claimed(folder)
        reported = seconds("report", name, "--results", f"{folder}/r")
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
            "what": f"report of {CLAIMS} claims",
            "measured": f"{reported:.1f} s",
            "target": "< 10 s",
            "met": reported < 10,
            "details": "the whole command: judged, drawn, written",
        },
        {
            "what": "--help",
            "measured": f"{helped:.2f} s",
            "target": "< 0.5 s",
            "met": helped < 0.5,
            "details": "the whole command",
        },
    ]
