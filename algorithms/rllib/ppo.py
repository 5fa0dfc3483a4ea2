"""RLlib's multi-agent PPO, the standard baseline of the family's returns: Schulman et al., arXiv:1707.06347.

Source: arXiv:1707.06347 and RLlib. Known: multi-agent PPO (new API stack), generalised advantages, clipping, KL
penalty. Reconstructed: one-hot inputs, two layers of 64, batches of 1000, 10 epochs, learning rate 3e-4, lambda .95, no
value clipping, fresh episodes each round.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from orchestrator.core import Block, Call, Conversation, Coordinator, Parameters
from orchestrator.errors import UserError


class RLlibPPOParameters(Parameters):
    """PPO's usual ones; the discount factor is the environment's."""

    share_policy: bool = Field(False, description="one policy for all agents, told which it acts for, or one each")
    lr: float = Field(3e-4, gt=0, description="learning rate of Adam (RLlib: 5e-5)")
    lambda_: float = Field(0.95, ge=0, le=1, description="lambda of generalised advantage estimation (RLlib: 1)")
    clip: float = Field(0.3, gt=0, description="probability ratios are clipped to 1 - clip .. 1 + clip")
    entropy: float = Field(0.0, ge=0, description="coefficient of the entropy bonus")
    train_batch_size: int = Field(1000, ge=1, description="environment steps sampled a round (RLlib: 4000)")
    minibatch_size: int = Field(128, ge=1, description="transitions of an agent per gradient step")
    epochs: int = Field(10, ge=1, description="passes over a round's batch (RLlib: 30)")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (64, 64), description="hidden units of each layer, policy and value function alike (RLlib: 256, 256)"
    )

    @model_validator(mode="after")
    def _batches_fit(self) -> Self:
        if self.minibatch_size > self.train_batch_size:
            raise ValueError(
                f"minibatch_size is {self.minibatch_size}; it goes up to train_batch_size, {self.train_batch_size}"
            )
        return self


class Steps(Block):
    """Where the environment's transitions are counted: one member without a state."""

    def taken(self) -> None:
        """Nothing: the call's ``agent_steps`` says it all."""


class RLlibPPO(Coordinator):
    """One iteration of RLlib's multi-agent PPO (new API stack) a round, on the same environment as the tables.

    Independent learners, one policy an agent, or one for all with ``share_policy``. A network sees the coordinates that
    the agent sees, one-hot. Its logits on every row are a table [N, S, A], so ``return`` is exact, under the greedy
    policies, as for the tabular algorithms; ``agent_steps`` counts the transitions of live agents. No messages are
    charged: there are none. Everything runs in the coordinator's own process, whatever ``agents_per_actor``.

    Outside the placement promise: torch's numbers may differ between machines and versions. On one machine the same
    seed gave the same numbers again, resumed or not, whatever seeds ran beside it.
    """

    name = "rllib-ppo"
    version = 1
    Parameters = RLlibPPOParameters
    kinds = ("observed-mdp", "team-grid")
    needs = ("rllib",)
    metrics: ClassVar[Mapping[str, str]] = {
        "return": "mean over agents of the exact return of an episode under the greedy policies",
        "return_gap": "best return with full observation minus return",
    }
    labels: ClassVar[Mapping[str, str]] = {
        "return": "return of an episode",
        "return_gap": "return gap to full observation",
    }
    reproducible = False
    seconds_per_round = 1.5

    def __init__(self, parameters: Any, problem: Any, agents: int, rounds: int, seed: int):
        super().__init__(parameters, problem, agents, rounds, seed)
        if parameters.train_batch_size < problem.limit:
            raise ValueError(
                f"train_batch_size is {parameters.train_batch_size}; it must hold an episode of {problem.limit} steps."
            )
        if importlib.util.find_spec("torch") is None:
            raise UserError("rllib-ppo needs torch, which is not installed: pip install 'marl-orchestrator[deep]'.")

    def warnings(self) -> Sequence[str]:
        return ["rllib-ppo is outside the placement promise: torch's numbers may differ between machines and versions."]

    def groups(self) -> Mapping[str, int]:
        return {"environment": 1}

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"environment": Steps}

    def start(self) -> None:
        """Networks at their initial weights."""
        from algorithms.rllib.trainer import Trainer

        self.trainer: Trainer = Trainer(self.parameters, self.problem, self.stream("weights"))

    def state(self) -> dict[str, Any]:
        return self.trainer.state()

    def load(self, state: dict[str, Any]) -> None:
        self.trainer.load(state)

    def round(self) -> Conversation:
        steps = self.trainer.iteration(self.stream("iteration", self.completed))
        yield Call("taken", on="environment", agent_steps=steps)

    def measure(self) -> Mapping[str, float]:
        value = float(np.mean(self.returns()))
        return {"return": value, "return_gap": self.problem.best_return - value}

    def measure_agents(self) -> Mapping[str, np.ndarray]:
        return {"return": self.returns()}

    def returns(self) -> np.ndarray:
        """Exact return of an episode of each agent under the greedy policies, float64 [N]."""
        return self.problem.returns(self.trainer.tables())
