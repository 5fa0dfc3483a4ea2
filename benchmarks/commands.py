"""How long commands take: the help, a query over ten thousand replicates, a report of 20 claims."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

import yaml

from benchmarks.figure import Figure
from orchestrator import sweep
from orchestrator.store import Store
from orchestrator.store.schema import table

REPLICATES, RECORDS, SEEDS = 10_000, 20, 10
QUERY = """SELECT "case", alpha, avg(error_tail) AS error FROM summary WHERE sweep = 'many' GROUP BY ALL ORDER BY ALL"""
CLAIMS = 20
PROGRAM = "import sys\nfrom orchestrator import cli\nsys.argv[0] = 'orchestrator'\ncli.main()"


def fill(location: str) -> None:
    """Write a compacted store of one sweep: a thousand cells of ten seeds, with twenty records each."""
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
            replicate = {"replicate_id": f"{cell}-{seed}"}
            runs.append(
                replicate
                | {"cell_id": cell, "seed": seed, "algorithm": "a", "env": "e", "agents": 4, "status": "done"}
                | {"rounds": 100, "alpha": 0.01 * (k % 50), "error_tail": k / (1 + seed), "error_final": float(k)}
            )
            metrics += [replicate | {"round": r, "window": 1, "error": 1.0 / (1 + r)} for r in range(RECORDS)]
    store.append({"metrics": table("metrics", metrics), "runs": table("runs", runs)})
    store.compact()


def run_with_claims(folder: str) -> str:
    """Run a sweep with CLAIMS claims on speedups and orders, results in ``folder``/r. Returns its name."""
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
    """Wall-clock seconds of a command, including the start of Python: the best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM, *words], stdout=subprocess.DEVNULL, check=True, env=os.environ)
        times.append(time.perf_counter() - start)
    return min(times)


def measure() -> list[Figure]:
    """Three figures."""
    with tempfile.TemporaryDirectory() as folder:
        fill(f"{folder}/r")
        query = seconds("query", QUERY, "--results", f"{folder}/r")
    with tempfile.TemporaryDirectory() as folder:
        name = run_with_claims(folder)
        report = seconds("report", name, "--results", f"{folder}/r")
    usage = seconds("--help")
    return [
        Figure(
            what=f"query: a mean over {REPLICATES} replicates",
            measured=f"{query:.2f} s",
            target="< 1 s",
            met=query < 1,
            details="the whole command, after compact",
        ),
        Figure(
            what=f"report of {CLAIMS} claims",
            measured=f"{report:.1f} s",
            target="< 10 s",
            met=report < 10,
            details="the whole command: verdicts, figures, page",
        ),
        Figure(
            what="--help",
            measured=f"{usage:.2f} s",
            target="< 0.5 s",
            met=usage < 0.5,
            details="the whole command",
        ),
    ]
