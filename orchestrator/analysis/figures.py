"""Figures of claims and of learning curves, as matplotlib ``Figure`` objects.

The axes follow the law: log-log for powers, log y for exponentials. Levels of a grid key run through cividis.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from orchestrator.analysis import fits
from orchestrator.analysis.aggregate import bootstrap
from orchestrator.analysis.claims import Claim, Point, Verdict
from orchestrator.analysis.samples import column, listed
from orchestrator.analysis.style import BLUE, CASES, GREEN, GREY, VERMILLION, label, log_axis, new_figure, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def claim_figure(claim: Claim, verdict: Verdict, units: Mapping[str, str] | None = None) -> "Figure":
    """The measured points with intervals, the fitted law, what was expected and, where it was fitted, the floor.

    Filled points were judged; hollow ones lie outside the window or could not be judged.
    """
    figure, (ax,) = new_figure(5.6, 3.9)
    points = [point for point in verdict.points if math.isfinite(point.y)]
    ax.set_xlabel(label(claim.versus, units) if claim.versus else "")
    name = claim.quantity if claim.law != "order" else f"{claim.metric}: {claim.case} / {claim.below}"
    ax.set_ylabel(label(name, units))
    if not points:
        ax.text(
            0.5, 0.5, "no finished replicates to draw", ha="center", va="center", transform=ax.transAxes, color=GREY
        )
        ax.set(xticks=[], yticks=[])
        return figure
    log_y = _scales(ax, claim, points)
    if claim.law in ("power", "exponential", "floor"):
        _draw_law(ax, claim, verdict, points)
    elif claim.law == "bound":
        x = _between(claim, points)
        exponent, constant = claim.exponent or 0.0, claim.constant or math.nan
        ax.plot(
            x,
            constant * x**exponent,
            "--",
            color=GREY,
            label=typeset(f"bound {constant:g} · {claim.versus}^{exponent:g}"),
        )
    else:
        _draw_range(ax, claim, points)
    kind = verdict.interval if any(point.used for point in points) else "no verdict"
    if verdict.interval != "exact" and claim.law in ("power", "exponential", "floor"):
        kind = "95% interval of the mean" if not claim.deterministic else "exact"
    _draw_points(ax, points, f"measured ({kind})", log_y)
    if claim.versus is None:
        ax.set(xticks=[], xlim=(-1, 1))
    ax.legend(frameon=False, fontsize=8)
    return figure


def _draw_points(ax: "Axes", points: list[Point], text: str, log_y: bool) -> None:
    x, y = np.array([p.x for p in points]), np.array([p.y for p in points])
    low = np.array([p.lo for p in points])
    high = np.array([p.hi for p in points])
    low, high = np.where(np.isfinite(low), low, y), np.where(np.isfinite(high), high, y)
    if log_y:
        low = np.maximum(low, 1e-3 * y)  # an interval that reaches below 0 leaves a log axis at the bottom
    bars = np.maximum([y - low, high - y], 0.0)
    ax.errorbar(x, y, yerr=bars, fmt="none", ecolor=BLUE, elinewidth=1.3, capsize=3, zorder=3)
    for used, fill in ((True, BLUE), (False, "white")):
        chosen = np.array([p.used == used for p in points])
        if chosen.any():
            words = text if used else "not judged"
            ax.plot(x[chosen], y[chosen], "o", color=BLUE, markerfacecolor=fill, markersize=6, zorder=4, label=words)


def _scales(ax: "Axes", claim: Claim, points: list[Point]) -> bool:
    """Log axes where the law is a power or an exponential and the numbers allow it; whether y is logarithmic."""
    x = np.array([p.x for p in points])
    wide = bool(claim.versus) and x.min() > 0 and x.max() / x.min() >= 8
    if claim.law in ("power", "floor", "bound") or (wide and claim.law != "exponential"):
        log_axis(ax, "x", x)
    log_y = claim.law != "value" and min(p.y for p in points) > 0
    if log_y:
        log_axis(ax, "y", np.array([p.y for p in points]))
    return log_y


def _between(claim: Claim, points: Iterable[Point]) -> np.ndarray:
    """A fine grid of x over the points, even on the axis of the law."""
    x = [p.x for p in points]
    return np.linspace(min(x), max(x), 200) if claim.law == "exponential" else np.geomspace(min(x), max(x), 200)


def _draw_law(ax: "Axes", claim: Claim, verdict: Verdict, points: list[Point]) -> None:
    """Fitted line and floor curve over the judged levels, and the accepted slopes as a wedge about their middle."""
    judged = [point for point in points if point.used] or points
    x, fit = _between(claim, judged), verdict.fit
    u = x if claim.law == "exponential" else np.log(x)
    if "slope" in fit:
        word = "exponent" if claim.law == "power" else "rate"
        middle = float(np.mean([p.x if claim.law == "exponential" else math.log(p.x) for p in judged]))
        height = fit["intercept"] + fit["slope"] * middle

        def law(slope: float) -> np.ndarray:
            return np.exp(height + slope * (u - middle))

        low, high = claim.accepted
        if claim.expect is not None:
            words = f"expected {word} {typeset(claim.expected)}"
            ax.plot(x, law(claim.expect), "--", color=GREY, label=words)
            ax.fill_between(x, law(low), law(high), color=GREY, alpha=0.15, linewidth=0)
        else:
            for edge, sign in ((low, "≥"), (high, "≤")):
                if math.isfinite(edge):
                    ax.plot(x, law(edge), "--", color=GREY, label=typeset(f"accepted {word} {sign} {edge:g}"))
        ax.plot(x, law(fit["slope"]), color=VERMILLION, label=typeset(f"fitted {word} {fit['slope']:.3g}"))
    if "floor" in fit:
        c0 = fit["floor"]
        curve = c0 + fit["scale"] * np.exp(-fit["decay"] * u)
        ax.plot(x, np.where(curve > 0, curve, np.nan), "-.", color=GREEN, label=f"fit with floor, C0 = {c0:.3g}")
        if c0 > 0:
            ax.axhline(c0, color=GREEN, linewidth=0.8)
    if claim.law == "floor":
        _draw_range(ax, claim, points)


def _draw_range(ax: "Axes", claim: Claim, points: list[Point]) -> None:
    """The accepted values as a grey band; an open end runs to the edge of the axes."""
    low, high = claim.accepted
    if claim.law == "order":
        ax.axhline(claim.equal, linestyle="--", color=GREY, label=f"equal ({claim.by or 'ratio'} {claim.equal:g})")
        return
    numbers = [v for p in points for v in (p.y, p.lo, p.hi) if math.isfinite(v)] + [
        v for v in (low, high) if math.isfinite(v)
    ]
    margin = 0.15 * (max(numbers) - min(numbers) or abs(numbers[0]) or 1.0)
    bottom, top = min(numbers) - margin, max(numbers) + margin
    if ax.get_yscale() == "log":
        positive = [v for v in numbers if v > 0]
        bottom, top = min(positive) / 1.5, max(positive) * 1.5
    ax.set_ylim(bottom, top)
    ax.axhspan(
        max(low, bottom),
        min(high, top),
        color=GREY,
        alpha=0.15,
        linewidth=0,
        label=f"accepted {typeset(claim.expected)}",
    )


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


def band_words(seeds: Iterable[int], score: bool = False) -> str:
    """What the bands of curves with these numbers of seeds are."""
    counts = sorted(set(seeds))
    if score:
        return f"line: interquartile mean over {listed(counts)} seeds; band: 95% interval, runs resampled"
    words = []
    if any(count >= 6 for count in counts):
        words.append("95% t interval of the mean")
    if any(1 < count < 6 for count in counts):
        words.append("smallest to largest seed")
    return f"line: mean over {listed(counts)} seeds; band: {' or '.join(words) or 'none, one seed'}"


def curves_figure(
    curves: pd.DataFrame,
    metric: str,
    cases: Iterable[str] | None = None,
    versus: str | None = None,
    log: bool = True,
    units: Mapping[str, str] | None = None,
) -> "Figure":
    """Learning curves: the window mean of ``metric`` against the round, with bands over the seeds.

    With ``versus`` one panel a case and one colour a level of that grid key; without it one panel, one colour a case.
    ``curves`` is the store's view: case, cell_id, seed, round, ``<metric>_window`` and parameters; replicates that did
    not finish are left out. Round 0 has no place on a log axis and is not drawn there. Returns are drawn as
    interquartile means with bootstrap bands.
    """
    name = f"{metric}_window"
    frame = curves[curves["case"].isin(list(cases))] if cases is not None else curves
    if "status" in frame:
        frame = frame[frame["status"] == "done"]
    frame = frame.dropna(subset=name)
    frame = frame[frame["round"] > 0] if log else frame
    names = [c for c in (cases or sorted(frame["case"].unique())) if (frame["case"] == c).any()]
    panels = max(1, len(names)) if versus else 1
    figure, axes = new_figure(min(11.0, 2.2 + 3.4 * panels), 3.7, panels)
    key = column(versus) if versus else None
    levels = sorted(frame[key].dropna().unique()) if key else []
    log_y, counts = True, []
    for i, case in enumerate(names):
        ax = axes[i] if versus else axes[0]
        rows = frame[frame["case"] == case]
        for number, (group, cell) in enumerate(rows.groupby([key, "cell_id"] if key else ["cell_id"], dropna=False)):
            table = cell.pivot_table(index="round", columns="seed", values=name, aggfunc="first").dropna()
            if table.empty:
                continue
            mean, bottom, top = bootstrap([table.to_numpy().T]) if is_score(metric) else band_of(table.to_numpy())
            color = _level_colour(levels, group[0]) if key else CASES[i % len(CASES)]
            text = f"{versus} = {group[0]:g}" if key and pd.api.types.is_number(group[0]) else str(group[0])
            ax.plot(table.index, mean, color=color, linewidth=1.5,
                    label=text if key else (case if number == 0 else None))  # fmt: skip
            ax.fill_between(table.index, bottom, top, color=color, alpha=0.18, linewidth=0)
            log_y = log_y and bool(((bottom if is_score(metric) else mean) > 0).all())
            counts.append(table.shape[1])
        if versus:
            ax.set_title(case, fontsize=10, loc="left")
    for ax in axes:
        ax.set_xlabel(label("round", units))
        if log:
            ax.set_xscale("log")
    if log and log_y and counts:
        axes[0].set_yscale("log")
    axes[0].set_ylabel(label(metric, units))
    if counts:
        axes[-1].legend(frameon=False, fontsize=8)
        figure.supxlabel(band_words(counts, is_score(metric)), fontsize=8, color=GREY)
    return figure


def _level_colour(levels: list[Any], level: Any) -> Any:
    from matplotlib import colormaps

    return colormaps["cividis"](0.9 * levels.index(level) / max(1, len(levels) - 1) if level in levels else 0.5)
