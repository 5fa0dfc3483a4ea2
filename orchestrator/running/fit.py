"""Whether a saved snapshot has the structure of the cell that is to go on from it.

It is compared with a snapshot of the cell's own start: the same seeds, groups and names, arrays of the same dtype and
shape. An axis that is empty at the start may have grown.
"""

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

STATUSES = ("running", "done", "diverged", "failed")


class Misfit(ValueError):
    """A snapshot of another structure; the text says where."""


def check_fit(saved: object, fresh: Mapping[str, Any], seeds: Sequence[int], rounds: int) -> None:
    """Raise ``Misfit`` unless ``saved`` has the structure of ``fresh``, a snapshot of ``seeds`` at their start."""
    content = _mapping("the snapshot", saved, fresh)
    _whole("round", content["round"], rounds)
    blocks = _triples(content["blocks"])
    states = {(seed, group): state for seed, group, state in blocks}
    expected = {(seed, group): state for seed, group, state in fresh["blocks"]}
    if len(states) < len(blocks) or not states.keys() <= expected.keys():
        raise Misfit("its blocks are not those of this cell")
    for (seed, group), state in states.items():
        _same(f"seed {seed}, group {group}", state, expected[seed, group])
    replicas = content["replicas"]
    if not isinstance(replicas, list) or len(replicas) != len(seeds):
        raise Misfit(f"it does not have {len(seeds)} seeds")
    for seed, replica, own in zip(seeds, replicas, fresh["replicas"], strict=True):
        _replica(f"seed {seed}", replica, own, rounds)
        missing = [key for key in expected if key[0] == seed and key not in states]
        if missing and replica["status"] == "running":
            raise Misfit(f"seed {seed} has no block of {missing[0][1]}")


def _replica(where: str, saved: object, fresh: Mapping[str, Any], rounds: int) -> None:
    content = _mapping(where, saved, fresh)
    if content["status"] not in STATUSES or not isinstance(content["error"], str) or type(content["done"]) is not bool:
        raise Misfit(f"{where} has no status")
    _whole(f"{where}, completed", content["completed"], rounds)
    for name, count in _mapping(f"{where}, traffic", content["traffic"], fresh["traffic"]).items():
        _whole(f"{where}, {name}", count, 2**63)
    recorder = _mapping(f"{where}, recorder", content["recorder"], fresh["recorder"])
    names, measured, values = (recorder[name] for name in ("names", "measured", "values"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Misfit(f"{where} has no names of metrics")
    rows = len(measured) if isinstance(measured, np.ndarray) else 0
    _array(f"{where}, measured", measured, np.zeros((rows, 3), np.int64))
    _array(f"{where}, values", values, np.zeros((rows, len(names))))
    if not isinstance(content["agents"], dict):
        raise Misfit(f"{where} has no metrics of agents")
    if "failed" not in (content["status"], fresh["status"]):
        _same(f"{where}, coordinator", content["coordinator"], fresh["coordinator"])


def _same(where: str, saved: object, fresh: Mapping[str, Any]) -> None:
    """The same names, and values of the same kind."""
    for name, value in _mapping(where, saved, fresh).items():
        own, place = fresh[name], f"{where}, {name}"
        if isinstance(own, np.ndarray):
            _array(place, value, own)
        elif kind := next((kind for kind in (str, list, tuple, dict) if isinstance(own, kind)), None):
            if not isinstance(value, kind):  # a subclass, such as an enumeration, is kept as what it is made of
                raise Misfit(f"{place} is no {kind.__name__}")
        elif isinstance(own, Number) and not isinstance(value, Number):
            raise Misfit(f"{place} is no number")


def _array(where: str, value: object, own: np.ndarray) -> None:
    if not isinstance(value, np.ndarray) or value.dtype != own.dtype or value.ndim != own.ndim:
        raise Misfit(f"{where} is no array of {own.dtype} with {own.ndim} axes")
    if any(there != here for there, here in zip(value.shape, own.shape, strict=True) if here or not own.ndim):
        raise Misfit(f"{where} has the shape {value.shape} instead of {own.shape}")


def _mapping(where: str, saved: object, fresh: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(saved, dict) or saved.keys() != fresh.keys():
        raise Misfit(f"{where} does not hold {', '.join(map(str, fresh))}")
    return saved


def _triples(blocks: object) -> list[Any]:
    if not isinstance(blocks, list) or not all(isinstance(one, list | tuple) and len(one) == 3 for one in blocks):
        raise Misfit("it has no blocks")
    if not all(type(seed) is int and isinstance(group, str) for seed, group, _ in blocks):
        raise Misfit("its blocks have no seeds and groups")
    return blocks


def _whole(where: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value <= most:
        raise Misfit(f"{where} is no whole number from 0 to {most}")
