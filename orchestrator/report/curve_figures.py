"""Figures of learning curves, and of an error against bytes and steps: means with bands over the seeds.

Levels of a grid key take their colours from cividis, cases from Okabe and Ito.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from orchestrator.claims.columns import Floats, column_name, listed
from orchestrator.claims.statistics.quantiles import t_quantile
from orchestrator.report.aggregate import bootstrap
from orchestrator.report.claim_figure import Panel, thinned_ranks
from orchestrator.report.style import CASES, label, legend, log_axis, look, name_axes, new_axes, ramp, words

PANEL = (4.4, 3.3)  #: inches; at 72 units per inch it fills the width of a phone
STYLES = ("-", "--", ":")
#: Costs of a smaller error, in the order of the panels.
COSTS = ("bytes_sent", "agent_steps")


@dataclass(frozen=True)
class Curve:
    """One cell's curve. ``rows`` has one row per record: round, the costs, y (middle), lo and hi (band), seeds.

    ``level`` is the cell's value of the grid key that the figure shows, None without one. ``score`` means that the
    middle is an interquartile mean with a bootstrap band (see ``aggregate``), otherwise the mean (see ``band_of``).
    """

    case: str
    level: object
    rows: pd.DataFrame
    score: bool = False


@dataclass(frozen=True)
class Trace:
    """A curve as it is drawn: its name in the legend, its colour and its dashes."""

    curve: Curve
    name: str
    colour: str
    dashes: str


def band_of(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, bottom and top of the band [rounds] of ``values`` [rounds, seeds].

    With 6 or more seeds the band is the 95 percent t interval of the mean. If all means are positive, it is made on the
    logarithm: mean * exp(+- t * error / mean), at most a factor of 1000, so that it stays on a log axis. With fewer
    seeds the band runs from the smallest to the largest.
    """
    mean, seeds = values.mean(axis=1), values.shape[1]
    if seeds < 6:
        return mean, values.min(axis=1), values.max(axis=1)
    half = t_quantile(seeds) * values.std(axis=1, ddof=1) / math.sqrt(seeds)
    if (mean > 0).all():
        factor = np.exp(np.minimum(half / mean, math.log(1000)))
        return mean, mean / factor, mean * factor
    return mean, mean - half, mean + half


def band_words(curves: Iterable[Curve]) -> str:
    """What the lines and bands are."""
    curves = list(curves)
    counts = sorted({int(curve.rows["seeds"].iloc[0]) for curve in curves})
    seeds = f"{listed(counts)} seed{'s' * (counts != [1])}"
    if any(curve.score for curve in curves):
        return f"Line: interquartile mean over {seeds}; band: 95% bootstrap interval over runs"
    kinds: list[str] = []
    if any(count >= 6 for count in counts):
        kinds.append("95% t interval of the mean")
    if any(1 < count < 6 for count in counts):
        kinds.append("smallest to largest seed")
    return f"Line: mean over {seeds}; band: {' or '.join(kinds) or 'none'}"


def curves_of(
    table: pd.DataFrame,
    metric: str,
    cases: Sequence[str] | None = None,
    versus: str | None = None,
    score: bool = False,
) -> list[Curve]:
    """The curves of ``metric``, one per cell, in the order of the cases and of the levels of ``versus``.

    ``table`` is the store's view ``curves``: case, cell_id, seed, round, ``<metric>_window``, parameters and the costs
    that are to be drawn. Replicates that did not finish are left out, and so is round 0, which a log axis cannot show.
    ``score`` metrics get interquartile means with bootstrap bands. Long curves are thinned to ``MOST_POINTS`` records.
    """
    name = f"{metric}_window"
    rows = table[table["status"] == "done"] if "status" in table else table
    rows = rows[rows["round"] > 0].dropna(subset=name)
    key = column_name(versus) if versus else None
    curves: list[Curve] = []
    for case in cases if cases is not None else sorted(rows["case"].unique()):
        for _, cell in rows[rows["case"] == case].groupby([key or "case", "cell_id"], dropna=False):
            values = cell.pivot_table(index="round", columns="seed", values=name, aggfunc="first").dropna()
            if len(values):
                level = next(iter(cell[key].dropna()), None) if key else None
                values = values.iloc[thinned_ranks(len(values))]
                curves.append(Curve(case, level, _rows(cell, values, score), score))
    return curves


def _rows(cell: pd.DataFrame, table: pd.DataFrame, score: bool) -> pd.DataFrame:
    values = table.to_numpy()
    middle, low, high = bootstrap([values.T]) if score else band_of(values)
    records = cell[cell["round"].isin(table.index)]
    costs = records.groupby("round")[[cost for cost in COSTS if cost in cell]].mean()
    data = {"round": table.index.to_numpy()} | {cost: costs[cost].to_numpy() for cost in costs}
    return pd.DataFrame(data | {"y": middle, "lo": low, "hi": high, "seeds": table.shape[1]})


def curve_panels(
    curves: Sequence[Curve],
    metric: str,
    versus: str | None = None,
    log: bool = True,
    labels: Mapping[str, str] | None = None,
) -> list[Panel]:
    """Learning curves: with ``versus`` one panel per case and one colour per level, otherwise one colour per case."""
    cases = list(dict.fromkeys(curve.case for curve in curves))
    groups = [[curve for curve in curves if curve.case == case] for case in cases] if versus else [list(curves)]
    panels: list[Panel] = []
    for group in groups:
        colours = _level_colours(group) if versus else [CASES[cases.index(c.case) % len(CASES)] for c in group]
        traces = [
            Trace(curve, _name(curve, versus, with_case=not versus), colour, "-")
            for curve, colour in zip(group, colours, strict=True)
        ]
        panel = _panel(traces, "round", metric, log, labels)
        panels.append(replace(panel, title=group[0].case if versus else ""))
    _share_y(panels)
    return panels


def cost_panels(
    curves: Sequence[Curve], metric: str, versus: str | None = None, labels: Mapping[str, str] | None = None
) -> list[Panel]:
    """The error against bytes sent and against agent steps.

    A single case shows all its levels. Several cases are compared at the highest level of each. A curve without a cost
    is left out of that cost's panel.
    """
    several = len({curve.case for curve in curves}) > 1
    shown = list({curve.case: curve for curve in curves}.values()) if several and versus else list(curves)
    looks = [(CASES[i % len(CASES)], STYLES[i // len(CASES) % len(STYLES)]) for i in range(len(shown))]
    if versus and not several:
        looks = [(colour, "-") for colour in _level_colours(shown)]
    traces = [
        Trace(curve, _name(curve, versus, with_case=several or not versus), *look)
        for curve, look in zip(shown, looks, strict=True)
    ]
    panels: list[Panel] = []
    for cost in COSTS:
        if paying := [trace for trace in traces if _pays(trace.curve, cost)]:
            panels.append(_panel(paying, cost, metric, True, labels))
    _share_y(panels)
    return panels


def free_cases(curves: Sequence[Curve]) -> list[str]:
    """Which cases have none of a cost: one sentence per cost that other cases have."""
    sentences: list[str] = []
    for cost in COSTS:
        pays = {curve.case: _pays(curve, cost) for curve in curves}
        if any(pays.values()) and not all(pays.values()):
            sentences.append(f"No {words(cost)}: {', '.join(case for case, paid in pays.items() if not paid)}.")
    return sentences


def _pays(curve: Curve, cost: str) -> bool:
    return cost in curve.rows and bool((curve.rows[cost] > 0).any())


def _panel(traces: Sequence[Trace], x: str, metric: str, log: bool, labels: Mapping[str, str] | None) -> Panel:
    # The band of a mean is positive where the mean is; the band of an interquartile mean need not be.
    log_y = log and all((trace.curve.rows["lo" if trace.curve.score else "y"] > 0).all() for trace in traces)
    parts: list[pd.DataFrame] = []
    with look():
        ax = new_axes(*PANEL)
        for trace in traces:
            rows = trace.curve.rows[trace.curve.rows[x] > 0]
            new = trace.name not in ax.get_legend_handles_labels()[1]
            name = trace.name if new else None
            ax.plot(rows[x], rows["y"], trace.dashes, color=trace.colour, linewidth=1.4, label=name)
            ax.fill_between(rows[x], rows["lo"], rows["hi"], color=trace.colour, alpha=0.18, linewidth=0)
            parts.append(rows.assign(curve=trace.name))
        data = pd.concat(parts, ignore_index=True)
        data = data[["curve", *(c for c in data.columns if c != "curve")]]
        if log:
            log_axis(ax, "x", data[x].to_numpy(float))
        if log_y:
            log_axis(ax, "y", data[["y", "lo", "hi"]].to_numpy(float))
        name_axes(ax, label(x, labels), label(metric, labels))
        legend(ax)
    return Panel(ax, data, x, "y")


def _name(curve: Curve, versus: str | None, with_case: bool) -> str:
    """The curve's name in a legend: its case, its level, or both."""
    if curve.level is None or versus is None:
        return curve.case
    level = f"{curve.level:g}" if pd.api.types.is_number(curve.level) else str(curve.level)
    text = f"{'N' if versus == 'agents' else words(versus)} = {level}"
    return f"{curve.case}, {text}" if with_case else text


def _level_colours(curves: Sequence[Curve]) -> list[str]:
    """A colour for each curve by its level."""
    levels = list(dict.fromkeys(curve.level for curve in curves))
    colours = ramp(len(levels))
    return [colours[levels.index(curve.level)] for curve in curves]


def _share_y(panels: Sequence[Panel]) -> None:
    """Give the panels of one figure the same y axis."""
    if len({panel.axes.get_yscale() for panel in panels}) != 1:
        return
    limits = np.array([panel.axes.get_ylim() for panel in panels])
    for panel in panels:
        panel.axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
