"""The mean-field environments, and how tests make one."""

from typing import Any

from envs.constrained_exploration import ConstrainedExploration
from envs.federated_optimisation import FederatedOptimisation
from envs.gaussian_squeeze import GaussianSqueeze
from envs.mode_tracking import ModeTracking
from envs.random_population import RandomPopulation
from envs.tracking_line import TrackingLine
from envs.warehouse import Warehouse

EACH: list[Any] = [
    ModeTracking,
    Warehouse,
    TrackingLine,
    GaussianSqueeze,
    ConstrainedExploration,
    FederatedOptimisation,
    RandomPopulation,
]


def made(environment: Any, agents: int = 5, instance: int = 0, **parameters: Any) -> Any:
    """An environment of so many agents, all parameters but these at their defaults."""
    return environment(environment.Parameters(**parameters), agents, instance)
