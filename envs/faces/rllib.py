"""The RLlib face of the grid environments (new API stack)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from ray.rllib.env.multi_agent_env import MultiAgentEnv

from envs.faces.play import RENDER_MODES, NamedPlay, Play, check_render_mode


class RLlibFace(MultiAgentEnv):
    """Agents that act at once; observations are rows of their tables.

    ``agents`` are those that acted last; the episode is over for ``__all__`` when no agent is left, terminated unless
    one of the last was cut short.
    """

    def __init__(self, play: Play, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        self.metadata = {"render_modes": RENDER_MODES, "render_fps": 4}  # its own: RLlib writes into it
        self.render_mode = render_mode
        self.play = play
        self._named = NamedPlay(play)
        self.agents = self.possible_agents = list(self._named.names)
        self.observation_spaces = {name: Discrete(play.states) for name in self.possible_agents}
        self.action_spaces = {name: Discrete(play.actions) for name in self.possible_agents}
        super().__init__()

    def reset(self, *, seed: int | None = None, options: dict[str, object] | None = None) -> tuple[dict, dict]:
        """Fresh episodes of all agents."""
        observed = self._named.reset(seed)
        self.agents = list(self._named.live)
        return observed, {name: {} for name in self.agents}

    def step(self, action_dict: Mapping[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        """Observations, rewards, terminated, truncated and infos of the agents that acted, and ``__all__``."""
        self.agents = list(self._named.live)
        observed, rewards, terminated, truncated = self._named.step(action_dict)
        over, cut = not self._named.live, any(truncated.values())
        terminated["__all__"], truncated["__all__"] = over and not cut, over and cut
        return observed, rewards, terminated, truncated, {name: {} for name in observed}

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The present state, uint8 [height, width, 3], if ``render_mode`` is ``rgb_array``."""
        return self.play.picture() if self.render_mode else None
