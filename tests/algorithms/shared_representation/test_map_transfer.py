"""Transfer of a frozen map: which environments are held out, what is learned and sent, and what it is worth."""

from typing import Any

import numpy as np
import pytest

from algorithms.shared_representation.map_transfer import HeldOutAgents, MapTransfer
from envs.linear.shared_subspace_mrp import SharedSubspaceMRP
from orchestrator.core import Call
from orchestrator.errors import UserError
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from tests.tools.td import ENVIRONMENT, SMALL, assert_same_bits, final, run

SOURCES = ("pfedtd-rep", "fedavg", "random", "scratch", "oracle")
DISCOUNTED = {"env__objective": "discounted", "env__reward_noise": 0.0}


def coordinator(**settings: Any) -> MapTransfer:
    """A coordinator of four agents and ``held_out`` others, started."""
    built = Task(make_cell("map-transfer", ENVIRONMENT, SMALL | settings), (0,)).coordinator(0)
    assert isinstance(built, MapTransfer)
    built.start()
    return built


@pytest.mark.parametrize("processes", [0, 2])
def test_held_out_environments_are_the_next_processes(processes: int):
    """Four agents on four or two processes, H = 4: processes 4..7, or 2..5, of the same drawn problem."""
    built = coordinator(**{"held_out": 4, "env.processes": processes})
    first = processes or 4
    parameters = SharedSubspaceMRP.Parameters(states=6, features=4, reward_noise=0.1)
    many = SharedSubspaceMRP(parameters, agents=10, instance=0).block(range(first, first + 4))
    block = HeldOutAgents("held_out", range(1, 3), built.parameters, built.problem, 0)
    np.testing.assert_array_equal(block.env.probability, many.probability[1:3])
    np.testing.assert_array_equal(block.env.reward, many.reward[1:3])
    np.testing.assert_array_equal(block.env.phi, many.phi)
    assert built.groups() == {"agents": 4, "held_out": 4}


def test_value_error_is_that_of_the_held_out_agents():
    """Exact heads on the true basis leave nothing; zero heads leave the mean of ||V||^2 over processes 4..7 alone."""
    built = coordinator(source="oracle", held_out=4, **{"env.objective": "discounted"})
    truth = built.wide.solution
    expected = (truth.stationary[4:] * truth.values[4:] ** 2).sum(axis=1).mean()
    for heads, error in ((built.wide.heads[4:], 0.0), (np.zeros((4, 2)), expected)):
        talk = built.measure()
        call = next(talk)
        assert isinstance(call, Call)
        assert call.on == "held_out"
        with pytest.raises(StopIteration) as end:
            talk.send({"head": heads})
        assert end.value.value["value_error"] == pytest.approx(error, rel=1e-12, abs=1e-25)


def test_the_map_is_the_one_that_pfedtd_rep_learns():
    """To the last bit: the same agents, streams and schedules, whatever comes after."""
    settings = {"alpha": 0.2, "offset": 20.0, "local_steps": 2}
    learned = run("pfedtd-rep", rounds=30, **settings)
    moved = run("map-transfer", rounds=99, refit_rounds=7, pretraining=30, held_out=2, **settings)
    for one, other in zip(learned.replicas, moved.replicas, strict=True):
        np.testing.assert_array_equal(one.coordinator.state()["basis"], other.coordinator.state()["basis"])


@pytest.mark.parametrize(
    ("source", "floats", "steps"),
    [
        ("pfedtd-rep", 5 * 4 * 2 * 8 + 2 * 8, 5 * 4 * 4),
        ("fedavg", 5 * 4 * 2 * (8 + 2) + 2 * 8, 5 * 4 * 4),
        ("random", 2 * 8, 0),
        ("scratch", 2 * 16, 0),
    ],
)
def test_what_travels(source: str, floats: int, steps: int):
    """d r = 8. Pretraining: 5 rounds of 4 agents, up and down; then the map once to each of H = 2; refitting nothing.

    Samples: K + 1 = 4 a round of pretraining and agent, K = 3 a round of refitting and held-out agent.
    """
    settings: dict[str, Any] = {"rounds": 99, "refit_rounds": 9, "pretraining": 5, "held_out": 2, "local_steps": 3}
    replica = run("map-transfer", source=source, **settings).replicas[0]
    traffic = replica.traffic
    assert replica.coordinator.completed == 9 + (5 if source in ("pfedtd-rep", "fedavg") else 0)
    assert traffic.bytes_sent == 8 * floats
    assert traffic.agent_steps == steps + 9 * 2 * 3


def test_one_shared_head_learns_no_map_where_heads_contradict():
    """Balanced heads cancel, so their average gives the map no gradient to follow; private heads find the subspace."""
    settings: dict[str, Any] = {"rounds": 4600, "agents": 8, "pretraining": 4000, "offset": 1000.0, "held_out": 8}
    settings |= DISCOUNTED | {"refit_rounds": 600}
    error = {
        source: [
            final(run("map-transfer", source=source, **settings), name) for name in ("subspace_error", "value_error")
        ]
        for source in ("pfedtd-rep", "fedavg", "oracle")
    }
    assert error["pfedtd-rep"][0] < 0.1 * error["fedavg"][0]
    assert error["pfedtd-rep"][1] < 0.5 * error["fedavg"][1]
    assert error["oracle"][0] < 1e-28
    assert error["oracle"][1] < 1.5 * error["pfedtd-rep"][1]


def test_from_scratch_there_is_no_map_to_measure():
    cell = make_cell("map-transfer", ENVIRONMENT, SMALL | {"source": "scratch"})
    assert cell.metrics() == ("value_error",)
    assert coordinator(source="scratch").basis.tolist() == np.eye(4).tolist()


@pytest.mark.parametrize("source", SOURCES)
def test_any_split_into_hosts_gives_the_same_bits(source: str):
    settings = {"source": source, "rounds": 20, "refit_rounds": 8, "pretraining": 12, "held_out": 6}
    whole = run("map-transfer", **settings)
    for hosts in (2, 3, 4):
        assert_same_bits(whole, run("map-transfer", hosts=hosts, **settings))


def test_held_out_agents_that_do_not_fit_the_heads_are_refused():
    with pytest.raises(UserError, match="heads=balanced needs the number of distinct processes"):
        _ = Task(make_cell("map-transfer", ENVIRONMENT, SMALL | {"held_out": 3}), (0,)).outlook
