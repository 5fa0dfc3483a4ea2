"""Parameters of RLlib's PPO."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from orchestrator.core import Parameters


class RLlibPPOParameters(Parameters):
    """The usual parameters of PPO; the discount factor is the environment's."""

    share_policy: bool = Field(
        False, description="one policy for all agents, with the agent's index as an input, or one policy per agent"
    )
    lr: float = Field(3e-4, gt=0, description="learning rate of Adam (RLlib: 5e-5)")
    lambda_: float = Field(0.95, ge=0, le=1, description="lambda of generalised advantage estimation (RLlib: 1)")
    clip: float = Field(0.3, gt=0, description="probability ratios are clipped to 1 - clip .. 1 + clip")
    entropy: float = Field(0.0, ge=0, description="coefficient of the entropy bonus")
    train_batch_size: int = Field(1000, ge=1, description="environment steps sampled per round (RLlib: 4000)")
    minibatch_size: int = Field(
        128, ge=1, description="transitions of an agent per gradient step; at most train_batch_size"
    )
    epochs: int = Field(10, ge=1, description="passes over the batch of a round (RLlib: 30)")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (64, 64), description="hidden units of each layer of policy and value function (RLlib: 256, 256)"
    )

    @model_validator(mode="after")
    def _batches_fit(self) -> Self:
        if self.minibatch_size > self.train_batch_size:
            raise ValueError(
                f"minibatch_size is {self.minibatch_size}; it must be at most train_batch_size, which is"
                f" {self.train_batch_size}"
            )
        return self
