"""Processes with finitely many states, read from an environment's own table or counted while it is acted in at random.

An observation is taken for the state. Where an environment has a table ``P`` as gymnasium's toy texts have,
``P[s][a]`` = [(chance, next state, reward, ended), …], the process is exact. Where it has none it is estimated, and
what is not seen while acting at random is not in it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Entries (observations times actions) of a table, at the most.
MOST_ENTRIES = 10**6
#: Places among which a start that is not uniform is apportioned.
SLOTS = 10_000
#: How far chances may be from adding up to 1.
SURE = 1e-6
#: Steps of a second run that must be those of the first.
REPEATED = 1000


class Finite:
    """A discrete space as the numbers 0..size-1. Raises ValueError for any other space."""

    def __init__(self, space: Any, title: str):
        parts = getattr(space, "spaces", None)
        self._tuple = isinstance(parts, tuple)
        self._space = space
        counts, starts = [], []
        for part in parts if isinstance(parts, tuple) else [space]:
            kind = type(part).__name__
            if kind == "Discrete":
                counts.append(int(part.n))
                starts.append(int(part.start))
            elif kind == "MultiDiscrete" and np.ndim(part.nvec) == 1:
                counts += part.nvec.tolist()
                starts += np.asarray(getattr(part, "start", np.zeros(len(part.nvec), np.int64))).tolist()
            elif kind == "MultiBinary" and np.ndim(part.n) == 0:
                counts += [2] * int(part.n)
                starts += [0] * int(part.n)
            else:
                raise ValueError(f"its {title} are a {kind}; only discrete ones can be numbered")
        self.counts, self._starts = tuple(counts), np.array(starts, np.int64)
        self.size = math.prod(self.counts)

    def number(self, value: Any) -> int:
        """The number of an element."""
        parts = value if self._tuple else [value]
        flat = np.concatenate([np.atleast_1d(np.asarray(part, np.int64)).reshape(-1) for part in parts])
        return int(np.ravel_multi_index(tuple(flat - self._starts), self.counts))

    def element(self, number: int) -> Any:
        """The element of a number, for spaces that are one Discrete, MultiDiscrete or MultiBinary."""
        found = np.array(np.unravel_index(number, self.counts)) + self._starts
        if self._tuple:
            return tuple(int(part) for part in found)
        return int(found[0]) if type(self._space).__name__ == "Discrete" else found

    @property
    def coordinates(self) -> np.ndarray:
        """int64 [size, d]: the components of every element, counted from 1."""
        return np.stack(np.unravel_index(np.arange(self.size), self.counts), axis=1) + 1


#: (state, action) -> next state -> chance.
Moves = dict[tuple[int, int], Mapping[int, float]]


@dataclass(frozen=True)
class Process:
    """S states, A actions and up to W successors of each pair; the successor S stands for the end of the episode."""

    successor: np.ndarray  # int64 [S, A, W]
    chance: np.ndarray  # float64 [S, A, W]
    reward: np.ndarray  # float64 [S, A], mean reward of a step
    start: np.ndarray  # float64 [S]
    seen: np.ndarray  # bool [S, A]: pairs that can be reached from a start, or were

    @property
    def slots(self) -> np.ndarray:
        """int64 [k]: states of which one drawn uniformly is a start; exact where all starts are equally likely."""
        support = np.flatnonzero(self.start)
        if np.ptp(self.start[support]) < 1e-12:
            return support
        ends = np.floor(SLOTS * np.cumsum(self.start[support]) + 0.5).astype(np.int64)
        return np.repeat(support, np.diff(ends, prepend=0))


def from_table(table: Any, start: np.ndarray, states: int, actions: int) -> Process:
    """The process of ``P`` with the start distribution ``start`` [S]."""
    moves: Moves = {}
    reward = np.zeros((states, actions))
    for s in range(states):
        for a in range(actions):
            ahead: dict[int, float] = defaultdict(float)
            for chance, to, paid, ended in table[s][a]:
                ahead[states if ended else int(to)] += float(chance)
                reward[s, a] += float(chance) * float(paid)
            total = sum(ahead.values())
            if min(ahead.values(), default=-1.0) < 0 or abs(total - 1) > SURE:
                chances = ", ".join(f"{chance:g}" for chance in ahead.values()) or "none"
                told = f"the chances of state {s} under action {a} are {chances}"
                raise ValueError(f"{told}; they must be 0 or more and add up to 1")
            moves[s, a] = ahead
    return _process(moves, reward, start / start.sum(), states, actions)


@dataclass
class Watched:
    """What was seen of one agent's process."""

    moves: dict[tuple[int, int], Counter[int]]
    paid: np.ndarray
    starts: Counter[int]

    def process(self, states: int, actions: int) -> Process:
        """The shares of what was seen. Raises ValueError for an action that was never tried in a state reached."""
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
            reward[s, a] = self.paid[s, a] / total
        return _process(moves, reward, start / start.sum(), states, actions)


#: ``begin(seed)`` -> observations of all agents.
Begin = Callable[[int | None], list[int]]
#: ``act(actions)`` -> next observations, rewards, which have ended, whether all begin anew.
Act = Callable[[list[int]], tuple[list[int], list[float], list[bool], bool]]


def watched(begin: Begin, act: Act, sizes: tuple[int, int], agents: int, samples: int, seed: int) -> list[Watched]:
    """Count ``samples`` steps of all ``agents`` acting uniformly at random; ``sizes`` are S and A.

    Raises ValueError if the first steps are not the same again under the same seed.
    """
    states, actions = sizes
    found = [Watched({}, np.zeros(sizes), Counter()) for _ in range(agents)]
    first = [step for step, _ in zip(_steps(begin, act, actions, agents, seed), range(min(samples, REPEATED)))]
    for k, (now, chosen, ahead, paid, ended, fresh) in enumerate(_steps(begin, act, actions, agents, seed)):
        if k < len(first) and (now, chosen, ahead, paid, ended, fresh) != first[k]:
            raise ValueError("two runs with the same seed differ, so that nothing measured on it could be repeated")
        if k == samples:
            break
        for i, seen in enumerate(found):
            if fresh:
                seen.starts[now[i]] += 1
            to = states if ended[i] else ahead[i]
            seen.moves.setdefault((now[i], chosen[i]), Counter())[to] += 1
            seen.paid[now[i], chosen[i]] += paid[i]
    return found


def _steps(begin: Begin, act: Act, actions: int, agents: int, seed: int) -> Iterator[tuple[Any, ...]]:
    """(observations, actions, next observations, rewards, ended, whether this is an episode's first step), …"""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    now, fresh = begin(seed), True
    while True:
        chosen = rng.integers(actions, size=agents).tolist()
        ahead, paid, ended, over = act(chosen)
        yield now, chosen, ahead, paid, ended, fresh
        now, fresh = (begin(None), True) if over else (ahead, False)


def _process(moves: Moves, reward: np.ndarray, start: np.ndarray, states: int, actions: int) -> Process:
    width = max(len(ahead) for ahead in moves.values())
    successor, chance = np.full((states, actions, width), states), np.zeros((states, actions, width))
    chance[..., 0] = 1.0  # a pair that is never reached leads to the end
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
    """bool [S]: states that some actions lead to from a start before the episode ends."""
    states = len(start)
    found, left = start > 0, np.flatnonzero(start).tolist()
    while left:
        s = left.pop()
        for to in np.unique(successor[s][chance[s] > 0]).tolist():
            if to < states and not found[to]:
                found[to] = True
                left.append(to)
    return found
