"""The mean-field environments, and how tests make one."""

from typing import Any

from envs.mean_field.constrained_exploration import ConstrainedExploration
from envs.mean_field.federated_optimisation import FederatedOptimisation
from envs.mean_field.gaussian_squeeze import GaussianSqueeze
from envs.mean_field.mode_tracking import ModeTracking
from envs.mean_field.random_population import RandomPopulation
from envs.mean_field.tracking_line import TrackingLine
from envs.mean_field.warehouse import Warehouse

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
