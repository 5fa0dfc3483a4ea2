"""The gymnasium face of a tabular process."""

import gymnasium
import numpy as np

from envs.common.picture import picture
from orchestrator.core import normals


class TableEnv(gymnasium.Env[np.int64, np.int64]):
    """A continuing tabular process: ``transition`` [S, A, S], mean ``reward`` [S, A], reward ``noise``.

    The noise is Gaussian with standard deviation ``noise``, or uniform in [-noise, noise] if ``uniform``.

    Observations are state numbers. A step from s with action a pays reward[s, a] plus noise. The process never
    terminates, as the stationary theory assumes; it is truncated after ``horizon`` steps. ``initial`` [S] is the start
    distribution (uniform by default).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(
        self,
        transition: np.ndarray,
        reward: np.ndarray,
        noise: float = 0.0,
        initial: np.ndarray | None = None,
        horizon: int | None = None,
        uniform: bool = False,
        render_mode: str | None = None,
    ) -> None:
        states, actions, _ = transition.shape
        self.observation_space = gymnasium.spaces.Discrete(states)
        self.action_space = gymnasium.spaces.Discrete(actions)
        self._cumulative = np.cumsum(transition, axis=-1)
        self._cumulative[..., -1] = 1.0
        self._initial = np.cumsum(np.full(states, 1 / states) if initial is None else initial)
        self._initial[-1] = 1.0
        self._reward, self._noise, self._horizon, self._uniform = reward, noise, horizon, uniform
        self.render_mode = render_mode
        self._state = np.int64(0)
        self._steps = 0

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A row of states, the present one filled: uint8 [height, width, 3], if ``render_mode`` is ``rgb_array``."""
        states = self._reward.shape[0]
        return picture(1, states, [(int(self._state), 0)]) if self.render_mode else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[np.int64, dict[str, object]]:
        """Start a new episode from the start distribution."""
        super().reset(seed=seed)
        self._state = self._draw(self._initial)
        self._steps = 0
        return self._state, {}

    def step(self, action: int | np.int64) -> tuple[np.int64, float, bool, bool, dict[str, object]]:
        """One transition: (next state, reward, False, whether the horizon is reached, {})."""
        reward = float(self._reward[self._state, action])
        if self._noise:
            drawn = self.np_random.uniform(-1, 1) if self._uniform else float(normals(self.np_random, 1)[0])
            reward += self._noise * drawn
        self._state = self._draw(self._cumulative[self._state, action])
        self._steps += 1
        return self._state, reward, False, self._horizon is not None and self._steps >= self._horizon, {}

    def _draw(self, cumulative: np.ndarray) -> np.int64:
        return np.int64(np.searchsorted(cumulative, self.np_random.random(), side="right"))
