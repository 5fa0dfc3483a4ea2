"""Random streams: each is a pure function of (seed, group, role, member), whatever process draws from it."""

import hashlib
from collections.abc import Iterable

import numpy as np


def _key(word: str) -> int:
    """A word as a 32-bit number; hash() would change from process to process."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")


def generator(seed: int, group: str, role: str, index: int = 0) -> np.random.Generator:
    """A numpy generator for draws that are made in one place, such as a coordinator's."""
    return np.random.Generator(np.random.PCG64(_sequence(seed, group, role, index)))


def member_streams(seed: int, group: str, role: str, members: Iterable[int]) -> np.ndarray:
    """xoshiro256++ states, uint64 [n, 4], for the kernels: row i belongs to the i-th of ``members``."""
    rows = [_sequence(seed, group, role, member).generate_state(4, np.uint64) for member in members]
    return np.array(rows, dtype=np.uint64).reshape(len(rows), 4)


def _sequence(seed: int, group: str, role: str, index: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=(_key(group), _key(role), index))
