"""Private heads on a map that is not learned: the true map, and a random one.

Source: our baselines for arXiv:2603.02426 and arXiv:2411.15014. Reconstructed: all settings.
"""

from collections.abc import Mapping

import numpy as np

from algorithms.shared_representation.linear_td import initial_basis
from algorithms.shared_representation.own_map import OwnMapAgents, OwnMapTD
from orchestrator.core import Block, generator


class OracleAgents(OwnMapAgents):
    """n agents that know the true basis B*."""

    def own_map(self) -> np.ndarray:
        return np.array(self.problem.basis)


class FrozenAgents(OwnMapAgents):
    """n agents with the random map from which joint TD starts."""

    def own_map(self) -> np.ndarray:
        return initial_basis(self.problem, generator(self.seed, "coordinator", "basis"))


class FrozenMapTD(OwnMapTD):
    """TD of private heads on a fixed random map: shows what learning the map adds."""

    name = "frozen-map-td"

    def start(self) -> None:
        self.basis = self.initial_basis()

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": FrozenAgents}


class OracleSubspaceTD(OwnMapTD):
    """TD of private heads on the true basis B*: its error comes from the private noise alone."""

    name = "oracle-subspace-td"

    def start(self) -> None:
        self.basis = np.array(self.problem.basis)

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": OracleAgents}
