"""SUBSAMPLE-Q: value iteration of a global agent on histograms of k sampled local states (arXiv:2412.00661).

Source: arXiv:2412.00661. Known: the backup on histograms of k local states, k drawn afresh each step without
replacement. Reconstructed: V starts at 0, ties are split evenly, the start (s_g and local states uniform).
"""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from algorithms.mean_field.cells import Cells
from algorithms.mean_field.gaps import best_of_k, global_gaps, small
from algorithms.mean_field.parameters import SubsamplingParameters
from algorithms.mean_field.subsampling import SIMULATED, SIZES, Subsampling
from envs.mean_field.base import MeanFieldParameters
from envs.mean_field.lumping import QUICK
from orchestrator.core import Block, Call, Conversation, ordered_mean


class SubsampleQ(Subsampling[SubsamplingParameters]):
    """Learns Q(s_g, F, a_g), F the histogram of k local states, as if there were k local agents; plays it with n.

    A round is one Bellman sweep over all (s_g, F), the local policy fixed:

        Q <- r_g + sum_j F_j r_l(j, s_g) / k + (gamma / m) sum over m draws of max_a' Q(s_g', F', a').

    Deployed, the global agent draws k of the n local agents without replacement at each step and acts greedily, ties
    at random. If the exact chain of n agents is small enough to compute, its value is compared with that of the best
    policy that sees all n; there is no noise with ``samples: inf``. k = n is the full mean field, and k = 1 sees one
    agent. At round 0, with Q = 0, all actions tie, so the global agent acts at random.
    """

    name = "subsample-q"
    version = 3
    Parameters = SubsamplingParameters
    metrics: ClassVar[Mapping[str, str]] = {
        "gap_full_sup": "largest V* - V over (s_g, histogram), V* of the global agent that sees everyone",
        "gap_full_mean": "mean V* - V at the start",
        "gap_best_k": "value at the start of the best deterministic policy of s_g and k local states, less that of V",
        "return": "discounted return of the deployed policy from the start",
        **SIMULATED,
        **SIZES,
        "bias": "mean of V less the exact V of k agents, over (s_g, F); of finitely many samples alone",
    }

    def blocks(self) -> Mapping[str, type[Block]]:
        return {**super().blocks(), "cells": Cells}

    @classmethod
    def metrics_for(
        cls, parameters: SubsamplingParameters, environment: MeanFieldParameters, agents: int
    ) -> tuple[str, ...]:
        """Gaps where the exact chain is within reach; the bias is one of draws, and wants the exact V of k agents."""
        left_out = set()
        if not environment.lumpable(agents):
            left_out |= {"gap_full_sup", "gap_full_mean", "return", "gap_best_k"}
        if not small(environment, parameters.k):
            left_out |= {"gap_best_k"}
        if not parameters.rollouts:
            left_out |= set(SIMULATED)
        if parameters.samples == "inf" or not environment.lumpable(parameters.k, QUICK):
            left_out |= {"bias"}
        return tuple(name for name in cls.metrics if name not in left_out)

    @cached_property
    def exact(self) -> np.ndarray:
        """V [cells, G] of k agents who are all seen: what sweeps with exact expectations come to."""
        return self.problem.lumping(self.problem.local_policy, self.parameters.k).best

    def round(self) -> Conversation:
        reply = yield Call("sweep", on="cells", shared={"values": self.values}, agent_steps=self.sweep_steps)
        self.improve(reply["values"])
        self.done = self.at_rest

    def measure(self) -> Conversation:
        policy = np.array((yield Call("greedy", on="cells"))["policy"])
        problem, k = self.problem, self.parameters.k
        names = self.metrics_for(self.parameters, problem.parameters, self.agents)
        metrics = self.sizes()
        if "return" in names:
            lumping = problem.lumping(problem.local_policy)
            value = lumping.value(lumping.deployed(policy, k))
            metrics |= global_gaps(lumping, value) | {"return": lumping.at_start(value)}
            if "gap_best_k" in names:
                metrics["gap_best_k"] = best_of_k(lumping, k) - metrics["return"]
        if "return_simulated" in names:
            metrics["return_simulated"] = yield from self.simulated(policy, local=problem.local_policy)
        if "bias" in names:
            metrics["bias"] = float(ordered_mean((self.values - self.exact).reshape(-1)))
        return metrics
