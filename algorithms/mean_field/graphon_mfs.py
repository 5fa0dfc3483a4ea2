"""GMFS: Q-learning on kappa neighbours drawn by graphon weight, a table for all agents (arXiv:2602.16196).

Source: arXiv:2602.16196, from the authors' code. Known: Q over (s, histogram of kappa neighbours, a), kappa drawn with
replacement in proportion to the graphon's weights. Reconstructed: how the neighbours move in a backup (``follow``),
ties split evenly, the start.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from algorithms.mean_field.graphon_blocks import GraphonAgents, GraphonCells
from algorithms.mean_field.parameters import GraphonMFSParameters
from algorithms.mean_field.subsampling import LABELS, SETTLED, check_expectations, check_table
from envs.graphon.graphon_robots import GraphonRobots, GraphonRobotsParameters
from envs.mean_field import histograms
from orchestrator.core import Block, Call, Conversation, Coordinator, ordered_mean

#: Largest number of multiplications of an exact sweep.
MOST_OPERATIONS = 1e9


class GraphonMFS(Coordinator[GraphonMFSParameters, GraphonRobots]):
    """Learns Q(s, F, a) for agents of a graphon, F the histogram of kappa neighbours' states; all play the same table.

    A round is one Bellman sweep over all (s, F, a),

        Q(s, F, a) <- r(s, F / kappa, a) + gamma E[max_a' Q(s', F', a')],   s' ~ P(. | s, F / kappa, a).

    Reconstructed: where F' comes from. The kappa neighbours move independently, one in state j by the action greedy in
    the present Q at (j, F), as if F / kappa were its own neighbourhood too, ties split evenly. As these actions change
    with Q, a sweep is not a contraction: it may cycle. Then ``rounds`` ends the run and ``change`` does not go to 0. On
    the robots at gamma = .95 it cycles with period two: in one sweep agents who see few others at work go to work, in
    the next nobody works, and the parity of ``rounds`` decides which policy is deployed. With ``follow: average``,
    which is ours, neighbours follow the mean of all greedy policies so far, and so do deployed agents: fictitious play,
    which does not flip.

    Deployed, every agent draws kappa neighbours afresh at each step, with replacement and in proportion to W, and acts
    greedily, ties at random. On block graphons that are small enough its value is exact, and compared with that of the
    best joint policy, which sees everyone.
    """

    name = "graphon-mfs"
    version = 1
    Parameters = GraphonMFSParameters
    kinds = ("graphon-mean-field",)
    scores = ("return", "return_simulated")
    labels = LABELS
    persistent: ClassVar[tuple[str, ...]] = ("values", "change")
    metrics: ClassVar[Mapping[str, str]] = {
        "return_simulated": "mean over agents and episodes of the discounted return of `steps` steps from the start",
        "return": "discounted return, mean over agents, from the start, exact and without an end; block graphons",
        "gap_full_sup": "largest V* - V over the counts in all blocks, V* of the best joint policy that sees everyone",
        "gap_full_mean": "mean V* - V at the start",
        "cells": "C(kappa + S - 1, S - 1), histograms of kappa neighbours",
        "change": "largest change of V in the last sweep; stays up where the sweeps cycle",
    }

    def __init__(self, parameters: GraphonMFSParameters, problem: GraphonRobots, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        if parameters.samples == "inf":
            check_expectations("kappa", parameters.kappa, self._operations, MOST_OPERATIONS)
        check_table("kappa", parameters.kappa, self._rows, self._table)

    def _rows(self, kappa: int) -> float:
        """Histograms of so many neighbours."""
        return float(histograms.histograms(kappa, self.problem.states))

    def _operations(self, kappa: int) -> float:
        """Multiplications of an exact sweep in which all greedy actions have changed."""
        states = self.problem.states
        cells = self._rows(kappa)
        return histograms.move_operations(kappa, states) + states * cells**2

    def _table(self, kappa: int) -> float:
        """Bytes of Q, V, the model and, with exact expectations, the moves."""
        states, actions = self.problem.states, self.problem.actions
        cells = self._rows(kappa)
        moves = cells if self.parameters.samples == "inf" else 0.0
        return 8.0 * cells * (states * (actions * (3 + states) + 2 * states + 3) + moves)

    @property
    def memory(self) -> float:
        return self._table(self.parameters.kappa) + 24.0 * self.agents * self.parameters.rollouts

    @property
    def cells(self) -> int:
        """Histograms of kappa neighbours."""
        return histograms.histograms(self.parameters.kappa, self.problem.states)

    @classmethod
    def metrics_for(
        cls, parameters: GraphonMFSParameters, environment: GraphonRobotsParameters, agents: int
    ) -> tuple[str, ...]:
        """Exact values where the counts in blocks are an exact lumping within reach; else the simulated return."""
        left_out = set() if environment.lumpable(agents) else {"return"}
        if not environment.solvable(agents):
            left_out |= {"gap_full_sup", "gap_full_mean"}
        return tuple(name for name in cls.metrics if name not in left_out)

    def warnings(self) -> Sequence[str]:
        environment = self.problem.parameters
        if environment.graphon == "block" and not environment.solvable(self.agents):
            what = "the gap is" if environment.lumpable(self.agents) else "the exact return and the gap are"
            return [f"agents is {self.agents}: {what} out of reach of exact arithmetic and left out."]
        return []

    def groups(self) -> Mapping[str, int]:
        return {"agents": self.agents, "cells": self.cells}

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": GraphonAgents, "cells": GraphonCells}

    def start(self) -> None:
        """V = 0."""
        self.values, self.change = np.zeros((self.cells, self.problem.states)), 0.0

    def round(self) -> Conversation:
        # A sweep's transitions are imagined ones, one for every draw; exact expectations take one of each.
        problem, samples = self.problem, self.parameters.samples
        steps = problem.states * problem.actions * (1 if samples == "inf" else samples)
        sent = {"values": self.values, "before": self.completed}
        reply = yield Call("sweep", on="cells", shared=sent, agent_steps=steps)
        self.change = float(np.abs(reply["values"] - self.values).max())
        self.values = np.array(reply["values"])
        self.done = samples == "inf" and self.change <= SETTLED * max(1.0, float(np.abs(self.values).max()))

    def measure(self) -> Conversation:
        policy = (yield Call("deployed", on="cells"))["policy"]
        returns = yield from self._played(policy)
        metrics = {
            "return_simulated": float(ordered_mean(returns)),
            "cells": float(self.cells),
            "change": self.change,
        }
        names = self.metrics_for(self.parameters, self.problem.parameters, self.agents)
        if "return" in names:
            value, lumping = self._value(np.array(policy)), self.problem.lumping
            metrics["return"] = lumping.at_start(value)
            if "gap_full_sup" in names:
                gap = lumping.best - value
                metrics |= {"gap_full_sup": float(gap.max()), "gap_full_mean": lumping.at_start(gap)}
        return metrics

    def measure_agents(self) -> Conversation:
        policy = (yield Call("deployed", on="cells"))["policy"]
        return {"return_simulated": (yield from self._played(policy))}

    def _played(self, policy: np.ndarray) -> Conversation:
        """Episodes of all agents with the deployed ``policy`` [cells, S, A]; returns each one's mean return, [N]."""
        reply = yield Call("arrive", shared={"policy": policy})
        for _ in range(self.parameters.steps):
            reply = yield Call("step", shared={"states": reply["states"]})
        return (yield Call("returns"))["returns"]

    def _value(self, policy: np.ndarray) -> np.ndarray:
        """The deployed ``policy``'s exact V; kept, since with exact expectations all seeds come to the same policy."""
        problem, kappa = self.problem, self.parameters.kappa

        def make() -> np.ndarray:
            shown = histograms.enumerated(kappa, problem.states)
            return problem.lumping.value(problem.lumping.action_chances(policy, shown))

        size = 8.0 * len(problem.lumping.counts) + policy.nbytes
        return problem.cache.get("values", (kappa, policy.tobytes()), make, size)
