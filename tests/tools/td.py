"""Worked examples and small runs for the tests of the TD family."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from envs.linear.base import LinearBlock
from orchestrator.core.declared import assign
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import Outcome, run_task

ENVIRONMENT = "shared-subspace-mrp"
SMALL = {"agents": 4, "rounds": 60, "env.states": 6, "env.features": 4, "env.reward_noise": 0.1}
#: The map of the worked examples: one-hot features, so B^T phi is .6 in state 0 and .8 in state 1.
BASIS = np.array([[0.6], [0.8]])


def two_states(agents: int = 1, gamma: float = 1.0, rank: int = 1) -> Any:
    """State 0 pays 2 and leads to 1, state 1 pays 1 and leads to 0, for certain; features are one-hot."""
    alias = np.repeat(np.array([[1], [0]]), 2, axis=1)[None]  # no column is kept, every alias is the successor
    table = LinearBlock(
        np.zeros(agents, np.int64), np.zeros((1, 2, 2)), alias, np.array([[2.0, 1.0]]), 0.0, np.eye(2), gamma,
        gamma == 1.0,
    )  # fmt: skip
    return SimpleNamespace(
        states=2, features=2, rank=rank, phi=np.eye(2), average=gamma == 1.0, excluded_direction=None,
        block=lambda members: table,
    )  # fmt: skip


def by_hand(algorithm: Any, problem: Any, agents: int = 1, group: str = "agents", **parameters: Any) -> tuple:
    """A coordinator and the block that holds all its agents, started: w = .5, eta = .5 each, agent i in state i."""
    coordinator = algorithm(algorithm.Parameters(**parameters), problem, agents, 1, 0)
    coordinator.start()
    block = coordinator.blocks()[group](group, range(agents), coordinator.parameters, problem, 0)
    block.start()
    block.head = np.full((agents, block.width), 0.5)
    block.gain = np.full(agents, 0.5 if problem.average else 0.0)
    block.position = np.arange(agents)
    return coordinator, block


def one_round(coordinator: Any, block: Any) -> Any:
    """Drive ``round()`` against one block; returns the last reply."""
    talk = coordinator.round()
    reply = None
    try:
        while True:
            call = talk.send(reply)
            reply = getattr(block, call.method)(**call.shared)
            last = reply
    except StopIteration:
        assign(coordinator, "completed", coordinator.completed + 1)
        return last


def run(algorithm: str, hosts: int = 1, fuse: bool = True, seeds: tuple[int, ...] = (0, 1), **settings: Any) -> Outcome:
    """A small cell, every seed done. Names with a dot are written with two underscores."""
    given = SMALL | {name.replace("__", "."): value for name, value in settings.items()}
    cell = make_cell(algorithm, ENVIRONMENT, given, {"every": 25})  # leaps of more than one round
    outcome = run_task(Task(cell, seeds), InlineFleet(hosts), fuse=fuse)
    assert {replica.status for replica in outcome.replicas} == {"done"}, outcome.replicas[0].error
    assert set(outcome.replicas[0].recorder.names) == set(cell.metrics())
    return outcome


def tail(outcome: Outcome, metric: str) -> float:
    """Mean over the seeds of a metric's tail."""
    return float(np.mean([replica.recorder.summary()[f"{metric}_tail"] for replica in outcome.replicas]))


def final(outcome: Outcome, metric: str) -> float:
    """Mean over the seeds of a metric at the end."""
    return float(np.mean([replica.recorder.summary()[f"{metric}_final"] for replica in outcome.replicas]))


def assert_same_bits(one: Outcome, other: Outcome) -> None:
    """Rows, means, traffic and the shared state agree to the last bit."""
    for a, b in zip(one.replicas, other.replicas, strict=True):
        assert a.recorder.rows() == b.recorder.rows()
        assert a.recorder.summary() == b.recorder.summary()
        assert a.traffic == b.traffic
        for name, value in a.coordinator.state().items():
            np.testing.assert_array_equal(value, b.coordinator.state()[name])
