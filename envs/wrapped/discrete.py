"""Processes with finitely many states: read from an environment's own table, or estimated from random steps.

The observation is treated as the state. The process is exact if the environment has a table ``P`` as gymnasium's toy
texts have, ``P[s][a]`` = [(chance, next state, reward, ended), …]. Else it is estimated, and it lacks whatever did not
happen during the random steps.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

if TYPE_CHECKING:  # gymnasium is not needed to number its spaces
    from gymnasium.spaces import Discrete, MultiBinary, MultiDiscrete

#: Largest number of entries (observations times actions) of a table.
MOST_ENTRIES = 10**6
#: Number of places that represent a start distribution that is not uniform.
SLOTS = 10_000
#: Largest difference of the sum of chances from 1.
SURE = 1e-6
#: Number of steps of two runs with the same seed that are compared.
REPEATED = 1000


class Finite:
    """A discrete space as the numbers 0..size-1. Raises ValueError for any other space."""

    def __init__(self, space: object, title: str):
        parts = getattr(space, "spaces", None)
        self._tuple = isinstance(parts, tuple)
        self._space = space
        counts: list[int] = []
        starts: list[int] = []
        for part in parts if isinstance(parts, tuple) else [space]:
            kind = type(part).__name__
            if kind == "Discrete":
                one = cast("Discrete", part)
                counts.append(int(one.n))
                starts.append(int(one.start))
            elif kind == "MultiDiscrete" and np.ndim((several := cast("MultiDiscrete", part)).nvec) == 1:
                counts += several.nvec.tolist()
                starts += np.asarray(getattr(part, "start", np.zeros(len(several.nvec), np.int64))).tolist()
            elif kind == "MultiBinary" and np.ndim((bits := cast("MultiBinary", part)).n) == 0:
                counts += [2] * int(cast(int, bits.n))
                starts += [0] * int(cast(int, bits.n))
            else:
                raise ValueError(f"its {title} are a {kind}; only discrete ones can be numbered")
        self.counts, self._starts = tuple(counts), np.array(starts, np.int64)
        self.size = math.prod(self.counts)

    def number(self, value: object) -> int:
        """The number of an element."""
        parts = cast(Iterable[object], value) if self._tuple else [value]
        flat = np.concatenate([np.atleast_1d(np.asarray(part, np.int64)).reshape(-1) for part in parts])
        return int(np.ravel_multi_index(tuple(flat - self._starts), self.counts))

    def element(self, number: int) -> object:
        """The element of a number, for spaces that are one Discrete, MultiDiscrete or MultiBinary."""
        parts = np.array(np.unravel_index(number, self.counts)) + self._starts
        if self._tuple:
            return tuple(int(part) for part in parts)
        return int(parts[0]) if type(self._space).__name__ == "Discrete" else parts

    @property
    def coordinates(self) -> np.ndarray:
        """int64 [size, d]: the components of every element, counted from 1."""
        return np.stack(np.unravel_index(np.arange(self.size), self.counts), axis=1) + 1


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

    Raises ValueError if the first steps of two runs with the same seed differ.
    """
    states, actions = sizes
    counts = [Counts({}, np.zeros(sizes), Counter()) for _ in range(agents)]
    first = [step for step, _ in zip(_steps(begin, act, actions, agents, seed), range(min(samples, REPEATED)))]
    for k, (now, chosen, ahead, rewards, ended, fresh) in enumerate(_steps(begin, act, actions, agents, seed)):
        if k < len(first) and (now, chosen, ahead, rewards, ended, fresh) != first[k]:
            raise ValueError("two runs with the same seed differ, so results could not be repeated")
        if k == samples:
            break
        for i, of_agent in enumerate(counts):
            if fresh:
                of_agent.starts[now[i]] += 1
            to = states if ended[i] else ahead[i]
            of_agent.moves.setdefault((now[i], chosen[i]), Counter())[to] += 1
            of_agent.total_reward[now[i], chosen[i]] += rewards[i]
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
