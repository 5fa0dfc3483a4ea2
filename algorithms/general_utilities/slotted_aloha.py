"""Slotted ALOHA on wireless access: the baseline of learned policies (Abramson 1970; Qu, Lin, Wierman, Li 2020).

Source: Abramson 1970; Qu, Lin, Wierman and Li 2020. Known: who has a packet sends with a fixed probability.
Reconstructed: the grid of probabilities that the best is found on.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from algorithms.general_utilities import measures
from algorithms.general_utilities.agents import observers
from envs.networks.wireless_access import WirelessAccess
from orchestrator.core import Block, Call, Conversation, Coordinator, Parameters

#: The probabilities that are tried to find the best one.
TRIED = tuple(k / 20 for k in range(1, 21))


class SlottedAlohaParameters(Parameters):
    """How often a user with a packet sends."""

    probability: Annotated[float, Field(ge=0, le=1)] | Literal["best"] = Field(
        "best", description="chance that a user with a packet sends; best: that of 0.05, 0.1 ... 1"
    )


class Slots(Block[SlottedAlohaParameters, WirelessAccess]):
    """Simulators of all users together, one episode a member and round; their streams are all they keep."""

    def play(self, policy: np.ndarray) -> dict[str, np.ndarray]:
        """Discounted deliveries per user in an episode under ``policy`` [N, S, A], float64 [n]."""
        indptr, indices, _ = observers(self.problem, 0)
        seen = self.problem.rollout(policy, indptr, indices, self.problem.horizon, self.rng)
        return {"received": self.problem.episode_return(seen)}


class SlottedAloha(Coordinator[SlottedAlohaParameters, WirelessAccess]):
    """A user with a packet sends with a fixed probability, to any of its access points; a round is one episode.

    Nothing is learned and nothing is communicated. The best probability is the one with the highest return over 1000
    episodes, whose streams are not those of the metrics.
    """

    name = "slotted-aloha"
    version = 1
    Parameters = SlottedAlohaParameters
    kinds = ("access-network-mdp",)
    scores = ("return",)
    labels = measures.LABELS
    metrics: ClassVar[Mapping[str, str]] = {
        "return": measures.OUTCOME["return"],
        "sending": "probability that a user with a packet sends",
    }

    def groups(self) -> Mapping[str, int]:
        return {"episodes": 1}

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"episodes": Slots}

    def round(self) -> Conversation:
        policy, steps = self.problem.aloha(self.sending), self.agents * (self.problem.horizon - 1)
        everything = ("policy", "received")
        yield Call("play", on="episodes", shared={"policy": policy}, agent_steps=steps, sensed=everything)

    def measure(self) -> Conversation:
        return {"return": self.received(self.sending, "evaluation"), "sending": self.sending}
        yield  # what is measured is all here: nobody is asked

    @cached_property
    def sending(self) -> float:
        """The probability that was given, or that of ``TRIED`` with the highest return, the smallest of equals."""
        probability = self.parameters.probability
        if isinstance(probability, float):
            return probability
        return TRIED[int(np.argmax([self.received(p, "search") for p in TRIED]))]

    def received(self, probability: float, role: str) -> float:
        """The return of users who send with this probability."""
        return measures.evaluate(
            self.problem.aloha(probability), self.problem, 0, self.problem.horizon, self.seed, role
        )[1]
