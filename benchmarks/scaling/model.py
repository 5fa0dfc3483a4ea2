"""What a round costs, as a sum of terms whose constants are fitted to the measured points.

    round = agents' methods + coordinator + transport
    agents' methods = method + K N (step + feature d + crowd d [actors > cores]) / min(actors, cores)
    coordinator = resume + resume_actors [actors] + reduced bytes
    transport = call + actor actors + away (actors on other nodes) + byte bytes + large L
                + trip RTT + pull R + pull_trip RTT [R > 0] + wire (remote bytes) / bandwidth        (with actors only)

L counts the replies above Ray's 100 kB, which go through its object store, and R those of them from another node.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

#: Bytes above which Ray hands a reply over through its object store.
LARGE = 100 * 1024

#: part of a round -> constant -> (unit of a second, what it is)
CONSTANTS: dict[str, dict[str, tuple[str, str]]] = {
    "agents": {
        "method": ("us", "a call's method, for any number of members"),
        "step": ("ns", "a TD step of an agent"),
        "feature": ("ns", "a TD step, additional time per feature"),
        "crowd": ("ns", "the same, additional time where actors share cores"),
    },
    "coordinator": {
        "resume": ("us", "from a reply to the next call, in one process"),
        "resume_actors": ("us", "the same, additional time with actors"),
        "reduced": ("ns", "one byte of the replies, in the reduction"),
    },
    "transport": {
        "call": ("ms", "a call to actors, for any number of actors"),
        "actor": ("ms", "a call, additional time per actor"),
        "away": ("ms", "a call, additional time per actor on another node"),
        "byte": ("ns", "one byte of the replies, copied"),
        "large": ("ms", "a reply above 100 kB, through the object store"),
        "trip": ("RTT", "round trips of a call that leaves the node"),
        "pull": ("ms", "a reply above 100 kB from another node"),
        "pull_trip": ("RTT", "additional round trips if there are such replies"),
        "wire": ("bytes/bandwidth", "transmission time of the bytes from other nodes"),
    },
}
#: CPU time of the coordinator's process in a round with actors, measured beside it; it is no term of the sum.
CPU: dict[str, tuple[str, str]] = {
    "cpu_call": ("ms", "a call to actors, for any number of actors"),
    "cpu_actor": ("ms", "a call, additional time per actor"),
    "cpu_byte": ("ns", "a byte of the replies"),
}
SCALE = {"ms": 1e-3, "us": 1e-6, "ns": 1e-9}
#: What the coordinator's own process and node do, one actor after another; the rest is waiting and the agents' work.
OWN = ("call", "actor", "away", "byte", "large", "pull", "resume", "resume_actors", "reduced")


def terms(points: pd.DataFrame) -> dict[str, np.ndarray]:
    """What each constant is multiplied with at each of the points (columns of ``points.COLUMNS``)."""
    inline = points.actors == 0
    actors, payload, remote = points.actors, points.payload_bytes, points.remote_bytes
    steps = points.agents * points.local_steps / np.where(inline, 1, np.minimum(actors, points.cores))
    large = ~inline & (payload > LARGE * actors)
    away = remote > 0
    trips = np.where(away, points.rtt_ms * 1e-3, 0.0)
    on_wire = np.where(away, remote * 8e-6 / np.where(away, points.throughput_mbit, 1.0), 0.0)
    pulled = np.where(large, actors * remote / payload, 0.0)
    found = {
        "method": np.ones(len(points)),
        "step": steps,
        "feature": steps * points.features,
        "crowd": np.where(actors > points.cores, steps * points.features, 0.0),
        "resume": np.ones(len(points)),
        "resume_actors": ~inline,
        "reduced": payload,
        "call": ~inline,
        "actor": actors,
        "away": np.where(away, actors * remote / payload, 0.0),
        "byte": np.where(inline, 0, payload),
        "large": np.where(large, actors, 0),
        "trip": trips,
        "pull": pulled,
        "pull_trip": np.where(pulled > 0, trips, 0.0),
        "wire": on_wire,
    }
    return {name: np.asarray(values, dtype=float) for name, values in found.items()}


def fitted(points: pd.DataFrame) -> dict[str, float]:
    """Constants by least squares of relative errors, none below 0; each part of a round by itself."""
    found: dict[str, float] = {}
    factors = terms(points)
    for part, constants in CONSTANTS.items():
        used = np.asarray((points.actors > 0) | (part != "transport"))
        seconds = points[f"seconds_{part}"].to_numpy()[used]
        # The agents' part of a small round is the scheduler's noise: what counts is its error in the round's time.
        weight = 1 / (points.seconds_per_round.to_numpy()[used] if part == "agents" else seconds)
        design = np.stack([factors[name] for name in constants], axis=1)[used]
        found |= zip(constants, _solved(design, seconds, weight), strict=True)
    taken = points[(points.cpu_coordinator > 0) & (points.actors > 0)]
    seconds = taken.cpu_coordinator.to_numpy()
    return found | dict(zip(CPU, _solved(_cpu_design(taken), seconds, 1 / seconds), strict=True))


def _solved(design: np.ndarray, seconds: np.ndarray, weight: np.ndarray) -> list[float]:
    """Least squares of weighted errors, nothing negative; columns are brought to one size first."""
    from scipy.optimize import nnls

    scaled = design * weight[:, None]
    size = np.abs(scaled).max(axis=0)
    return [float(value) for value in nnls(scaled / size, seconds * weight)[0] / size]


def _cpu_design(points: pd.DataFrame) -> np.ndarray:
    return np.stack([np.ones(len(points)), points.actors, points.payload_bytes], axis=1).astype(float)


def cpu(constants: Mapping[str, float], points: pd.DataFrame) -> np.ndarray:
    """CPU seconds of the coordinator's process at each of the points."""
    return _cpu_design(points) @ [constants[name] for name in CPU]


def predicted(constants: Mapping[str, float], points: pd.DataFrame) -> pd.DataFrame:
    """Seconds of each term at each of the points, in a column a constant."""
    return pd.DataFrame({name: constants[name] * values for name, values in terms(points).items()})


def for_fitting(points: pd.DataFrame) -> pd.DataFrame:
    """Points that the constants may know: the held-out ones are kept for judging them.

    Agents with a chain of their own are neither: their tables leave the processor's cache (a case the page shows).
    """
    return points[~held_out(points) & shared_chains(points)].reset_index(drop=True)


def held_out(points: pd.DataFrame) -> pd.Series:
    """Three nodes with delay and bounded rate together, 12 and 32 actors, and everything of study ``tree``."""
    shaped = (points.nodes == 3) & (points.delay_ms > 0) & (points.mbit > 0)
    return (shaped | points.actors.isin([12, 32]) | (points.study == "tree")) & shared_chains(points)


def shared_chains(points: pd.DataFrame) -> pd.Series:
    """Whether a chain's table serves several agents, or there are few."""
    return points.chains <= 32


def error(constants: Mapping[str, float], points: pd.DataFrame) -> np.ndarray:
    """Relative error of the predicted round time at each of the points."""
    return predicted(constants, points).sum(axis=1).to_numpy() / points.seconds_per_round.to_numpy() - 1


def scenario(
    nodes: int, per_node: int, agents_per_actor: int, *, steps: int, features: int, rtt_ms: float, mbit: float,
    tree: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A point that was not measured: ``per_node`` actors on each node, each with a core of its own."""
    actors = nodes * per_node
    row = 8 * features
    sent = agents_per_actor * row
    if tree:  # partial sums of a block and their levels
        sent = min(agents_per_actor, 2 * max(1, int(np.log2(agents_per_actor)))) * (row + 8)
    payload = actors * sent
    return {
        "agents": actors * agents_per_actor,
        "actors": actors,
        "nodes": nodes,
        "features": features,
        "local_steps": steps,
        "chains": 10,
        "payload_bytes": payload,
        "remote_bytes": payload * (nodes - 1) // nodes,
        "rtt_ms": rtt_ms,
        "throughput_mbit": mbit,
        "cores": actors,
        "reduction": "tree" if tree else "rows",
    }
