"""SUBSAMPLE-MFQ: value iteration on k agents with their actions, and a decentralised policy (arXiv:2412.00661).

Source: arXiv:2412.00661. Known: the backup on k agents' states and actions; every agent acts on k that it sees.
Reconstructed: the first of equally good joint actions is taken; agents of one state share its actions in proportion.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from algorithms.mean_field.cells import TIE, JointCells
from algorithms.mean_field.parameters import SubsamplingParameters
from algorithms.mean_field.subsampling import SIMULATED, SIZES, Subsampling
from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldParameters
from envs.mean_field.joint_lumping import Decentralised, joint_bytes, largest, owners
from envs.mean_field.lumping import start_mean
from orchestrator.core import Block, Call, Conversation, kernel


class SubsampleMFQParameters(SubsamplingParameters):
    """How a local agent takes its action out of the one that is best for the k agents which it sees."""

    action_extraction: Literal["own", "modal"] = Field(
        "own",
        description="own: that of agents in its own state; modal: the action most of the k take, whatever its state",
    )


class SubsampleMFQ(Subsampling[SubsampleMFQParameters]):
    """Learns Q(s_g, F, a_g), F the histogram of k agents' states and actions, and lets every agent act on it.

    A round is one Bellman sweep over all (s_g, F), as if there were k local agents, all observed and controlled:

        Q <- r_g + mean of r_l over F + (gamma / m) sum over m draws of max over a_g', F' of Q(s_g', F', a_g'),

    where F' is any histogram with the drawn states. Agents in the same state are exchangeable, so F holds the same
    information as a table over (s_g, s_Delta, a_g, a_Delta), and as the surrogate Q(s_g, s_1, F_{k-1}, a_1, a_g), which
    is Q(s_g, F_{k-1} + (s_1, a_1), a_g). Both tables are larger, so neither is stored.

    Deployed, the global agent draws k local agents, and each local agent draws k - 1 others. Each looks up the best
    joint action of the k agents that it sees; of several best ones it takes the first, so that agents with the same
    view act alike. A local agent takes one of the actions of the agents in its own state, in proportion (``own``). The
    result is compared with the best under full information if that is small enough to compute.
    """

    name = "subsample-mfq"
    version = 2
    Parameters = SubsampleMFQParameters
    kinds = ("mean-field", "pooled-mean-field")
    counts_actions = True
    metrics: ClassVar[Mapping[str, str]] = {
        "gap_full_sup": "largest V* - V over (s_g, histogram), V* of one who sees and moves all",
        "gap_full_mean": "mean V* - V at the start",
        "return": "discounted return of the deployed policies from the start",
        **SIMULATED,
        **SIZES,
    }

    @property
    def memory(self) -> float:
        sizes = self.problem.parameters.sizes
        exact = self.problem.parameters.jointly_lumpable(self.agents) and self.problem.kind == "mean-field"
        joint = joint_bytes(self.agents, sizes.global_states, sizes.local_states, sizes.local_actions)
        return super().memory + (joint if exact else 0.0)

    def blocks(self) -> Mapping[str, type[Block]]:
        return {**super().blocks(), "cells": JointCells}

    @classmethod
    def metrics_for(
        cls, parameters: SubsampleMFQParameters, environment: MeanFieldParameters, agents: int
    ) -> tuple[str, ...]:
        """Gaps where the exact chain of everyone's states and actions is within reach."""
        left_out = set() if environment.jointly_lumpable(agents) else {"gap_full_sup", "gap_full_mean", "return"}
        if not parameters.rollouts:
            left_out |= set(SIMULATED)
        return tuple(name for name in cls.metrics if name not in left_out)

    def tie_warnings(self) -> Sequence[str]:
        return ()  # the first in order is taken, by everyone

    @property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Histograms of k agents' states and actions, int64 [rows, S B], and the rank of each one's states, [rows]."""
        k, problem = self.parameters.k, self.problem

        def make() -> tuple[np.ndarray, np.ndarray]:
            rows = histograms.enumerated(k, problem.local_states * problem.local_actions)
            return rows, owners(rows, problem.local_actions, k)

        return problem.cache.get("joint tables", k, make)

    def round(self) -> Conversation:
        reply = yield Call("sweep", on="cells", shared={"values": self.values}, agent_steps=self.sweep_steps)
        self.improve(largest(np.array(reply["values"]), self.table[1], self.cells))
        self.done = self.at_rest

    def measure(self) -> Conversation:
        decided = yield Call("decided", on="cells")
        problem, p = self.problem, self.parameters
        policy, shares = self.deployed(decided["value"], decided["action"])
        names = self.metrics_for(p, problem.parameters, self.agents)
        metrics = self.sizes()
        if "return" in names:
            value = Decentralised(problem, policy, shares, p.k).value
            gap = problem.jointly - value
            metrics |= {
                "gap_full_sup": float(gap.max()),
                "gap_full_mean": start_mean(problem.first, gap),
                "return": start_mean(problem.first, value),
            }
        if "return_simulated" in names:
            metrics["return_simulated"] = yield from self.simulated(policy, shares=shares)
        return metrics

    def deployed(self, value: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What agents do that see k: the global one [cells, G, A], local ones [cells, G, S, B], of Q's largest values.

        ``value`` float64 [rows, G] and the global ``action`` int64 [rows, G] that attains it.
        """
        problem, (rows, owner) = self.problem, self.table
        chosen = first_best(np.array(value), owner, self.cells)
        taken = np.take_along_axis(np.array(action), chosen, axis=0)
        policy = np.eye(problem.global_actions)[taken]
        split = rows[chosen].reshape(*chosen.shape, problem.local_states, problem.local_actions)
        if self.parameters.action_extraction == "modal":
            mode = split.sum(axis=2).argmax(axis=2)
            shares = np.repeat(np.eye(problem.local_actions)[mode][:, :, None], problem.local_states, axis=2)
        else:
            inside = split.sum(axis=3, keepdims=True)
            shares = np.where(inside > 0, split / np.maximum(inside, 1), 1.0 / problem.local_actions)
        return np.ascontiguousarray(policy), np.ascontiguousarray(shares)


@kernel
def first_best(value, owner, cells):
    """The first row, int64 [cells, G], among those of each cell whose ``value`` [rows, G] is the largest."""
    most = largest(value, owner, cells)
    out = np.empty((cells, value.shape[1]), np.int64)
    for c in range(cells):
        for g in range(value.shape[1]):
            out[c, g] = -1
    for row in range(value.shape[0]):
        for g in range(value.shape[1]):
            best = most[owner[row], g]
            if out[owner[row], g] < 0 and value[row, g] >= best - TIE * max(1.0, abs(best)):
                out[owner[row], g] = row
    return out
