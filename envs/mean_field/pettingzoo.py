"""The PettingZoo face of a global agent and n local ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete, Space

from envs.faces.pettingzoo import ParallelEnv  # says what to install where PettingZoo is missing
from envs.faces.play import RENDER_MODES, check_render_mode
from envs.mean_field.episode import Episode, Population

GLOBAL = "global"


class PopulationFace(ParallelEnv[str, np.ndarray, np.int64]):
    """``global`` and ``local_0`` … ``local_(n-1)`` act at once; **all receive the team's reward**.

    The global agent sees s_g and the histogram of k local states drawn afresh each step, local agent i sees (s_g, s_i).
    Nothing ends the process; ``horizon`` truncates it for all.
    """

    def __init__(self, problem: Population, k: int | None, horizon: int | None, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        self.metadata = {
            "name": problem.name,
            "render_modes": RENDER_MODES,
            "render_fps": 4,
            "is_parallelizable": True,
        }
        self.render_mode, self.episode = render_mode, Episode(problem, k, horizon)
        self.locals = [f"local_{i}" for i in range(problem.agents)]
        self.possible_agents, self.agents = [GLOBAL, *self.locals], []
        self.observation_spaces: dict[str, Space[Any]] = {GLOBAL: self.episode.seen}
        self.action_spaces: dict[str, Space[Any]] = {GLOBAL: Discrete(problem.global_actions)}
        for name in self.locals:
            self.observation_spaces[name] = MultiDiscrete([problem.global_states, problem.local_states])
            self.action_spaces[name] = Discrete(problem.local_actions)
        self._generator: np.random.Generator | None = None

    def observation_space(self, agent: str) -> Space[np.ndarray]:
        """[G, k + 1, ..., k + 1] of the global agent, [G, S] of a local one."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[np.int64]:
        """A actions of the global agent, B of a local one."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, object]]]:
        """Start anew. A seed repeats what follows; without one the stream goes on."""
        if seed is not None or self._generator is None:
            self._generator = np.random.default_rng(seed)
        self.episode.start(self._generator)
        self.agents = list(self.possible_agents)
        return self._observed(self._generator), {name: {} for name in self.agents}

    def step(self, actions: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Observations, rewards, terminated, truncated and infos of all; nothing after the horizon.

        Raises ValueError if an agent has no action or one out of range.
        """
        rng, episode = self._generator, self.episode
        if rng is None or not self.agents:
            return {}, {}, {}, {}, {}
        chosen = [self._action(name, actions.get(name)) for name in self.possible_agents]
        reward = episode.step(chosen[0], np.array(chosen[1:], np.int64), rng)
        observed, names = self._observed(rng), self.agents
        self.agents = [] if episode.over else list(self.possible_agents)
        return (
            observed,
            dict.fromkeys(names, reward),
            dict.fromkeys(names, False),
            dict.fromkeys(names, episode.over),
            {name: {} for name in names},
        )

    def render(self) -> np.ndarray | None:
        """The present state, uint8 [height, width, 3], if ``render_mode`` is ``rgb_array``."""
        return self.episode.picture() if self.render_mode else None

    def _action(self, name: str, action: Any) -> int:
        problem = self.episode.problem
        last = (problem.global_actions if name == GLOBAL else problem.local_actions) - 1
        if action is None or not 0 <= int(action) <= last:
            raise ValueError(f"actions must hold 0..{last} for {name}, got {action!r}.")
        return int(action)

    def _observed(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        seen = {GLOBAL: self.episode.observe(rng)}
        for name, s in zip(self.locals, self.episode.where):
            seen[name] = np.array([self.episode.place, s], np.int64)
        return seen
