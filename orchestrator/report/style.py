"""The look of every figure: colours, axis labels, scales and files, without pyplot and its global state.

Colours are those of Okabe and Ito (2008) and of the map cividis, which colour-blind readers can distinguish.
"""

import io
import math
import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from orchestrator.errors import plain

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
CASES = (BLUE, VERMILLION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, GRID = "#262A2F", "#E6E6E6"
#: Width and height in inches of a figure over one or two columns of a journal page.
COLUMNS = {"single": (3.5, 2.8), "double": (7.2, 4.2)}
#: Average width in inches of a letter of a legend and of an axis label.
SMALL_LETTER, LETTER = 0.062, 0.07
Width = Literal["single", "double"]

#: Levels with longer numbers get no ticks of their own.
MOST_DIGITS = 5

UNITS = {
    "agents": "number of agents N",
    "round": "round (communications)",
    "rounds": "rounds (communications)",
    "agent_steps": "agent steps (environment steps of all agents)",
    "bytes_sent": "bytes sent",
    "calls": "calls (communications)",
    "messages": "messages sent",
}
SUFFIXES = {
    "_tail": " (mean over the last half)",
    "_final": " (at the end)",
    "_window": " (mean since the last record)",
}
LETTERS = "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi rho sigma tau phi omega"
GREEK: dict[str, str] = dict(zip(LETTERS.split(), "αβγδεζηθκλμνξρστφω", strict=True))
#: Matplotlib's settings. Tick labels use Unicode superscripts, so formulas need not be parsed.
LOOK: dict[str, object] = {
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.3,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3 fonts
    "svg.fonttype": "none",
    "svg.hashsalt": "orchestrator",
    "text.parse_math": False,  # a dollar in a name is a dollar
}


def label(name: str, labels: Mapping[str, str] | None = None) -> str:
    """Axis label of a field: its usual words or symbol, with the unit.

    ``labels`` (field -> words) has precedence: ``V_tail`` with ``{"V": "value V"}`` is ``value V (mean over the last
    half)``.
    """
    name, suffix = stem(name)
    return (labels or {}).get(name, UNITS.get(name, words(name))) + SUFFIXES.get(suffix, "")


def stem(name: str) -> tuple[str, str]:
    """A field without its suffix, and the suffix: ``error_tail`` gives ``error`` and ``_tail``."""
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")
    return name.removesuffix(suffix), suffix


def words(name: str) -> str:
    """A field's name in print: ``tau_1`` is ``τ₁``, ``error_tail`` is ``error (mean over the last half)``."""
    name, suffix = stem(name.removeprefix("env."))
    if suffix:
        return words(name) + SUFFIXES[suffix]
    parts = [GREEK.get(part, part) for part in name.split("_")]
    if len(parts) == 2 and parts[1].isdigit() and len(parts[0]) == 1:
        return parts[0] + parts[1].translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
    return " ".join(parts)


def typeset(text: str) -> str:
    """Plain text with typographic signs: minus, plus-minus, less or equal."""
    text = text.replace("+-", "±").replace("<=", "≤").replace(">=", "≥").replace(" * ", " · ")
    text = re.sub(r"(?<![\w-])(-?)inf(?=[,)])", lambda match: f"{'−' if match[1] else ''}∞", text)
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def number(value: float, powers: bool = False) -> str:
    """The text of a tick; with ``powers``, whole powers of ten are written as such: 0.01 is 10⁻²."""
    power = round(math.log10(value)) if value > 0 else 0
    if powers and value > 0 and math.isclose(value, 10.0**power, rel_tol=1e-9):
        return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:g}".replace("-", "−")


def new_axes(width: float, height: float) -> "Axes":
    """Axes of a new figure, drawn by Agg; sizes in inches. Use it, like all drawing, inside ``look()``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def ramp(count: int) -> list[str]:
    """So many colours of cividis, for values in their order."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["cividis"](0.9 * k / max(1, count - 1))) for k in range(count)]


def name_axes(ax: "Axes", x: str, y: str) -> None:
    """Label the axes; a label longer than its axis is broken into lines."""
    width, height = figure_of(ax).get_size_inches()
    ax.set_xlabel(_folded(x, width - 0.7))
    ax.set_ylabel(_folded(y, height - 0.7))


def _folded(text: str, inches: float) -> str:
    """Break ``text`` into lines that fit, first before brackets, then between words."""
    room, lines = int(inches / LETTER), []
    for line in text.split("\n"):
        parts = [line] if len(line) <= room else re.split(r" (?=\([a-z]{2,} )", line)
        lines += [short for part in parts for short in textwrap.wrap(part, room, break_long_words=False)]
    return "\n".join(lines)


def legend(ax: "Axes", most: int = 9) -> None:
    """A legend above the axes in as many columns as fit; of more than ``most`` entries, some are left out."""
    handles, names = ax.get_legend_handles_labels()
    if len(handles) > most:
        shown = np.unique(np.rint(np.linspace(0, len(handles) - 1, most)).astype(int))
        handles, names = [handles[i] for i in shown], [names[i] for i in shown]
    room = figure_of(ax).get_size_inches()[0] - 0.8
    columns = int(room / (0.5 + SMALL_LETTER * max(map(len, names), default=0)))
    spacing = {"borderaxespad": 0.2, "borderpad": 0.1, "handlelength": 1.6, "columnspacing": 1.2}
    columns = max(1, min(len(names), columns))
    ax.legend(handles, names, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, **spacing)


def settle(ax: "Axes", margin: float = 0.05) -> None:
    """Fit axes, ticks and labels into the figure, ``margin`` inches from its edges.

    It takes a quarter of the time of matplotlib's constrained layout, which matters on a page of a hundred figures.
    """
    from matplotlib.text import Text

    figure = figure_of(ax)
    for text in (found for found in figure.findobj(Text) if isinstance(found, Text)):  # names are somebody else's
        if not text.get_text().isprintable():
            text.set_text(plain(text.get_text()))
    figure.set_layout_engine(None)
    figure.subplots_adjust(0.16, 0.14, 0.97, 0.97)
    outer = ax.get_tightbbox()
    if outer is None:
        return
    inner, width, height = ax.get_window_extent(), figure.bbox.width, figure.bbox.height
    edge = margin * figure.dpi
    left, bottom = inner.x0 - outer.x0 + edge, inner.y0 - outer.y0 + edge
    right, top = outer.x1 - inner.x1 + edge, outer.y1 - inner.y1 + edge
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)


def look() -> "AbstractContextManager[None]":
    """A context with the settings of ``LOOK``, whatever the user's matplotlib settings are."""
    import matplotlib

    return matplotlib.rc_context(LOOK)  # pyright: ignore[reportArgumentType]


def figure_of(ax: "Axes") -> "Figure":
    """The figure that the axes are drawn on."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def save(ax: "Axes", format: str, dpi: int = 300, salt: str = "") -> bytes:
    """The figure of the axes as the bytes of a file: svg, png or pdf.

    The same figure gives the same SVG and PDF: they have no date, and their ids depend only on ``salt``.
    """
    import matplotlib

    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format, {})
    with look(), matplotlib.rc_context({"svg.hashsalt": f"orchestrator{salt}"}):
        figure_of(ax).savefig(buffer, format=format, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def log_axis(ax: "Axes", which: Literal["x", "y"], values: np.ndarray) -> None:
    """Make an axis logarithmic over the positive ``values``; a few levels on x become its ticks."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    levels = np.unique(values[values > 0])
    ratio = levels[-1] / levels[0] if len(levels) else 1.0
    apart = (np.diff(np.log(levels)) > 0.05 * math.log(max(ratio, 1.1))).all()
    brief = all(len(number(float(level))) <= MOST_DIGITS for level in levels)
    few = which == "x" and len(levels) <= 8 and bool(apart) and brief
    if few:
        axis.set_major_locator(FixedLocator(list(levels)))
        axis.set_minor_locator(NullLocator())
    elif ratio < 5:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.set_minor_locator(NullLocator())
    elif ratio < 100:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_minor_locator(LogLocator(subs=tuple(range(2, 10))) if ratio < 1e3 else NullLocator())
    powers = ratio >= 30 and not few and (levels[0] < 1e-2 or levels[-1] >= 1e4)
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value), powers)))
    axis.set_minor_formatter(NullFormatter())
