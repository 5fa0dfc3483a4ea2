"""The gymnasium face of the global agent of a mean-field environment."""

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete

from envs.faces.play import RENDER_MODES, check_render_mode
from envs.mean_field.episode import Episode, Population


class GlobalFace(gymnasium.Env[np.ndarray, np.int64]):
    """What the global agent sees and does; local agents follow the problem's local policy. Only ``horizon`` ends it."""

    metadata = {"render_modes": RENDER_MODES, "render_fps": 4}

    def __init__(self, problem: Population, k: int | None, horizon: int | None, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        self.episode, self.render_mode = Episode(problem, k, horizon), render_mode
        self.observation_space = self.episode.seen
        self.action_space = Discrete(problem.global_actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[np.ndarray, dict[str, object]]:
        """Start anew."""
        super().reset(seed=seed)
        self.episode.start(self.np_random)
        return self.episode.observe(self.np_random), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, object]]:
        """One step: (what is seen, the team's reward, False, whether the horizon is reached, {}).

        Raises ValueError for an action out of range.
        """
        actions = self.episode.problem.global_actions
        if not 0 <= action < actions:
            raise ValueError(f"action must be in 0..{actions - 1}, got {action}.")
        chosen = self.episode.choices(self.np_random)
        reward = self.episode.step(int(action), chosen, self.np_random)
        return self.episode.observe(self.np_random), reward, False, self.episode.over, {}

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The present state, uint8 [height, width, 3], if ``render_mode`` is ``rgb_array``."""
        return self.episode.picture() if self.render_mode else None
