"""SUBSAMPLE-Q: value iteration of a global agent on histograms of k sampled local states (arXiv:2412.00661)."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from algorithms.mean_field.cells import Cells
from envs import histograms
from envs.mean_field import MOST_OPERATIONS
from orchestrator.blocks import Block
from orchestrator.config import Parameters
from orchestrator.errors import UserError
from orchestrator.kernels import ordered_mean, ordered_sum
from orchestrator.rounds import Call, Conversation, Coordinator

#: Bytes of a table at the most, and the change of V at which sweeps with exact expectations have come to rest.
MOST_BYTES, SETTLED = 4e9, 1e-13


def _infinite(value: Any) -> Any:
    """YAML and the command line read inf as a number."""
    return "inf" if value == math.inf else value


class SubsampleQParameters(Parameters):
    """How many local agents the global one sees, and how expectations are taken."""

    k: int = Field(5, ge=1, description="local agents that the global one sees, drawn afresh each step")
    samples: Annotated[Annotated[int, Field(ge=1)] | Literal["inf"], BeforeValidator(_infinite)] = Field(
        "inf", description="draws m a backup and sweep; inf: exact expectations"
    )


class SubsampleQ(Coordinator):
    """Learns Q(s_g, F, a_g), F the histogram of k local states, as if there were k local agents; plays it with n.

    A round is one Bellman sweep over all (s_g, F), the local policy fixed:

        Q <- r_g + sum_j F_j r_l(j, s_g) / k + (gamma / m) sum over m draws of max_a' Q(s_g', F', a').

    Deployed, the global agent draws k of the n local agents without replacement at each step and acts greedily, ties
    at random. Its value is compared with that of the best policy which sees all n, exactly: no noise enters with
    ``samples: inf``. k = n is the full mean field, k = 1 sees a single agent.
    """

    name = "subsample-q"
    version = 1
    Parameters = SubsampleQParameters
    kinds = ("mean-field",)
    persistent: ClassVar[tuple[str, ...]] = ("values", "change")
    metrics: ClassVar[Mapping[str, str]] = {
        "gap_full_sup": "largest V* - V over (s_g, histogram), V* of the global agent that sees everyone",
        "gap_full_mean": "mean V* - V at the start",
        "return": "discounted return of the deployed policy from the start",
        "subsampling": "sqrt((n - k) / (n k)), how far a sample without replacement is from the population",
        "cells": "C(k + S - 1, S - 1), histograms of k local states",
        "change": "largest change of V in the last sweep",
        "bias": "mean of V less the exact V of k agents, over (s_g, F); of finitely many samples alone",
    }

    def __init__(self, parameters: Any, problem: Any, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        if problem is None:
            return
        k, states = parameters.k, problem.local_states
        if k > agents:
            raise UserError(f"k is {k}; of {agents} local agents the global one can see 1 to {agents}.")
        if not problem.lumpable:
            raise UserError(
                f"agents is {agents}: the exact gap needs {problem.operations(agents):.0e} multiplications; up to "
                f"{MOST_OPERATIONS:.0e} are done. About {self._most(agents)} agents would fit."
            )
        if parameters.samples == "inf" and problem.operations(k) > MOST_OPERATIONS:
            raise UserError(
                f"k is {k}: exact expectations (samples: inf) need {problem.operations(k):.0e} multiplications; up to"
                f" {MOST_OPERATIONS:.0e} are done. k up to {self._most(k)} would fit, or a number of samples."
            )
        if self._table(k) > MOST_BYTES:
            fit = next(j for j in range(k, 0, -1) if self._table(j) <= MOST_BYTES)
            raise UserError(
                f"k is {k}: a table of {histograms.histograms(k, states):.0e} histograms takes"
                f" {self._table(k) / 1e9:.0f} GB; k up to {fit} would fit into {MOST_BYTES / 1e9:.0f} GB."
            )

    def _most(self, below: int) -> int:
        """The largest number of members whose moves are within reach."""
        return next((j for j in range(below, 0, -1) if self.problem.operations(j) <= MOST_OPERATIONS), 1)

    def _table(self, k: int) -> float:
        """Bytes of Q, V and, with exact expectations, the moves."""
        problem = self.problem
        cells = float(histograms.histograms(k, problem.local_states))
        moves = cells if self.parameters.samples == "inf" else 0.0
        return 8.0 * cells * problem.global_states * (2 * problem.global_actions + 3 + moves)

    @property
    def memory(self) -> float:
        return self._table(self.parameters.k)

    @property
    def cells(self) -> int:
        """Histograms of k local states."""
        return histograms.histograms(self.parameters.k, self.problem.local_states)

    @classmethod
    def metrics_for(cls, parameters: Any, environment: Any) -> tuple[str, ...]:
        """The bias is one of draws: with exact expectations there is none to measure."""
        return tuple(name for name in cls.metrics if name != "bias" or parameters.samples != "inf")

    @cached_property
    def exact(self) -> np.ndarray:
        """V [cells, G] of k agents who are all seen: what sweeps with exact expectations come to."""
        problem = self.problem
        return type(problem)(problem.parameters, self.parameters.k, problem.instance).best

    def warnings(self) -> Sequence[str]:
        if self.parameters.k % 2 == 0:
            return [f"k is {self.parameters.k}, an even number: samples can tie, and ties are broken at random."]
        return []

    def groups(self) -> Mapping[str, int]:
        return {"cells": self.cells}

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"cells": Cells}

    def start(self) -> None:
        """V = 0."""
        self.values = np.zeros((self.cells, self.problem.global_states))
        self.change = math.inf

    def round(self) -> Conversation:
        # A sweep's transitions are imagined ones, one for every draw; exact expectations take one of each.
        problem, samples = self.problem, self.parameters.samples
        steps = problem.global_states * problem.global_actions * (1 if samples == "inf" else samples)
        reply = yield Call("sweep", on="cells", shared={"values": self.values}, agent_steps=steps)
        self.change = float(np.abs(reply["values"] - self.values).max())
        self.values = np.array(reply["values"])
        self.done = samples == "inf" and self.change <= SETTLED * max(1.0, float(np.abs(self.values).max()))

    def measure(self) -> Conversation:
        policy = (yield Call("greedy", on="cells"))["policy"]
        problem, k = self.problem, self.parameters.k
        sampled = histograms.enumerated(k, problem.local_states)
        value = problem.value(problem.deployed(np.array(policy), sampled))
        gap = problem.best - value
        found = {
            "gap_full_sup": float(gap.max()),
            "gap_full_mean": float(ordered_sum((problem.start * gap).reshape(-1))),
            "return": float(ordered_sum((problem.start * value).reshape(-1))),
            "subsampling": math.sqrt((self.agents - k) / (self.agents * k)),
            "cells": float(self.cells),
            "change": self.change if math.isfinite(self.change) else float(np.abs(self.values).max()),
        }
        if self.parameters.samples != "inf":
            found["bias"] = float(ordered_mean((self.values - self.exact).reshape(-1)))
        return found
