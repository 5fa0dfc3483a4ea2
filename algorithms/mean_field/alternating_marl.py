"""ALTERNATING-MARL: the global agent and the local ones learn in turn, each against the other (arXiv:2603.03759).

Source: arXiv:2603.03759. Known: global and local learning in turn, each judged by the team's value and 2 eta.
Reconstructed: the local learners; all policies start uniform; values are compared on common random numbers.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

import numpy as np

from algorithms.mean_field import gaps
from algorithms.mean_field.cells import Cells
from algorithms.mean_field.parameters import AlternatingMARLParameters
from algorithms.mean_field.responses import Responses
from algorithms.mean_field.subsampling import SIMULATED, SIZES
from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem
from envs.mean_field.lumping import QUICK
from orchestrator.core import Block, Call, Conversation
from orchestrator.errors import UserError


class Phase(StrEnum):
    """What the next round does."""

    LEARN = "learn"  #: a sweep of the global agent's turn
    RESPOND = "respond"  #: the local agents' turn
    FINISH = "finish"  #: a sweep of the global agent's last turn


class AlternatingMARL(Responses):
    """G-LEARN and L-LEARN in turn, each accepted or refused by UPDATE, starting from the uniform local policy.

    G-LEARN is SUBSAMPLE-Q against the current local policy pi_l; a round is one Bellman sweep. L-LEARN searches for the
    best shared deterministic pi_l(a | s_i, s_g) against the current global policy pi_g of k sampled states. UPDATE
    accepts a new policy if the team's value at the start rises by more than 2 eta. The alternation stops when a turn of
    both changes nothing, or after ``alternations`` turns. A last G-LEARN against the final pi_l follows. Its policy is
    always kept, without UPDATE. The result is an approximate equilibrium among k-observation global and shared local
    policies.

    Values are exact if the chain of n agents is small enough. Otherwise they are means of simulated episodes of
    ``steps`` steps on common random numbers, and ``eta`` is compared with these means.
    Exact responses try all local policies if there are few. Otherwise they change one (s_i, s_g) at a time while that
    helps, starting from the current policy or the selfish response, whichever is better. Reconstructed: ``selfish``
    and ``k-chain``.
    """

    name = "alternating-marl"
    version = 2
    Parameters = AlternatingMARLParameters
    persistent: ClassVar[tuple[str, ...]] = (
        *Responses.persistent,
        *("policy", "local", "team", "phase", "swept", "changed", "turns", "accepted", "cycles", "pairs"),
    )
    metrics: ClassVar[Mapping[str, str]] = {
        "gap_full_sup": "largest V* - V over (s_g, histogram), V* of a global agent that sees everyone against pi_l",
        "gap_full_mean": "mean V* - V at the start",
        "gap_best_k": "value at the start of the best deterministic policy of s_g and k local states, less that of V",
        "gap_local_shared": "value of the best deterministic local policy against pi_g, less V (a mixed one: < 0)",
        "gap_local_single": "n times what the team gains when one local agent goes over to the best policy of its own",
        "welfare_gap": "value of the best local policy with a global agent that sees everyone, less that of V",
        "return": "discounted return of the present policies from the start",
        **SIMULATED,
        "turns": "turns of both so far",
        "accepted": "policies accepted so far",
        "cycles": "turns that led back to an earlier pair of policies after having left it",
        "cycled": "1 if there was such a turn, else 0",
        **SIZES,
    }

    def __init__(
        self, parameters: AlternatingMARLParameters, problem: MeanFieldProblem, agents: int, rounds: int, seed: int
    ):
        super().__init__(parameters, problem, agents, rounds, seed)
        if not (parameters.eta >= 0 or parameters.eta == -math.inf):
            raise UserError(f"eta is {parameters.eta}; it must be 0 or more, or -inf to accept every new policy.")
        if not self.exact_is_cheap and not parameters.rollouts:
            raise UserError(
                f"rollouts is 0; with {agents} agents policies are judged by simulated episodes, so give some."
            )
        if parameters.local_learner == "k-chain" and not problem.parameters.lumpable(parameters.k, QUICK):
            raise UserError(
                f"k is {parameters.k}; local_learner k-chain solves the chain of k agents, which is too large."
            )

    def calls_per_round(self) -> int:
        """Where policies are judged by episodes, a turn asks about all local ones, or twice about each change of one.

        Spread over the sweeps of a turn, roughly: climbing may take longer, and exact sweeps rest earlier.
        """
        p, problem = self.parameters, self.problem
        if self.exact_is_cheap:
            return 2
        evaluations = 5
        if p.local_learner == "team":
            few, (states, globals_, actions) = gaps.few_local(problem.parameters), problem.local_policy.shape
            evaluations += actions ** (states * globals_) if few else 2 * problem.local_policy.size
        return 2 + math.ceil(evaluations * (2 * p.steps + 2) / p.sweeps)

    def blocks(self) -> Mapping[str, type[Block]]:
        return {**super().blocks(), "cells": Cells}

    @classmethod
    def metrics_for(
        cls, parameters: AlternatingMARLParameters, environment: MeanFieldParameters, agents: int
    ) -> tuple[str, ...]:
        """Gaps where the exact chain is quick and the policies of a class are few."""
        left_out = set()
        if not environment.lumpable(agents, QUICK):
            left_out |= {"gap_full_sup", "gap_full_mean", "return", "gap_best_k"}
        if not gaps.small(environment, parameters.k):
            left_out |= {"gap_best_k"}
        if not environment.lumpable(agents, QUICK) or not gaps.few_local(environment):
            left_out |= {"gap_local_shared", "gap_local_single", "welfare_gap"}
        if agents < 2:
            left_out |= {"gap_local_single"}
        if not parameters.rollouts:
            left_out |= set(SIMULATED)
        return tuple(name for name in cls.metrics if name not in left_out)

    def warnings(self) -> Sequence[str]:
        p, out = self.parameters, list(super().warnings())
        if p.samples != "inf" and 0 < self.rounds < (p.alternations + 1) * (p.sweeps + 1):
            most = (p.alternations + 1) * (p.sweeps + 1)
            out.append(f"rounds is {self.rounds}; {p.alternations} turns and the last one may take {most}.")
        return out

    def start(self) -> None:
        """V = 0, both policies uniform."""
        super().start()
        problem = self.problem
        self.policy = np.full((self.cells, problem.global_states, problem.global_actions), 1 / problem.global_actions)
        self.local = np.array(problem.local_policy)
        self.team = -math.inf
        self.phase = Phase.LEARN
        self.swept, self.turns, self.accepted, self.cycles = 0, 0, 0, 0
        self.changed = False  # whether this turn of both has changed anything so far
        self.pairs = np.zeros(0, np.int64)  # pairs of policies after each turn, hashed

    def load(self, state: Mapping[str, object]) -> None:
        super().load(state)
        self.phase = Phase(self.phase)  # checkpoints hold it as a word

    def round(self) -> Conversation:
        if self.phase == Phase.RESPOND:
            yield from self.respond()
            return
        sent = {"values": self.values, "local": self.local}
        reply = yield Call("sweep", on="cells", shared=sent, agent_steps=self.sweep_steps)
        self.improve(reply["values"])
        self.swept += 1
        if self.at_rest or self.swept >= self.parameters.sweeps:
            yield from self.take_up()

    def take_up(self) -> Conversation:
        """UPDATE of the global policy, after its turn."""
        policy = np.array((yield Call("greedy", on="cells"))["policy"])
        self.swept = 0
        if self.phase == Phase.FINISH:
            self.policy, self.done = policy, True
            return
        if self.team == -math.inf:
            self.team = yield from self.value(self.policy, self.local)
        team = yield from self.value(policy, self.local)
        self.changed = self.better(team)
        if self.changed:
            self.policy, self.team, self.accepted = policy, team, self.accepted + 1
        self.phase = Phase.RESPOND

    def respond(self) -> Conversation:
        """L-LEARN and UPDATE of the local policy, in one round."""
        local = yield from self.response()
        team = yield from self.value(self.policy, local)
        if self.better(team):
            self.local, self.team, self.accepted, self.changed = local, team, self.accepted + 1, True
        self.turns += 1
        self.remember()
        self.phase = Phase.LEARN if self.changed and self.turns < self.parameters.alternations else Phase.FINISH

    def better(self, team: float) -> bool:
        """UPDATE's rule."""
        return team - self.team > 2 * self.parameters.eta

    def remember(self) -> None:
        """Note the present pair of policies, and whether this turn led back to one that had been left."""
        both = hashlib.sha256(self.policy.tobytes() + self.local.tobytes()).digest()
        pair = np.frombuffer(both[:8], np.int64)
        self.cycles += bool(len(self.pairs) and pair[0] != self.pairs[-1] and pair[0] in self.pairs)
        self.pairs = np.concatenate([self.pairs, pair])

    def measure(self) -> Conversation:
        problem, k = self.problem, self.parameters.k
        names = self.metrics_for(self.parameters, problem.parameters, self.agents)
        metrics = self.sizes() | {
            "turns": float(self.turns),
            "accepted": float(self.accepted),
            "cycles": float(self.cycles),
            "cycled": float(self.cycles > 0),
        }
        if "return" in names:
            lumping = problem.lumping(self.local)
            value = lumping.value(lumping.deployed(self.policy, k))
            present = lumping.at_start(value)
            metrics |= gaps.global_gaps(lumping, value) | {"return": present}
            if "gap_best_k" in names:
                metrics["gap_best_k"] = gaps.best_of_k(lumping, k) - present
            if "gap_local_shared" in names:
                metrics["gap_local_shared"] = gaps.best_shared(problem, self.policy, k) - present
                metrics["welfare_gap"] = gaps.best_welfare(problem) - present
            if "gap_local_single" in names:
                alone = gaps.best_single(problem, self.policy, self.local, k)
                metrics["gap_local_single"] = self.agents * (alone - present)
        if "return_simulated" in names:
            metrics["return_simulated"] = yield from self.simulated(self.policy, local=self.local)
        return metrics
