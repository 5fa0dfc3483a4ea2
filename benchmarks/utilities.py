"""Shadow policy gradient on 512 voters: one iteration on one core, and the kernel of its critic alone."""

import time

import numpy as np

from algorithms.general_utilities import critic
from benchmarks.figure import Figure
from benchmarks.kernels import best
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

AGENTS, KAPPA, BATCH, HORIZON, ROUNDS = 512, 2, 64, 60, 4


def measure() -> list[Figure]:
    """One figure: n = 512, kappa = 2, B = 64, H = 60, in seconds per iteration."""
    run_task(_task(1), InlineFleet())
    ours = best(lambda: run_task(_task(ROUNDS), InlineFleet()).seconds.total) / ROUNDS
    kernel = best(_critic)
    return [
        Figure(
            what=f"shadow policy gradient, {AGENTS} voters, kappa {KAPPA}, B {BATCH}, H {HORIZON}, one core",
            measured=f"{ours:.2f} s per iteration",
            target="< 2 s",
            met=ours < 2,
            details=f"the kernel of its critic alone: {kernel:.2f} s",
        )
    ]


def _critic() -> float:
    """Seconds of step 4 for all agents, on random trajectories."""
    rng = np.random.default_rng(0)
    observed, reward = rng.integers(4, size=(AGENTS, BATCH * HORIZON)), rng.normal(size=(AGENTS, BATCH * HORIZON))
    indptr, indices = _task(1).coordinator(0).problem.graph.within(KAPPA)
    steps = critic.Steps(observed, indptr, indices, 4, HORIZON)
    start = time.perf_counter()
    critic.letters(steps, reward, 2, 2 * KAPPA + 1, 0.9, critic.batch_values)
    return time.perf_counter() - start


def _task(rounds: int) -> Task:
    settings = {"agents": AGENTS, "kappa": KAPPA, "batch": BATCH, "horizon": HORIZON, "rounds": rounds}
    return Task(make_cell("shadow-policy-gradient", "voter-network", settings, {"every": max(rounds, 1)}), (0,))
