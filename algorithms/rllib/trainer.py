"""RLlib's multi-agent PPO as a plain object that samples, learns and evaluates. Imports RLlib and torch.

One ``iteration`` does what ``PPO.training_step`` does, with the same components: env runner and learner. RLlib's
``Algorithm`` is not used, because it needs a running Ray and a log folder. Two things differ, so that an iteration
depends on the weights and its number alone: it begins fresh episodes, and it seeds the global random streams.
"""

import contextlib
import logging
import random
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, SupportsInt, TypeVar

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner

from algorithms.rllib.parameters import RLlibPPOParameters
from envs.grids.base import GridProblem

T = TypeVar("T")

EVERYONE = "everyone"  #: the policy that all agents share
MOST_COPIES = 10  #: copies of the environment that are stepped together
EPISODES = 2  #: whole episodes that fit into a copy's share of a batch


class Encoded(MultiAgentEnv):
    """A problem as an RLlib environment. An agent observes row i of its ``inputs`` [S, F] instead of the number i.

    Agents are numbers here. RLlib keeps agents in sets and draws in the order of these: the order of strings depends on
    the process, the order of small numbers does not.
    """

    def __init__(self, problem: GridProblem, inputs: Sequence[np.ndarray]):
        self.face = problem.rllib()
        self.render_mode, self.metadata = None, self.face.metadata
        self.names = [str(name) for name in self.face.possible_agents]
        self.number = {name: i for i, name in enumerate(self.names)}
        self.possible_agents = self.agents = [*range(len(self.names))]
        self.inputs = inputs
        self.observation_spaces = {i: Box(0, 1, rows.shape[1:], np.float32) for i, rows in enumerate(inputs)}
        self.action_spaces = self._numbered(self.face.action_spaces or {})
        self.begin: int | None = None  #: seed of the next episodes; RLlib would use the same one again
        super().__init__()

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[dict[int, np.ndarray], dict[int, dict[str, object]]]:
        """Fresh episodes of all agents."""
        observed, infos = self.face.reset(seed=self.begin)
        self.begin, self.agents = None, self._live()
        return self._encoded(observed), self._numbered(infos)

    def step(
        self, action_dict: Mapping[int, SupportsInt]
    ) -> tuple[dict[int, np.ndarray], dict[int, float], dict[Any, bool], dict[Any, bool], dict[int, dict[str, object]]]:
        """As the face's, encoded."""
        actions = {self.names[i]: action for i, action in action_dict.items()}
        observed, rewards, terminated, truncated, infos = self.face.step(actions)
        self.agents = self._live()
        return (
            self._encoded(observed),
            self._numbered(rewards),
            self._numbered(terminated),
            self._numbered(truncated),
            self._numbered(infos),
        )

    def _live(self) -> list[Any]:
        return [self.number[str(name)] for name in self.face.agents]

    def _encoded(self, rows: Mapping[str, np.int64]) -> dict[int, np.ndarray]:
        return {i: self.inputs[i][row] for i, row in self._numbered(rows).items()}

    def _numbered(self, of_agents: Mapping[Any, T]) -> dict[Any, T]:
        """The same by number; ``__all__`` stays."""
        return {self.number.get(name, name): value for name, value in of_agents.items()}


def encodings(problem: GridProblem, share_policy: bool) -> list[np.ndarray]:
    """Network inputs float32 [S, F] of the rows of each agent's table.

    Each coordinate of the global state is one-hot, all zeros if the agent does not observe it. For a shared policy the
    index of the agent follows, one-hot.
    """
    width = np.zeros(max(int(seen.max()) for seen in problem.seen) + 1, np.int64)
    for seen, rows in zip(problem.seen, problem.coordinates, strict=True):
        width[seen] = np.maximum(width[seen], rows.max(axis=0))
    first, of_types = np.cumsum(width) - width, []
    for seen, rows in zip(problem.seen, problem.coordinates, strict=True):
        code = np.zeros((len(rows), width.sum()), np.float32)
        code[np.arange(len(rows))[:, None], first[seen] + rows - 1] = 1.0
        of_types.append(code)
    codes = [of_types[t] for t in problem.type_of]
    if not share_policy:
        return codes
    who = np.eye(problem.agents, dtype=np.float32)
    return [np.hstack([code, np.tile(who[i], (len(code), 1))]) for i, code in enumerate(codes)]


def settings(
    parameters: RLlibPPOParameters, problem: GridProblem, inputs: Sequence[np.ndarray], seed: int
) -> PPOConfig:
    """RLlib's configuration: everything local, one policy per agent or one for all."""
    p, shared = parameters, parameters.share_policy
    names = [EVERYONE] if shared else [f"agent_{i}" for i in range(problem.agents)]
    copies = max(1, min(MOST_COPIES, p.train_batch_size // (EPISODES * problem.limit)))
    training = {
        "lr": p.lr,
        "gamma": problem.gamma,
        "lambda_": p.lambda_,
        "clip_param": p.clip,
        "entropy_coeff": p.entropy,
        "train_batch_size": p.train_batch_size,
        "minibatch_size": p.minibatch_size,
        "num_epochs": p.epochs,
        "vf_clip_param": float("inf"),  # RLlib's 10 would cut off the values of a team that loses 50
    }

    def policy_of(agent: Hashable, *_: object, **__: object) -> str:
        return EVERYONE if shared else f"agent_{agent}"

    return (
        PPOConfig()
        .environment(lambda _: Encoded(problem, inputs))
        .framework("torch")
        .env_runners(num_env_runners=0, num_envs_per_env_runner=copies)
        .learners(num_learners=0, num_gpus_per_learner=0)
        .training(**training)
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=list(p.hidden)))
        .multi_agent(policies=names, policy_mapping_fn=policy_of)
        .debugging(seed=seed, log_level="ERROR")
    )


@contextlib.contextmanager
def seeded(generator: np.random.Generator) -> Iterator[None]:
    """Seed the global random streams of Python, numpy and torch, which RLlib uses, and restore them afterwards."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    strict = torch.are_deterministic_algorithms_enabled()
    first, second, third = generator.integers(2**31, size=3).tolist()
    random.seed(first)
    np.random.seed(second)  # noqa: NPY002
    torch.manual_seed(third)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        torch.set_rng_state(before[2])
        torch.use_deterministic_algorithms(strict)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of RLlib and gymnasium."""
    loggers = [logging.getLogger(name) for name in ("ray.rllib", "ray._common.deprecation", "ray.tune")]
    levels, least = [logger.level for logger in loggers], gymnasium.logger.min_level
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    gymnasium.logger.min_level = gymnasium.logger.ERROR
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        gymnasium.logger.min_level = least
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class Trainer:
    """The policies of one replicate. ``generator`` draws the initial weights."""

    def __init__(self, parameters: RLlibPPOParameters, problem: GridProblem, generator: np.random.Generator):
        self.inputs = encodings(problem, parameters.share_policy)
        with quiet(), seeded(generator):
            self.config = settings(parameters, problem, self.inputs, int(generator.integers(2**31)))
            self.runner: Any = MultiAgentEnvRunner(config=self.config, worker_index=0)
            self.learner: Any = self.config.build_learner(spaces=self.runner.get_spaces())

    def iteration(self, generator: np.random.Generator) -> int:
        """Sample a batch and learn from it. Returns the transitions taken, summed over the agents."""
        with quiet(), seeded(generator):
            for copy in self.runner.env.envs:
                copy.unwrapped.begin = int(generator.integers(2**63))
            weights = self.learner.get_state(components="rl_module", inference_only=True)
            self.runner.set_state(weights)
            episodes = self.runner.sample(num_timesteps=self.config.total_train_batch_size, force_reset=True)
            self.runner.get_metrics()  # it keeps its metrics until they are read
            taken = sum(episode.agent_steps() for episode in episodes)  # the learner lengthens episodes by a step
            self.learner.update(
                episodes=episodes,
                timesteps={"num_env_steps_sampled_lifetime": 0},  # for schedules; there are none
                num_epochs=self.config.num_epochs,
                minibatch_size=self.config.minibatch_size,
                shuffle_batch_per_epoch=self.config.shuffle_batch_per_epoch,
            )
        return taken

    def tables(self) -> np.ndarray:
        """Logits float64 [N, S, A] of every agent's policy in every row of its table."""
        logits = []
        for i, rows in enumerate(self.inputs):
            name = EVERYONE if EVERYONE in self.learner.module.keys() else f"agent_{i}"  # noqa: SIM118
            with torch.no_grad():
                out = self.learner.module[name].forward_inference({"obs": torch.from_numpy(rows)})
            logits.append(out["action_dist_inputs"].numpy().astype(np.float64))
        return np.stack(logits)

    def state(self) -> dict[str, object]:
        """Weights, Adam's moments and the coefficients of the KL penalty (which RLlib's own state lacks)."""
        state = self.learner.get_state(components=["rl_module", "optimizer"])
        kl = {name: float(self.learner.curr_kl_coeffs_per_module[name]) for name in state["rl_module"]}
        moments = {name: of["state"]["state"] for name, of in state["optimizer"].items()}
        return {"weights": state["rl_module"], "moments": moments, "kl": kl}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state`` returned."""
        optimizers = self.learner.get_state(components="optimizer")["optimizer"]
        for name, moments in state["moments"].items():
            optimizers[name]["state"]["state"] = moments
        self.learner.set_state({"rl_module": state["weights"], "optimizer": optimizers})
        for name, value in state["kl"].items():
            self.learner.curr_kl_coeffs_per_module[name].data.fill_(value)
