"""Snapshots of a cell between two rounds: kept in memory to roll back to, and as a blob to resume from."""

import hashlib
import io
import json
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from orchestrator.errors import UserError
from orchestrator.process import source_hash

log = logging.getLogger("orchestrator")


class Blobs(Protocol):
    """Named blobs, written atomically (``Store.checkpoints``)."""

    def write(self, name: str, data: bytes) -> None: ...
    def read(self, name: str) -> bytes | None: ...
    def delete(self, name: str) -> None: ...


def pack(tree: dict[str, Any]) -> bytes:
    """A tree of dicts, lists, scalars and arrays as an uncompressed npz file: no pickle, readable with numpy."""
    arrays: dict[str, np.ndarray] = {}

    def skeleton(node: Any) -> Any:
        if isinstance(node, np.ndarray):
            arrays[f"a{len(arrays)}"] = node
            return {"array": f"a{len(arrays) - 1}"}
        if isinstance(node, dict):
            return {"items": [[key, skeleton(value)] for key, value in node.items()]}
        if isinstance(node, list | tuple):
            return {"list": [skeleton(value) for value in node]}
        return {"value": node.item() if isinstance(node, np.generic) else node}

    text = json.dumps(skeleton(tree))
    buffer = io.BytesIO()
    arrays["tree"] = np.frombuffer(text.encode(), dtype=np.uint8)
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, Any]:
    """The tree that ``pack`` was given (tuples come back as lists). Raises ``ValueError`` for a damaged blob."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            tree = json.loads(arrays["tree"].tobytes())

            def grown(node: dict[str, Any]) -> Any:
                if "array" in node:
                    return arrays[node["array"]]
                if "items" in node:
                    return {key: grown(value) for key, value in node["items"]}
                return [grown(value) for value in node["list"]] if "list" in node else node["value"]

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
        self.snapshot: dict[str, Any] | None = None
        self._blobs = blobs
        self._every, self._save_every = every, save_every
        self._next = time.monotonic() + every
        self._next_save = time.monotonic() + save_every

    def resume(self) -> dict[str, Any] | None:
        """The saved snapshot of an earlier process, if there is one and this very source tree wrote it."""
        data = self._blobs.read(self.name) if self._blobs else None
        if data is None:
            return None
        try:
            saved = unpack(data)
        except ValueError:
            return None
        if saved.get("source") != source_hash():
            return None
        self.snapshot = saved["snapshot"]
        return self.snapshot

    @property
    def due(self) -> bool:
        """Whether it is time for a snapshot."""
        return time.monotonic() >= self._next

    def keep(self, take: Callable[[], dict[str, Any]]) -> None:
        """Take a snapshot, and save it if that is due too. A failed save is no failure of the run."""
        began = time.monotonic()
        self.snapshot = take()
        if self._blobs is not None and began >= self._next_save:
            try:
                self._blobs.write(self.name, pack({"source": source_hash(), "snapshot": self.snapshot}))
            except (UserError, TypeError, ValueError) as error:
                log.warning("no checkpoint of %s: %s", self.name, error)
            self._next_save = time.monotonic() + self._save_every
        spent = time.monotonic() - began
        self._next = time.monotonic() + max(self._every, 20 * spent)
