"""Private heads on a map that is not learned: the best one could know, and a random one.

Source: baselines of ours for arXiv:2603.02426 and arXiv:2411.15014. Reconstructed: all settings.
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
    """n agents that hold the random map which joint TD would start from."""

    def own_map(self) -> np.ndarray:
        return initial_basis(self.problem, generator(self.seed, "coordinator", "basis"))


class FrozenMapTD(OwnMapTD):
    """TD of private heads on a frozen random map: what a shared map is worth."""

    name = "frozen-map-td"

    def start(self) -> None:
        self.basis = self.initial_basis()

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": FrozenAgents}


class OracleSubspaceTD(OwnMapTD):
    """TD of private heads on the true basis B*: the error that private noise alone leaves."""

    name = "oracle-subspace-td"

    def start(self) -> None:
        self.basis = np.array(self.problem.basis)

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": OracleAgents}
