"""CPU seconds of a first run, of a second run and of commands: what a researcher waits for.

Every registered algorithm runs 50 rounds inline in a new process, once with an empty kernel cache (cold) and once with
the kernels of the first run (warm). CPU seconds (user and system, child processes included) hardly depend on what else
the machine does. Python's compiled files are kept, as they usually are.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from benchmarks.commands import PROGRAM, run_with_claims
from benchmarks.figure import Figure
from orchestrator.plugins import registry

ROUNDS = 50
#: Targets in CPU seconds: of the slowest cold run, of the median cold run, of a command.
WORST, MEDIAN, COMMAND = 8.0, 5.0, 0.6
SAMPLED = ("k=3", "samples=2", "rollouts=3", "steps=4")
#: Algorithm -> a small environment that it runs on, and settings that keep the run small.
RUNS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("joint-average-td", "pfedtd-rep", "independent-td", "svd-subspace", "fedtd", "shared-head-td"),
        ("shared-subspace-mrp",),
    ),
    **dict.fromkeys(("oracle-subspace-td", "frozen-map-td"), ("shared-subspace-mrp",)),
    "map-transfer": ("shared-subspace-mrp", "pretraining=40", "held_out=6", "refit_rounds=9"),
    **dict.fromkeys(("joint-average-q", "independent-q", "fedq"), ("shared-subspace-mdp",)),
    **dict.fromkeys(("policy-reciprocity", "qd-learning", "iql"), ("digital",)),
    "shadow-policy-gradient": ("voter-network", "batch=6", "horizon=8"),
    "shadow-primal-dual": ("voter-network", "batch=6", "horizon=8"),
    "slotted-aloha": ("wireless-access",),
    "exact-gradient": ("voter-network",),
    "subsample-q": ("mode-tracking", *SAMPLED),
    "subsample-mfq": ("gaussian-squeeze", *SAMPLED, "env.mu=15", "env.sigma=8"),
    "alternating-marl": ("mode-tracking", *SAMPLED, "sweeps=2", "local_learner=selfish"),
    "graphon-mfs": ("graphon-robots", "env.graphon=block", "kappa=2", "samples=2", "rollouts=3", "steps=4"),
    "rllib-ppo": ("landmarks", "env.size=3", "train_batch_size=50", "minibatch_size=20", "epochs=1"),
}


def measure() -> list[Figure]:
    """One figure per algorithm, one for their median, and one per command."""
    cold, figures = [], []
    for algorithm in registry.names("algorithm"):
        first, second = run_seconds(algorithm)
        cold.append(first)
        figures.append(_figure(f"{algorithm}, {ROUNDS} rounds, cold", first, WORST, f"warm {second:.1f} s"))
    figures.append(_figure(f"median of {len(cold)} algorithms, cold", statistics.median(cold), MEDIAN, "CPU seconds"))
    with tempfile.TemporaryDirectory() as folder:
        for words in commands(run_with_claims(folder), f"{folder}/r"):
            seconds = min(cpu_seconds(words) for _ in range(3))
            figures.append(_figure(f"{words[0]}, warm", seconds, COMMAND, "CPU seconds of the whole command"))
    return figures


def run_seconds(algorithm: str) -> tuple[float, float]:
    """CPU seconds of a cold and of a warm run."""
    words = ["run", algorithm, *RUNS[algorithm], "--agents", "4", "--seeds", "0", "--rounds", str(ROUNDS)]
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (
            cpu_seconds([*words, "--backend", "inline", "--results", f"{folder}/{name}"], {"XDG_CACHE_HOME": folder})
            for name in ("cold", "warm")
        )
    return cold, warm


def commands(sweep: str, results: str) -> list[list[str]]:
    """Commands that read, on a results folder that holds a sweep."""
    readers = (["status"], ["claims"], ["query", "SELECT count(*) FROM summary"], ["logs", sweep])
    return [["--help"], ["list"], ["describe", "fedtd"], *([*words, "--results", results] for words in readers)]


def cpu_seconds(words: Sequence[str], variables: Mapping[str, str] = os.environ) -> float:
    """User and system seconds of ``orchestrator WORDS`` and its child processes.

    Raises ``RuntimeError`` if the command fails.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **variables, "PYTHONDONTWRITEBYTECODE": ""},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"orchestrator {' '.join(words)} ended with exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def _figure(what: str, seconds: float, target: float, details: str) -> Figure:
    return Figure(
        what=what,
        measured=f"{seconds:.2f} s",
        target=f"<= {target:g} s",
        met=seconds <= target,
        details=details,
    )
