"""What every registered algorithm promises, on every environment that it runs on."""

from functools import cache

import numpy as np
import pytest

from orchestrator.core.declared import assign
from orchestrator.core.rounds import Coordinator, Fusible
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import reserved_columns
from orchestrator.running.lockstep import Replica, converse
from tests.tools.cells.small import ALGORITHMS, ENVIRONMENTS, PAIRS, PROMISED, ROUNDS, agents, of_pair
from tests.tools.engine import Diary, Resumed, numbers, run

pairs = pytest.mark.parametrize("pair", PAIRS, ids=[f"{a}-{e}" for a, e in PAIRS])


@cache
def driven(pair):
    """The outcome with all agents in one block and never fused."""
    return run(of_pair(pair), fuse=False)


def test_every_algorithm_has_an_environment():
    assert {a for a, _ in PAIRS} == set(PROMISED)
    assert {e for _, e in PAIRS} == set(ENVIRONMENTS)


@pytest.mark.parametrize("name", [*ALGORITHMS, *ENVIRONMENTS])
def test_declarations(name):
    """Names as registered, parameters described and with defaults, none called like a column of ``runs``."""
    found = ALGORITHMS.get(name) or ENVIRONMENTS[name]
    assert found.name == name
    assert isinstance(found.version, int)
    assert found.version >= 1
    assert found.__doc__
    fields = found.Parameters.model_fields
    assert not set(fields) & reserved_columns()
    assert not any(field.startswith("env_") for field in fields)
    assert found.Parameters() == found.Parameters(**found.Parameters().model_dump())
    for field, info in fields.items():
        assert info.description, f"{name}.{field} has no description"
    with pytest.raises(ValueError, match="frozen"):
        setattr(found.Parameters(), next(iter(fields)), 1)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_algorithms_describe_their_metrics(name):
    found = ALGORITHMS[name]
    assert issubclass(found, Coordinator)
    assert found.metrics
    assert all(isinstance(text, str) and text for text in found.metrics.values())
    assert not set(found.metrics) & (reserved_columns() | set(found.Parameters.model_fields))
    assert not any(metric.endswith(("_window", "_final", "_tail")) for metric in found.metrics)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_algorithms_announce_their_scores_and_steps(name):
    """Returns and gaps of returns are scores; an algorithm with ``local_steps`` takes so many per round."""
    found = ALGORITHMS[name]
    returns = {metric for metric in found.metrics if metric == "return" or metric.startswith("return_")}
    assert set(found.scores) & set(found.metrics) == returns
    parameters = found.Parameters()
    assert found.steps_per_round(parameters) == getattr(parameters, "local_steps", 1)
    assert found.resources(parameters) == {"cpu": 1.0, "gpu": 0.0}


@pairs
def test_round_leap_and_packing_agree(pair):
    expected = numbers(driven(pair))
    assert [replica.error for replica in driven(pair).replicas] == ["", ""]
    assert expected[0] != expected[1]
    for hosts, fuse in ((1, True), (3, False), (agents(pair), False)):
        assert numbers(run(of_pair(pair), hosts, fuse=fuse)) == expected


@pairs
def test_metrics_are_those_announced(pair):
    of = of_pair(pair)
    for replica in driven(pair).replicas:
        assert set(replica.recorder.names) == set(of.cell.metrics())
        assert set(of.cell.metrics()) <= set(ALGORITHMS[pair[0]].metrics)
        for name, values in replica.agents.items():
            assert values.shape == (agents(pair),)
            assert values.mean() == pytest.approx(replica.recorder.summary()[f"{name}_final"], rel=1e-9, abs=1e-25)


@pairs
def test_rounds_communicate_as_announced(pair):
    """``calls_per_round`` bounds the communications of a round; a leap needs every round to cost the same."""
    of = of_pair(pair)
    algorithm = ALGORITHMS[pair[0]]
    traffic = driven(pair).replicas[0].traffic
    assert 0 < traffic.calls <= ROUNDS * of.coordinator(0).calls_per_round()
    assert (traffic.agent_steps > 0) == (pair[0] != "exact-gradient")  # an oracle takes no step
    if issubclass(algorithm, Fusible):
        for count in (traffic.calls, traffic.messages, traffic.bytes_sent, traffic.agent_steps):
            assert count % ROUNDS == 0


@pairs
def test_state_is_whole(pair):
    """What ``state()`` gives is all there is: a run that goes on from it elsewhere ends in the same numbers."""
    diary = Diary()
    expected = numbers(driven(pair))
    assert numbers(run(of_pair(pair), 2, diary, fuse=False)) == expected
    for at in (4, 8):
        for hosts, fuse in ((1, True), (3, False)):
            assert numbers(run(of_pair(pair), hosts, Resumed(diary.packed[at]), fuse)) == expected


@pairs
def test_measuring_leaves_the_state_alone(pair):
    of = of_pair(pair, seeds=(5,))
    fleet = InlineFleet(2)
    fleet.load(of, None)
    coordinator = of.coordinator(5)
    coordinator.start()
    replica = Replica(5, coordinator)
    for t in range(3):
        before = repr_of(coordinator.state()), repr_of(fleet.states())
        first = converse(fleet, of.sizes, [(replica, coordinator.measure)], charged=False)
        again = converse(fleet, of.sizes, [(replica, coordinator.measure)], charged=False)
        converse(fleet, of.sizes, [(replica, coordinator.measure_agents)], charged=False)
        assert replica.error == ""
        assert repr_of(first) == repr_of(again)
        assert (repr_of(coordinator.state()), repr_of(fleet.states())) == before
        converse(fleet, of.sizes, [(replica, coordinator.round)], charged=True)
        assign(coordinator, "completed", t + 1)
        assert (repr_of(coordinator.state()), repr_of(fleet.states())) != before


def repr_of(tree) -> str:
    """Arrays as exact numbers, so that equal texts mean equal bits."""
    if isinstance(tree, dict):
        return repr({key: repr_of(value) for key, value in tree.items()})
    return repr(tree.tolist() if isinstance(tree, np.ndarray) else tree)
