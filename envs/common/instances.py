"""What random instances share: streams by purpose, and the ranks and bases of shared subspaces."""

import numpy as np

from orchestrator.core import leading_singular

FEATURES, COMMON_KERNEL, PROCESS = 0x656E7601, 0x656E7602, 0x656E7603  # stream tags, far from the engine's own keys


def stream(instance: int, tag: int, index: int = 0) -> np.random.Generator:
    """The stream of one purpose (``tag``) and one process (``index``) of a problem instance."""
    return np.random.default_rng(np.random.SeedSequence(entropy=instance, spawn_key=(tag, index)))


def check_rank(rank: int, features: int, reason: str = "") -> None:
    """ValueError unless ``rank`` <= ``features``."""
    if rank > features:
        raise ValueError(f"rank must be at most {features}{reason}, got {rank}.")


def leading(rows: np.ndarray, rank: int) -> np.ndarray:
    """The ``rank`` leading right singular vectors of ``rows`` [m, d] as [d, r], each one's largest entry positive."""
    top = leading_singular(rows, rank)
    largest = np.abs(top).argmax(axis=0)
    return np.ascontiguousarray(top * np.sign(top[largest, np.arange(rank)]))
