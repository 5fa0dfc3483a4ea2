"""Communication graphs, made from names or edges, and the neighbourhoods in which an ``Exchange`` delivers rows."""

import inspect
import itertools
import operator
import re
from collections.abc import Iterable

import numpy as np

from orchestrator.errors import UserError, ends_process, line
from orchestrator.plugins import references, registry


class Graph:
    """An undirected graph on members 0..n-1, immutable, hashable by identity.

    It is stored as CSR arrays: the neighbours of member i are ``indices[indptr[i]:indptr[i + 1]]``, ascending.
    ``edges`` are pairs of members; repeated edges count once, loops are left out. Raises ``UserError`` for an edge that
    names a member outside 0..n-1.
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
        self._neighbourhoods: dict[int, tuple[np.ndarray, np.ndarray, int]] = {}
        self._places: dict[int, np.ndarray] = {}

    def neighbours(self, i: int) -> np.ndarray:
        """The neighbours of member ``i``, int64, ascending."""
        return self.indices[self.indptr[i] : self.indptr[i + 1]]

    def within(self, hops: int) -> tuple[np.ndarray, np.ndarray]:
        """The members at most ``hops`` edges from each member, itself included, ascending: CSR arrays, both int64.

        Those of member i are ``indices[indptr[i]:indptr[i + 1]]``; ``indptr`` has n + 1 entries. Raises ``UserError``
        for negative ``hops``.
        """
        return self._reach(hops)[:2]

    def _reach(self, hops: int) -> tuple[np.ndarray, np.ndarray, int]:
        """``within`` and ``passages``, computed once per number of hops."""
        if hops < 0:
            raise UserError(f"hops is {hops}; a neighbourhood radius is 0 or more.")
        if hops not in self._neighbourhoods:
            rings = [self._rings(i, hops) for i in range(self.n)]
            rows = [np.array(sorted(itertools.chain(*of)), dtype=np.int64) for of in rings]
            indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
            crossed = sum(far * len(ring) for of in rings for far, ring in enumerate(of))
            self._neighbourhoods[hops] = indptr, np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64), crossed
        return self._neighbourhoods[hops]

    def _rings(self, centre: int, hops: int) -> list[set[int]]:
        """The members 0, 1, ... ``hops`` edges from ``centre``."""
        rings, seen = [{centre}], {centre}
        while len(rings) <= hops and rings[-1]:
            rings.append({int(j) for i in rings[-1] for j in self.neighbours(i)} - seen)
            seen |= rings[-1]
        return rings

    def deliveries(self, hops: int) -> int:
        """Messages of one exchange: one per edge of the breadth-first tree of depth ``hops`` of every member."""
        return len(self.within(hops)[1]) - self.n

    def places(self, hops: int) -> np.ndarray:
        """For member j in the neighbourhood of i: the position of i in the neighbourhood of j.

        int64, aligned with the indices of ``within(hops)``.
        """
        if hops not in self._places:
            indptr, indices = self.within(hops)
            rows = [indices[first:last] for first, last in itertools.pairwise(indptr)]
            place = [np.searchsorted(rows[int(j)], i) for i, row in enumerate(rows) for j in row]
            self._places[hops] = np.array(place, dtype=np.int64)
        return self._places[hops]

    def passages(self, hops: int) -> int:
        """Edges crossed in total if every member sends one message along a shortest path to each within ``hops``."""
        return self._reach(hops)[2]

    def laplacian(self) -> np.ndarray:
        """L = D - A, float64 [n, n]."""
        matrix = np.zeros((self.n, self.n))
        for i in range(self.n):
            matrix[i, self.neighbours(i)] = -1.0
            matrix[i, i] = len(self.neighbours(i))
        return matrix


#: The accepted names of graphs, for descriptions and messages.
GRAPH_NAMES = (
    "complete, ring, line, grid, tree, regular:K (a ring with the K nearest), erdos-renyi:p=P:seed=S (each pair with "
    "probability P, which may leave members apart), edges such as '0-1 1-2' or ./file.py:Name, with arguments "
    "./file.py:Name:k=2"
)
ERDOS_RENYI = "erdos-renyi"
_EDGE = r"\d+\s*-\s*\d+"


def check_graph_name(name: str) -> str:
    """The name of a graph as a parameter stores it; a plug-in gets its version.

    For models of parameters: ``graph: Annotated[str, AfterValidator(check_graph_name)]``. Raises ValueError with the
    accepted names.
    """
    if _built_in(name):
        return name
    base, given = references.split(name)
    if base == ERDOS_RENYI:
        p, seed = _chance_and_seed(name)
        return f"{ERDOS_RENYI}:p={p!r}:seed={seed}"
    if not registry.pluggable("graph", base):
        raise ValueError(f"it takes {GRAPH_NAMES}")
    if given:
        _check_arguments(registry.graph(base), name)
        given = "".join(f":{text}" for text in sorted(given.split(":")[1:]))
    return registry.settled("graph", base) + given


def _chance_and_seed(name: str) -> tuple[float, int]:
    """p and seed of ``erdos-renyi:p=P:seed=S``. Raises ``ValueError`` for anything else."""
    given = references.arguments(name)
    p, seed = given.get("p"), given.get("seed")
    if isinstance(seed, int) and isinstance(p, int | float) and given.keys() == {"p", "seed"}:
        booleans = isinstance(p, bool) or isinstance(seed, bool)
        if not booleans and 0 <= p <= 1 and seed >= 0:
            return float(p), seed
    raise ValueError(f"{ERDOS_RENYI} takes p=P:seed=S, a probability P in [0, 1] and a whole number S, 0 or more")


def _check_arguments(graph: type, name: str) -> None:
    """Raises ``ValueError`` for arguments that the class does not take."""
    given = references.arguments(name)
    try:
        inspect.signature(graph).bind(**given)
    except TypeError as error:
        raise ValueError(f"{references.title(name)} does not take these arguments: {line(error)}") from error


def _built_in(name: str) -> bool:
    return name in _SHAPES or bool(re.fullmatch(rf"regular:\d+|{_EDGE}([\s;]+{_EDGE})*", name.strip()))


def _plugged(name: str, n: int) -> Graph:
    """The graph of a plug-in class, whose ``edges(n)`` returns pairs of members."""
    title = references.title(name)
    try:
        graph = registry.graph(references.split(name)[0])(**references.arguments(name))
        pairs = [(operator.index(i), operator.index(j)) for i, j in graph.edges(n)]
    except (TypeError, ValueError) as error:
        raise UserError(f"graph {title}: edges({n}) must give pairs of members 0..{n - 1} ({line(error)}).") from error
    except UserError:
        raise
    except BaseException as error:
        if ends_process(error):
            raise
        raise UserError(f"graph {title}: edges({n}) failed: {type(error).__name__}: {line(error)}.") from error
    return Graph(n, pairs)


def named_graph(name: str, n: int) -> Graph:
    """The graph on ``n`` members that ``name`` describes; GRAPH_NAMES lists the names.

    Raises ``UserError`` for edges of unknown members and for degrees that no graph on n members has.
    """
    if not _built_in(check_graph_name(name)):
        return _erdos_renyi(name, n) if references.split(name)[0] == ERDOS_RENYI else _plugged(name, n)
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


#: 2 to the power of 53.
_TWO_53 = float(1 << 53)


def _erdos_renyi(name: str, n: int) -> Graph:
    """Each of the pairs (0, 1), (0, 2), ..., (1, 2), ... is an edge if its draw is below p.

    The draws are the upper 53 bits of what numpy's PCG64, seeded by ``SeedSequence(seed)``, gives one after the other.
    """
    p, seed = _chance_and_seed(name)
    bits = np.random.PCG64(np.random.SeedSequence(seed))
    rows = [(bits.random_raw(n - 1 - i) >> np.uint64(11)) / _TWO_53 < p for i in range(n - 1)]
    return Graph(n, [(i, i + 1 + int(k)) for i, row in enumerate(rows) for k in np.flatnonzero(row)])


def _circulant(n: int, degree: int) -> list[tuple[int, int]]:
    """Each member is joined to the ``degree`` nearest ones on a ring; an odd degree adds the opposite member."""
    edges = [(i, (i + step) % n) for i in range(n) for step in range(1, degree // 2 + 1)]
    return edges + [(i, (i + n // 2) % n) for i in range(n) if degree % 2]


def _grid(n: int) -> list[tuple[int, int]]:
    """Rows of ceil(sqrt(n)) members; the last row may be shorter."""
    width = int(np.ceil(np.sqrt(n)))
    return [(i, i + 1) for i in range(n - 1) if (i + 1) % width] + [(i, i + width) for i in range(n - width)]


def _complete(n: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(n), 2))


def _ring(n: int) -> list[tuple[int, int]]:
    return [(i, (i + 1) % n) for i in range(n)]


def _line(n: int) -> list[tuple[int, int]]:
    return [(i, i + 1) for i in range(n - 1)]


def _tree(n: int) -> list[tuple[int, int]]:
    """A binary tree: member i > 0 is joined to its parent (i - 1) // 2."""
    return [((i - 1) // 2, i) for i in range(1, n)]


_SHAPES = {"complete": _complete, "ring": _ring, "line": _line, "grid": _grid, "tree": _tree}
