"""Predictions of the model for clusters that were not measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.scaling import model

#: A node: its cores, one actor on each, and its link.
CORES, RTT_MS, MBIT = 16, 0.2, 10_000.0
#: Agents and local steps of the curves over nodes.
AGENTS, STEPS = 100_000, (100, 10_000, 1_000_000)
LINK = ("wire",)
WAITING = ("trip", "pull_trip")
WORK = ("method", "step", "feature", "crowd")


def parts(constants: Mapping[str, float], scenes: list[dict[Any, Any]]) -> pd.DataFrame:
    """Configurations with their round time and its parts in seconds: agents, coordinator, link, waiting.

    ``floor`` is the round time if the coordinator's part were its CPU time alone.
    """
    frame = pd.DataFrame(scenes)
    seconds = model.predicted(constants, frame)
    frame["seconds"] = seconds.sum(axis=1)
    for name, group in (("work", WORK), ("coordinator", model.OWN), ("link", LINK), ("waiting", WAITING)):
        frame[name] = seconds[list(group)].sum(axis=1)
    frame["floor"] = frame.seconds - frame.coordinator + model.cpu(constants, frame)
    return frame


def at_hundred(constants: Mapping[str, float]) -> pd.DataFrame:
    """100 nodes: one actor per node and per core, several packings and payloads, with and without the tree."""
    cases = [
        (1, 10, 8),
        (1, 1000, 8),
        (1, 10_000, 8),
        (CORES, 1, 8),
        (CORES, 100, 8),
        (CORES, 1000, 8),
        (CORES, 1000, 64),
    ]
    scenes = [
        model.scenario(100, per_node, packing, steps=100, features=features, rtt_ms=RTT_MS, mbit=MBIT, tree=tree)
        for tree in (False, True)
        for per_node, packing, features in cases
    ]
    return parts(constants, scenes)


def strong(constants: Mapping[str, float], steps: int, *, tree: bool) -> pd.DataFrame:
    """``AGENTS`` agents on 1 to 100 nodes with an actor on every core."""
    scenes = []
    for nodes in range(1, 101):
        packing = int(np.ceil(AGENTS / (nodes * CORES)))
        scene = model.scenario(nodes, CORES, packing, steps=steps, features=8, rtt_ms=RTT_MS, mbit=MBIT, tree=tree)
        scenes.append(scene)
    return parts(constants, scenes)


def turning(curve: pd.DataFrame) -> Any:
    """The first row at which the coordinator's own work is more than half of the round, or None."""
    over = curve[curve.coordinator > curve.seconds / 2]
    return None if over.empty else over.iloc[0]


def turning_of_floor(curve: pd.DataFrame) -> Any:
    """The same for the floor."""
    over = curve[curve.floor - (curve.seconds - curve.coordinator) > curve.floor / 2]
    return None if over.empty else over.iloc[0]


def half_way(constants: Mapping[str, float], scene: Mapping[Any, Any]) -> float:
    """Local steps K at which the agents' work is half of the round."""
    row = parts(constants, [dict(scene)]).iloc[0]
    a_step = (row.work - constants["method"]) / row.local_steps
    return (row.seconds - row.work) / a_step
