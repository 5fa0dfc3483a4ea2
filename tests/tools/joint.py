"""A few agents as one MDP over every agent's own state, by plain numpy: nothing is lumped, nothing is counted."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np


class Everyone:
    """All agents of a ``problem``, of which nothing but the arrays is used.

    X joint states [X, n] and Y joint actions [Y, n] of the local agents. ``paid`` float64 [X, G, Y] is their part of
    the reward, the mean of r_l unless another is given.
    """

    def __init__(self, problem: Any, agents: int | None = None, paid: np.ndarray | None = None) -> None:
        self.problem, self.n = problem, problem.agents if agents is None else agents
        sizes = problem.local_kernel.shape
        self.states = list(itertools.product(range(sizes[0]), repeat=self.n))
        self.actions = list(itertools.product(range(sizes[2]), repeat=self.n))
        x, y = np.array(self.states), np.array(self.actions)
        at = np.arange(sizes[1])[None, :, None]
        #: P(next | joint state, s_g, joint action), [X, G, Y, X], and mean of r_l, [X, G, Y]
        self.moves = np.ones((len(x), sizes[1], len(y), len(x)))
        self.paid = np.zeros((len(x), sizes[1], len(y)))
        for i in range(self.n):
            where, what = x[:, i, None, None], y[None, None, :, i]
            self.moves *= problem.local_kernel[where, at, what][..., x[:, i]]
            self.paid += problem.local_reward[where, at, what] / self.n
        if paid is not None:
            self.paid = paid

    def backup(self, value: np.ndarray) -> np.ndarray:
        """Q [X, G, Y, A] of ``value`` [X, G] one step later."""
        p = self.problem
        ahead = np.einsum("xgyz,zh->xgyh", self.moves, value)
        ahead = np.einsum("gah,xgyh->xgya", p.global_kernel, ahead)
        return self.paid[..., None] + p.global_reward[None, :, None, :] + p.gamma * ahead

    def best(self, sweeps: int = 400) -> np.ndarray:
        """V [X, G] after so many sweeps from 0, all told what to do."""
        value = np.zeros(self.paid.shape[:2])
        for _ in range(sweeps):
            value = self.backup(value).max(axis=(2, 3))
        return value

    def acted(self, locally: Callable) -> np.ndarray:
        """Chances [X, G, Y] of joint actions where agent i acts by ``locally(i, g, s)``, independently."""
        out = np.ones(self.paid.shape)
        for (row, s), g in itertools.product(enumerate(self.states), range(out.shape[1])):
            for i in range(self.n):
                out[row, g] *= np.asarray(locally(i, g, s))[[b[i] for b in self.actions]]
        return out

    def best_globally(self, locally: Callable, sweeps: int = 400) -> np.ndarray:
        """V [X, G] of the best global agent that sees everyone, the local ones acting by ``locally``."""
        acted, value = self.acted(locally), np.zeros(self.paid.shape[:2])
        for _ in range(sweeps):
            value = np.einsum("xgy,xgya->xga", acted, self.backup(value)).max(axis=2)
        return value

    def chain(self, globally: Callable, locally: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Transitions [X, G, X, G], rewards [X, G] and the global actions' chances [X, G, A]."""
        p, acted = self.problem, self.acted(locally)
        at = range(acted.shape[1])
        chosen = np.array([[globally(g, s) for g in at] for s in self.states])
        moved = np.einsum("xgy,xgyz->xgz", acted, self.moves)
        drift = np.einsum("xga,gah->xgh", chosen, p.global_kernel)
        reward = (acted * self.paid).sum(axis=2) + (chosen * p.global_reward).sum(axis=2)
        return np.einsum("xgz,xgh->xgzh", moved, drift), reward, chosen

    def value(self, globally: Callable, locally: Callable) -> np.ndarray:
        """V [X, G] where the global agent acts by ``globally(g, s)``: a linear equation."""
        chain, reward, _ = self.chain(globally, locally)
        size = reward.size
        found = np.linalg.solve(np.eye(size) - self.problem.gamma * chain.reshape(size, size), reward.reshape(-1))
        return found.reshape(reward.shape)

    def start(self) -> np.ndarray:
        """Chance [X, G] of each joint state and s_g: states drawn one after the other from Polya's urn, or evenly."""
        alpha, (count, globals_), states = self.problem.concentration, self.paid.shape[:2], self.problem.local_states
        out = np.full((count, globals_), 1.0 / (count * globals_))
        if alpha is not None:
            out[:] = 1.0 / globals_
            for (row, s), i in itertools.product(enumerate(self.states), range(self.n)):
                out[row] *= (s[:i].count(s[i]) + alpha) / (i + states * alpha)
        return out

    def at_start(self, value: np.ndarray) -> float:
        """The mean of ``value`` [X, G] at the start."""
        return float((self.start() * value).sum())

    def row(self, k: int) -> Callable:
        """Where a group of k states is among all histograms: lexicographically, by its counts."""
        states = self.problem.local_states
        counts = [c for c in itertools.product(range(k + 1), repeat=states) if sum(c) == k]
        place = {c: row for row, c in enumerate(counts)}
        return lambda group: place[tuple(list(group).count(s) for s in range(states))]

    def looking(self, policy: np.ndarray, k: int) -> Callable:
        """``globally`` of a ``policy`` [histograms, G, A] of k agents drawn from all, every subset alike."""
        row = self.row(k)
        return lambda g, s: np.mean([policy[row(seen), g] for seen in itertools.combinations(s, k)], axis=0)

    def mingling(self, shares: np.ndarray, k: int) -> Callable:
        """``locally`` of ``shares`` [histograms, G, S, B]: each draws k - 1 of the others, every subset alike."""
        row = self.row(k)

        def locally(i: int, g: int, s: tuple) -> np.ndarray:
            others = itertools.combinations(s[:i] + s[i + 1 :], k - 1)
            return np.mean([shares[row((s[i], *seen)), g, s[i]] for seen in others], axis=0)

        return locally

    def spread(self, value: np.ndarray) -> np.ndarray:
        """``value`` [histograms, ...] of all agents as [X, ...]."""
        row = self.row(self.n)
        return value[[row(s) for s in self.states]]
