"""The classes that references name, with their types: the registry knows them only as classes."""

from typing import cast

from pydantic import BaseModel

from orchestrator.core.environment import Environment
from orchestrator.core.rounds import Coordinator
from orchestrator.plugins import registry


def algorithm_class(reference: str) -> type[Coordinator]:
    """The coordinator class that ``reference`` names. Raises ``UserError`` for unknown names and broken files."""
    return cast("type[Coordinator]", registry.algorithm(reference))


def environment_class(reference: str) -> type[Environment]:
    """The environment class that ``reference`` names. Raises ``UserError`` for unknown names and broken files."""
    return cast("type[Environment]", registry.environment(reference))


def environment_parameters(environment: type[Environment]) -> type[BaseModel]:
    """The model of an environment's parameters."""
    return environment.Parameters


def suited(environment: type[Environment], algorithm: type[Coordinator]) -> type[Environment]:
    """The class of ``environment`` that fits the algorithm: its first face (kind -> class) of a kind, or itself."""
    faces = environment.faces
    return next((faces[kind] for kind in algorithm.kinds if kind in faces), environment)
