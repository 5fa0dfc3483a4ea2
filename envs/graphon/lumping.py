"""The exact chain of a team on a block graphon: how many agents of each block are in each state.

Agents of a block are alike, so the counts of all blocks are an exact lumping of the joint states: what the best joint
policy reaches that sees everyone, and what agents reach that act independently on what they draw, are fixed points on
it. A joint action of the lumping says how many agents of each block and state take which action.
"""

import itertools
import math
from collections.abc import Callable
from functools import cached_property

import numpy as np

from envs.graphon.lumping_kernels import averages, forward, improved, moved, seen
from envs.mean_field.histograms import enumerated, histograms, log_rising
from envs.mean_field.lumping import settle
from orchestrator.core import elementwise, exp, log, ordered_sum

#: Largest number of multiplications of an exact value, or of the best policy: some seconds each.
MOST_OPERATIONS = 2e10
#: Sweeps of an evaluation, and improvements until a policy is best; used for the estimate only.
SWEEPS, IMPROVEMENTS = 650, 10
#: What an improvement must bring, relative to the largest value.
IMPROVES = 1e-12


def value_operations(sizes: np.ndarray, states: int) -> float:
    """Multiplications for the value of one policy, roughly."""
    return SWEEPS * float(math.prod(histograms(int(n), states) for n in sizes)) ** 2


def best_operations(sizes: np.ndarray, states: int, actions: int) -> float:
    """Multiplications for the best policy, roughly."""
    cells = [float(histograms(int(n), states)) for n in sizes]
    # Joint actions of a block over all its counts: histograms over (state, action).
    chosen = [float(histograms(int(n), states * actions)) for n in sizes]
    once = 0.0
    for b in range(len(cells)):
        once += math.prod(chosen[: b + 1]) * math.prod(cells[b + 1 :]) * math.prod(cells[b:])
    return IMPROVEMENTS * (once + value_operations(sizes, states))


def memory(sizes: np.ndarray, states: int, actions: int) -> float:
    """Bytes of a lumping, roughly."""
    cells = [histograms(int(n), states) for n in sizes]
    each = states * (2 * states + actions * (states + 2)) + 3 * max(cells)
    return 8.0 * float(math.prod(cells)) * len(cells) * each


class BlockLumping:
    """Blocks of ``sizes`` int64 [B]; W is ``within`` inside a block and ``across`` between blocks.

    ``model`` gives P(s' | s, a) [rows, S, A, S] and r [rows, S, A] of an agent for the shares [rows, S] around it.
    Cells are the counts of all blocks, those of the last block running fastest.
    """

    def __init__(
        self, model: Callable, sizes: np.ndarray, states: int, within: float, across: float, gamma: float
    ) -> None:
        self.sizes, self.states, self.gamma = sizes, states, gamma
        parts = [enumerated(int(n), states) for n in sizes]
        #: counts of one block, all blocks' after each other int64 [sum of M_b, S], and where each block's begin [B + 1]
        self.parts = np.concatenate(parts)
        self.offsets = np.cumsum([0, *map(len, parts)])
        #: int64 [cells, B], the row of ``parts`` of each block, and the counts [cells, B, S]
        self.rows = np.array(list(itertools.product(*map(range, map(len, parts))))) + self.offsets[:-1]
        self.counts = self.parts[self.rows]
        #: g [cells, B, S, S] around an agent of a block and state; 0 where there is no such agent
        self.shares = around(self.counts, within, across)
        chance, paid = model(self.shares.reshape(-1, self.states))
        # A model's tables are for any own state: here the one that the shares were made for.
        own = np.arange(len(chance)) % self.states
        shape = *self.counts.shape, paid.shape[2]
        #: P(s' | s, a) [cells, B, S, A, S] and r / n [cells, B, S, A] of an agent of a block
        self.chance = chance[np.arange(len(own)), own].reshape(*shape, self.states)
        self.paid = paid[np.arange(len(own)), own].reshape(shape) / int(sizes.sum())

    @cached_property
    def first(self) -> np.ndarray:
        """Chance of each cell at the start, states independent and uniform, float64 [cells]."""
        chance = np.ones(len(self.counts))
        for b, n in enumerate(self.sizes):
            ways = log_rising(1.0, int(n))
            logs = np.full(len(chance), ways[n] - n * log(self.states))
            for count in self.counts[:, b].T:
                logs -= ways[count]
            chance *= elementwise(exp, logs)
        return chance

    def at_start(self, value: np.ndarray) -> float:
        """The mean of ``value`` [cells] at the start."""
        return float(ordered_sum(self.first * value))

    def action_chances(self, policy: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """[cells, B, S, A]: how often an agent takes each action that sees draws with replacement from its g.

        ``shown`` int64 [K, S] are all histograms of the draws and ``policy`` float64 [K, S, A] what is done on them.
        """
        return seen(self.counts, self.shares, policy, shown)

    def value(self, chances: np.ndarray) -> np.ndarray:
        """V [cells] where every agent takes actions independently with ``chances`` [cells, B, S, A]."""
        chance, reward = averages(self.counts, chances, self.chance, self.paid)
        ahead = moved(self.counts, chance, self.parts, self.offsets)
        return self._followed(ahead, reward)

    def _followed(self, ahead: np.ndarray, reward: np.ndarray) -> np.ndarray:
        """V [cells] of ``reward`` [cells] and the blocks' moves ``ahead`` [cells, B, most cells of a block]."""
        lengths = np.diff(self.offsets)
        return settle(lambda value: reward + self.gamma * forward(ahead, lengths, value), np.zeros(len(reward)))

    @cached_property
    def choices(self) -> tuple[np.ndarray, np.ndarray]:
        """All joint actions of a block, counts int64 [choices, S * A] by place s A + a, those of one row of ``parts``

        after those of another; and where those of each row begin, int64 [rows + 1].
        """
        actions = self.paid.shape[3]
        rows, starts = [], [0]
        for counts in self.parts:
            each = [enumerated(int(c), actions).tolist() for c in counts]
            rows += [list(itertools.chain(*chosen)) for chosen in itertools.product(*each)]
            starts.append(len(rows))
        return np.array(rows), np.array(starts)

    @cached_property
    def best(self) -> np.ndarray:
        """V* [cells] of the best joint policy that sees everyone: policy iteration over all joint actions."""
        cells, blocks, states, actions = self.paid.shape
        chance = self.chance.reshape(cells, blocks, states * actions, states)
        paid = self.paid.reshape(cells, blocks, states * actions)
        choices, starts = self.choices
        value, chosen = np.zeros(cells), np.zeros((cells, blocks), np.int64)
        while True:
            tables = self.rows, self.parts, self.offsets, choices, starts, chance, paid
            after, then = improved(value, *tables, self.gamma)
            little = IMPROVES * max(1.0, float(np.abs(after).max()))
            if np.array_equal(then, chosen) or np.abs(after - value).max() <= little:
                return after
            chosen = then
            counts = choices[chosen]
            value = self._followed(moved(counts, chance, self.parts, self.offsets), _rewards(counts, paid))


def around(counts: np.ndarray, within: float, across: float) -> np.ndarray:
    """g [cells, B, S, S] around an agent of block b in state s, itself left out, of ``counts`` int64 [cells, B, S].

    0 where block b has no agent in state s.
    """
    cells, blocks, states = counts.shape
    out = np.zeros((cells, blocks, states, states))
    for b, s in itertools.product(range(blocks), range(states)):
        total = np.zeros(cells)
        for t, other in itertools.product(range(states), range(blocks)):
            weight = within if other == b else across
            there = counts[:, other, t] - (1 if other == b and t == s else 0)
            out[:, b, s, t] += weight * there
            total += weight * there
        someone = counts[:, b, s] > 0
        out[:, b, s] = np.where(someone[:, None], out[:, b, s] / np.where(someone, total, 1.0)[:, None], 0.0)
    return out


def _rewards(counts: np.ndarray, paid: np.ndarray) -> np.ndarray:
    """sum over blocks and places of ``counts`` int64 [cells, B, J] ``paid`` float64 [cells, B, J]: [cells]."""
    terms = (counts * paid).reshape(len(counts), -1)
    return ordered_sum(np.ascontiguousarray(terms.T))
