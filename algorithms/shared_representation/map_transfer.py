"""The value of a learned map for other agents: it is frozen, and heads are refitted in unseen environments.

Source: the generalisation experiment of arXiv:2411.15014. Known: in an unseen environment only the head is refitted.
Reconstructed: the linear setting, sizes, step sizes, baselines.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, Field

from algorithms.shared_representation.kernels import projected, server_step
from algorithms.shared_representation.linear_td import INITIAL_HEAD, LinearTD, LinearTDAgents
from algorithms.shared_representation.pfedtd_rep import PFedTDRepParameters
from algorithms.shared_representation.shared_head_td import SharedHeadAgents
from algorithms.shared_representation.shared_map import SharedMapTD
from envs.linear import kernels
from envs.linear.base import LinearBlock, LinearProblem
from envs.linear.reward_processes import LinearMRP
from orchestrator.core import Block, Call, Conversation, mean_rows, normals

Problem = TypeVar("Problem", bound=LinearProblem)


class MapTransferParameters(PFedTDRepParameters):
    """Where the map comes from, how long it is learned, and how the heads of the held-out agents are refitted."""

    source: Literal["pfedtd-rep", "fedavg", "random", "scratch", "oracle"] = Field(
        "pfedtd-rep",
        description="origin of the frozen map: learned with private heads (pfedtd-rep) or with one shared head"
        " (fedavg), drawn at random, the true basis (oracle), or none, the whole parameter vector learned (scratch)",
    )
    held_out: int = Field(8, ge=1, description="agents H that take no part in learning the map")
    pretraining: int = Field(10_000, ge=0, description="rounds for which the map is learned, where it is learned")
    refit_rounds: int = Field(160, ge=1, description="rounds of K samples for which the held-out heads are refitted")
    refit_alpha: float = Field(0.1, gt=0, description="head step size of the held-out agents, constant")


class HeldOutAgents(LinearTDAgents[MapTransferParameters]):
    """n agents in environments that were not used for learning, on a frozen map.

    ``features`` is Phi B for each of them, [n, S, r]: state has the member as leading axis.
    """

    persistent = ("head", "gain", "position", "features")

    @property
    def width(self) -> int:
        return self.problem.features if self.parameters.source == "scratch" else self.problem.rank

    @cached_property
    def env(self) -> LinearBlock:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The tables of these members: processes after those of the learning agents."""
        first = self.problem.process_count
        wide = widened(self.problem, self.parameters.held_out)
        return wide.block(range(first + self.members.start, first + self.members.stop))

    def start(self) -> None:
        super().start()
        self.features = self.zeros(self.problem.states, self.width)

    def take(self, basis: np.ndarray) -> None:
        """Freeze the map [d, r]."""
        self.features = np.tile(projected(self.env.phi, np.array(basis)), (self.n, 1, 1))

    def refit(self, alpha: float, gain_step: float, steps: int) -> None:
        """``steps`` TD steps of the heads."""
        self.learn_heads(self.features[0], alpha, gain_step, steps)


def widened(problem: Problem, held_out: int) -> Problem:
    """The same problem with ``held_out`` more processes. Process p does not depend on their number."""
    parameters = problem.parameters.model_copy(update={"processes": 0})
    return type(problem)(parameters, problem.process_count + held_out, problem.instance)


class MapTransfer(SharedMapTD[MapTransferParameters]):
    """Generalisation to unseen environments (arXiv:2411.15014), in two phases.

    First the group ``agents`` learns the map for ``pretraining`` rounds of K + 1 samples each. Then the map is frozen
    and sent once to the group ``held_out``. Its heads are refitted for ``refit_rounds`` rounds of K samples, without
    communication. Then the run ends, even if ``rounds`` is larger.
    """

    name = "map-transfer"
    Parameters = MapTransferParameters
    persistent = ("basis", "head", "trained", "refitted")
    fresh = True
    rescaled = True
    leap: ClassVar[None] = None  # its rounds are not alike
    metrics: ClassVar[Mapping[str, str]] = {
        "subspace_error": LinearTD.metrics["subspace_error"],
        "value_error": "mean over held-out agents of the squared value error under the stationary distribution",
    }

    def __init__(self, parameters: MapTransferParameters, problem: LinearMRP, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        self.wide = widened(problem, parameters.held_out)

    def calls_per_round(self) -> float:
        return 2

    @classmethod
    def metrics_for(cls, parameters: MapTransferParameters, environment: BaseModel, agents: int) -> tuple[str, ...]:
        """No ``subspace_error`` without a map."""
        return ("value_error",) if parameters.source == "scratch" else tuple(cls.metrics)

    def groups(self) -> Mapping[str, int]:
        return {"agents": self.agents, "held_out": self.parameters.held_out}

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": SharedHeadAgents, "held_out": HeldOutAgents}

    def start(self) -> None:
        maps = {"scratch": np.eye(self.problem.features), "oracle": np.array(self.problem.basis)}
        self.basis = maps.get(self.parameters.source, self.initial_basis())
        self.head = INITIAL_HEAD * normals(self.stream("head"), self.problem.rank)
        self.trained = self.refitted = 0

    @property
    def clock(self) -> int:
        """Rounds of pretraining so far: the schedules apply to pretraining only."""
        return self.trained

    def round(self) -> Conversation:
        learn = {"pfedtd-rep": self.learn_with_private_heads, "fedavg": self.learn_with_one_head}
        p = self.parameters
        if p.source in learn and self.trained < p.pretraining:
            yield from learn[p.source]()
            self.trained += 1
        else:
            yield from self.refit()
            self.refitted += 1
            self.done = self.refitted == p.refit_rounds

    def learn_with_private_heads(self) -> Conversation:
        """A round of PFedTD-Rep."""
        yield from super().round()

    def learn_with_one_head(self) -> Conversation:
        """The same, with the heads averaged as well."""
        sent = {"head": self.head, **self.sent()}
        reply = yield Call("learn_both", shared=sent, agent_steps=self.parameters.local_steps + 1)
        self.basis = server_step(self.basis, self.beta(), np.array(reply["gradient"]), self.rescaled)
        self.head = mean_rows(np.array(reply["head"]))

    def refit(self) -> Conversation:
        """K steps of the held-out agents' heads. The map is sent before the first."""
        p = self.parameters
        if self.refitted == 0:
            yield Call("take", on="held_out", shared={"basis": self.basis})
        sent = {"alpha": p.refit_alpha, "gain_step": p.gain_step, "steps": p.local_steps}
        yield Call("refit", on="held_out", shared=sent, agent_steps=p.local_steps)

    def measure(self) -> Conversation:
        held_out = yield Call("estimates", on="held_out")
        processes = np.arange(self.problem.process_count, self.wide.process_count)
        truth = self.wide.solution
        value = kernels.mean_value_error(
            np.array(self.basis),
            np.array(held_out["head"]),
            processes,
            self.wide.phi,
            truth.values,
            truth.stationary,
            self.wide.average,
        )
        error = {"value_error": float(value)}
        if self.parameters.source == "scratch":
            return error
        return {"subspace_error": float(kernels.subspace_error(self.basis, self.problem.basis))} | error

    def measure_agents(self) -> Mapping[str, np.ndarray]:
        """No metrics: the table has one row per member of ``agents``, but the group ``held_out`` is measured."""
        return {}
