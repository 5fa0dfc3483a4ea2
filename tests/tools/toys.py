"""Small environments of another package's making, registered with gymnasium when this file is imported."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete


class Stairs(gymnasium.Env):
    """Steps 0, 1 … ``height`` - 1: action 1 climbs with chance ``grip``, else slides to 0; the top ends and pays 1.

    Observations are (step, whether it slid at last), counted from 5 and 0.
    """

    observation_space = MultiDiscrete([3, 2], start=[5, 0])
    action_space = Discrete(2, start=1)

    def __init__(self, grip: float = 0.75, height: int = 3):
        self.grip, self.height = grip, height

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.slid = 0, 0
        return self._observed(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        climbs = action == 2 and self._chance() < self.grip
        self.at, self.slid = (self.at + 1, 0) if climbs else (0, 1)
        over = self.at == self.height
        return (self._observed() if not over else np.array([5, 0])), float(over), over, False, {}

    def _chance(self) -> float:
        return self.np_random.random()

    def _observed(self):
        return np.array([5 + self.at, self.slid])


class Unseeded(Stairs):
    """Draws from a stream that no seed reaches."""

    stream = np.random.default_rng(0)

    def _chance(self) -> float:
        return self.stream.random()


class Unreliable(Stairs):
    """Draws once in a while, about every 3000 steps, from a stream that no seed reaches."""

    stream = np.random.default_rng(0)

    def _chance(self) -> float:
        drawn = self.np_random.random()
        return self.stream.random() if drawn < 0.0003 else drawn


class Taller(Stairs):
    """It hands keywords on to its base, and pays ``bonus`` times as much."""

    def __init__(self, bonus: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.bonus = bonus
        self.observation_space = MultiDiscrete([self.height, 2], start=[5, 0])

    def step(self, action):
        observed, paid, *rest = super().step(action)
        return observed, self.bonus * paid, *rest


class Broken(gymnasium.Env):
    """Its fault shows at the tenth step."""

    observation_space = Discrete(2)
    action_space = Discrete(2)

    def __init__(self, fault: str = "none"):
        self.fault = fault

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return 0, {}

    def step(self, action):
        self.steps += 1
        fault = self.fault if self.steps == 10 else ""
        paid = {"shape": [1.0, 2.0], "nan": float("nan")}.get(fault, 0.0)
        if fault == "index":
            paid = [0.0][self.steps]
        return 7 if fault == "range" else int(action), paid, False, self.steps == 20, {}


class Nested(Stairs):
    """Its observations are a dictionary."""

    observation_space = gymnasium.spaces.Dict({"step": Discrete(3)})  # pyright: ignore[reportAssignmentType]


class Forever(gymnasium.Env):
    """From 0 to 1, and never back."""

    observation_space = Discrete(2)
    action_space = Discrete(2)
    initial_state_distrib = np.array([1.0, 0.0])
    P = {s: {a: [(1.0, 1, 0.5, False)] for a in range(2)} for s in range(2)}


class Meeting:
    """Two agents on 3 steps who climb when they choose alike; the second pays 0.5 for choosing 1. The top ends it."""

    possible_agents = ["one", "two"]

    def __init__(self, spaces: int = 3):
        self.spaces = spaces

    def observation_space(self, name: str) -> Discrete:
        return Discrete(self.spaces if name == "one" else 3)

    def action_space(self, name: str) -> Discrete:
        return Discrete(2)

    def reset(self, seed=None, options=None):
        self.agents, self.at = list(self.possible_agents), 0
        return dict.fromkeys(self.agents, 0), {}

    def step(self, actions):
        alike = actions["one"] == actions["two"]
        self.at = self.at + 1 if alike else 0
        over, who = self.at == 3, self.possible_agents
        paid = {"one": float(alike), "two": float(alike) - 0.5 * actions["two"]}
        self.agents = [] if over else self.agents
        return dict.fromkeys(who, self.at % 3), paid, dict.fromkeys(who, over), dict.fromkeys(who, False), {}

    def close(self) -> None:
        """Nothing is open."""


class raw_env(Meeting):
    """A meeting in which both have ``num_actions`` choices, cut off after ``max_cycles`` steps."""

    def __init__(self, num_actions: int = 2, max_cycles: int = 25):
        super().__init__()
        self.num_actions, self.max_cycles = num_actions, max_cycles

    def action_space(self, name: str) -> Discrete:
        return Discrete(self.num_actions)


def parallel_env(**kwargs: Any) -> raw_env:
    """As PettingZoo's modules make their environments."""
    return raw_env(**kwargs)


made: Any
for made in (Stairs, Unseeded, Unreliable, Taller, Broken, Nested, Forever):
    if f"{made.__name__}-v0" not in gymnasium.registry:
        gymnasium.register(f"{made.__name__}-v0", entry_point=made)
