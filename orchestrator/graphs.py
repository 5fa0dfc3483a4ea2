"""Communication graphs and the neighbourhoods within which an ``Exchange`` delivers rows."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from orchestrator.errors import UserError


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

    def neighbours(self, i: int) -> np.ndarray:
        """Direct neighbours of member ``i``, ascending."""
        return self.indices[self.indptr[i] : self.indptr[i + 1]]

    @lru_cache(maxsize=16)  # noqa: B019 - graphs live as long as their run
    def within(self, hops: int) -> tuple[np.ndarray, np.ndarray]:
        """CSR (indptr [n + 1], indices) of the members at most ``hops`` edges away, each itself included, ascending.

        Raises ``UserError`` for negative ``hops``.
        """
        if hops < 0:
            raise UserError(f"hops is {hops}; a neighbourhood radius is 0 or more.")
        rows = [self._ball(i, hops) for i in range(self.n)]
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        return indptr, np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)

    def _ball(self, centre: int, hops: int) -> np.ndarray:
        seen, frontier = {centre}, [centre]
        for _ in range(hops):
            frontier = sorted({int(j) for i in frontier for j in self.neighbours(i)} - seen)
            if not frontier:
                break
            seen.update(frontier)
        return np.array(sorted(seen), dtype=np.int64)

    def deliveries(self, hops: int) -> int:
        """Messages of one exchange: one along each edge of a breadth-first tree of depth ``hops`` from every member."""
        return len(self.within(hops)[1]) - self.n
