"""The figure of a family of curves: one line per value of a claim's ``versus``, with the floor fitted to each.

It shows what a claim about floors is judged on (``floor: {versus: agents, decay: 1}``).
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from orchestrator.claims.claim import Claim
from orchestrator.claims.verdict import Verdict
from orchestrator.report.claim_figure import Panel, y_label
from orchestrator.report.style import label, legend, log_axis, look, name_axes, new_axes, ramp, typeset, words

COLUMNS = ["line", "x", "y", "lo", "hi", "seeds", "used"]


def family_panel(
    claim: Claim, verdict: Verdict, labels: Mapping[str, str] | None = None, size: tuple[float, float] = (5.6, 3.9)
) -> Panel | None:
    """The curves that a claim's floors are fitted to; None if there are none to draw.

    Points are means with intervals of 95 %, hollow outside the window of the fit. Lines are the fits, and a short
    mark at the right edge is the floor of each. One row per point: line (the value of ``versus``), x, y, lo, hi, seeds,
    used.
    """
    rows = [
        {"line": line.at, **vars(point)} for line in verdict.lines for point in line.points if math.isfinite(point.y)
    ]
    if claim.floor is None or not rows:
        return None
    table = pd.DataFrame(rows, columns=COLUMNS)
    with look():
        ax = new_axes(*size)
        inner = claim.model_copy(update={"floor": None, "versus": claim.floor.versus})
        name_axes(ax, label(claim.floor.versus, labels), y_label(inner, labels))
        key = "N" if claim.versus == "agents" else words(str(claim.versus))
        for line, colour in zip(verdict.lines, ramp(len(verdict.lines)), strict=True):
            own = table[table["line"] == line.at]
            x, y = own["x"].to_numpy(float), own["y"].to_numpy(float)
            low, high = (own[end].to_numpy(float) for end in ("lo", "hi"))
            low, high = np.where(np.isfinite(low), low, y), np.where(np.isfinite(high), high, y)
            bars = np.maximum([y - np.maximum(low, 1e-3 * y), high - y], 0.0)
            ax.errorbar(x, y, yerr=bars, fmt="none", ecolor=colour, elinewidth=1.0, capsize=2, zorder=3)
            for used, fill in ((True, colour), (False, "white")):
                kind = own["used"].to_numpy(bool) == used
                ax.plot(x[kind], y[kind], "o", color=colour, markerfacecolor=fill, markersize=4.5, zorder=4)
            fine = np.geomspace(x.min(), x.max(), 60)
            curve = line.floor + line.scale * fine**-line.decay
            fitted = f", C0 = {line.floor:.3g}" if math.isfinite(line.floor) else ""
            name = typeset(f"{key} = {line.at:g}{fitted}")
            ax.plot(fine, np.where(curve > 0, curve, np.nan), color=colour, label=name)
            if line.floor > 0:
                ax.plot([fine[-5], fine[-1]], [line.floor] * 2, "--", color=colour, linewidth=1.0)
        log_axis(ax, "x", table["x"].to_numpy(float))
        if (table["y"] > 0).all():
            log_axis(ax, "y", table["y"].to_numpy(float))
        legend(ax)
    return Panel(ax, table, "x", "y", f"curves with fits {_fit_words(claim)}")


def _fit_words(claim: Claim) -> str:
    floor = claim.floor
    return typeset(f"C0 + C1 {words(floor.versus)}^-{floor.decay:g}") if floor else ""
