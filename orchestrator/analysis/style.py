"""The look of every figure: colours, axes, signs and files, without pyplot and its global state.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart.
"""

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
CASES = (BLUE, VERMILLION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
UNITS = {
    "agents": "number of agents N",
    "round": "round (communications)",
    "rounds": "rounds (communications)",
    "agent_steps": "agent_steps (environment steps)",
    "bytes_sent": "bytes_sent (bytes)",
    "calls": "calls",
    "messages": "messages",
}


def label(name: str, units: Mapping[str, str] | None = None) -> str:
    """Axis label of a field: its name, with its unit where one is known (``units`` adds to and overrides ours)."""
    if units and name in units:
        return f"{name} ({units[name]})"
    return UNITS.get(name, name)


def typeset(text: str) -> str:
    """Plain text with the signs of print: minus, plus-minus, less or equal."""
    text = text.replace("+-", "±").replace("<=", "≤").replace(">=", "≥").replace(" * ", " · ")
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def new_figure(width: float, height: float, panels: int = 1) -> "tuple[Figure, list[Axes]]":
    """A figure of ``panels`` axes side by side with one y axis, drawn by Agg; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, which="major", color="#e6e6e6", linewidth=0.8)
        ax.set_axisbelow(True)
    return figure, axes


def save(figure: "Figure", format: Literal["svg", "png", "pdf"], dpi: int = 160) -> bytes:
    """The figure as a file's bytes; the same figure gives the same SVG (no date, fixed ids)."""
    import matplotlib

    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format, {})
    with matplotlib.rc_context({"svg.hashsalt": "orchestrator"}):
        figure.savefig(buffer, format=format, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def log_axis(ax: "Axes", which: Literal["x", "y"], values: np.ndarray) -> None:
    """A log axis; few levels on x are ticked by their own values, less than 1.5 decades also between the decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    levels = np.unique(values)
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    if which == "x" and len(levels) <= 8:
        axis.set_major_locator(_fixed(levels))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(plain)
    elif levels[0] > 0 and levels[-1] / levels[0] < 30:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(plain)
        axis.set_minor_formatter(NullFormatter())


def _fixed(levels: np.ndarray) -> Any:
    from matplotlib.ticker import FixedLocator

    return FixedLocator(list(levels))
