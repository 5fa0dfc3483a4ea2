"""Which agents communicate: a fixed graph, or a random one for each round."""

from functools import cached_property

import numpy as np

from algorithms.policy_reciprocity.kernels import Readers
from algorithms.policy_reciprocity.parameters import ERDOS_RENYI, drawn_anew
from orchestrator.core import Graph, kernel, member_streams, named_graph, symmetric_eigen, uniform


class Links:
    """A communication graph given by name. Raises ``UserError`` for a name that does not fit the number of agents."""

    def __init__(self, name: str, agents: int):
        self.name, self.agents = name, agents
        self.random = drawn_anew(name)
        self.chance = float(name.removeprefix(ERDOS_RENYI)) if self.random else 1.0
        self.complete = name == "complete"
        self._graph = None if self.random or self.complete else named_graph(name, agents)

    def start(self, seed: int) -> np.ndarray:
        """State of the stream that draws graphs, uint64 [1, 4]."""
        return member_streams(seed, "coordinator", "graph", [0])

    def draw(self, state: np.ndarray) -> tuple[Graph, np.ndarray]:
        """The graph of a round, and the state of the stream after it."""
        if self._graph is not None:
            return self._graph, state
        state = state.copy()
        edges = np.argwhere(_drawn(self.agents, self.chance, state))
        return Graph(self.agents, [(int(i), int(j)) for i, j in edges]), state

    def readers(self, all_as_well: bool = False) -> Readers:
        """On the complete graph one receiver that reads all agents, else one receiver per agent.

        ``all_as_well`` appends a receiver that reads all agents to those of a graph.
        """
        everyone = np.arange(self.agents)
        if self._graph is None:
            return Readers(np.array([0, self.agents]), everyone)
        indptr, indices = self._graph.within(1)
        if all_as_well:
            indptr, indices = np.append(indptr, indptr[-1] + self.agents), np.append(indices, everyone)
        return Readers(indptr, indices)

    @cached_property
    def connectivity(self) -> float:
        """lambda_2 of I - mean W. W averages each agent with its neighbours: 1 if complete, 0 if not connected.

        For random graphs: lambda_2 of the Laplacian of the complete graph times P / N. This is the value of the mean
        graph if the randomness of the degrees is ignored.
        """
        if self.agents == 1 or self.complete:
            return 1.0
        if self._graph is None:
            return self.chance
        laplacian = self._graph.laplacian()
        root = np.sqrt(np.diag(laplacian) + 1.0)
        alike = laplacian / root[:, None] / root  # the eigenvalues of I - mean W, which is not symmetric
        return float(symmetric_eigen(alike)[0][1])

    def warnings(self) -> list[str]:
        """A sentence if the graph is not connected on average, as Assumption 3 requires."""
        if self.agents > 1 and self.connectivity < 1e-12:
            return [f"graph {self.name} is not connected on average, which Assumption 3 of arXiv:2304.05632 needs."]
        return []


@kernel
def _drawn(n, chance, rng):
    """Edges i < j of an Erdos-Renyi graph, bool [n, n]; one draw per pair."""
    edges = np.zeros((n, n), np.bool_)
    for i in range(n):
        for j in range(i + 1, n):
            edges[i, j] = uniform(rng, 0) < chance
    return edges
