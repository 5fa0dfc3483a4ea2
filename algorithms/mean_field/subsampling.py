"""What the algorithms on subsampled populations have in common: what they may ask for, their groups, their episodes."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from algorithms.mean_field.population import Overseer, Population, episodes
from envs import histograms
from envs.lumping import MOST_OPERATIONS, operations
from orchestrator.blocks import Block
from orchestrator.config import Parameters
from orchestrator.errors import UserError
from orchestrator.kernels import ordered_mean
from orchestrator.rounds import Conversation, Coordinator

#: Bytes of a table at the most, and the change of V at which sweeps with exact expectations have come to rest: what is
#: left of it, times gamma / (1 - gamma), should not part action values that tie.
MOST_BYTES, SETTLED = 4e9, 1e-14


def _infinite(value: Any) -> Any:
    """YAML and the command line read inf as a number."""
    return "inf" if value == math.inf else value


Samples = Annotated[Annotated[int, Field(ge=1)] | Literal["inf"], BeforeValidator(_infinite)]


class SamplingParameters(Parameters):
    """How many local agents are seen, and how long values are simulated."""

    k: int = Field(5, ge=1, description="local agents that the global one sees, drawn afresh each step")
    rollouts: int = Field(50, ge=0, description="simulated episodes at each record; 0: no simulated return")
    steps: int = Field(50, ge=1, description="steps of an episode")


class SubsamplingParameters(SamplingParameters):
    """What learning on samples takes besides."""

    samples: Samples = Field("inf", description="draws m a backup and sweep; inf: exact expectations")


class Sampling(Coordinator):
    """A global agent that sees k of n local ones. A subclass decides what is played."""

    kinds = ("mean-field",)

    def __init__(self, parameters: Any, problem: Any, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        if problem is not None and parameters.k > agents:
            raise UserError(f"k is {parameters.k}; of {agents} local agents the global one can see 1 to {agents}.")

    def groups(self) -> Mapping[str, int]:
        return {"global": 1, "agents": self.agents}

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"global": Overseer, "agents": Population}

    @property
    def cells(self) -> int:
        """Histograms of k local states."""
        return histograms.histograms(self.parameters.k, self.problem.local_states)

    def simulated(self, policy: np.ndarray, role: str = "episodes", **plays: np.ndarray) -> Conversation:
        """Mean discounted return of ``rollouts`` episodes, local agents playing ``local`` or ``shares``."""
        return float(ordered_mean((yield from self.played(policy, role, **plays))[0]))

    def played(self, policy: np.ndarray, role: str, **plays: np.ndarray) -> Conversation:
        """``episodes`` with random numbers that depend on the seed and the ``role`` alone."""
        p = self.parameters
        return (yield from episodes(self.problem, p.rollouts, p.steps, policy, role, self.stream(role), **plays))

    def warnings(self) -> Sequence[str]:
        problem, out = self.problem, []
        if not problem.lumpable:
            need = operations(self.agents, problem.global_states, problem.local_states)
            out.append(
                f"agents is {self.agents}: exact gaps would need {need:.0e} multiplications and are left out; up to "
                f"{MOST_OPERATIONS:.0e} are done, which about {most_members(problem, self.agents)} agents take."
            )
        return out


class Subsampling(Sampling):
    """Learns a table over histograms of k agents by Bellman sweeps over its cells."""

    #: Local states, or local states with their actions: what the histograms of the table count.
    counts_actions: ClassVar[bool] = False
    persistent: ClassVar[tuple[str, ...]] = ("values", "change")

    def __init__(self, parameters: Any, problem: Any, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        if problem is None:
            return
        k = parameters.k
        if parameters.samples == "inf" and self._operations(k) > MOST_OPERATIONS:
            fit = next((j for j in range(k, 0, -1) if self._operations(j) <= MOST_OPERATIONS), 0)
            raise UserError(
                f"k is {k}: exact expectations (samples: inf) need {self._operations(k):.0e} multiplications; up to"
                f" {MOST_OPERATIONS:.0e} are done. "
                + (f"k up to {fit} would fit, or a" if fit else "Give a")
                + " number of samples."
            )
        if self._table(k) > MOST_BYTES:
            fit = next((j for j in range(k, 0, -1) if self._table(j) <= MOST_BYTES), 0)
            raise UserError(
                f"k is {k}: a table of {self._rows(k):.0e} histograms takes {self._table(k) / 1e9:.0f} GB; "
                + (f"k up to {fit} would fit" if fit else "even k = 1 would not fit")
                + f" into {MOST_BYTES / 1e9:.0f} GB."
            )

    def _classes(self) -> int:
        problem = self.problem
        return problem.local_states * (problem.local_actions if self.counts_actions else 1)

    def _rows(self, k: int) -> float:
        """Histograms of the table."""
        return float(histograms.histograms(k, self._classes()))

    def _operations(self, k: int) -> float:
        """Multiplications for the moves of all rows."""
        problem = self.problem
        convolution = k * (k + 1.0) ** (problem.local_states - 1) * problem.local_states
        return self._rows(k) * problem.global_states * convolution

    def _table(self, k: int) -> float:
        """Bytes of Q, V and, with exact expectations, the moves."""
        problem, rows = self.problem, self._rows(k)
        moves = histograms.histograms(k, problem.local_states) if self.parameters.samples == "inf" else 0.0
        return 8.0 * rows * (problem.global_states * (2 * problem.global_actions + 3 + moves) + self._classes())

    @property
    def memory(self) -> float:
        return self._table(self.parameters.k)

    def groups(self) -> Mapping[str, int]:
        return {**super().groups(), "cells": int(self._rows(self.parameters.k))}

    def start(self) -> None:
        """V = 0."""
        self.values = np.zeros((self.cells, self.problem.global_states))
        self.change = math.inf

    @property
    def sweep_steps(self) -> int:
        """Transitions of a sweep for each member, imagined ones: one a draw; exact expectations take one of each."""
        draws = 1 if self.parameters.samples == "inf" else self.parameters.samples
        return self.problem.global_states * self.problem.global_actions * draws

    def improve(self, values: np.ndarray) -> None:
        """Take over the V that a sweep led to."""
        self.change = float(np.abs(values - self.values).max())
        self.values = np.array(values)

    @property
    def at_rest(self) -> bool:
        """Whether sweeps with exact expectations have come to rest; those on draws never do."""
        largest = max(1.0, float(np.abs(self.values).max()))
        return self.parameters.samples == "inf" and self.change <= SETTLED * largest

    def sizes(self) -> dict[str, float]:
        """Metrics of the sample, the table and its last sweep."""
        n, k = self.agents, self.parameters.k
        return {
            "subsampling": math.sqrt((n - k) / (n * k)),
            "cells": self._rows(k),
            "change": self.change if math.isfinite(self.change) else float(np.abs(self.values).max()),
        }

    def warnings(self) -> Sequence[str]:
        return [*super().warnings(), *self.tie_warnings()]

    def tie_warnings(self) -> Sequence[str]:
        """What an even number of agents means for a policy that follows the majority of them."""
        k = self.parameters.k
        return [f"k is {k}, an even number: samples can tie, and ties are broken at random."] if k % 2 == 0 else []


#: What ``Subsampling.sizes`` and ``Sampling.simulated`` measure.
SIZES: Mapping[str, str] = {
    "subsampling": "sqrt((n - k) / (n k)), how far a sample without replacement is from the population",
    "cells": "rows of the table: histograms of what it counts",
    "change": "largest change of V in the last sweep",
}
SIMULATED: Mapping[str, str] = {
    "return_simulated": "mean discounted return of simulated episodes of the deployed policy",
}


def most_members(problem: Any, below: int) -> int:
    """The largest number of agents whose exact chain is within reach."""
    fits = (j for j in range(below, 0, -1) if problem.parameters.lumpable(j))
    return next(fits, 1)
