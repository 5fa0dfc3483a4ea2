"""What the shared-subspace problems draw: kernels, features, the true basis and the true heads."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from envs.common.instances import COMMON_KERNEL, PROCESS, stream
from envs.linear.base import LinearParameters
from orchestrator.core import dirichlets, normals, ordered_mean, ordered_sum, orthonormal

Heads = Literal["balanced", "gaussian", "same-sign"]


class SharedSubspaceParameters(LinearParameters):
    """Parameters of both shared-subspace problems."""

    states: int = Field(default=20, ge=2, description="states S of every process")
    features: int = Field(default=8, ge=1, description="dimension d of the features")
    rank: int = Field(default=2, ge=1, description="dimension r of the shared subspace")
    heads: Heads = Field(
        default="balanced",
        description="true heads of process p: balanced +-sqrt(r) e_(p mod r) with alternating signs, same-sign the same"
        " without the minus, gaussian N(0, I)",
    )
    common_kernel: float = Field(
        default=0.0, ge=0, le=1, description="weight c of a common kernel: P_i = c P_0 + (1 - c) of the agent's own"
    )
    reward_noise: float = Field(
        default=0.0, ge=0, description="standard deviation of the Gaussian noise on every reward"
    )


def transition_rows(rng: np.random.Generator, states: int, *shape: int) -> np.ndarray:
    """Kernel rows 0.95 Dirichlet(0.3) + 0.05 / states, [*shape, states]: sparse-looking, yet every entry positive."""
    return 0.95 * dirichlets(rng, 0.3, states, *shape) + 0.05 / states


def centred_gaussian(rng: np.random.Generator, rows: int, features: int) -> np.ndarray:
    """Gaussian features [rows, features] with column means 0, so that no constant lies in their span."""
    phi = normals(rng, rows, features)
    return phi - ordered_mean(phi)


def row_normalised(phi: np.ndarray) -> np.ndarray:
    """``phi`` scaled so that its longest row has norm 1."""
    return phi / np.sqrt(ordered_sum((phi * phi).T).max())


def true_head(heads: Heads, process: int, rank: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """w* [rank] of one process. With e_k the k-th unit vector and c = scale * sqrt(rank):

    - balanced: +-c e_{p mod r} with sign (-1)^floor(p / r): neighbouring groups of r processes contradict each other
    - same-sign: +c e_{p mod r}: as balanced, without the conflict
    - gaussian: scale * N(0, I)
    """
    normal = normals(rng, rank)  # drawn for every option, so that the option moves no other number
    if heads == "gaussian":
        return scale * normal
    sign = -1.0 if heads == "balanced" and process // rank % 2 else 1.0
    head = np.zeros(rank)
    head[process % rank] = sign * scale * np.sqrt(rank)
    return head


@dataclass(frozen=True)
class DrawnProcesses:
    """What is drawn of m base processes before their rewards follow."""

    transition: np.ndarray  # [m, S, S] | [m, S, A, S]
    gains: np.ndarray  # [m], uniform in [-1, 1]
    heads: np.ndarray  # [m, rank], the true heads w*
    streams: list[np.random.Generator]  # [m], for what else a process draws


def draw_processes(
    instance: int,
    processes: np.ndarray,
    shape: tuple[int, ...],
    heads: Heads,
    rank: int,
    scale: float,
    common_kernel: float,
) -> DrawnProcesses:
    """The listed base processes of an instance, each from its own stream.

    ``shape`` is (S,) or (S, A). Kernels are P_p = c P_0 + (1 - c) of the process's own, c = ``common_kernel``.
    """
    states, m = shape[0], len(processes)
    transition, gains, true_heads = np.empty((m, *shape, states)), np.empty(m), np.empty((m, rank))
    streams = [stream(instance, PROCESS, process) for process in processes.tolist()]
    for row, rng in enumerate(streams):
        transition[row] = transition_rows(rng, states, *shape)
        gains[row] = rng.uniform(-1, 1)
        true_heads[row] = true_head(heads, int(processes[row]), rank, scale, rng)
    if common_kernel:
        common = transition_rows(stream(instance, COMMON_KERNEL), states, *shape)
        transition = common_kernel * common + (1 - common_kernel) * transition
    return DrawnProcesses(transition, gains, true_heads, streams)


def check_heads(heads: Heads, processes: int, rank: int) -> None:
    """ValueError unless the heads of ``processes`` processes can show a subspace of dimension ``rank``.

    Balanced and same-sign heads excite every direction equally (sum_i w_i w_i^T a multiple of I) only if the processes
    come in groups of ``rank``; fewer than ``rank`` heads of any option span too little to identify the basis.
    """
    if processes < rank:
        raise ValueError(
            f"rank must be at most the number of distinct processes ({processes}): fewer heads cannot identify a"
            f" {rank}-dimensional subspace. Use rank={processes} or more agents."
        )
    if heads != "gaussian" and processes % rank:
        raise ValueError(
            f"heads={heads} needs the number of distinct processes to be a multiple of rank ({rank}), got {processes}."
            " Use heads=gaussian or another number of agents."
        )


def true_basis(rng: np.random.Generator, features: int, rank: int, off: np.ndarray | None = None) -> np.ndarray:
    """A uniformly drawn orthonormal basis [features, rank], orthogonal to the vector ``off`` if one is given."""
    matrix = normals(rng, features, rank)
    if off is None:
        return orthonormal(matrix)
    return np.ascontiguousarray(orthonormal(np.column_stack([off, matrix]))[:, 1:])
