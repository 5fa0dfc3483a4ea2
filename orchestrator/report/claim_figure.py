"""The figure of a claim: measured points with intervals, the fitted and the expected law, and the floor.

The axes depend on the law: both logarithmic for powers, logarithmic y for exponentials.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.claims.claim import Claim
from orchestrator.claims.columns import Floats
from orchestrator.claims.verdict import Point, Verdict
from orchestrator.report.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    label,
    legend,
    log_axis,
    look,
    name_axes,
    new_axes,
    stem,
    typeset,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What is farther from 0 is drawn here: the margins around it have to be numbers too.
FARTHEST = 1e300
#: Longer curves are thinned before they are drawn; the tables keep all points.
MOST_POINTS = 200


@dataclass(frozen=True)
class Panel:
    """Axes and their numbers: ``rows`` has one row per mark, whose position is in the columns named ``x`` and ``y``."""

    axes: "Axes"
    rows: pd.DataFrame
    x: str
    y: str
    title: str = ""


def claim_panel(
    claim: Claim, verdict: Verdict, labels: Mapping[str, str] | None = None, size: tuple[float, float] = (5.6, 3.9)
) -> Panel:
    """A claim's axes, ``size`` inches, with one row per point: x, y, lo, hi, seeds, used.

    Filled points were judged. Hollow points lie outside the window or could not be judged.
    """
    points = [point for point in verdict.points if math.isfinite(point.y)]
    points = [points[rank] for rank in thinned_ranks(len(points))]
    with look():
        ax = new_axes(*size)
        _draw(ax, claim, verdict, points, labels)
    rows = pd.DataFrame([vars(p) for p in points], columns=["x", "y", "lo", "hi", "seeds", "used"])
    return Panel(ax, rows if claim.versus else rows.assign(x=0.0), "x", "y")


def y_label(claim: Claim, labels: Mapping[str, str] | None = None) -> str:
    """The label of the y axis: the metric and, for a ratio, the two cases or metrics."""
    metric = label(claim.metric, labels)
    if claim.level is not None:
        metric = f"{metric} ≤ {claim.level:g}"
    if claim.floor is not None:
        return f"floor C0 of {metric}"
    if claim.below is not None:
        return f"{metric}:\n{claim.case} {'−' if claim.by == 'difference' else '/'} {claim.below}"
    if claim.relative_to is None:
        return metric
    case, other = claim.relative_to.case or claim.case, claim.relative_to.metric or claim.metric
    if case == claim.case:
        return f"{metric}\n/ {words(other)}"
    return f"{metric}:\n{claim.case} / {case if other == claim.metric else f'{words(other)} of {case}'}"


def _draw(ax: "Axes", claim: Claim, verdict: Verdict, points: list[Point], labels: Mapping[str, str] | None) -> None:
    name_axes(ax, label(claim.versus, labels) if claim.versus else "", y_label(claim, labels))
    if not points:
        middle = {"ha": "center", "va": "center", "transform": ax.transAxes}
        ax.text(0.5, 0.5, "no finished replicates to draw", color=GREY, **middle)
        ax.set(xticks=[], yticks=[])
        return
    log_y = _scales(ax, claim, points)
    if claim.law in ("power", "exponential", "floor"):
        _draw_law(ax, claim, verdict, points)
    elif claim.law == "bound":
        _draw_bound(ax, claim, points, labels)
    else:
        _draw_range(ax, claim, points)
    kind = verdict.interval if any(point.used for point in points) else "no verdict"
    if verdict.interval != "exact" and claim.law in ("power", "exponential", "floor"):
        kind = "95% interval of the mean" if not claim.deterministic else "exact"
    _draw_points(ax, points, f"measured, {kind.partition(',')[0]}", log_y)
    if claim.versus is None:
        ax.set(xticks=[], xlim=(-1, 1))
    legend(ax)


def thinned_ranks(points: int) -> NDArray[np.intp]:
    """The indices of at most ``MOST_POINTS`` of so many points, even on a log axis, with the first and the last."""
    if points <= MOST_POINTS:
        return np.arange(points)
    return np.unique(np.rint(np.geomspace(1, points, MOST_POINTS)).astype(np.intp)) - 1


def _draw_points(ax: "Axes", points: list[Point], text: str, log_y: bool) -> None:
    x, y = np.array([p.x for p in points]), np.array([p.y for p in points])
    low = np.array([p.lo for p in points])
    high = np.array([p.hi for p in points])
    low, high = np.where(np.isfinite(low), low, y), np.where(np.isfinite(high), high, y)
    if log_y:
        low = np.maximum(low, 1e-3 * y)  # an interval that reaches 0 ends at the bottom of a log axis
    bars = np.maximum([y - low, high - y], 0.0)
    size = 5.5 if len(points) <= 20 else 3.5
    ax.errorbar(x, y, yerr=bars, fmt="none", ecolor=BLUE, elinewidth=1.2, capsize=0.5 * size, zorder=3)
    for used, fill in ((True, BLUE), (False, "white")):
        kind = np.array([p.used == used for p in points])
        if kind.any():
            name = text if used else "not judged"
            ax.plot(x[kind], y[kind], "o", color=BLUE, markerfacecolor=fill, markersize=size, zorder=4, label=name)


def _scales(ax: "Axes", claim: Claim, points: list[Point]) -> bool:
    """Make axes logarithmic as the law and the numbers allow. Returns whether y is logarithmic."""
    x = np.array([p.x for p in points])
    wide = bool(claim.versus) and x.min() > 0 and x.max() / x.min() >= 8
    if claim.law in ("power", "floor", "bound") or (wide and claim.law != "exponential"):
        log_axis(ax, "x", x)
    log_y = claim.law != "value" and min(p.y for p in points) > 0
    if log_y:
        log_axis(ax, "y", np.array([p.y for p in points]))
    return log_y


def _fine_grid(claim: Claim, points: Iterable[Point]) -> Floats:
    """60 values of x from the first to the last point, evenly spaced on the axis of the law."""
    x = [p.x for p in points]
    return np.linspace(min(x), max(x), 60) if claim.law == "exponential" else np.geomspace(min(x), max(x), 60)


def _draw_bound(ax: "Axes", claim: Claim, points: list[Point], labels: Mapping[str, str] | None) -> None:
    x = _fine_grid(claim, points)
    exponent, constant = claim.exponent or 0.0, claim.constant or math.nan
    power = "" if exponent == 1 else f"^{exponent:g}"
    name = "N" if claim.versus == "agents" else label(stem(str(claim.versus))[0], labels)
    ax.plot(x, constant * x**exponent, "--", color=GREY, label=typeset(f"bound {constant:g} · {name}{power}"))


def _draw_law(ax: "Axes", claim: Claim, verdict: Verdict, points: list[Point]) -> None:
    """Fitted and accepted slopes and the floor curve over the judged levels, and the accepted floor."""
    used = [point for point in points if point.used] or points
    x, fit = _fine_grid(claim, used), verdict.fit
    u = x if claim.law == "exponential" else np.log(x)
    if "slope" in fit:
        middle = float(np.mean([p.x if claim.law == "exponential" else math.log(p.x) for p in used]))
        _draw_slopes(ax, claim, fit, x, u - middle, fit["intercept"] + fit["slope"] * middle)
    if "floor" in fit:
        c0 = fit["floor"]
        curve = c0 + fit["scale"] * np.exp(-fit["decay"] * u)
        name = typeset(f"fit with floor, C0 = {c0:.3g}")
        ax.plot(x, np.where(curve > 0, curve, np.nan), "-.", color=GREEN, label=name)
        if c0 > 0:
            ax.axhline(c0, color=GREEN, linewidth=0.8)
    if claim.law == "floor":
        _draw_range(ax, claim, points)


def _draw_slopes(ax: "Axes", claim: Claim, fit: Mapping[str, float], x: Floats, v: Floats, height: float) -> None:
    """The fitted line log y = ``height`` + slope ``v``, and the accepted slopes as a wedge around its middle."""
    word = "exponent" if claim.law == "power" else "rate"
    low, high = claim.accepted
    closed = math.isfinite(low) and math.isfinite(high)
    if claim.expect is not None:
        lines = {f"expected {word} {claim.expected}": claim.expect}
    elif closed:
        lines = {f"accepted {word} {low:g} to {high:g}": low, "_": high}
    else:
        edge, sign = (low, "≥") if math.isfinite(low) else (high, "≤")
        lines = {f"accepted {word} {sign} {edge:g}": edge}
    for name, slope in lines.items():
        ax.plot(x, np.exp(height + slope * v), "--", color=GREY, label=typeset(name))
    if closed:
        ax.fill_between(x, np.exp(height + low * v), np.exp(height + high * v), color=GREY, alpha=0.15, linewidth=0)
    name = typeset(f"fitted {word} {fit['slope']:.3g}")
    ax.plot(x, np.exp(height + fit["slope"] * v), color=VERMILLION, label=name)


def _draw_range(ax: "Axes", claim: Claim, points: list[Point]) -> None:
    """The accepted values as a grey band; an open side extends to the edge of the axes."""
    low, high = claim.accepted
    if claim.law == "order":
        ax.axhline(claim.equal, linestyle="--", color=GREY, label=f"equal ({claim.by or 'ratio'} {claim.equal:g})")
        return
    finite = [v for p in points for v in (p.y, p.lo, p.hi) if math.isfinite(v)]
    finite += [v for v in (low, high) if math.isfinite(v)]
    numbers = [min(max(v, -FARTHEST), FARTHEST) for v in finite]
    margin = 0.15 * (max(numbers) - min(numbers) or abs(numbers[0]) or 1.0)
    bottom, top = min(numbers) - margin, max(numbers) + margin
    if ax.get_yscale() == "log":
        positive = [v for v in numbers if v > 0]
        bottom, top = min(positive) / 1.5, max(positive) * 1.5
    ax.set_ylim(bottom, top)
    name = f"accepted {typeset(claim.expected)}"
    ax.axhspan(max(low, bottom), min(high, top), color=GREY, alpha=0.15, linewidth=0, label=name)
