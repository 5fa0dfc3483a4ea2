"""A shared map and one shared head: everything is averaged, in factored form.

Source: our baseline for arXiv:2603.02426. Reconstructed: all settings.
"""

from collections.abc import Mapping
from typing import Unpack

import numpy as np

from algorithms.shared_representation.kernels import server_step
from algorithms.shared_representation.linear_td import INITIAL_HEAD, LinearTDAgents, SharedMapParameters
from algorithms.shared_representation.shared_map import MapRound, SharedMapTD
from orchestrator.core import Block, Call, Conversation, mean_rows, normals, product


class SharedHeadAgents(LinearTDAgents):
    """n agents that start every round from the common head [r]."""

    def learn_both(self, head: np.ndarray, **sent: Unpack[MapRound]) -> dict[str, np.ndarray]:
        """As ``learn_map``, from ``head``. Also returns the head of each agent after the steps, [n, r]."""
        self.head[:] = head
        return self.learn_map(**sent) | {"head": self.head}


class SharedHeadTD(SharedMapTD[SharedMapParameters]):
    """Joint TD with averaged heads: shows that joint TD owes its result to private heads."""

    name = "shared-head-td"
    persistent = ("basis", "head")
    shared = ("basis", "head")

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": SharedHeadAgents}

    def start(self) -> None:
        super().start()
        self.head = INITIAL_HEAD * normals(self.stream("head"), self.problem.rank)

    def round(self) -> Conversation:
        sent = {"head": self.head, **self.sent()}
        reply = yield Call("learn_both", shared=sent, agent_steps=self.parameters.local_steps)
        self.basis = server_step(self.basis, self.beta(), np.array(reply["gradient"]), self.rescaled)
        self.head = mean_rows(np.array(reply["head"]))

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors(self.basis, np.tile(self.head, (self.agents, 1)), agents["gain"])

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        return np.tile(product(self.head[None], self.basis.T.copy()), (self.agents, 1))
