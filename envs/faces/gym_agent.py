"""The gymnasium face of one agent in its own copy of a grid."""

import gymnasium
import numpy as np

from envs.faces.play import RENDER_MODES, Play, check_render_mode


class SingleFace(gymnasium.Env[np.int64, np.int64]):
    """The episodes of the one agent of ``play``; observations are rows of its table."""

    metadata = {"render_modes": RENDER_MODES, "render_fps": 4}

    def __init__(self, play: Play, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        self.play, self.render_mode = play, render_mode
        self.observation_space = gymnasium.spaces.Discrete(play.states)
        self.action_space = gymnasium.spaces.Discrete(play.actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[np.int64, dict[str, object]]:
        """A fresh episode."""
        super().reset(seed=seed)
        self.play.start(self.np_random)
        return self.play.observe()[0], {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, object]]:
        """One step: (table row, reward, whether the episode ended, whether it was cut short, {})."""
        rewards, ended, cut = self.play.step(np.array([action], np.int64))
        return self.play.observe()[0], float(rewards[0]), bool(ended[0]), bool(cut[0]), {}

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The present state, uint8 [height, width, 3], if ``render_mode`` is ``rgb_array``."""
        return self.play.picture() if self.render_mode else None
