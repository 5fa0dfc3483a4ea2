"""The base class of environments: its example runs, and what it checks."""

import doctest

import pytest

from orchestrator.core import Environment, Parameters, environment
from orchestrator.plugins import registry

ENVIRONMENTS = [registry.environment(name) for name in registry.names("environment")]


class Plain(Environment):
    name, kind = "plain", "nothing"
    Parameters = Parameters
    fewest_agents = 2


def test_the_example_runs():
    result = doctest.testmod(environment)
    assert (result.failed, result.attempted) == (0, 8)


def test_defaults():
    plain = Plain(Parameters(), 3, 7)
    assert (plain.agents, plain.instance, plain.parameters) == (3, 7, Parameters())
    assert (plain.version, plain.memory, plain.warnings(), plain.portrait(), plain.faces) == (1, 0.0, (), None, {})
    assert plain.block(range(2)) is None


def test_too_few_agents():
    with pytest.raises(ValueError, match=r"^agents must be at least 2, got 1\.$"):
        Plain(Parameters(), 1, 0)


@pytest.mark.parametrize("members", [range(0, 3, 2), range(-1, 2), range(2, 4), range(2, 1)])
def test_members_that_are_not_consecutive_agents(members):
    plain = Plain(Parameters(), 3, 0)
    plain.check_members(range(1, 3))
    plain.check_members(range(0))
    with pytest.raises(ValueError, match=r"members must be consecutive agents in 0\.\.2, got range"):
        plain.check_members(members)


@pytest.mark.parametrize("shipped", ENVIRONMENTS, ids=lambda shipped: shipped.name)
def test_every_shipped_environment_has_the_base(shipped):
    assert issubclass(shipped, Environment)
    assert issubclass(shipped.Parameters, Parameters)
    with pytest.raises(ValueError, match="agents must be"):
        shipped(shipped.Parameters(), 0, 0)
