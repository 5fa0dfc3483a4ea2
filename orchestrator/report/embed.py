"""A figure in the page: inline SVG in the page's colours, and its numbers for the tooltips and the CSV file."""

import colorsys
import json
import math
import re
from html import escape

import numpy as np

from orchestrator.report.claim_figure import Panel
from orchestrator.report.style import GRID, INK, figure_of, look, save, settle

#: Colours that a dark page replaces by a given colour instead of a lighter version.
DARK = {INK.lower(): "#e3e6e9", GRID.lower(): "#333940", "#ffffff": "#191c20", "#000000": "#ffffff"}
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_COLOUR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")


def dark_colour(colour: str) -> str:
    """The colour for ``colour`` (#rrggbb) on a dark page: the same hue, lighter; darker colours stay darker."""
    if colour in DARK:
        return DARK[colour]
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    lighter = colorsys.hls_to_rgb(hue, min(max(0.5, 0.3 + 0.75 * lightness), 0.9), 0.8 * saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in lighter)


def palette(html: str) -> str:
    """CSS that defines every figure colour named in ``html``, for a light and for a dark page."""
    used = sorted(set(re.findall(r"var\(--c([0-9a-f]{6}),", html)))
    light = "".join(f"--c{colour}:#{colour};" for colour in used)
    darker = "".join(f"--c{colour}:{dark_colour(f'#{colour}')};" for colour in used)
    return f":root{{{light}}}@media (prefers-color-scheme: dark){{:root{{{darker}}}}}"


def figure_html(panel: Panel, name: str, alt: str) -> str:
    """A ``<figure>``: the drawing, links that save it as SVG, PNG and CSV files called ``name``, and its numbers."""
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
    """Matplotlib's SVG without metadata and ids; each colour is a CSS variable with the colour as its default."""
    svg = data.decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="(?:figure|axes|patch|matplotlib|line2d|text|legend|xtick|ytick)[\w.]*"', "", svg)
    head = f'role="img" aria-label="{escape(alt)}" xmlns="{SVG}" xmlns:xlink="{XLINK}"'
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', lambda match: f"<svg {match[1]} {head}>", svg, count=1)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, 'DejaVu Sans', sans-serif", svg)
    svg = _COLOUR.sub(lambda match: f"{match[1]}: var(--c{match[2][1:]}, {match[2]})", svg)
    return re.sub(r"\n\s*", "\n", svg)


def _numbers(panel: Panel) -> str:
    """JSON of the rows and of the position of each mark in units of the drawing."""
    figure = figure_of(panel.axes)
    points = panel.axes.transData.transform(panel.rows[[panel.x, panel.y]].to_numpy(float)) * (72 / figure.dpi)
    height = 72 * figure.get_figheight()
    at = [[round(float(x), 1), round(height - float(y), 1)] for x, y in points]
    rows = [[_json_value(value) for value in row] for row in panel.rows.itertuples(index=False)]
    content = {"columns": list(panel.rows.columns), "rows": rows, "at": at}
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _json_value(value: object) -> object:
    """A JSON value with nine digits, to keep the page small; NaN and infinity are null."""
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, float):
        return value
    return float(f"{value:.9g}") if math.isfinite(value) else None
