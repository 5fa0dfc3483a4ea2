"""The PettingZoo face of the grid environments."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete, Space

from envs.faces.play import RENDER_MODES, NamedPlay, Play, check_render_mode

try:
    from pettingzoo import ParallelEnv
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "PettingZoo is not installed; pip install 'marl-orchestrator[deep]' brings it.", name="pettingzoo"
    ) from error


class ParallelFace(ParallelEnv[str, np.int64, np.int64]):
    """Agents that act at once; observations are rows of their tables. Agents whose episode is over leave ``agents``."""

    def __init__(self, name: str, play: Play, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        self.metadata = {"name": name, "render_modes": RENDER_MODES, "render_fps": 4, "is_parallelizable": True}
        self.render_mode = render_mode
        self.play = play
        self._named = NamedPlay(play)
        self.possible_agents = list(self._named.names)
        self.agents = []
        self.observation_spaces = {name: Discrete(play.states) for name in self.possible_agents}
        self.action_spaces = {name: Discrete(play.actions) for name in self.possible_agents}

    def observation_space(self, agent: str) -> Space[np.int64]:
        """Rows of the agent's table."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[np.int64]:
        """Stay, up, right, down, left."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[dict[str, np.int64], dict[str, dict[str, object]]]:
        """Fresh episodes of all agents."""
        observed = self._named.reset(seed)
        self.agents = list(self._named.live)
        return observed, {name: {} for name in self.agents}

    def step(self, actions: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Observations, rewards, terminated, truncated and infos of the agents that acted."""
        observed, rewards, terminated, truncated = self._named.step(actions)
        self.agents = list(self._named.live)
        return observed, rewards, terminated, truncated, {name: {} for name in observed}

    def render(self) -> np.ndarray | None:
        """The present state, uint8 [height, width, 3], if ``render_mode`` is ``rgb_array``."""
        return self.play.picture() if self.render_mode else None
