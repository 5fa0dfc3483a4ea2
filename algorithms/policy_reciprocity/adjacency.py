"""Which states of another agent's table are adjacent to a state of an agent: Definitions 1-3 of arXiv:2304.05632.

A state s observed through the matrix Pi (rows one-hot) is lifted to Pi^T s: a vector of the dimension d of the global
state, zero in every coordinate that is not observed. Two states are adjacent at level rho if the distance of their
lifted vectors is at most rho.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from orchestrator.core import exp, kernel

#: l0: coordinates that differ (Definition 1). euclidean, cosine (1 - cosine similarity) and index (difference of the
#: row numbers) are the alternatives of the paper's footnote. shared (reconstructed) counts the coordinates that both
#: agents observe and that differ. At level 0 a state is adjacent to all states that could be the same global state; the
#: paper's experiments call this level 1. These pairs have l0 distance 2, but so have many other pairs.
Metric = Literal["l0", "shared", "euclidean", "cosine", "index"]
Weights = Literal["uniform", "exponential"]
METRICS: tuple[str, ...] = get_args(Metric)


class Observed(Protocol):
    """What adjacency asks of an environment: see ``adjacency``."""

    @property
    def types(self) -> int: ...
    @property
    def states(self) -> int: ...
    @property
    def dimension(self) -> int: ...
    @property
    def seen(self) -> Sequence[np.ndarray]: ...
    @property
    def coordinates(self) -> Sequence[np.ndarray]: ...


@dataclass(frozen=True)
class Adjacency:
    """Sparse row-stochastic operators W_{t <- u} between the tables of T observation types with S rows each.

    Row (t T + u) S + s of one CSR matrix (``indptr`` int64 [T T S + 1], ``indices`` int64, ``weights`` float64) holds
    the states of type u that are adjacent to state s of type t, ascending; it is empty where there is none.
    """

    types: int
    states: int
    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray

    def operator(self, to: int, of: int) -> np.ndarray:
        """W_{to <- of} as a dense float64 [S, S]."""
        dense = np.zeros((self.states, self.states))
        for s in range(self.states):
            row = slice(*self.indptr[(to * self.types + of) * self.states + s :][:2])
            dense[s, self.indices[row]] = self.weights[row]
        return dense

    def isolated(self) -> list[tuple[int, int]]:
        """(type, state) of the states that are adjacent to no other state: their agents keep their own values."""
        entries = np.diff(self.indptr).reshape(self.types, self.types, self.states)
        own = entries[np.arange(self.types), np.arange(self.types)]
        alone = (entries.sum(axis=1) == own) & (own <= 1)
        return [(int(t), int(s)) for t, s in np.argwhere(alone)]


def adjacency(problem: Observed, metric: Metric, rho: float, weights: Weights) -> Adjacency:
    """The operators of a problem, built once per problem.

    ``rho`` is the level in units of the metric. ``weights``: uniform over the adjacent states, or
    exp(d - distance) / Z (eq. 4). ``problem`` gives ``types``, ``states``, ``dimension`` and, type by type,
    ``seen`` (indices of the observed coordinates: the rows of Pi) and ``coordinates`` (their values [S, d_t]).
    """
    built = problem.__dict__.setdefault("_adjacency", {})
    key = (metric, rho, weights)
    if key not in built:
        built[key] = _build(problem, metric, rho, weights)
    return built[key]


def lifted(coordinates: np.ndarray, seen: np.ndarray, dimension: int) -> np.ndarray:
    """Pi^T s of every state: ``coordinates`` [S, d_t] -> float64 [S, d]."""
    out = np.zeros((len(coordinates), dimension))
    out[:, seen] = coordinates
    return out


def _build(problem: Observed, metric: Metric, rho: float, weights: Weights) -> Adjacency:
    types, states, dimension = problem.types, problem.states, problem.dimension
    vectors = np.stack(
        [lifted(of, seen, dimension).T for of, seen in zip(problem.coordinates, problem.seen, strict=True)]
    )
    visible = np.zeros((types, dimension), np.bool_)
    for t, seen in enumerate(problem.seen):
        visible[t, seen] = True
    indptr = np.zeros(types * types * states + 1, np.int64)
    code = METRICS.index(metric)
    nothing = (np.empty(0, np.int64), np.empty(0))
    _adjacent(vectors, visible, code, rho, weights == "exponential", indptr, *nothing)
    indptr = np.cumsum(indptr)
    indices, values = np.empty(indptr[-1], np.int64), np.empty(indptr[-1])
    _adjacent(vectors, visible, code, rho, weights == "exponential", indptr.copy(), indices, values)
    return Adjacency(types, states, indptr, indices, values)


@kernel
def distances(metric, own, other, seen_own, seen_other, s, out):
    """Distances of row s of the lifted table ``own`` to all rows of ``other`` ([d, S] both) into ``out`` [S].

    ``metric`` is an index of ``METRICS``. Coordinates are the outer loop, so that tables with thousands
    of rows take seconds.
    """
    out[:] = 0.0
    if metric == 4:
        for t in range(out.shape[0]):
            out[t] = abs(s - t)
        return
    squares = np.zeros(out.shape[0])
    own_squares = 0.0
    for f in range(own.shape[0]):
        x, y = own[f, s], other[f]
        if metric == 0 or (metric == 1 and seen_own[f] and seen_other[f]):
            for t in range(out.shape[0]):
                out[t] += x != y[t]
        elif metric == 2:
            for t in range(out.shape[0]):
                out[t] += (x - y[t]) * (x - y[t])
        elif metric == 3:
            own_squares += x * x
            for t in range(out.shape[0]):
                out[t] += x * y[t]
                squares[t] += y[t] * y[t]
    if metric == 2:
        for t in range(out.shape[0]):
            out[t] = np.sqrt(out[t])
    elif metric == 3:
        for t in range(out.shape[0]):
            out[t] = max(0.0, 1.0 - out[t] / np.sqrt(own_squares * squares[t]))


@kernel
def _adjacent(vectors, visible, metric, rho, exponential, indptr, indices, weights):
    """Count the adjacent states into ``indptr[row + 1]`` if ``indices`` is empty, else write them."""
    types, dimension, states = vectors.shape
    away = np.empty(states)
    for to in range(types):
        for of in range(types):
            for s in range(states):
                distances(metric, vectors[to], vectors[of], visible[to], visible[of], s, away)
                row = (to * types + of) * states + s
                first, last = indptr[row], indptr[row]
                total = 0.0
                for t in range(states):
                    # The slack is for rounding: the cosine of equal directions may differ from 1 in the last digits.
                    if away[t] > rho + 1e-12:
                        continue
                    if indices.shape[0] == 0:
                        indptr[row + 1] += 1
                        continue
                    indices[last] = t
                    weights[last] = exp(dimension - away[t]) if exponential else 1.0
                    total += weights[last]
                    last += 1
                for k in range(first, last):
                    weights[k] /= total
