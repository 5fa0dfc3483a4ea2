"""Snapshots of a cell between two rounds: kept in memory to roll back to, and as a blob to resume from."""

import hashlib
import io
import json
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np

from orchestrator.errors import UserError
from orchestrator.process import source_hash

log = logging.getLogger("orchestrator")

#: Plain data: dicts, lists, tuples, scalars and arrays, by name.
Tree: TypeAlias = dict[str, Any]
#: A cell between two rounds: "round", "blocks" and "replicas".
Snapshot: TypeAlias = Tree


class Blobs(Protocol):
    """Named blobs, written atomically (``Store.checkpoints``)."""

    def write(self, name: str, data: bytes) -> None: ...
    def read(self, name: str) -> bytes | None: ...
    def delete(self, name: str) -> None: ...


def pack(tree: Tree) -> bytes:
    """A tree of dicts, lists, scalars and arrays as an uncompressed npz file: no pickle, readable with numpy."""
    arrays: dict[str, np.ndarray] = {}

    def skeleton(node: object) -> object:
        if isinstance(node, np.ndarray | np.generic) and not isinstance(node, str):
            kind = "array" if isinstance(node, np.ndarray) else "scalar"  # a scalar keeps its dtype, too
            arrays[f"a{len(arrays)}"] = np.asarray(node)
            return {kind: f"a{len(arrays) - 1}"}
        if isinstance(node, dict):
            return {"items": [[key, skeleton(value)] for key, value in node.items()]}
        if isinstance(node, list | tuple):
            return {type(node).__name__ if type(node) is tuple else "list": [skeleton(value) for value in node]}
        return {"value": node}

    text = json.dumps(skeleton(tree))
    buffer = io.BytesIO()
    arrays["tree"] = np.frombuffer(text.encode(), dtype=np.uint8)
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> Tree:
    """The tree that ``pack`` was given. Raises ``ValueError`` for a damaged blob."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            tree = json.loads(arrays["tree"].tobytes())

            def grown(node: Tree) -> Any:
                ((kind, held),) = node.items()
                if kind in ("array", "scalar"):
                    return arrays[held] if kind == "array" else arrays[held][()]
                if kind == "items":
                    return {key: grown(value) for key, value in held}
                if kind in ("list", "tuple"):
                    return [grown(value) for value in held] if kind == "list" else tuple(grown(v) for v in held)
                return held

            return grown(tree)
    except Exception as error:
        raise ValueError(f"damaged checkpoint: {error}") from error


class Keeper:
    """Decides when to snapshot (by wall time, which never touches a number) and keeps the newest one.

    ``every`` is the least time between snapshots in seconds; a snapshot that takes long makes them rarer, so that
    they stay within a twentieth of the run. With ``blobs`` it also saves one every ``save_every`` seconds.
    """

    def __init__(
        self,
        cell_id: str = "",
        seeds: tuple[int, ...] = (),
        blobs: Blobs | None = None,
        every: float = 1.0,
        save_every: float = 30.0,
    ):
        name = hashlib.sha256(json.dumps(list(seeds)).encode()).hexdigest()[:8]
        self.name = f"{cell_id}-{name}"
        self.snapshot: Snapshot | None = None
        self._blobs = blobs
        self._every, self._save_every = every, save_every
        self._next = time.monotonic() + every
        self._next_save = time.monotonic() + save_every

    def resume(self) -> Snapshot | None:
        """The saved snapshot of an earlier process, if this very source tree wrote it for this cell and these seeds.

        Its structure is still to be checked (``fit.check_fit``).
        """
        data = self._blobs.read(self.name) if self._blobs else None
        if data is None:
            return None
        try:
            saved = unpack(data)
            if not isinstance(saved, dict) or not {"source", "name", "snapshot"} <= saved.keys():
                raise ValueError("it holds no snapshot")
            if saved["name"] != self.name:
                raise ValueError("it is another cell's")
        except ValueError as error:
            log.warning("checkpoint %s is ignored: %s", self.name, error)
            return None
        if saved["source"] != source_hash():
            log.info("checkpoint %s is ignored: another version of the program wrote it", self.name)
            return None
        self.snapshot = saved["snapshot"]
        return self.snapshot

    def forget(self, reason: str) -> None:
        """Drop the snapshot, with a warning."""
        log.warning("checkpoint %s is ignored: its structure does not fit: %s", self.name, reason)
        self.snapshot = None

    @property
    def due(self) -> bool:
        """Whether it is time for a snapshot."""
        return time.monotonic() >= self._next

    def keep(self, take: Callable[[], Snapshot]) -> None:
        """Take a snapshot, and save it if that is due too. A failed save does not fail the run."""
        began = time.monotonic()
        self.snapshot = take()
        if self._blobs is not None and began >= self._next_save:
            try:
                self._blobs.write(self.name, pack(self._labelled()))
            except (UserError, TypeError, ValueError) as error:
                log.warning("no checkpoint of %s: %s", self.name, error)
            self._next_save = time.monotonic() + self._save_every
        spent = time.monotonic() - began
        self._next = time.monotonic() + max(self._every, 20 * spent)

    def _labelled(self) -> Tree:
        return {"source": source_hash(), "name": self.name, "snapshot": self.snapshot}
