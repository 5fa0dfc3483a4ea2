"""What the tests of ALTERNATING-MARL share: an environment, policies, runs."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem, Sizes
from envs.mean_field.random_population import RandomPopulation
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import run_task
from orchestrator.running.lockstep import Replica, converse

SPARSE = {"every": 1000, "per_decade": 1}


class Urn(MeanFieldProblem):
    """Nothing alike, local agents begin alike, and their policy is not even."""

    Parameters = MeanFieldParameters
    concentration = 0.4

    def fill(self) -> None:
        rng = np.random.default_rng(self.instance)
        g, a, s, b = self.parameters.sizes
        self.global_kernel = rng.dirichlet(np.ones(g), size=(g, a))
        self.local_kernel = rng.dirichlet(np.ones(s), size=(s, g, b))
        self.global_reward, self.local_reward = rng.normal(size=(g, a)), rng.normal(size=(s, g, b))
        self.local_policy = rng.dirichlet(np.ones(b), size=(s, g))


class Small(MeanFieldParameters):
    """Parameters of an urn."""

    @property
    def sizes(self) -> Sizes:
        return Sizes(2, 2, 2, 2)


def urn(agents: int = 3, seed: int = 0) -> Urn:
    return Urn(Small(gamma=0.8), agents, seed)


def population(agents: int = 3, instance: int = 0, **settings) -> RandomPopulation:
    return RandomPopulation(RandomPopulation.Parameters(instance=instance, **settings), agents, instance)


PROBLEMS = [population, urn]
problems = pytest.mark.parametrize("make", PROBLEMS, ids=["even", "urn"])


def policy_of(rng: Any, k: int, globals_: int = 2) -> np.ndarray:
    """A random global policy of the histogram of k agents in two states."""
    return rng.dirichlet(np.ones(2), size=(k + 1, globals_))


def by(local: np.ndarray) -> Callable:
    """All agents' behaviour under one policy [S, G, B]."""
    return lambda i, g, s: local[s[i], g]


def one_of(own: np.ndarray, local: np.ndarray) -> Callable:
    """The behaviour of agents of whom the second has a policy of its own."""
    return lambda i, g, s: (own if i == 1 else local)[s[i], g]


def every(*shape: int) -> list[np.ndarray]:
    """All deterministic policies [*shape], the last axis the action's."""
    places = math.prod(shape[:-1])
    return [np.eye(shape[-1])[list(b)].reshape(shape) for b in itertools.product(range(shape[-1]), repeat=places)]


def task(seeds=(0,), environment="random-population", record=None, **settings):
    keyed = {key.replace("__", "."): value for key, value in settings.items()}
    return Task(make_cell("alternating-marl", environment, {"rollouts": 0} | keyed, record or SPARSE), tuple(seeds))


def run(hosts=1, keeper=None, **settings):
    outcome = run_task(task(**settings), InlineFleet(hosts), keeper)
    assert [replica.error for replica in outcome.replicas] == [""] * len(outcome.replicas)
    return outcome.replicas[0]


def summary(hosts=1, **settings):
    return run(hosts, **settings).recorder.summary()


MOVING: dict[str, Any] = {
    "agents": 7,
    "rounds": 20_000,
    "sweeps": 2000,
    "env__persistence": 0.6,
    "env__matching": 0.5,
    "env__gamma": 0.6,
}


def fresh(**settings) -> Any:
    made = task(**settings).coordinator(0)
    made.start()
    return made


def talked(made: Any, of: Task, *talks: Callable, hosts: int = 1) -> list:
    """What conversations of a coordinator come to."""
    fleet = InlineFleet(hosts)
    fleet.load(of, None)
    replica, out = Replica(0, made, None), []
    for talk in talks:
        out.append(converse(fleet, of.sizes, [(replica, talk)], charged=False).get(0))
        assert replica.error == ""
    return out
