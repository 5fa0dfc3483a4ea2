"""What an algorithm's own methods return, checked: it may be anything."""

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from orchestrator.core.arrays import check_plain
from orchestrator.core.blocks import Block
from orchestrator.core.rounds import Coordinator
from orchestrator.errors import writable

#: Members of a group. Each has random streams of its own, and to make so many takes minutes.
MOST_MEMBERS = 10_000_000


def checked_groups(coordinator: Coordinator) -> dict[str, int]:
    """``groups()``. Raises ``TypeError`` for anything but names and sizes, ``ValueError`` for a size out of range."""
    groups = cast(object, coordinator.groups())
    if not isinstance(groups, Mapping) or not groups:
        raise TypeError(f"groups() returned {_shown(cast(object, groups))}; it takes a dict of names and sizes")
    sizes: dict[str, int] = {}
    for name, size in cast("Mapping[Any, Any]", groups).items():
        if not isinstance(name, str):
            raise TypeError(f"groups() names a group {_shown(name)}; it takes a word")
        if isinstance(size, bool) or not isinstance(size, int | np.integer):
            raise TypeError(f"groups() gives {name!r} the size {_shown(size)}; it takes a whole number")
        if not 1 <= size <= MOST_MEMBERS:
            raise ValueError(f"groups() gives {name!r} {size} members; a group has 1 to {MOST_MEMBERS}")
        sizes[name] = int(cast(int, size))
    return sizes


def checked_blocks(coordinator: Coordinator) -> dict[str, type[Block]]:
    """``blocks()``. Raises ``TypeError`` for anything but names and subclasses of ``Block``."""
    blocks = cast(object, coordinator.blocks())
    if not isinstance(blocks, Mapping):
        raise TypeError(f"blocks() returned {_shown(blocks)}; it takes a dict of groups and classes of blocks")
    classes: dict[str, type[Block]] = {}
    for name, block in cast("Mapping[Any, Any]", blocks).items():
        if not isinstance(block, type) or not issubclass(block, Block):
            raise TypeError(
                f"blocks() gives the group {_shown(name)} {_shown(cast(object, block))}; it takes a subclass of Block"
            )
        classes[name] = block
    return classes


def checked_cautions(coordinator: Coordinator) -> list[str]:
    """``cautions()``. Raises ``TypeError`` for anything but sentences."""
    texts = cast(object, coordinator.cautions())
    if not isinstance(texts, list | tuple):
        raise TypeError(f"cautions() returned {_shown(texts)}; it takes a list of sentences")
    for text in cast("list[object]", texts):
        if not isinstance(text, str):
            raise TypeError(f"warnings() holds {_shown(text)}; it takes sentences")
    return [writable(text) for text in cast("list[str]", texts)]


def checked_state(coordinator: Coordinator) -> dict[str, Any]:
    """``state()``, which an author may have written anew. Raises ``TypeError`` for what cannot be kept."""
    state = cast(object, coordinator.state())
    if not isinstance(state, dict):
        raise TypeError(f"state() returned {_shown(state)}; it takes a dict of names and values")
    for name, value in cast("dict[Any, Any]", state).items():
        if not isinstance(name, str):
            raise TypeError(f"state() names a value {_shown(name)}; it takes a word")
        check_plain(f"the state {name!r}", value)
    return cast("dict[str, Any]", state)


def checked_number(what: str, value: object) -> float:
    """``value`` as a float. Raises ``TypeError`` for anything but a finite number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{what} is {_shown(value)}; it takes a number")
    number = float(cast(float, value))
    if not (math.isfinite(number) and number >= 0):
        raise TypeError(f"{what} is {number}; it takes a finite number, 0 or more")
    return number


def _shown(value: object) -> str:
    """A value that may be anything, for a message."""
    return repr(value) if isinstance(value, bool | int | float | str | None) else f"a {type(value).__name__}"
