"""Interquartile means of scores over runs and tasks, with stratified bootstrap intervals.

Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021: a few runs a task
say more through the mean of the middle half of all scores than through a mean or a median, and the interval resamples
runs within each task, never tasks.
"""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000


def interquartile_mean(scores: np.ndarray) -> np.ndarray:
    """Mean of the middle half of ``scores`` [runs, ...] along the first axis; runs at the quartiles count in part.

    With n runs, n / 4 of weight is cut off at either end: of 10 runs the 2 lowest and highest, and half of the next.
    """
    ordered = np.sort(np.asarray(scores, dtype=float), axis=0)
    n = len(ordered)
    left = np.clip(np.arange(n) + 1 - n / 4, 0.0, 1.0)  # what of each run lies above the lower quartile
    weights = np.minimum(left, left[::-1])
    if n == 1:
        weights = np.ones(1)
    return (ordered * weights.reshape(-1, *[1] * (ordered.ndim - 1))).sum(axis=0) / weights.sum()


def bootstrap(
    tasks: Sequence[np.ndarray], confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interquartile mean over all runs of all tasks, and the percentile interval of a stratified bootstrap.

    ``tasks`` holds the scores [runs, ...] of each task, of one shape but for the number of runs. Whole runs are
    resampled with replacement within their task, so that a curve's points stay together. The draws depend on ``seed``
    and the numbers of runs alone. Returns (estimate, low, high), each [...].
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = [rng.integers(len(scores), size=(resamples, len(scores))) for scores in tasks]
    found = np.array(
        [
            interquartile_mean(np.concatenate([scores[of[k]] for scores, of in zip(tasks, drawn, strict=True)]))
            for k in range(resamples)
        ]
    )
    edge = (1 - confidence) / 2
    low, high = np.quantile(found, [edge, 1 - edge], axis=0)
    return interquartile_mean(np.concatenate(list(tasks))), low, high
