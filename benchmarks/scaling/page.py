"""docs/scaling.md: its tables, constants and figures, computed from the measured points.

The page's text is edited in the page itself. The parts between ``<!-- NAME -->`` and ``<!-- end -->`` are written here.
"""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.scaling import figures, forecast, model, points
from benchmarks.scaling.points import FOLDER
from benchmarks.scaling.tables import Constants, grid, links, ms, nodes, packed, parts, short, size, tree, whole

PAGE = FOLDER.with_suffix(".md")


def constants(frame: pd.DataFrame, constants: Constants) -> str:
    """The model's constants."""
    rows = []
    for part, own in model.CONSTANTS.items():
        for name, (unit, what) in own.items():
            value = short(constants[name] / model.SCALE.get(unit, 1.0))
            rows.append([f"`{name}`", part, f"{value} {unit}" if unit in model.SCALE else f"{value} × {unit}", what])
    return grid(("constant", "part", "value", "of"), rows).replace("|---:|---:|---:|", "|---|---:|---|")


def accuracy(frame: pd.DataFrame, constants: Constants) -> str:
    """The errors of the model."""
    known, kept = model.for_fitting(frame), frame[model.held_out(frame)].reset_index(drop=True)
    lines = []
    for name, some in (("fitted", known), ("held out", kept)):
        off = np.abs(model.error(constants, some))
        lines.append([name, len(some), f"{np.median(off):.0%}", f"{np.quantile(off, 0.9):.0%}", f"{off.max():.0%}"])
    for name, chosen in (
        ("– 3 nodes, 1 ms and 100 Mbit/s, rows", (kept.nodes == 3) & (kept.reduction == "rows")),
        ("– 32 actors", kept.actors == 32),
        ("– partial sums", kept.reduction == "tree"),
    ):
        off = np.abs(model.error(constants, kept[chosen].reset_index(drop=True)))
        lines.append([name, len(off), f"{np.median(off):.0%}", f"{np.quantile(off, 0.9):.0%}", f"{off.max():.0%}"])
    return grid(("points", "configurations", "median relative error", "90 % below", "largest"), lines)


def hundred(frame: pd.DataFrame, constants: Constants) -> str:
    """Predictions for 100 nodes."""
    both = forecast.at_hundred(constants)
    rows = []
    plain, reduced = both[both.reduction == "rows"], both[both.reduction == "tree"]
    for (_, row), (_, other) in zip(plain.iterrows(), reduced.iterrows(), strict=True):
        share = [f"{row[name] / row.seconds:.0%}" for name in ("work", "coordinator", "link", "waiting")]
        packing = row.agents // row.actors
        rows.append(
            [
                f"{whole(row.actors)} × {whole(packing)}, d = {row.features}",
                size(row.payload_bytes),
                ms(row.seconds),
                *share,
                ms(row.floor),
                ms(other.seconds),
                whole(forecast.half_way(constants, row.to_dict())),
            ]
        )
    titles = (
        "actors × agents",
        "replies",
        "round, ms",
        "agents",
        "coordinator",
        "its link",
        "waiting",
        "round with its CPU time only, ms",
        "tree: round, ms",
        "K for half",
    )
    return grid(titles, rows)


def strong(frame: pd.DataFrame, constants: Constants) -> str:
    """The same agents on more and more nodes."""
    rows = []
    for steps in forecast.STEPS:
        curve = forecast.strong(constants, steps, tree=False)
        reduced = forecast.strong(constants, steps, tree=True)
        best, turn = curve.iloc[int(np.argmin(curve.seconds))], forecast.turning(curve)
        last, tree_last = curve.iloc[-1], reduced.iloc[-1]
        low = forecast.turning_of_floor(curve)
        start, floor = ("–" if found is None else str(found.nodes) for found in (turn, low))
        rows.append(
            [
                whole(steps),
                ms(curve.seconds.iloc[0]),
                f"{ms(best.seconds)} ({best.nodes} {'nodes' if best.nodes > 1 else 'node'})",
                ms(last.seconds),
                f"{last.coordinator / last.seconds:.0%}",
                start,
                floor,
                ms(tree_last.seconds),
            ]
        )
    titles = (
        "local steps K",
        "1 node, ms",
        "best, ms",
        "100 nodes, ms",
        "coordinator at 100 nodes",
        "above half from, nodes",
        "the same, CPU time only",
        "100 nodes, tree, ms",
    )
    return grid(titles, rows)


def summary(frame: pd.DataFrame, constants: Constants) -> str:
    """The summary at the top of the page."""
    own = frame[(frame.study == "packed") & (frame.agents == 100_000) & (frame.actors == 0)]
    apart = own[own.chains == 100_000].iloc[0]
    there = forecast.at_hundred(constants)
    there = there[(there.reduction == "rows") & (there.features == 8)]
    most, few = there[there.agents == 1_600_000].iloc[0], there[there.agents == 100_000].iloc[0]
    spread = frame[(frame.study == "tree") & (frame.nodes == 3)].set_index(["reduction", "agents"]).seconds_per_round
    gain = spread["rows", 100_000] / spread["tree", 100_000]
    known, kept = model.for_fitting(frame), frame[model.held_out(frame)].reset_index(drop=True)
    off = [f"{np.median(np.abs(model.error(constants, some))):.0%}" for some in (known, kept)]
    return f"""\
- 100 000 agents, each with its own chain, fit in one process. They take {short(apart.peak_memory_bytes / 1e9)} GB, \
and {ms(apart.seconds_per_round)} ms per round of K = 100 steps.
- A call takes {ms(constants["call"])} ms, plus {ms(constants["actor"])} ms per actor, plus {ms(constants["away"])} ms \
per actor on another node. Each reply above 100 kB adds {ms(constants["large"])} ms, and {ms(constants["pull"])} ms \
more if it comes from another node.
- The model's median error is {off[0]} on the points it was fitted to, and {off[1]} on the held-out points.
- Prediction for 100 nodes and K = 100: {ms(few.seconds)} ms per round with one actor per node, and \
{ms(most.seconds)} ms with one actor per core. Nearly all of this is the coordinator's time. If only its CPU time is \
counted, a round takes {ms(few.floor)} and {ms(most.floor)} ms. The coordinator is the bottleneck in every packing \
below.
- A reduction over a fixed tree gives equal bits for any cut into blocks. It makes the round of 100 000 agents on \
three nodes with 100 Mbit/s {gain:.1f} times faster. It does not lower the cost of an actor."""


TABLES: dict[str, Callable[[pd.DataFrame, Constants], str]] = {
    table.__name__: table
    for table in (summary, packed, parts, nodes, links, constants, accuracy, hundred, strong, tree)
}


def rendered(text: str, frame: pd.DataFrame) -> str:
    """``text`` with every marked place filled from the points."""
    frame = points.least(frame)
    found = model.fitted(model.for_fitting(frame))

    def fill(match: re.Match[str]) -> str:
        return f"<!-- {match[1]} -->\n{TABLES[match[1]](frame, found)}\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


def measure() -> None:
    """Write the page's tables and the figures."""
    frame = points.load()
    PAGE.write_text(rendered(PAGE.read_text(), frame))
    frame = points.least(frame)
    found = model.fitted(model.for_fitting(frame))
    for name in figures.FIGURES:
        (FOLDER / f"{name}.svg").write_bytes(figures.drawn(name, frame, found))
