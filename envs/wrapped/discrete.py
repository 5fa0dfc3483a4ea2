"""Processes with finitely many states: read from an environment's own table, or estimated from random steps.

The observation is treated as the state. The process is exact if the environment has a table ``P`` as gymnasium's toy
texts have, ``P[s][a]`` = [(chance, next state, reward, ended), …]. Else it is estimated, and it lacks whatever did not
happen during the random steps.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np

#: Largest number of entries (observations times actions) of a table.
MOST_ENTRIES = 10**6
#: Number of places that represent a start distribution that is not uniform.
SLOTS = 10_000
#: Largest difference of the sum of chances from 1.
SURE = 1e-6


#: (state, action) -> next state -> chance.
Moves: TypeAlias = dict[tuple[int, int], Mapping[int, float]]
#: ``P`` of gymnasium's toy texts: state -> action -> (chance, next state, reward, ended) of each outcome.
Table: TypeAlias = Mapping[int, Mapping[int, Iterable[tuple[float, int, float, bool]]]]


@dataclass(frozen=True)
class Process:
    """S states, A actions and up to W successors of each pair. The successor S stands for the end of the episode."""

    successor: np.ndarray  # int64 [S, A, W]
    chance: np.ndarray  # float64 [S, A, W]
    reward: np.ndarray  # float64 [S, A], mean reward of a step
    start: np.ndarray  # float64 [S]
    seen: np.ndarray  # bool [S, A]: pairs that can be reached from a start

    @property
    def digest(self) -> str:
        """Hash of all its arrays, 16 hex digits."""
        digest = hashlib.sha256()
        for array in (self.successor, self.chance, self.reward, self.start):
            digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    @property
    def slots(self) -> np.ndarray:
        """int64 [k]: states such that a uniform draw among them is a start. Exact if all starts are equally likely."""
        support = np.flatnonzero(self.start)
        if np.ptp(self.start[support]) < 1e-12:
            return support
        ends = np.floor(SLOTS * np.cumsum(self.start[support]) + 0.5).astype(np.int64)
        return np.repeat(support, np.diff(ends, prepend=0))


def from_table(table: Table, start: np.ndarray, states: int, actions: int) -> Process:
    """The process of ``P`` with the start distribution ``start`` [S]."""
    moves: Moves = {}
    reward = np.zeros((states, actions))
    for s in range(states):
        for a in range(actions):
            ahead: dict[int, float] = defaultdict(float)
            for chance, to, pay, ended in table[s][a]:
                ahead[states if ended else int(to)] += float(chance)
                reward[s, a] += float(chance) * float(pay)
            total = math.fsum(ahead.values())
            if min(ahead.values(), default=-1.0) < 0 or abs(total - 1) > SURE:
                chances = ", ".join(f"{chance:g}" for chance in ahead.values()) or "none"
                raise ValueError(
                    f"the chances of state {s} under action {a} are {chances}; they must be 0 or more and add up to 1"
                )
            moves[s, a] = ahead
    return _process(moves, reward, start / math.fsum(start), states, actions)


@dataclass
class Counts:
    """How often each step of one agent's process was observed."""

    moves: dict[tuple[int, int], Counter[int]]  # (state, action) -> next state -> number of steps
    total_reward: np.ndarray  # float64 [S, A]
    starts: Counter[int]  # state -> number of episodes that started there

    def process(self, states: int, actions: int) -> Process:
        """The process whose chances are the observed shares.

        Raises ValueError for an action that was never tried in a state that was reached.
        """
        reached = sorted({s for s, _ in self.moves} | set(self.starts) | {t for c in self.moves.values() for t in c})
        for s in reached:
            for a in range(actions):
                if s < states and (s, a) not in self.moves:
                    raise ValueError(f"action {a} was never tried in state {s}, which was reached; raise env.samples")
        start, reward = np.zeros(states), np.zeros((states, actions))
        for s, count in sorted(self.starts.items()):
            start[s] = count
        moves: Moves = {}
        for (s, a), ahead in sorted(self.moves.items()):
            total = sum(ahead.values())
            moves[s, a] = {to: count / total for to, count in ahead.items()}
            reward[s, a] = self.total_reward[s, a] / total
        return _process(moves, reward, start / math.fsum(start), states, actions)


#: ``begin(seed)`` starts an episode and returns the observations of all agents.
Begin: TypeAlias = Callable[[int | None], list[int]]
#: ``act(actions)`` returns next observations, rewards, whether each agent has ended, whether a new episode must start.
Act: TypeAlias = Callable[[list[int]], tuple[list[int], list[float], list[bool], bool]]

#: Observations, actions, next observations, rewards, ended, and whether this is the first step of an episode.
Step: TypeAlias = tuple[list[int], list[int], list[int], list[float], list[bool], bool]


def count_steps(begin: Begin, act: Act, sizes: tuple[int, int], agents: int, samples: int, seed: int) -> list[Counts]:
    """Count ``samples`` steps of all ``agents``, which act uniformly at random. ``sizes`` are S and A.

    All steps are taken twice. Raises ValueError if the two runs, which have the same seed, differ.
    """
    states, actions = sizes
    counts = [Counts({}, np.zeros(sizes), Counter()) for _ in range(agents)]
    first, again = hashlib.sha256(), hashlib.sha256()
    for step in islice(_steps(begin, act, actions, agents, seed), samples):
        first.update(repr(step).encode())
        now, chosen, ahead, rewards, ended, fresh = step
        if not np.isfinite(rewards).all():
            raise ValueError(f"it paid a reward of {rewards[0] if agents == 1 else rewards}, which is not a number")
        for i, of_agent in enumerate(counts):
            if fresh:
                of_agent.starts[now[i]] += 1
            to = states if ended[i] else ahead[i]
            of_agent.moves.setdefault((now[i], chosen[i]), Counter())[to] += 1
            of_agent.total_reward[now[i], chosen[i]] += rewards[i]
    for step in islice(_steps(begin, act, actions, agents, seed), samples):
        again.update(repr(step).encode())
    if first.digest() != again.digest():
        raise ValueError("two runs with the same seed differ, so results could not be repeated")
    return counts


def _steps(begin: Begin, act: Act, actions: int, agents: int, seed: int) -> Iterator[Step]:
    """Steps of agents that act uniformly at random, without end."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    now, fresh = begin(seed), True
    while True:
        chosen = rng.integers(actions, size=agents).tolist()
        ahead, rewards, ended, over = act(chosen)
        yield now, chosen, ahead, rewards, ended, fresh
        now, fresh = (begin(None), True) if over else (ahead, False)


def _process(moves: Moves, reward: np.ndarray, start: np.ndarray, states: int, actions: int) -> Process:
    width = max(len(ahead) for ahead in moves.values())
    successor, chance = np.full((states, actions, width), states), np.zeros((states, actions, width))
    chance[..., 0] = 1.0  # a pair that was never reached leads to the end
    for (s, a), ahead in moves.items():
        for w, (to, share) in enumerate(sorted(ahead.items())):
            successor[s, a, w], chance[s, a, w] = to, share
        total = math.fsum(chance[s, a])
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the chances of state {s}, action {a} add up to {total:g}")
        chance[s, a] /= total
    reached = _reached(successor, chance, start)
    return Process(successor, chance, reward, start, np.repeat(reached[:, None], actions, axis=1))


def _reached(successor: np.ndarray, chance: np.ndarray, start: np.ndarray) -> np.ndarray:
    """bool [S]: states that can be reached from a start before the episode ends."""
    states = len(start)
    reached, left = start > 0, np.flatnonzero(start).tolist()
    while left:
        s = left.pop()
        for to in np.unique(successor[s][chance[s] > 0]).tolist():
            if to < states and not reached[to]:
                reached[to] = True
                left.append(to)
    return reached
