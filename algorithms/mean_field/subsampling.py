"""What the algorithms on subsampled populations share: limits, groups, episodes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from algorithms.mean_field.population import Overseer, Population, episodes
from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldProblem
from envs.mean_field.lumping import MOST_OPERATIONS, operations
from orchestrator.core import Block, Conversation, Coordinator, Parameters, ordered_mean
from orchestrator.errors import UserError

#: Largest size of a table in bytes, and the change of V at which sweeps with exact expectations end. What is left of
#: the change, times gamma / (1 - gamma), should not separate action values that tie.
MOST_BYTES, SETTLED = 4e9, 1e-14


def _infinite(value: object) -> object:
    """YAML and the command line read inf as a number."""
    return "inf" if value == math.inf else value


Samples = Annotated[Annotated[int, Field(ge=1)] | Literal["inf"], BeforeValidator(_infinite)]


#: The metrics of ``Subsampling.sizes`` and ``Subsampling.simulated``.
SIZES: Mapping[str, str] = {
    "subsampling": "sqrt((n - k) / (n k)), how far a sample without replacement is from the population",
    "cells": "rows of the table: histograms of what it counts",
    "change": "largest change of V in the last sweep",
}
SIMULATED: Mapping[str, str] = {
    "return_simulated": "mean discounted return of simulated episodes of the deployed policy",
}
#: Labels of the axes, by metric.
LABELS: Mapping[str, str] = {
    "subsampling": "√((n − k) / (nk))",
    "cells": "rows of the table",
    "change": "largest change of V in a sweep",
    "bias": "bias of V",
    "gap_full_sup": "largest gap V* − V",
    "gap_full_mean": "gap V* − V at the start",
    "gap_best_k": "gap to the best policy of k",
    "gap_local_shared": "gain by deviating together",
    "gap_local_single": "n × gain by deviating alone",
    "welfare_gap": "welfare gap",
    "return": "discounted return",
    "return_simulated": "discounted return, simulated",
}


class SubsamplingParameters(Parameters):
    """How many local agents are seen, how expectations are taken, and how long values are simulated."""

    k: int = Field(5, ge=1, description="local agents that the global one sees, drawn afresh each step")
    rollouts: int = Field(50, ge=0, description="simulated episodes at each record; 0: no simulated return")
    steps: int = Field(50, ge=1, description="steps of an episode")
    samples: Samples = Field("inf", description="draws m a backup and sweep; inf: exact expectations")


class Subsampling(Coordinator):
    """A global agent that sees k of n local ones learns a table over their histograms by Bellman sweeps."""

    kinds = ("mean-field",)
    scores = ("return", "return_simulated")
    labels = LABELS
    #: Local states, or local states with their actions: what the histograms of the table count.
    counts_actions: ClassVar[bool] = False
    persistent: ClassVar[tuple[str, ...]] = ("values", "change")

    def __init__(self, parameters: Any, problem: MeanFieldProblem, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        if parameters.k > agents:
            raise UserError(f"k is {parameters.k}; of {agents} local agents the global one can see 1 to {agents}.")
        if parameters.samples == "inf":
            check_expectations("k", parameters.k, self._operations, MOST_OPERATIONS)
        check_table("k", parameters.k, self._rows, self._table)

    def _classes(self) -> int:
        problem = self.problem
        return problem.local_states * (problem.local_actions if self.counts_actions else 1)

    def _rows(self, k: int) -> float:
        """Histograms of the table."""
        return float(histograms.histograms(k, self._classes()))

    def _operations(self, k: int) -> float:
        """Multiplications for the moves of all rows."""
        return operations(k, self.problem.global_states, self.problem.local_states, self._classes())

    def _table(self, k: int) -> float:
        """Bytes of Q, V and, with exact expectations, the moves."""
        problem, rows = self.problem, self._rows(k)
        moves = histograms.histograms(k, problem.local_states) if self.parameters.samples == "inf" else 0.0
        return 8.0 * rows * (problem.global_states * (2 * problem.global_actions + 3 + moves) + self._classes())

    @property
    def memory(self) -> float:
        return self._table(self.parameters.k)

    @property
    def cells(self) -> int:
        """Histograms of k local states."""
        return histograms.histograms(self.parameters.k, self.problem.local_states)

    def groups(self) -> Mapping[str, int]:
        return {"global": 1, "agents": self.agents, "cells": int(self._rows(self.parameters.k))}

    def blocks(self) -> Mapping[str, type[Block]]:
        """Without that of the cells."""
        return {"global": Overseer, "agents": Population}

    def simulated(self, policy: np.ndarray, role: str = "episodes", **plays: np.ndarray) -> Conversation:
        """Mean discounted return of ``rollouts`` episodes, local agents playing ``local`` or ``shares``."""
        return float(ordered_mean((yield from self.played(policy, role, **plays))[0]))

    def played(self, policy: np.ndarray, role: str, **plays: np.ndarray) -> Conversation:
        """``episodes`` with random numbers that depend on the seed and the ``role`` alone."""
        p = self.parameters
        return (yield from episodes(self.problem, p.rollouts, p.steps, policy, role, self.stream(role), **plays))

    def start(self) -> None:
        """V = 0."""
        self.values = np.zeros((self.cells, self.problem.global_states))
        self.change = math.inf

    @property
    def sweep_steps(self) -> int:
        """Simulated transitions of a sweep for each member: one per draw; exact expectations count one of each."""
        draws = 1 if self.parameters.samples == "inf" else self.parameters.samples
        return self.problem.global_states * self.problem.global_actions * draws

    def improve(self, values: np.ndarray) -> None:
        """Take over the V that a sweep led to."""
        self.change = float(np.abs(values - self.values).max())
        self.values = np.array(values)

    @property
    def at_rest(self) -> bool:
        """Whether sweeps with exact expectations have converged; sweeps on draws never do."""
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
        return [*self.reach_warnings(), *self.tie_warnings()]

    def reach_warnings(self) -> Sequence[str]:
        """A warning where there are too many agents for the exact chain."""
        problem = self.problem
        if problem.lumpable:
            return []
        need = operations(self.agents, problem.global_states, problem.local_states)
        fit = most_within(
            lambda j: operations(j, problem.global_states, problem.local_states), MOST_OPERATIONS, self.agents
        )
        sentence = (
            f"agents is {self.agents}: exact gaps would need {need:.0e} multiplications and are left out; up to "
            f"{MOST_OPERATIONS:.0e} are done, which about {fit} agents take."
        )
        return [sentence]

    def tie_warnings(self) -> Sequence[str]:
        """A warning where k is even, for a policy that follows the majority."""
        k = self.parameters.k
        return [f"k is {k}, an even number: samples can tie, and ties are broken at random."] if k % 2 == 0 else []


def check_expectations(field: str, value: int, cost: Callable[[int], float], most: float) -> None:
    """Raise UserError, with what would fit, where exact expectations ``cost`` more than ``most`` multiplications."""
    if cost(value) > most:
        fit = most_within(cost, most, value)
        raise UserError(
            f"{field} is {value}: exact expectations (samples: inf) need {cost(value):.0e} multiplications; up to"
            f" {most:.0e} are done. "
            + (f"{field} up to {fit} would fit, or a" if fit else "Give a")
            + " number of samples."
        )


def check_table(field: str, value: int, rows: Callable[[int], float], size: Callable[[int], float]) -> None:
    """Raise UserError where the table's ``size`` in bytes is more than MOST_BYTES, with what would fit."""
    if size(value) > MOST_BYTES:
        fit = most_within(size, MOST_BYTES, value)
        raise UserError(
            f"{field} is {value}: a table of {rows(value):.0e} histograms takes {size(value) / 1e9:.0f} GB; "
            + (f"{field} up to {fit} would fit" if fit else f"even {field} = 1 would not fit")
            + f" into {MOST_BYTES / 1e9:.0f} GB."
        )


def most_within(cost: Callable[[int], float], limit: float, below: int) -> int:
    """The largest number under ``below`` whose ``cost``, which grows with it, is within ``limit``; 0 if none is."""
    least, most = 0, below
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if cost(middle) <= limit else (least, middle)
    return least
