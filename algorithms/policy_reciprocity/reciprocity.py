"""Tabular multi-agent policy reciprocity: Algorithm 1 of arXiv:2304.05632.

Source: arXiv:2304.05632. Known: equations 4 to 6, alpha = beta = .3 (beta = .4 on Landmarks and Blocker), tau_1 = .65,
tau_2 = .35, uniform weights in the experiments. Reconstructed (R): a = .5, b = .3, ``epsilon``, ``kappa`` and its
schedule, ``local_steps``, means over the neighbours that have the state.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar, cast

import numpy as np

from algorithms.policy_reciprocity import measures
from algorithms.policy_reciprocity.adjacency import Metric, Weights, adjacency
from algorithms.policy_reciprocity.kernels import Readers, type_sums
from algorithms.policy_reciprocity.links import Links
from algorithms.policy_reciprocity.parameters import PolicyReciprocityParameters, TabularParameters
from algorithms.policy_reciprocity.rounds import Mixing, mixing_weight, private_rounds, shared_rounds
from algorithms.policy_reciprocity.tables import NOTHING, RoundSettings, TableAgents, Trajectory
from algorithms.policy_reciprocity.team import Stage, TeamAgents, team_rounds
from orchestrator.core import Block, Call, Conversation, Coordinator, Environment, Exchange

Setting = TypeVar("Setting")

#: What the environment of a team replies to a step.
OUTCOME = ("ahead", "row", "reward", "done")


class PolicyReciprocity(Coordinator[TabularParameters]):
    """Agents pull their action values towards those of other agents at the same and at adjacent states.

    A round refreshes Q_* by one communication, then each agent takes E = ``local_steps`` epsilon-greedy steps of

        Q_i <- (1 - alpha_k) Q_i + alpha_k [r_i + gamma max_a' Q_i(s', a')] + beta_k (Q_*,i(s, a) - Q_i(s, a)),
        Q_*,i = kappa mean_j Q_j(s, a) + (1 - kappa) mean_j [W_{i <- j} Q_j](s, a)            (eq. 5 and 6)

    at the visited pair; k is the number of its visits so far. The means run over the agent and its neighbours (as in
    eq. 29) that have the same, or an adjacent, state. beta = 0 is independent Q-learning; kappa = 1 on a graph is
    QD-learning (Kar, Moura and Poor 2013). Equation 12 of the deep variant uses the opposite weights: (1 - kappa) for
    the own value, kappa for those of others.

    On the complete graph every agent sends its table and receives one sum per type of observation. On other graphs
    tables travel along edges. With a shared trajectory (environment digital) the behaviour is epsilon-greedy in the
    mean of all tables. The controller observes all tables; this is not counted as communication.
    Theorem 1 needs tau_1 in (1/2, 1] and 0 < tau_2 < tau_1 - 1/(2 + eps_1). The rewards here are bounded, so all
    moments exist and tau_2 < tau_1 is enough.
    """

    name = "policy-reciprocity"
    version = 2
    Parameters = PolicyReciprocityParameters
    kinds = ("observed-mdp", "team-grid")
    persistent: ClassVar[tuple[str, ...]] = ("sums", "drawn")
    metrics: ClassVar[Mapping[str, str]] = measures.METRICS
    scores = ("return", "return_gap")
    labels = measures.LABELS
    reciprocal: ClassVar[bool] = True

    def __init__(self, parameters: TabularParameters, problem: Environment, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        self.links = Links(self.setting("graph", "complete"), agents)
        self.team = problem.kind == "team-grid"
        self.trajectory = getattr(problem, "shared", False)

    def setting(self, name: str, otherwise: Setting) -> Setting:
        """A parameter, or ``otherwise`` for an algorithm of the family that has no such parameter."""
        return getattr(self.parameters, name, otherwise)

    @classmethod
    def metrics_for(cls, parameters: TabularParameters, environment: measures.Episodic, agents: int) -> tuple[str, ...]:
        """Distances to the optimum if it is known, else returns; lambda_2 if agents communicate."""
        left_out = set() if cls.reciprocal else {"lambda_2"}
        if environment.optimum_known:
            left_out |= {"return", "return_gap"}
        else:
            left_out |= {"optimality_error", "mean_bias"}
        return tuple(name for name in cls.metrics if name not in left_out)

    @classmethod
    def steps_per_round(cls, parameters: TabularParameters) -> float:
        return parameters.local_steps

    def calls_per_round(self) -> int:
        """A team: three calls per round and three per step. Otherwise one call, and one more for a trajectory."""
        return 3 + 3 * self.parameters.local_steps if self.team else 1 + self.trajectory

    def groups(self) -> Mapping[str, int]:
        return {"agents": self.agents} | ({"environment": 1} if self.team or self.trajectory else {})

    def blocks(self) -> Mapping[str, type[Block]]:
        if self.team:
            return {"agents": TeamAgents, "environment": Stage}
        return {"agents": TableAgents} | ({"environment": Trajectory} if self.trajectory else {})

    def start(self) -> None:
        """All tables start at 0, and so do their sums."""
        complete = self.links.complete or self.trajectory
        self.sums = np.zeros((self.problem.types, self.problem.states, self.problem.actions)) if complete else NOTHING
        self.drawn = self.links.start(self.seed)

    @property
    def near(self) -> tuple[Metric, float, Weights]:
        """Metric, level and weights of the adjacency."""
        metric, rho = self.problem.adjacency
        chosen = self.setting("adjacency", None) or metric
        level = self.setting("rho", 0.0)
        return chosen, float(rho if level is None else level), self.setting("weights", "uniform")

    @property
    def fusible(self) -> bool:
        """Not for random graphs: the number of messages differs from round to round."""
        return not self.links.random

    def warnings(self) -> Sequence[str]:
        sentences = []
        p, rates = self.parameters, self.parameters.rates
        if p.alpha is None:
            tau_1, tau_2 = rates["tau_1"], rates["tau_2"]
            if not 0.5 < tau_1 <= 1:
                sentences.append(f"tau_1 is {tau_1:g}; Theorem 1 of arXiv:2304.05632 needs it in (1/2, 1].")
            if self.reciprocal and not 0 < tau_2 < tau_1:
                sentences.append(f"tau_2 is {tau_2:g}; Theorem 1 of arXiv:2304.05632 needs it in (0, tau_1).")
        if self.reciprocal:
            sentences += self.links.warnings()
            if self.setting("kappa", 1.0) < 1 and (alone := adjacency(self.problem, *self.near).isolated()):
                sentences.append(self._isolated(alone))
        return sentences

    def _isolated(self, alone: list[tuple[int, int]]) -> str:
        shown = ", ".join(f"{s} of type {t}" if self.problem.types > 1 else str(s) for t, s in alone[:5])
        more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
        metric, rho, _ = self.near
        own = "state", "has", "keeps its own value"
        if len(alone) > 1:
            own = "states", "have", "keep their own values"
        return f"rho is {rho:g} ({metric}): {own[0]} {shown}{more} {own[1]} no adjacent state and {own[2]}."

    def settings(self) -> RoundSettings:
        """What every agent is sent about a round."""
        p = self.parameters
        kappa = mixing_weight(self.setting("kappa", 1.0), self.setting("kappa_schedule", 0.0), self.completed)
        return RoundSettings(**p.rates, kappa=kappa, epsilon=p.epsilon, steps=p.local_steps, near=self.near)

    def round(self) -> Conversation:
        yield from self._team_round() if self.team else self._round()

    def _round(self) -> Conversation:
        settings = self.settings()
        steps, talks = settings["steps"], settings["beta"] > 0
        sent: dict[str, object] = {**settings, "reply": self.trajectory or (talks and self.links.complete)}
        if self.trajectory:
            # The greedy action of a sum is that of the mean.
            sensed = {"value": self.sums[0], "epsilon": settings["epsilon"], "steps": steps}
            walk = yield Call("walk", on="environment", shared=sensed, sensed=("value", "path"))
            sent["path"] = walk["path"][0]
        if talks and not self.links.complete:
            graph, self.drawn = self.links.draw(self.drawn)
            reply = yield Exchange(
                "rows", "learn_from", graph, shared=sent, agent_steps=steps, sensed=("path", "table")
            )
        else:
            sent |= {"sums": self.sums} if talks else {}
            sensed = ("path",) if talks else ("path", "table")
            reply = yield Call("learn", shared=sent, agent_steps=steps, sensed=sensed)
        if reply is not None:
            self.sums = self._summed(reply["table"])

    def _team_round(self) -> Conversation:
        """As ``_round``, with joint steps: all agents act, the environment steps, all agents learn."""
        settings = self.settings()
        talks = settings["beta"] > 0
        if talks and self.links.complete:
            yield Call("receive_sums", shared={"sums": self.sums})
        elif talks:
            graph, self.drawn = self.links.draw(self.drawn)
            yield Exchange("rows", "receive_rows", graph)
        reply = yield Call("observe", on="environment", sensed=("row",))
        for _ in range(settings["steps"]):
            row = {"row": reply["row"][0]}
            sent = {"epsilon": settings["epsilon"]}
            acted = yield Call("act", shared=sent, scattered=row, agent_steps=1, sensed=("row", "action"))
            reply = yield Call(
                "step", on="environment", shared={"actions": acted["action"]}, sensed=("actions", *OUTCOME)
            )
            outcome = {"reward": float(reply["reward"][0]), "done": bool(reply["done"][0])}
            moved = row | acted | {"ahead": reply["ahead"][0]}
            yield Call("update", shared=settings | outcome, scattered=moved, sensed=tuple(moved))
        if talks and self.links.complete:
            reply = yield Call("tables")
            self.sums = self._summed(reply["table"])

    def _summed(self, tables: np.ndarray) -> np.ndarray:
        everyone = Readers(np.array([0, self.agents]), np.arange(self.agents))
        return type_sums(np.array(tables), self.problem.type_of, everyone, self.problem.types).values[0]

    def leap(self, blocks: Mapping[str, Block], rounds: int) -> None:
        """``rounds`` rounds in one compiled loop."""
        block, types = cast(TableAgents | TeamAgents, blocks["agents"]), self.problem.types
        operators, rates = block.learning(self.settings())
        talks = rates.beta > 0
        mixing = Mixing(self.setting("kappa", 1.0), self.setting("kappa_schedule", 0.0), self.completed)
        if isinstance(block, TeamAgents):
            episode, readers = cast(Stage, blocks["environment"]).episode(), self.links.readers()
            gamma = self.problem.gamma
            sums = team_rounds(rounds, mixing, types, readers, episode, gamma, operators, rates, block.team())
        elif self.trajectory:
            walker, process = cast(Trajectory, blocks["environment"]), block.process()
            sums = shared_rounds(
                rounds,
                mixing,
                types,
                self.links.readers(all_as_well=True),
                process,
                operators,
                rates,
                block.learners(),
                walker.position,
                walker.rng,
            )
        else:
            readers, learners = self.links.readers(), block.learners()
            sums = private_rounds(rounds, mixing, types, readers, block.process(), operators, rates, learners)
        if self.trajectory or (talks and self.links.complete):
            self.sums = sums

    def measure(self) -> Conversation:
        reply = yield Call("tables")
        names = self.metrics_for(self.parameters, self.problem.parameters, self.agents)
        lambda_2 = self.links.connectivity if self.reciprocal else 0.0
        return measures.of_tables(reply["table"], self.problem, self.parameters.temperature, lambda_2, names)

    def measure_agents(self) -> Conversation:
        reply = yield Call("tables")
        return measures.of_agents(reply["table"], self.problem, self.parameters.temperature)
