"""The figures of docs/scaling.md, drawn from the measured points."""

import io
from collections.abc import Callable, Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.scaling import forecast, model
from orchestrator.report.style import BLUE, CASES, GREEN, GREY, VERMILLION

MARKS = "osD^v"
Constants = Mapping[str, float]


def packed(points: pd.DataFrame, constants: Constants) -> Figure:
    """Round time against agents, one line per placement."""
    figure, (ax,) = new_figure(6.0, 4.0)
    own = points[(points.study == "packed") & (points.features == 8) & model.shared_chains(points)]
    for k, (actors, name) in enumerate([(0, "in one process"), (1, "1 actor"), (2, "2 actors"), (8, "8 actors")]):
        _line(ax, own[own.actors == actors], constants, CASES[k], MARKS[k], name)
    alone = own[own.actors.isin([10, 32]) & (own.agents == own.actors)]
    ax.plot(alone.agents, alone.seconds_per_round, "*", color="#000000", markersize=9, label="one actor an agent")
    ax.plot([], [], "--", color=GREY, linewidth=1, label="the model")
    return _done(figure, ax, "number of agents N", "seconds per round")


def nodes(points: pd.DataFrame, constants: Constants) -> Figure:
    """Round time against agents over several kinds of links, six actors."""
    figure, (ax,) = new_figure(6.0, 4.0)
    own = points[(points.study == "nodes") & (points.actors == 6) & (points.features == 8)]
    kinds = [
        (1, 0, 0, "1 node"),
        (3, 0, 0, "3 nodes, unshaped"),
        (3, 1, 0, "3 nodes, 1 ms"),
        (3, 0, 100, "3 nodes, 100 Mbit/s"),
        (3, 1, 100, "3 nodes, 1 ms and 100 Mbit/s"),
    ]
    for k, (count, delay, mbit, name) in enumerate(kinds):
        chosen = own[(own.nodes == count) & (own.delay_ms == delay) & (own.mbit == mbit)]
        _line(ax, chosen, constants, CASES[k], MARKS[k], name)
    ax.plot([], [], "--", color=GREY, linewidth=1, label="the model")
    return _done(figure, ax, "number of agents N", "seconds per round")


def tree(points: pd.DataFrame, constants: Constants) -> Figure:
    """Round time with all rows and with partial sums."""
    figure, (ax,) = new_figure(6.0, 4.0)
    own = points[points.study == "tree"]
    for count, mark, where in ((1, "o", "2 actors, one machine"), (3, "s", "6 actors, 3 shaped nodes")):
        for kind, colour in (("rows", VERMILLION), ("tree", BLUE)):
            chosen = own[(own.nodes == count) & (own.reduction == kind)]
            _line(ax, chosen, constants, colour, mark, f"{kind}: {where}")
    ax.plot([], [], "--", color=GREY, linewidth=1, label="the model")
    return _done(figure, ax, "number of agents N", "seconds per round")


def fit(points: pd.DataFrame, constants: Constants) -> Figure:
    """Predicted against measured round time."""
    figure, (ax,) = new_figure(5.0, 4.2)
    groups = (
        (model.for_fitting(points), BLUE, "o", "fitted"),
        (points[model.held_out(points)], VERMILLION, "^", "held out"),
    )
    for chosen, colour, mark, name in groups:
        times = model.predicted(constants, chosen).sum(axis=1)
        ax.plot(chosen.seconds_per_round, times, mark, color=colour, markersize=4.5, alpha=0.8, label=name)
    ends = np.array([3e-5, 1.0])
    ax.plot(ends, ends, color=GREY, linewidth=1)
    ax.fill_between(ends, ends / 1.5, ends * 1.5, color=GREY, alpha=0.15, linewidth=0, label="a factor of 1.5")
    return _done(figure, ax, "measured seconds per round", "predicted seconds per round")


def hundred(points: pd.DataFrame, constants: Constants) -> Figure:
    """Predicted round time of 100 000 agents on 1 to 100 nodes."""
    figure, (ax,) = new_figure(6.0, 4.0)
    colours = (BLUE, VERMILLION, GREEN)
    for steps, colour in zip(forecast.STEPS, colours, strict=True):
        for reduced, style in ((False, "-"), (True, ":")):
            curve = forecast.strong(constants, steps, tree=reduced)
            label = f"K = {steps:,}".replace(",", " ") + (", tree" if reduced else "")
            ax.plot(curve.nodes, curve.seconds, style, color=colour, label=label)
            if not reduced:
                ax.fill_between(curve.nodes, curve.floor, curve.seconds, color=colour, alpha=0.15, linewidth=0)
            if not reduced and (turn := forecast.turning(curve)) is not None:
                ax.plot(turn.nodes, turn.seconds, "o", color=colour, markersize=7)
    ax.plot([], [], "o", color=GREY, label="coordinator above half")
    ax.fill_between([], [], [], color=GREY, alpha=0.25, linewidth=0, label="down to its CPU alone")
    ax.set(yscale="log", ylim=(1e-2, 2e4))  # room for the legend
    return _done(figure, ax, "nodes of 16 cores, one actor a core", "predicted seconds per round", columns=2)


FIGURES: dict[str, Callable[[pd.DataFrame, Constants], Figure]] = {
    "packed": packed,
    "nodes": nodes,
    "fit": fit,
    "hundred": hundred,
    "tree": tree,
}


def drawn(name: str, points: pd.DataFrame, constants: Constants) -> bytes:
    """One figure as SVG, with its text as text."""
    buffer = io.BytesIO()
    # The same points give the same bytes: no date, fixed ids.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "orchestrator"}):
        FIGURES[name](points, constants).savefig(buffer, format="svg", dpi=160, metadata={"Date": None})
    return buffer.getvalue()


def new_figure(width: float, height: float, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of ``panels`` axes side by side with one y axis, drawn by Agg; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, which="major", color="#e6e6e6", linewidth=0.8)
        ax.set_axisbelow(True)
    return figure, axes


def _line(ax, chosen: pd.DataFrame, constants: Constants, colour: str, mark: str, name: str) -> None:
    """Measured points, and the model as a dashed line."""
    chosen = chosen.sort_values("agents").reset_index(drop=True)
    ax.plot(chosen.agents, chosen.seconds_per_round, mark, color=colour, markersize=5.5, label=name)
    ax.plot(chosen.agents, model.predicted(constants, chosen).sum(axis=1), "--", color=colour, linewidth=1)


def _done(figure: Figure, ax, x: str, y: str, columns: int = 1) -> Figure:
    ax.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    ax.legend(frameon=False, fontsize=8, ncols=columns)
    return figure
