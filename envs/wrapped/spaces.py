"""Spaces of gymnasium with finitely many elements, numbered. gymnasium is not needed for it."""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np


@dataclass(frozen=True)
class Component:
    """One whole number of an element: what it is called, how many values it has, and the smallest."""

    path: tuple[object, ...]  # keys and indices that lead to its array; the last one is its place in the flat array
    count: int
    start: int


class Finite:
    """A space of finitely many elements as the numbers 0..size-1. Raises ValueError for any other space.

    Discrete, MultiDiscrete, MultiBinary, Box of whole numbers, and Tuple and Dict of these, at any depth. ``title``
    names it in messages.
    """

    def __init__(self, space: object, title: str):
        self._space, self._title = space, title
        self._parts = list(_components(space, title))
        self.counts = tuple(part.count for part in self._parts)
        self._starts = np.array([part.start for part in self._parts], np.int64)
        self.size = math.prod(self.counts)

    def number(self, value: object) -> int:
        """The number of an element. Raises ValueError if the space does not have it."""
        try:
            flat = np.array([_at(value, part.path) for part in self._parts])
            rows = flat.astype(np.int64)
            if (rows == flat).all():
                return int(np.ravel_multi_index(tuple(rows - self._starts), self.counts))
        except (LookupError, TypeError, ValueError):
            pass
        raise ValueError(f"one of its {self._title} is {_short(value)}, which is not in {_short(self._space)}")

    def element(self, number: int) -> object:
        """The element of a number."""
        parts = np.array(np.unravel_index(number, self.counts)) + self._starts
        return _element(self._space, iter(parts.tolist()))

    @property
    def coordinates(self) -> np.ndarray:
        """int64 [size, d]: the components of every element, counted from 1."""
        return np.stack(np.unravel_index(np.arange(self.size), self.counts), axis=1) + 1


def _components(space: object, title: str, path: tuple[object, ...] = ()) -> Iterator[Component]:
    kind, bare = type(space).__name__, cast(Any, space)
    if kind == "Discrete":
        yield Component((*path, 0), int(bare.n), int(bare.start))
    elif kind in ("Tuple", "Dict"):
        for key, part in bare.spaces.items() if kind == "Dict" else enumerate(bare.spaces):
            yield from _components(part, title, (*path, key))
    elif kind in ("MultiDiscrete", "MultiBinary") or (kind == "Box" and np.issubdtype(bare.dtype, np.integer)):
        low, count = _ranges(bare, kind)
        for k, (least, values) in enumerate(zip(low.tolist(), count.tolist(), strict=True)):
            yield Component((*path, k), values, least)
    else:
        raise ValueError(f"its {title} are a {kind}; only discrete ones can be numbered")


def _ranges(space: Any, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Smallest value and number of values of every entry of an array space, int64, flat."""
    if kind == "Box":
        low = np.asarray(space.low, np.int64)
        return low.reshape(-1), (np.asarray(space.high, np.int64) - low + 1).reshape(-1)
    if kind == "MultiBinary":
        return np.zeros(math.prod(space.shape), np.int64), np.full(math.prod(space.shape), 2)
    counts = np.asarray(space.nvec, np.int64)
    return np.asarray(getattr(space, "start", np.zeros_like(counts)), np.int64).reshape(-1), counts.reshape(-1)


def _at(value: Any, path: tuple[object, ...]) -> object:
    for key in path[:-1]:
        value = value[key]
    return np.asarray(value).reshape(-1)[cast(int, path[-1])]


def _element(space: Any, parts: Iterator[int]) -> object:
    kind = type(space).__name__
    if kind == "Discrete":
        return next(parts)
    if kind == "Tuple":
        return tuple(_element(part, parts) for part in space.spaces)
    if kind == "Dict":
        return {key: _element(part, parts) for key, part in space.spaces.items()}
    flat = [next(parts) for _ in range(math.prod(space.shape))]
    return np.array(flat, space.dtype).reshape(space.shape)


def _short(value: object) -> str:
    return textwrap.shorten(" ".join(repr(value).split()), 60, placeholder=" …")
