"""Communication graphs, by name or edge by edge, and the neighbourhoods within which an ``Exchange`` delivers rows."""

import itertools
import operator
import re
from collections.abc import Iterable

import numpy as np

from orchestrator.errors import UserError, line
from orchestrator.plugins import references, registry


class Graph:
    """An undirected graph on members 0..n-1, as CSR arrays with each row sorted; immutable and hashable by identity.

    Raises ``UserError`` for an edge that names a member outside 0..n-1.
    """

    def __init__(self, n: int, edges: Iterable[tuple[int, int]]):
        self.n = n
        pairs: set[tuple[int, int]] = set()
        for i, j in edges:
            if not (0 <= i < n and 0 <= j < n):
                raise UserError(f"graph: edge ({i}, {j}) names an unknown member; members are 0..{n - 1}.")
            if i != j:
                pairs |= {(i, j), (j, i)}
        ordered = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
        self.indptr = np.zeros(n + 1, dtype=np.int64)
        np.add.at(self.indptr, ordered[:, 0] + 1, 1)
        self.indptr = np.cumsum(self.indptr)
        self.indices = ordered[:, 1].copy()
        self._kept: dict[int, tuple[np.ndarray, np.ndarray, int]] = {}
        self._places: dict[int, np.ndarray] = {}

    def neighbours(self, i: int) -> np.ndarray:
        """Direct neighbours of member ``i``, ascending."""
        return self.indices[self.indptr[i] : self.indptr[i + 1]]

    def within(self, hops: int) -> tuple[np.ndarray, np.ndarray]:
        """CSR (indptr [n + 1], indices) of the members at most ``hops`` edges away, each itself included, ascending.

        Raises ``UserError`` for negative ``hops``.
        """
        return self._reach(hops)[:2]

    def _reach(self, hops: int) -> tuple[np.ndarray, np.ndarray, int]:
        """``within`` and ``passages``, kept."""
        if hops < 0:
            raise UserError(f"hops is {hops}; a neighbourhood radius is 0 or more.")
        if hops not in self._kept:
            rings = [self._rings(i, hops) for i in range(self.n)]
            rows = [np.array(sorted(itertools.chain(*of)), dtype=np.int64) for of in rings]
            indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
            crossed = sum(far * len(ring) for of in rings for far, ring in enumerate(of))
            self._kept[hops] = indptr, np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64), crossed
        return self._kept[hops]

    def _rings(self, centre: int, hops: int) -> list[set[int]]:
        """The members 0, 1 ... ``hops`` edges from one."""
        rings, seen = [{centre}], {centre}
        while len(rings) <= hops and rings[-1]:
            rings.append({int(j) for i in rings[-1] for j in self.neighbours(i)} - seen)
            seen |= rings[-1]
        return rings

    def deliveries(self, hops: int) -> int:
        """Messages of one exchange: one along each edge of a breadth-first tree of depth ``hops`` from every member."""
        return len(self.within(hops)[1]) - self.n

    def places(self, hops: int) -> np.ndarray:
        """int64, aligned with the indices of ``within``: for member i and its j, which of j's neighbourhood i is."""
        if hops not in self._places:
            indptr, indices = self.within(hops)
            rows = [indices[first:last] for first, last in itertools.pairwise(indptr)]
            place = [np.searchsorted(rows[j], i) for i, row in enumerate(rows) for j in row]
            self._places[hops] = np.array(place, dtype=np.int64)
        return self._places[hops]

    def passages(self, hops: int) -> int:
        """Edges that letters cross, one from every member to each other member within ``hops``, by shortest ways."""
        return self._reach(hops)[2]

    def laplacian(self) -> np.ndarray:
        """L = D - A, float64 [n, n]."""
        matrix = np.zeros((self.n, self.n))
        for i in range(self.n):
            matrix[i, self.neighbours(i)] = -1.0
            matrix[i, i] = len(self.neighbours(i))
        return matrix


#: What a graph may be called, for descriptions and messages.
GRAPH_NAMES = (
    "complete, ring, line, grid, tree, regular:K (a ring with the K nearest), edges such as '0-1 1-2' or ./file.py:Name"
)
_EDGE = r"\d+\s*-\s*\d+"


def check_graph_name(name: str) -> str:
    """``name`` if it reads as the name of a graph, a plug-in's settled. Raises ValueError with what is accepted."""
    if _ours(name):
        return name
    if registry.pluggable("graph", name):
        return registry.settled("graph", name)
    raise ValueError(f"it takes {GRAPH_NAMES}")


def _ours(name: str) -> bool:
    return name in _SHAPES or bool(re.fullmatch(rf"regular:\d+|{_EDGE}([\s;]+{_EDGE})*", name.strip()))


def _plugged(name: str, n: int) -> Graph:
    """The graph of a plug-in: ``edges(n)`` gives pairs of members."""
    title = references.title(name)
    try:
        pairs = [(operator.index(i), operator.index(j)) for i, j in registry.graph(name)().edges(n)]
    except (TypeError, ValueError) as error:
        raise UserError(f"graph {title}: edges({n}) must give pairs of members 0..{n - 1} ({line(error)}).") from error
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"graph {title}: edges({n}) failed: {type(error).__name__}: {line(error)}.") from error
    return Graph(n, pairs)


def named_graph(name: str, n: int) -> Graph:
    """The graph on n members that ``name`` describes. Raises ``UserError`` for unknown members, impossible degrees."""
    if not _ours(check_graph_name(name)):
        return _plugged(name, n)
    name = name.strip()
    if name in _SHAPES:
        return Graph(n, _SHAPES[name](n))
    if name.startswith("regular:"):
        degree = int(name.partition(":")[2])
        if degree >= n or (degree % 2 and n % 2):
            parity = ", even ones only" if n % 2 else ""
            raise UserError(f"graph is {name}; {n} members can have degrees below {n}{parity}.")
        return Graph(n, _circulant(n, degree))
    pairs = [edge.split("-") for edge in re.findall(_EDGE, name)]
    return Graph(n, [(int(i), int(j)) for i, j in pairs])


def _circulant(n: int, degree: int) -> list[tuple[int, int]]:
    """Each member and its ``degree`` nearest on a ring; an odd degree adds the one opposite."""
    edges = [(i, (i + step) % n) for i in range(n) for step in range(1, degree // 2 + 1)]
    return edges + [(i, (i + n // 2) % n) for i in range(n) if degree % 2]


def _grid(n: int) -> list[tuple[int, int]]:
    """As near to a square as n allows: rows of ceil(sqrt(n)) members, the last one perhaps shorter."""
    width = int(np.ceil(np.sqrt(n)))
    return [(i, i + 1) for i in range(n - 1) if (i + 1) % width] + [(i, i + width) for i in range(n - width)]


_SHAPES = {
    "complete": lambda n: list(itertools.combinations(range(n), 2)),
    "ring": lambda n: [(i, (i + 1) % n) for i in range(n)],
    "line": lambda n: [(i, i + 1) for i in range(n - 1)],
    "grid": _grid,
    "tree": lambda n: [((i - 1) // 2, i) for i in range(1, n)],
}
