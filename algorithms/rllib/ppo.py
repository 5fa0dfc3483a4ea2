"""RLlib's multi-agent PPO, the standard baseline of the family's returns: Schulman et al., arXiv:1707.06347.

Source: arXiv:1707.06347 and RLlib. Known: multi-agent PPO (new API stack), generalised advantages, clipping, KL
penalty. Reconstructed: one-hot inputs, two layers of 64, batches of 1000, 10 epochs, learning rate 3e-4, lambda .95, no
value clipping, fresh episodes each round.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from algorithms.rllib.parameters import RLlibPPOParameters
from orchestrator.core import Block, Call, Conversation, Coordinator
from orchestrator.errors import UserError

if TYPE_CHECKING:  # gymnasium, RLlib and torch are imported only where networks are built
    from envs.grids.base import GridProblem


class Steps(Block):
    """One member without state: a call to it carries the number of environment transitions."""

    def taken(self) -> None:
        """Do nothing: only the call's ``agent_steps`` counts."""


class RLlibPPO(Coordinator[RLlibPPOParameters]):
    """RLlib's multi-agent PPO (new API stack) on the environments of the tabular algorithms; a round is an iteration.

    Independent learners: one policy per agent, or one policy for all with ``share_policy``. The input of a network is
    one-hot: the coordinates that the agent observes. Its logits on all rows form a table [N, S, A], so ``return`` is
    exact under the greedy policies, as for the tabular algorithms. ``agent_steps`` counts the transitions of live
    agents. There are no messages. Everything runs in the process of the coordinator, for any ``agents_per_actor``.

    The placement promise does not hold: torch's numbers may differ between machines and versions. On one machine the
    same seed gives the same numbers, in any process, also when resumed and when other seeds run beside it.
    """

    name = "rllib-ppo"
    version = 2
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
    scores = ("return", "return_gap")
    reproducible = False
    libraries = ("torch",)
    seconds_per_round = 1.5

    def __init__(self, parameters: RLlibPPOParameters, problem: "GridProblem", agents: int, rounds: int, seed: int):
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
        """Build the networks with their initial weights."""
        from algorithms.rllib.trainer import Trainer

        self.trainer: Trainer = Trainer(self.parameters, self.problem, self.stream("weights"))

    def state(self) -> dict[str, object]:
        return self.trainer.state()

    def load(self, state: Mapping[str, object]) -> None:
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
