"""A round over Ray actors, compared with a bare ``ray.get`` over as many actors with the same payload."""

import time
from typing import Any

import numpy as np

from benchmarks.figure import Figure
from benchmarks.kernels import _task
from orchestrator.cluster.connection import ray_connection
from orchestrator.fleet.ray import RayFleet
from orchestrator.running.drive import run_task

AGENTS, SEEDS, ROUNDS, TRIES = 32, 8, 300, 5


class Echo:
    """A bare actor: it accepts the arguments of a round and returns arrays of the size of a round's reply."""

    def __init__(self, members: int):
        self._reply = [{"gradient": np.zeros((members, 8, 2))} for _ in range(SEEDS)]

    def call(self, epoch: int, number: int, requests: list) -> Any:
        """The reply of a round, and seconds spent in methods."""
        return self._reply, 0.0


def measure() -> list[Figure]:
    """One figure for 2 actors and one for 8."""
    with ray_connection(None):
        return [_figure(actors) for actors in (2, 8)]


def _figure(actors: int) -> Figure:
    import ray

    fleet = RayFleet(actors)
    echo: list[Any] = [ray.remote(Echo).options(num_cpus=0).remote(AGENTS // actors) for _ in range(actors)]
    setup = min(_product(fleet, 1) for _ in range(3))
    _bare(echo)
    # In turns, so that other work of the machine slows both.
    tries = [(_product(fleet, ROUNDS + 1) - setup, _bare(echo)) for _ in range(TRIES)]
    ours, bare = (min(column) / ROUNDS for column in zip(*tries, strict=True))
    fleet.close()
    for actor in echo:
        ray.kill(actor)
    return Figure(
        what=f"a Ray round, {actors} actors, {SEEDS} seeds",
        measured=f"{ours / bare:.2f} x bare ray.get",
        target="<= 1.3",
        met=ours / bare <= 1.3,
        details=f"{ours * 1e3:.2f} ms, bare {bare * 1e3:.2f} ms",
    )


def _product(fleet: RayFleet, rounds: int) -> float:
    """Seconds that a run on the fleet takes."""
    return run_task(_task(AGENTS, 1, rounds, SEEDS), fleet).seconds.total


def _bare(echo: list[Any]) -> float:
    """Seconds of ``ROUNDS`` bare rounds."""
    import ray

    sent = {
        "basis": np.zeros((8, 2)),
        "alpha": 0.1,
        "gain_step": 1.0,
        "steps": 1,
        "fresh": False,
        "radius": np.inf,
    }
    start = time.perf_counter()
    for number in range(ROUNDS):
        # The arrays of a round are new each time, because the server has just updated them.
        requests = [(seed, "agents", "learn_map", {**sent, "basis": sent["basis"] + 1}) for seed in range(SEEDS)]
        ray.get([actor.call.remote(1, number, requests) for actor in echo])
    return time.perf_counter() - start
