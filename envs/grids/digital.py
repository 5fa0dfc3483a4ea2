"""Digital: agents with private rewards on one Markov decision process; adjacent states have adjacent numbers.

Source: arXiv:2304.05632, section V.A. Known: S = N = 20, two actions, transition rows uniform and normalised, mean
rewards r_i(s, a) ~ U[0, 4], observed rewards uniform within 0.5 of them, gamma = 0.8, adjacency |s - s'| <= rho.
Reconstructed: the two couplings of the agents, and that agent i's rewards are the same whatever the number of agents.
"""

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from envs.common.chains import alias_tables
from envs.common.instances import COMMON_KERNEL, PROCESS, stream
from envs.common.picture import picture
from envs.grids.observed import ObservedBlock
from orchestrator.core import Environment, Instance, Parameters, kernel, ordered_sum

if TYPE_CHECKING:  # imported only where a face is asked for
    from envs.faces.gym_table import TableEnv
    from envs.faces.pettingzoo import ParallelFace


class DigitalParameters(Parameters):
    """Size of the drawn problem and how the agents are coupled."""

    optimum_known: ClassVar[bool] = True

    instance: Instance = Field(
        default=0, description="seed of the problem itself (kernel, rewards); 'seed' follows the replicate's seed"
    )
    states: int = Field(default=20, ge=1, description="states S")
    actions: int = Field(default=2, ge=1, description="actions A in every state")
    gamma: float = Field(default=0.8, ge=0, lt=1, description="discount factor")
    reward_range: float = Field(default=4.0, gt=0, description="mean rewards are uniform in [0, reward_range]")
    reward_noise: float = Field(default=0.5, ge=0, description="half width of the uniform noise on every reward")
    coupling: Literal["shared", "private"] = Field(
        default="shared",
        description="shared: one trajectory and one behaviour action, all agents learn of the same pair (s, a), as in"
        " the proofs; private: each agent acts in its own copy",
    )


class Digital(Environment):
    """N agents with private rewards on one common Markov decision process.

    The optimum is Q* of the mean reward of all agents.
    """

    name = "digital"
    kind = "observed-mdp"
    version = 2
    Parameters = DigitalParameters
    parameters: DigitalParameters
    types = 1  #: observation types T
    states: int  #: rows S of an agent's table
    actions: int  #: A in every state
    gamma: float  #: discount
    adjacency = ("index", 1.0)  #: metric and level of adjacent states unless the algorithm is given others
    dimension = 1  #: coordinates of a state

    def __init__(self, parameters: DigitalParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        self.states, self.actions, self.gamma = parameters.states, parameters.actions, parameters.gamma
        self.shared = parameters.coupling == "shared"

    @property
    def memory(self) -> float:
        """Bytes of the kernel and of rewards and tables of all agents, roughly."""
        pairs = self.states * self.actions
        return 40.0 * pairs * self.states + 40.0 * self.agents * pairs

    @property
    def type_of(self) -> np.ndarray:
        """int64 [N], observation type of each agent: all 0, the only type."""
        return np.zeros(self.agents, np.int64)

    @property
    def seen(self) -> list[np.ndarray]:
        """For every type the coordinates that it observes: here one type and one coordinate."""
        return [np.zeros(1, np.int64)]

    @property
    def coordinates(self) -> list[np.ndarray]:
        """Coordinates [S, 1] of the table rows; they start at 1."""
        return [np.arange(1, self.states + 1)[:, None]]

    @cached_property
    def transition(self) -> np.ndarray:
        """P, float64 [S, A, S]: rows uniform in [0, 1], then normalised."""
        rows = stream(self.instance, COMMON_KERNEL).uniform(size=(self.states, self.actions, self.states))
        return rows / ordered_sum(rows.transpose(2, 0, 1))[:, :, None]

    def rewards(self, members: range) -> np.ndarray:
        """Mean rewards r_i(s, a) of ``members``, float64 [n, S, A]."""
        drawn = np.empty((len(members), self.states, self.actions))
        for row, agent in enumerate(members):
            drawn[row] = stream(self.instance, PROCESS, agent).uniform(size=drawn.shape[1:])
        return self.parameters.reward_range * drawn

    @cached_property
    def optimal(self) -> np.ndarray:
        """Q* [S, A] of the mean reward over all agents, by value iteration to machine accuracy."""
        mean = np.zeros((self.states, self.actions))
        for agent in range(self.agents):  # one after the other: 100 000 agents' rewards are never held at once
            mean += self.rewards(range(agent, agent + 1))[0]
        return optimal_values(self.transition, mean / self.agents, self.gamma)

    @cached_property
    def _process(self) -> tuple[np.ndarray, np.ndarray]:
        return alias_tables(self.transition)

    def block(self, members: range) -> ObservedBlock:
        """The tables of exactly these members."""
        probability, alias = self._process
        every = np.arange(self.states)
        return ObservedBlock(
            probability,
            alias,
            successor=np.broadcast_to(every, probability.shape).copy(),
            terminal=np.zeros(self.states, np.bool_),
            reward=self.rewards(members),
            reward_of=np.arange(len(members)),
            noise=self.parameters.reward_noise,
            observed=every[None, :].copy(),
            type_of=np.zeros(len(members), np.int64),
            starts=every,
            limit=0,
            gamma=self.gamma,
        )

    def play(self) -> "DigitalPlay":
        """Episodes step by step; every agent has its own copy of the environment."""
        return DigitalPlay(self)

    def parallel(self, render_mode: str | None = None) -> "ParallelFace":
        """The agents, each in its own copy, as a PettingZoo ``ParallelEnv``; it never ends. Needs PettingZoo."""
        from envs.faces.pettingzoo import ParallelFace  # PettingZoo is imported only where this face is asked for

        return ParallelFace(self.name, self.play(), render_mode)

    def portrait(self) -> np.ndarray:
        """What the report shows: a row of states for each agent at the start, uint8 [height, width, 3]."""
        play = self.play()
        play.start(np.random.default_rng(np.random.SeedSequence(0)))
        return play.picture()

    def gym(self, agent: int = 0, horizon: int | None = None, render_mode: str | None = None) -> "TableEnv":
        """Agent ``agent``'s own copy as a gymnasium environment; it never terminates, ``horizon`` truncates it.

        ``render_mode`` is None or ``rgb_array``.
        """
        from envs.faces.gym_table import TableEnv  # gymnasium is imported only where a face is asked for

        reward = self.rewards(range(agent, agent + 1))[0]
        noise = self.parameters.reward_noise
        return TableEnv(self.transition, reward, noise, horizon=horizon, uniform=True, render_mode=render_mode)


class DigitalPlay:
    """Every agent's own copy of the process, which never ends."""

    def __init__(self, problem: Digital) -> None:
        self.members, self.states, self.actions = range(problem.agents), problem.states, problem.actions
        self._reward, self._noise = problem.rewards(self.members), problem.parameters.reward_noise
        self._cumulative = np.cumsum(problem.transition, axis=2)
        self._cumulative[..., -1] = 1.0
        self._state = np.zeros(problem.agents, np.int64)

    def start(self, generator: np.random.Generator) -> None:
        """Every agent in a uniformly drawn state."""
        self._generator = generator
        self._state = generator.integers(self.states, size=len(self.members))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All agents act. Returns the rewards and two arrays of False: no episode ends or is cut short."""
        n = len(self.members)
        rewards = self._reward[np.arange(n), self._state, actions]
        rewards = rewards + self._noise * self._generator.uniform(-1, 1, size=n)
        drawn = self._generator.random(n)
        rows = self._cumulative[self._state, actions]
        self._state = np.array([np.searchsorted(row, u, side="right") for row, u in zip(rows, drawn)], np.int64)
        return rewards, np.zeros(n, np.bool_), np.zeros(n, np.bool_)

    def observe(self) -> np.ndarray:
        """The state int64 [N] of each agent."""
        return self._state.copy()

    def picture(self) -> np.ndarray:
        """A row of states for each agent, the present one filled: uint8 [height, width, 3]."""
        return picture(len(self.members), self.states, [(int(s), i) for i, s in enumerate(self._state)])


@kernel
def optimal_values(transition, reward, gamma):
    """Q* [S, A] of ``transition`` [S, A, S] and ``reward`` [S, A] for a discount below 1, by value iteration.

    Sweeps until no value moves by more than 1e-15 of max |reward| / (1 - gamma), or 100 000 times.
    """
    states, actions = reward.shape
    q = np.zeros((states, actions))
    ahead = np.zeros(states)
    scale = 0.0
    for s in range(states):
        for a in range(actions):
            scale = max(scale, abs(reward[s, a]))
    scale /= 1.0 - gamma
    for _ in range(100_000):
        moved = 0.0
        for s in range(states):
            for a in range(actions):
                value = 0.0
                for t in range(states):
                    value += transition[s, a, t] * ahead[t]
                value = reward[s, a] + gamma * value
                moved = max(moved, abs(value - q[s, a]))
                q[s, a] = value
        for s in range(states):
            ahead[s] = q[s, 0]
            for a in range(1, actions):
                ahead[s] = max(ahead[s], q[s, a])
        if moved <= 1e-15 * scale:
            break
    return q
