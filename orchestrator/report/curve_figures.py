"""Figures of learning curves, and of what an error costs in bytes and in steps: means with bands over the seeds.

Levels of a grid key run through cividis, cases through the colours of Okabe and Ito.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.claims import fits
from orchestrator.claims.claim import column
from orchestrator.claims.samples import listed
from orchestrator.report.aggregate import bootstrap
from orchestrator.report.claim_figure import MOST_POINTS, Panel
from orchestrator.report.style import CASES, label, legend, log_axis, look, name_axes, new_axes, words

PANEL = (4.4, 3.3)  #: inches; at 72 units an inch it fills a telephone's width
STYLES = ("-", "--", ":")
#: What may be paid for a smaller error, in the order of the panels.
PRICES = ("bytes_sent", "agent_steps")


@dataclass(frozen=True)
class Line:
    """One cell's curve. ``rows``: round, the prices, y (the mean), lo and hi (the band), seeds; a row a record."""

    case: str
    level: Any  #: of the grid key that the figure spreads out; None without one
    rows: pd.DataFrame


def band_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle, bottom and top [rounds] of ``values`` [rounds, seeds]: the mean and its band.

    From 6 seeds on the band is the 95 percent t interval of the mean, on the logarithm where all means are positive
    (mean * exp(+- t * error / mean), a factor of 1000 at most, so that it never leaves a log axis); below that,
    smallest to largest.
    """
    mean, seeds = values.mean(axis=1), values.shape[1]
    if seeds < 6:
        return mean, values.min(axis=1), values.max(axis=1)
    half = fits.t_quantile(seeds) * values.std(axis=1, ddof=1) / math.sqrt(seeds)
    if (mean > 0).all():
        share = np.exp(np.minimum(half / mean, math.log(1000)))
        return mean, mean / share, mean * share
    return mean, mean - half, mean + half


def is_score(metric: str) -> bool:
    """Whether a metric is an episode's return, whose runs are far from normal: see ``aggregate``."""
    return metric == "return" or metric.startswith("return_")


def band_words(lines: Iterable[Line], metric: str) -> str:
    """What the lines and bands of curves of ``metric`` are."""
    counts = sorted({int(line.rows["seeds"].iloc[0]) for line in lines})
    if is_score(metric):
        return f"Line: interquartile mean over {listed(counts)} seeds; band: 95% interval, runs resampled"
    kinds = []
    if any(count >= 6 for count in counts):
        kinds.append("95% t interval of the mean")
    if any(1 < count < 6 for count in counts):
        kinds.append("smallest to largest seed")
    return f"Line: mean over {listed(counts)} seeds; band: {' or '.join(kinds) or 'none, one seed'}"


def lines_of(
    curves: pd.DataFrame, metric: str, cases: Sequence[str] | None = None, versus: str | None = None
) -> list[Line]:
    """The curves of ``metric``, a line a cell, in the order of the cases and of the levels of ``versus``.

    ``curves`` is the store's view: case, cell_id, seed, round, ``<metric>_window``, parameters and, where they are to
    be drawn, the prices; replicates that did not finish are left out, and so is round 0, which has no place on a log
    axis. Returns are interquartile means with bootstrap bands. More than ``MOST_POINTS`` records are thinned.
    """
    name = f"{metric}_window"
    frame = curves[curves["status"] == "done"] if "status" in curves else curves
    frame = frame[frame["round"] > 0].dropna(subset=name)
    key = column(versus) if versus else None
    found = []
    for case in cases if cases is not None else sorted(frame["case"].unique()):
        for _, cell in frame[frame["case"] == case].groupby([key or "case", "cell_id"], dropna=False):
            table = cell.pivot_table(index="round", columns="seed", values=name, aggfunc="first").dropna()
            if len(table):
                level = next(iter(cell[key].dropna()), None) if key else None
                found.append(Line(case, level, _rows(cell, _thinned(table), metric)))
    return found


def _thinned(table: pd.DataFrame) -> pd.DataFrame:
    if len(table) <= MOST_POINTS:
        return table
    ranks = np.unique(np.rint(np.geomspace(1, len(table), MOST_POINTS)).astype(int)) - 1
    return table.iloc[ranks]


def _rows(cell: pd.DataFrame, table: pd.DataFrame, metric: str) -> pd.DataFrame:
    values = table.to_numpy()
    mean, low, high = bootstrap([values.T]) if is_score(metric) else band_of(values)
    drawn = cell[cell["round"].isin(table.index)]
    prices = drawn.groupby("round")[[price for price in PRICES if price in cell]].mean()
    data = {"round": table.index.to_numpy()} | {price: prices[price].to_numpy() for price in prices}
    return pd.DataFrame(data | {"y": mean, "lo": low, "hi": high, "seeds": table.shape[1]})


def curve_panels(
    lines: Sequence[Line],
    metric: str,
    versus: str | None = None,
    log: bool = True,
    labels: Mapping[str, str] | None = None,
) -> list[Panel]:
    """Learning curves: with ``versus`` a panel a case and a colour a level, without it one panel, a colour a case."""
    cases = list(dict.fromkeys(line.case for line in lines))
    groups = [[line for line in lines if line.case == case] for case in cases] if versus else [list(lines)]
    panels = []
    for group in groups:
        named = [_named(line, versus, with_case=not versus) for line in group]
        colours = _levels(group) if versus else [(CASES[cases.index(line.case) % len(CASES)], "-") for line in group]
        title = group[0].case if versus else ""
        panels.append(_panel(group, named, colours, "round", metric, log, labels, title))
    _same_heights(panels)
    return panels


def cost_panels(
    lines: Sequence[Line], metric: str, versus: str | None = None, labels: Mapping[str, str] | None = None
) -> list[Panel]:
    """The error against bytes sent and against agent steps.

    One case shows all its levels; several are compared at the highest level of each. A line that pays nothing of a
    price has no place on its axis.
    """
    several = len({line.case for line in lines}) > 1
    shown = list({line.case: line for line in lines}.values()) if several and versus else list(lines)
    colours = (
        [(CASES[i % len(CASES)], STYLES[i // len(CASES) % len(STYLES)]) for i in range(len(shown))]
        if several or not versus
        else _levels(shown)
    )
    panels = []
    for price in PRICES:
        paying = [i for i, line in enumerate(shown) if price in line.rows and (line.rows[price] > 0).any()]
        if paying:
            group = [shown[i] for i in paying]
            named = [_named(line, versus, with_case=several or not versus) for line in group]
            panels.append(_panel(group, named, [colours[i] for i in paying], price, metric, True, labels, ""))
    _same_heights(panels)
    return panels


def free(lines: Sequence[Line]) -> list[str]:
    """Which cases pay nothing of a price, a sentence a price that others pay."""
    told = []
    for price in PRICES:
        paid = {line.case: price in line.rows and bool((line.rows[price] > 0).any()) for line in lines}
        if any(paid.values()) and not all(paid.values()):
            told.append(f"No {words(price)}: {', '.join(case for case, pays in paid.items() if not pays)}.")
    return told


def _panel(
    lines: Sequence[Line],
    names: Sequence[str],
    looks: Sequence[tuple[Any, str]],
    x: str,
    metric: str,
    log: bool,
    labels: Mapping[str, str] | None,
    title: str,
) -> Panel:
    bottoms = "lo" if is_score(metric) else "y"  # a band of means on the logarithm is positive where the means are
    log_y = log and all((line.rows[bottoms] > 0).all() for line in lines)
    parts = []
    with look():
        ax = new_axes(*PANEL)
        for line, name, (colour, dash) in zip(lines, names, looks, strict=True):
            rows = line.rows[line.rows[x] > 0]
            fresh = name not in ax.get_legend_handles_labels()[1]
            ax.plot(rows[x], rows["y"], dash, color=colour, linewidth=1.4, label=name if fresh else None)
            ax.fill_between(rows[x], rows["lo"], rows["hi"], color=colour, alpha=0.18, linewidth=0)
            parts.append(rows.assign(curve=name))
        data = pd.concat(parts, ignore_index=True)
        data = data[["curve", *(c for c in data.columns if c != "curve")]]
        if log:
            log_axis(ax, "x", data[x].to_numpy(float))
        if log_y:
            log_axis(ax, "y", data[["y", "lo", "hi"]].to_numpy(float))
        name_axes(ax, label(x, labels), label(metric, labels))
        legend(ax)
    return Panel(ax, data, x, "y", title)


def _named(line: Line, versus: str | None, with_case: bool) -> str:
    if line.level is None or versus is None:
        return line.case
    level = f"{line.level:g}" if pd.api.types.is_number(line.level) else str(line.level)
    text = f"{'N' if versus == 'agents' else words(versus)} = {level}"
    return f"{line.case}, {text}" if with_case else text


def _levels(lines: Sequence[Line]) -> list[tuple[Any, str]]:
    """A colour for each line by its level."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    levels = list(dict.fromkeys(line.level for line in lines))
    last = max(1, len(levels) - 1)
    return [(to_hex(colormaps["cividis"](0.9 * levels.index(line.level) / last)), "-") for line in lines]


def _same_heights(panels: Sequence[Panel]) -> None:
    """The panels of one figure share their y axis."""
    if len({panel.axes.get_yscale() for panel in panels}) != 1:
        return
    limits = np.array([panel.axes.get_ylim() for panel in panels])
    for panel in panels:
        panel.axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
