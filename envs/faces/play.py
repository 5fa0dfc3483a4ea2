"""Episodes of several agents step by step: what the gymnasium, PettingZoo and RLlib faces share."""

from collections.abc import Mapping
from typing import Protocol, SupportsInt

import numpy as np

RENDER_MODES = ["rgb_array"]


class Play(Protocol):
    """Episodes of n agents. Arrays have one entry per agent. An agent whose episode is over stays where it is."""

    members: range  # ids of the agents
    states: int  # rows of an agent's table: observations are 0..states-1
    actions: int

    def start(self, generator: np.random.Generator) -> None:
        """Start new episodes with streams seeded from ``generator``."""
        ...

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All agents take their ``actions`` int64 [n].

        Returns rewards float64 [n], whether each episode ended, and whether it was cut short by the limit, bool [n].
        """
        ...

    def observe(self) -> np.ndarray:
        """The table row int64 [n] of each agent."""
        ...

    def picture(self) -> np.ndarray:
        """The present state, uint8 [height, width, 3]."""
        ...


def fresh_streams(generator: np.random.Generator, count: int) -> np.ndarray:
    """States uint64 [count, 4] of xoshiro streams, drawn from ``generator``."""
    return generator.integers(0, 2**64, size=(count, 4), dtype=np.uint64)


def check_render_mode(render_mode: str | None) -> None:
    """Raises ValueError for a mode that the faces do not have."""
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ValueError(f"render_mode must be one of {', '.join(RENDER_MODES)} or None, got {render_mode!r}.")


class NamedPlay:
    """A play whose agents have names, agent_0, agent_1 …, and whose results are dicts over the live agents.

    An agent is live until its episode is over.
    """

    def __init__(self, play: Play) -> None:
        self.play = play
        self.names = [f"agent_{member}" for member in play.members]
        self.live: list[str] = []
        self._row = {name: row for row, name in enumerate(self.names)}
        self._generator: np.random.Generator | None = None

    def reset(self, seed: int | None = None) -> dict[str, np.int64]:
        """Start new episodes of all agents. The same seed gives the same episodes; without one the stream goes on."""
        if seed is not None or self._generator is None:
            self._generator = np.random.default_rng(seed)
        self.play.start(self._generator)
        self.live = list(self.names)
        return self._by_name(self.play.observe())

    def step(
        self, actions: Mapping[str, SupportsInt]
    ) -> tuple[dict[str, np.int64], dict[str, float], dict[str, bool], dict[str, bool]]:
        """Observations, rewards, terminated and truncated of the agents that were live.

        Agents whose episode is over then leave ``live``.

        Raises ValueError if a live agent has no action or one out of range.
        """
        joint = np.zeros(len(self.names), np.int64)
        for name in self.live:
            action = actions.get(name)
            if action is None or not 0 <= int(action) < self.play.actions:
                raise ValueError(f"actions must hold 0..{self.play.actions - 1} for {name}, got {action!r}.")
            joint[self._row[name]] = int(action)
        if not self.live:
            return {}, {}, {}, {}
        rewards, ended, cut = self.play.step(joint)
        observed = self._by_name(self.play.observe())
        result = (
            observed,
            {name: float(rewards[self._row[name]]) for name in self.live},
            {name: bool(ended[self._row[name]]) for name in self.live},
            {name: bool(cut[self._row[name]]) for name in self.live},
        )
        self.live = [name for name in self.live if not (result[2][name] or result[3][name])]
        return result

    def _by_name(self, rows: np.ndarray) -> dict[str, np.int64]:
        return {name: rows[self._row[name]] for name in self.live}
