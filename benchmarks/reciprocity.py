"""Tabular policy reciprocity on digital in one-step rounds, compared with a bare numba loop of the same updates."""

import time

import numpy as np

from benchmarks.figure import Figure
from benchmarks.kernels import best
from orchestrator.core.kernels import draw_alias, draw_integer, kernel, uniform
from orchestrator.core.streams import member_streams
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task

AGENTS, ROUNDS = 20, 4_000_000
SETTINGS = {"a": 0.5, "b": 0.3, "tau_1": 0.65, "tau_2": 0.35, "epsilon": 0.3, "rho": 1, "kappa": 0.5}


@kernel
def bare_reciprocity(rounds, probability, alias, reward, noise, gamma, walker, rng):
    """Equations 5 and 6 on one trajectory, written by hand: no options, and no code shared with the algorithm."""
    n, states, actions = reward.shape
    table, visits = np.zeros((n, states, actions)), np.zeros((states, actions))
    mean = np.zeros((states, actions))
    s = 0
    for _ in range(rounds):
        a = np.argmax(mean[s])
        if uniform(walker, 0) < 0.3:
            a = draw_integer(actions, walker, 0)
        ahead = draw_alias(probability[s, a], alias[s, a], walker, 0)
        low, high = max(0, s - 1), min(states - 1, s + 1)
        near = 0.0
        for t in range(low, high + 1):
            near += mean[t, a]
        pull = 0.5 * mean[s, a] + 0.5 * near / (high - low + 1)
        alpha, beta = 0.5 / (visits[s, a] + 1.0) ** 0.65, 0.3 / (visits[s, a] + 1.0) ** 0.35
        visits[s, a] += 1.0
        total = 0.0
        for i in range(n):
            r = reward[i, s, a] + noise * (2.0 * uniform(rng, i) - 1.0)
            best_ahead = table[i, ahead, 0]
            for b in range(1, actions):
                best_ahead = max(best_ahead, table[i, ahead, b])
            q = table[i, s, a]
            table[i, s, a] = (1.0 - alpha) * q + alpha * (r + gamma * best_ahead) + beta * (pull - q)
            total += table[i, s, a]
        mean[s, a] = total / n
        s = ahead
    return mean


def measure() -> list[Figure]:
    """One figure: 20 agents and 4 million rounds, in seconds and as a share of the bare kernel's speed."""
    task = _task(ROUNDS)
    block = task.coordinator(0).problem.block(range(AGENTS))

    def bare(rounds: int) -> float:
        streams = member_streams(0, "environment", "steps", [0]), member_streams(0, "agents", "steps", range(AGENTS))
        start = time.perf_counter()
        bare_reciprocity(rounds, block.probability, block.alias, block.reward, block.noise, block.gamma, *streams)
        return time.perf_counter() - start

    bare(1)
    run_task(_task(3), InlineFleet())
    bare_seconds = best(lambda: bare(ROUNDS))
    ours = best(lambda: run_task(task, InlineFleet()).seconds.total)
    return [
        Figure(
            what=f"policy reciprocity, digital, {AGENTS} agents, {ROUNDS / 1e6:g} M one-step rounds, one core",
            measured=f"{ours:.1f} s, {bare_seconds / ours:.2f} of bare",
            target="< 60 s, >= 0.3",
            met=ours < 60 and bare_seconds / ours >= 0.3,
            details=f"{AGENTS * ROUNDS / ours / 1e6:.0f} M steps/s, bare {AGENTS * ROUNDS / bare_seconds / 1e6:.0f}",
        )
    ]


def _task(rounds: int) -> Task:
    settings = {"agents": AGENTS, "rounds": rounds, **SETTINGS}
    return Task(make_cell("policy-reciprocity", "digital", settings, {"every": max(rounds // 10, 1)}), (0,))
