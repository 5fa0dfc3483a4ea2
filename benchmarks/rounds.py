"""A round over Ray actors against a bare ``ray.get`` over as many actors with the same payload."""

import time
from typing import Any

import numpy as np

from benchmarks.kernels import _task
from orchestrator.cluster.connection import ray_connection
from orchestrator.fleet.ray import RayFleet
from orchestrator.running.drive import run_task

AGENTS, SEEDS, ROUNDS, TRIES = 32, 8, 300, 5


class Echo:
    """A bare actor: it takes what a round sends and returns what a round's reply weighs."""

    def __init__(self, members: int):
        self._reply = [{"gradient": np.zeros((members, 8, 2))} for _ in range(SEEDS)]

    def call(self, epoch: int, number: int, asked: list) -> Any:
        """The reply."""
        return self._reply, 0.0


def measure() -> list[dict[str, Any]]:
    """Rows for 2 and 8 actors."""
    with ray_connection(None):
        return [_row(actors) for actors in (2, 8)]


def _row(actors: int) -> dict[str, Any]:
    import ray

    fleet = RayFleet(actors)
    echo: list[Any] = [ray.remote(Echo).options(num_cpus=0).remote(AGENTS // actors) for _ in range(actors)]
    begin = min(_product(fleet, 1) for _ in range(3))
    _bare(echo)
    # In turns: what the machine does meanwhile meets both.
    tries = [(_product(fleet, ROUNDS + 1) - begin, _bare(echo)) for _ in range(TRIES)]
    ours, bare = (min(column) / ROUNDS for column in zip(*tries, strict=True))
    fleet.close()
    for actor in echo:
        ray.kill(actor)
    return {
        "what": f"a Ray round, {actors} actors, {SEEDS} seeds",
        "measured": f"{ours / bare:.2f} x bare ray.get",
        "target": "<= 1.3",
        "met": ours / bare <= 1.3,
        "details": f"{ours * 1e3:.2f} ms, bare {bare * 1e3:.2f} ms",
    }


def _product(fleet: RayFleet, rounds: int) -> float:
    """Seconds of a run on the fleet."""
    return run_task(_task(AGENTS, 1, rounds, SEEDS), fleet).seconds["total"]


def _bare(echo: list[Any]) -> float:
    """Seconds of as many bare rounds."""
    import ray

    sent = {"basis": np.zeros((8, 2)), "alpha": 0.1, "gain_step": 1.0, "steps": 1, "fresh": False, "radius": np.inf}
    began = time.perf_counter()
    for number in range(ROUNDS):
        # A round's arrays are new every time: the server has just updated them.
        asked = [(seed, "agents", "learn_map", {**sent, "basis": sent["basis"] + 1}) for seed in range(SEEDS)]
        ray.get([actor.call.remote(1, number, asked) for actor in echo])
    return time.perf_counter() - began
