"""Wrapped environments for the tabular algorithms: episodes in a finite process, with exact returns."""

from functools import cached_property
from typing import ClassVar

import numpy as np
from pydantic import Field

from envs.common.chains import alias_tables
from envs.grids.observed import ObservedBlock
from envs.wrapped.keywords import WrappedParameters
from envs.wrapped.source import Wrapped
from orchestrator.core import kernel

#: Steps of an episode if neither the environment nor the user limits them.
LIMIT = 200
#: Keywords that set the length of an episode.
LIMITS = ("max_cycles", "max_steps", "max_episode_steps")


class TableParameters(WrappedParameters):
    """Discount and length of episodes."""

    optimum_known: ClassVar[bool] = False  # returns of whole episodes are compared instead

    gamma: float = Field(default=0.99, ge=0, lt=1, description="discount factor of the learners")
    limit: int | None = Field(
        default=None, ge=1, description=f"steps after which an episode is cut short; the environment's own, or {LIMIT}"
    )


class WrappedTables(Wrapped):
    """Agents that each act in their own copy of an environment of another package."""

    kind = "observed-mdp"
    Base = TableParameters
    parameters: TableParameters
    types = 1

    def __init__(self, parameters: TableParameters, agents: int, instance: int) -> None:
        self._read(parameters, agents, instance)
        self.gamma = parameters.gamma
        own = [getattr(parameters, name, None) for name in LIMITS] + [self.source.steps]
        known = [int(steps) for steps in own if isinstance(steps, int | float) and steps > 0]
        self.limit = parameters.limit or min(known, default=LIMIT)
        self.dimension = self.coordinates_of.shape[1]

    @property
    def adjacency(self) -> tuple[str, float]:
        """Default metric and level of adjacent states: neighbouring numbers, or states that differ in one component."""
        return ("index", 1.0) if self.dimension == 1 else ("l0", 1.0)

    @property
    def memory(self) -> float:
        """Bytes of the processes and of the agents' tables, roughly."""
        pairs = self.states * self.actions
        return 8.0 * pairs * (6 * self.process_count * self.process(0).chance.shape[2] + 2 * self.agents)

    @property
    def type_of(self) -> np.ndarray:
        """int64 [N]: all agents have observation type 0."""
        return np.zeros(self.agents, np.int64)

    @property
    def seen(self) -> list[np.ndarray]:
        """The coordinates that each type observes: the one type observes all."""
        return [np.arange(self.dimension)]

    @property
    def coordinates(self) -> list[np.ndarray]:
        """For the one type, the components of the observations int64 [S, d], counted from 1."""
        return [self.coordinates_of]

    def process_of(self, members: range) -> np.ndarray:
        """int64 [n]: the process of each member. Agent i has process i mod M."""
        return np.arange(members.start, members.stop) % self.process_count

    def block(self, members: range) -> ObservedBlock:
        """The tables of exactly these members: the states of each process in turn, and an end after them."""
        distinct, own = np.unique(self.process_of(members), return_inverse=True)
        processes = [self.process(number) for number in distinct.tolist()]
        span, width = self.states + 1, max(process.chance.shape[2] for process in processes)
        shape = (len(processes), span, self.actions)
        successor, chance = np.zeros((*shape, width), np.int64), np.zeros((*shape, width))
        reward, slots = np.zeros(shape), [process.slots for process in processes]
        chance[..., 0] = 1.0
        for m, process in enumerate(processes):
            w = process.chance.shape[2]
            chance[m, :-1, :, :w], reward[m, :-1] = process.chance, process.reward
            successor[m, :-1, :, :w] = process.successor
            successor[m] += m * span
        most = int(np.lcm.reduce([len(of) for of in slots]))
        probability, alias = alias_tables(chance.reshape(-1, self.actions, width))
        return ObservedBlock(
            probability=probability,
            alias=alias,
            successor=successor.reshape(-1, self.actions, width),
            terminal=np.tile(np.arange(span) == self.states, len(processes)),
            reward=reward.reshape(1, -1, self.actions),
            reward_of=np.zeros(len(members), np.int64),
            noise=0.0,
            observed=np.tile(np.append(np.arange(self.states), 0), len(processes))[None],
            type_of=np.zeros(len(members), np.int64),
            starts=np.stack([np.repeat(of, most // len(of)) + m * span for m, of in enumerate(slots)]),
            limit=self.limit,
            gamma=self.gamma,
            start_of=own.astype(np.int64),
        )

    def returns(self, tables: np.ndarray) -> np.ndarray:
        """Exact mean undiscounted return float64 [N] of each agent, greedy in its own table of ``tables`` [N, S, A]."""
        returns = np.empty(self.agents)
        for i, number in enumerate(self.process_of(range(self.agents)).tolist()):
            process = self.process(number)
            returns[i] = episode_return(
                np.array(tables[i]), True, process.successor, process.chance, process.reward, process.start, self.limit
            )
        return returns

    @cached_property
    def best_return(self) -> float:
        """Mean over the agents of the best return of an episode. The best policy also sees the time step."""
        nothing, total = np.zeros((self.states, self.actions)), 0.0
        for number in range(self.process_count):
            process = self.process(number)
            total += episode_return(
                nothing, False, process.successor, process.chance, process.reward, process.start, self.limit
            )
        return total / self.process_count


@kernel
def episode_return(table, greedy, successor, chance, reward, start, limit):
    """Mean undiscounted return of ``limit`` steps from ``start`` [S], by recursion backward in time.

    Greedy in ``table`` [S, A], the lowest of equals, or the best action at every step. The successor S is the end.
    """
    states, actions, width = successor.shape
    ahead, now = np.zeros(states + 1), np.zeros(states + 1)
    for _ in range(limit):
        for s in range(states):
            choice = 0
            for a in range(1, actions):
                if table[s, a] > table[s, choice]:
                    choice = a
            best = -np.inf
            for a in range(actions):
                if greedy and a != choice:
                    continue
                value = reward[s, a]
                for w in range(width):
                    value += chance[s, a, w] * ahead[successor[s, a, w]]
                best = max(best, value)
            now[s] = best
        ahead, now = now, ahead
    total = 0.0
    for s in range(states):
        total += start[s] * ahead[s]
    return total
