"""Random streams: each is a function of (seed, group, role, member), the same in every process."""

import hashlib
from collections.abc import Iterable

import numpy as np


def _key(word: str) -> int:
    """A word as a 32-bit number. Python's hash() differs from process to process."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")


def generator(seed: int, group: str, role: str, index: int = 0) -> np.random.Generator:
    """A numpy generator for draws that are made once for all members, such as those of a coordinator."""
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(_key(group), _key(role), index))
    return np.random.Generator(np.random.PCG64(sequence))


def member_streams(seed: int, group: str, role: str, members: Iterable[int]) -> np.ndarray:
    """States of xoshiro256++ generators, uint64 [n, 4]: row i is the stream of the i-th of ``members``.

    Kernels draw from them (``uniform(rng, i)``, ``normal(rng, i)``, …) and advance them in place.
    """
    keys = _key(group), _key(role)
    sequences = (np.random.SeedSequence(entropy=seed, spawn_key=(*keys, member)) for member in members)
    rows = [sequence.generate_state(4, np.uint64) for sequence in sequences]
    return np.array(rows, dtype=np.uint64).reshape(len(rows), 4)
