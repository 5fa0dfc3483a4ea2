"""Mean-field subsampling: sweeps over the table of the warehouse, compared with the bare kernel; exact gaps."""

import resource
import time

import numpy as np

from algorithms.mean_field.cells import Draws, sampled_values
from benchmarks.figure import Figure
from benchmarks.kernels import best
from envs.common.chains import alias_tables
from envs.mean_field import histograms
from envs.mean_field.warehouse import Warehouse
from orchestrator.core.streams import member_streams
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

AGENTS, SAMPLES = 1000, 1


def measure() -> list[Figure]:
    """Figures: seconds per sweep at k = 10, 20, 50, alternation at k = 20, and gaps of 401 agents."""
    return [*(_sweep(k) for k in (10, 20, 50)), _alternation(), _gaps()]


def _sweep(k: int) -> Figure:
    rounds = 3 if k < 50 else 1
    run_task(_task(2, 1), InlineFleet())  # compiles the kernels
    ours = (_seconds(_task(k, rounds)) - _seconds(_task(k, 0))) / rounds
    bare = best(lambda: _kernel(k), tries=1)
    rows = histograms.histograms(k, 5)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return Figure(
        what=f"a sweep of subsample-q on warehouse, k = {k}, {rows} histograms, m = {SAMPLES}, one core",
        measured=f"{bare / ours:.2f} of the bare kernel",
        target=">= 0.5" if k < 50 else ">= 0.5, < 4 GB",
        met=bare / ours >= 0.5 and memory < 4,
        details=f"{ours:.2f} s, bare {bare:.2f} s; {1e6 * ours / rows:.1f} us per histogram; {memory:.1f} GB peak",
    )


def _alternation() -> Figure:
    settings = {"agents": AGENTS, "k": 20, "samples": 5, "sweeps": 60, "eta": 0.05, "rounds": 700}
    cell = make_cell("alternating-marl", "warehouse", {**settings, "local_learner": "selfish"}, {"every": 700})
    seconds = _seconds(Task(cell, (0,)))
    return Figure(
        what="alternating-marl on warehouse, n = 1000, k = 20, m = 5, one core, the whole run",
        measured=f"{seconds:.0f} s",
        target="< 60 s",
        met=seconds < 60,
        details="robots respond to their own rewards",
    )


def _gaps() -> Figure:
    start = time.perf_counter()
    for k in (1, 9, 25, 51, 101, 201):
        settings = {"agents": 401, "k": k, "rounds": 1000, "rollouts": 0, "env.persistence": 1}
        run_task(Task(make_cell("subsample-q", "mode-tracking", settings, {"every": 1000}), (0,)), InlineFleet())
    seconds = time.perf_counter() - start
    return Figure(
        what="six exact gaps of mode-tracking, n = 401, frozen, one core",
        measured=f"{seconds:.0f} s",
        target="< 60 s",
        met=seconds < 60,
        details="k = 1, 9, 25, 51, 101, 201",
    )


def _task(k: int, rounds: int) -> Task:
    settings = {"agents": AGENTS, "k": k, "samples": SAMPLES, "rounds": rounds, "rollouts": 0}
    return Task(make_cell("subsample-q", "warehouse", settings, {"every": max(rounds, 1)}), (0,))


def _seconds(task: Task) -> float:
    start = time.perf_counter()
    run_task(task, InlineFleet())
    return time.perf_counter() - start


def _kernel(k: int) -> float:
    """Seconds that the kernel takes for the whole table; its inputs are computed before."""
    problem = Warehouse(Warehouse.Parameters(), AGENTS, 0)
    own = histograms.enumerated(k, 5)
    chance = problem.lumping(problem.local_policy, k).chance
    draws = Draws(*alias_tables(problem.global_kernel), *alias_tables(chance), histograms.binomials(k, 5))
    rng = member_streams(0, "cells", "steps", range(len(own)))
    reward, values = np.zeros((len(own), 5, 5)), np.zeros((len(own), 5))
    start = time.perf_counter()
    sampled_values(reward, own, values, problem.gamma, SAMPLES, draws, rng)
    return time.perf_counter() - start
