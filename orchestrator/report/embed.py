"""A figure inside a page: inline SVG in the page's colours, its numbers for the hover text and the CSV file."""

import colorsys
import json
import math
import re
from html import escape
from typing import Any

from orchestrator.report.claim_figure import Panel
from orchestrator.report.style import GRID, INK, figure_of, look, save, settle

#: Colours that a dark page replaces by another than the lighter version of themselves.
DARK = {INK.lower(): "#e3e6e9", GRID.lower(): "#333940", "#ffffff": "#191c20", "#000000": "#ffffff"}
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_COLOUR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")


def dark(colour: str) -> str:
    """The colour that stands for ``colour`` (#rrggbb) on a dark page: the same hue, lighter, in the same order."""
    if colour in DARK:
        return DARK[colour]
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    lighter = colorsys.hls_to_rgb(hue, 0.42 + 0.5 * lightness, 0.8 * saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in lighter)


def palette(html: str) -> str:
    """CSS that defines every figure colour named in ``html``, for a light and for a dark page."""
    used = sorted(set(re.findall(r"var\(--c([0-9a-f]{6}),", html)))
    light = "".join(f"--c{colour}:#{colour};" for colour in used)
    darker = "".join(f"--c{colour}:{dark(f'#{colour}')};" for colour in used)
    return f":root{{{light}}}@media (prefers-color-scheme: dark){{:root{{{darker}}}}}"


def embedded(panel: Panel, name: str, alt: str) -> str:
    """A ``<figure>``: the drawing, links to save it as SVG, PNG and CSV (``name`` is the file's), and its numbers."""
    with look():
        settle(panel.axes)
    svg = _inline(save(panel.axes, "svg", salt=name), alt)
    title = f"<figcaption>{escape(panel.title)}</figcaption>" if panel.title else ""
    links = "".join(f"<a href='#' data-save='{kind}'>{kind.upper()}</a>" for kind in ("svg", "png", "csv"))
    return (
        f"<figure data-name='{escape(name)}'>{title}{svg}<p class='links'>{links}</p>"
        f"<script type='application/json'>{_numbers(panel)}</script></figure>"
    )


def _inline(data: bytes, alt: str) -> str:
    """Matplotlib's SVG without what a page does not need; colours are variables that fall back to themselves."""
    svg = data.decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="(?:figure|axes|patch|matplotlib|line2d|text|legend|xtick|ytick)[\w.]*"', "", svg)
    head = f'role="img" aria-label="{escape(alt)}" xmlns="{SVG}" xmlns:xlink="{XLINK}"'
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', lambda found: f"<svg {found[1]} {head}>", svg, count=1)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, 'DejaVu Sans', sans-serif", svg)
    svg = _COLOUR.sub(lambda found: f"{found[1]}: var(--c{found[2][1:]}, {found[2]})", svg)
    return re.sub(r"\n\s*", "\n", svg)


def _numbers(panel: Panel) -> str:
    """JSON of the rows and of where each mark is, in the drawing's own units."""
    figure = figure_of(panel.axes)
    points = panel.axes.transData.transform(panel.rows[[panel.x, panel.y]].to_numpy(float)) * (72 / figure.dpi)
    height = 72 * figure.get_figheight()
    at = [[round(float(x), 1), round(height - float(y), 1)] for x, y in points]
    rows = [[_plain(value) for value in row] for row in panel.rows.itertuples(index=False)]
    content = {"columns": list(panel.rows.columns), "rows": rows, "at": at}
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    """A JSON value with nine digits, for the page's sake; a number that is none is null."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, float):
        return value
    return float(f"{value:.9g}") if math.isfinite(value) else None
