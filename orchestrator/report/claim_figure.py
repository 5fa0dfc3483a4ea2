"""The figure of a claim: measured points with intervals, the fitted and the expected law, the floor.

The axes follow the law: log-log for powers, log y for exponentials.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestrator.claims.claim import Claim
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

#: More points than this are thinned before they are drawn; the tables keep them all.
MOST_POINTS = 200


@dataclass(frozen=True)
class Panel:
    """Axes and the numbers behind them: ``rows`` has a row a mark, which sits at its columns ``x`` and ``y``."""

    axes: "Axes"
    rows: pd.DataFrame
    x: str
    y: str
    title: str = ""


def claim_panel(
    claim: Claim, verdict: Verdict, labels: Mapping[str, str] | None = None, size: tuple[float, float] = (5.6, 3.9)
) -> Panel:
    """A claim's axes, ``size`` inches, with the rows of its points: x, y, lo, hi, seeds, used.

    Filled points were judged; hollow ones lie outside the window or could not be judged.
    """
    points = _thinned([point for point in verdict.points if math.isfinite(point.y)])
    with look():
        ax = new_axes(*size)
        _draw(ax, claim, verdict, points, labels)
    rows = pd.DataFrame([vars(p) for p in points], columns=["x", "y", "lo", "hi", "seeds", "used"])
    return Panel(ax, rows if claim.versus else rows.assign(x=0.0), "x", "y")


def measured(claim: Claim, labels: Mapping[str, str] | None = None) -> str:
    """The label of the y axis: what is measured, and of which case relative to which."""
    metric = label(claim.metric, labels)
    if claim.level is not None:
        metric = f"{metric} ≤ {claim.level:g}"
    if claim.below is not None:
        return f"{metric}:\n{claim.case} / {claim.below}"
    if claim.relative_to is None:
        return metric
    case, other = claim.relative_to.case or claim.case, claim.relative_to.metric or claim.metric
    if case == claim.case:
        return f"{metric}\n/ {words(other)}"
    return f"{metric}:\n{claim.case} / {case if other == claim.metric else f'{words(other)} of {case}'}"


def _draw(ax: "Axes", claim: Claim, verdict: Verdict, points: list[Point], labels: Mapping[str, str] | None) -> None:
    name_axes(ax, label(claim.versus, labels) if claim.versus else "", measured(claim, labels))
    if not points:
        ax.text(0.5, 0.5, "no finished replicates to draw", ha="center", va="center", transform=ax.transAxes,
                color=GREY)  # fmt: skip
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


def _thinned(points: list[Point]) -> list[Point]:
    """At most ``MOST_POINTS`` of many points, evenly on a log axis of their ranks, first and last included."""
    if len(points) <= MOST_POINTS:
        return points
    ranks = np.unique(np.rint(np.geomspace(1, len(points), MOST_POINTS)).astype(int)) - 1
    return [points[rank] for rank in ranks]


def _draw_points(ax: "Axes", points: list[Point], text: str, log_y: bool) -> None:
    x, y = np.array([p.x for p in points]), np.array([p.y for p in points])
    low = np.array([p.lo for p in points])
    high = np.array([p.hi for p in points])
    low, high = np.where(np.isfinite(low), low, y), np.where(np.isfinite(high), high, y)
    if log_y:
        low = np.maximum(low, 1e-3 * y)  # an interval that reaches below 0 leaves a log axis at the bottom
    bars = np.maximum([y - low, high - y], 0.0)
    size = 5.5 if len(points) <= 20 else 3.5
    ax.errorbar(x, y, yerr=bars, fmt="none", ecolor=BLUE, elinewidth=1.2, capsize=0.5 * size, zorder=3)
    for used, fill in ((True, BLUE), (False, "white")):
        chosen = np.array([p.used == used for p in points])
        if chosen.any():
            name = text if used else "not judged"
            ax.plot(x[chosen], y[chosen], "o", color=BLUE, markerfacecolor=fill, markersize=size, zorder=4, label=name)


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
    return np.linspace(min(x), max(x), 60) if claim.law == "exponential" else np.geomspace(min(x), max(x), 60)


def _draw_bound(ax: "Axes", claim: Claim, points: list[Point], labels: Mapping[str, str] | None) -> None:
    x = _between(claim, points)
    exponent, constant = claim.exponent or 0.0, claim.constant or math.nan
    power = "" if exponent == 1 else f"^{exponent:g}"
    name = "N" if claim.versus == "agents" else label(stem(str(claim.versus))[0], labels)
    ax.plot(x, constant * x**exponent, "--", color=GREY, label=typeset(f"bound {constant:g} · {name}{power}"))


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
            ax.plot(x, law(claim.expect), "--", color=GREY, label=f"expected {word} {typeset(claim.expected)}")
        elif math.isfinite(low) and math.isfinite(high):
            name = typeset(f"accepted {word} {low:g} to {high:g}")
            ax.plot(x, law(low), "--", color=GREY, label=name)
            ax.plot(x, law(high), "--", color=GREY)
        else:
            edge, sign = (low, "≥") if math.isfinite(low) else (high, "≤")
            ax.plot(x, law(edge), "--", color=GREY, label=typeset(f"accepted {word} {sign} {edge:g}"))
        if math.isfinite(low) and math.isfinite(high):
            ax.fill_between(x, law(low), law(high), color=GREY, alpha=0.15, linewidth=0)
        ax.plot(x, law(fit["slope"]), color=VERMILLION, label=typeset(f"fitted {word} {fit['slope']:.3g}"))
    if "floor" in fit:
        c0 = fit["floor"]
        curve = c0 + fit["scale"] * np.exp(-fit["decay"] * u)
        ax.plot(
            x, np.where(curve > 0, curve, np.nan), "-.", color=GREEN, label=typeset(f"fit with floor, C0 = {c0:.3g}")
        )
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
    name = f"accepted {typeset(claim.expected)}"
    ax.axhspan(max(low, bottom), min(high, top), color=GREY, alpha=0.15, linewidth=0, label=name)
