"""The report page as Chromium shows it: on a desk, on a telephone, in the dark, under the pointer."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.claims.claim import read_claim
from orchestrator.claims.judge import judge
from orchestrator.report.page import Page, write_report
from tests.tools import browser

pytestmark = pytest.mark.skipif(
    browser.program() is None, reason="needs Chromium or Chrome on the PATH, which shows the page to the tests"
)
X = np.array([2.0, 4, 8, 16])

FIGURES = """Array.from(document.querySelectorAll("figure[data-name]"), (figure) => {
    const box = figure.querySelector("svg").getBoundingClientRect();
    return {name: figure.dataset.name, width: box.width, height: box.height,
            marks: figure.querySelectorAll("svg path, svg use").length,
            links: Array.from(figure.querySelectorAll("a[data-save]"), (link) => link.dataset.save)};
})"""
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
COLOURS = """(() => {
    const of = (element, what) => getComputedStyle(element)[what], svg = document.querySelector("figure svg");
    return [of(document.body, "backgroundColor"), of(document.body, "color"),
            of(svg.querySelector("text"), "fill"), of(document.querySelector(".card"), "backgroundColor")];
})()"""
#: Moves the pointer onto the second mark of the first figure, then away from all.
HOVER = """(() => {
    const figure = document.querySelector("figure"), svg = figure.querySelector("svg");
    svg.scrollIntoView();
    const data = JSON.parse(figure.querySelector("script").textContent), box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width, tip = document.getElementById("tip");
    const move = (x, y) => svg.dispatchEvent(new PointerEvent("pointermove", {clientX: x, clientY: y, bubbles: true}));
    move(box.left + data.at[1][0] * scale + 2, box.top + data.at[1][1] * scale + 2);
    const on = [tip.hidden, tip.textContent, data.rows[1], tip.getBoundingClientRect().right <= innerWidth];
    move(box.right - 1, box.top + 1);
    return [...on, tip.hidden];
})()"""
#: Where the drawn marks are against where the page thinks they are, in units of the drawing.
PLACES = """(() => {
    const figure = document.querySelector("figure"), svg = figure.querySelector("svg");
    const uses = Array.from(svg.querySelectorAll("g[clip-path] > use"));
    return [uses.map((use) => [use.x.baseVal.value, use.y.baseVal.value]),
            JSON.parse(figure.querySelector("script").textContent).at];
})()"""
#: The three files of the first figure, as they would be saved.
FILES = """(async () => {
    const figure = document.querySelector("figure"), svg = figure.querySelector("svg");
    const data = JSON.parse(figure.querySelector("script").textContent);
    const png = new Uint8Array(await (await fileOf("png", svg, data)).arrayBuffer());
    return [await (await fileOf("svg", svg, data)).text(), await (await fileOf("csv", svg, data)).text(),
            Array.from(png.slice(0, 24))];
})()"""


@dataclass(frozen=True)
class Sight:
    visit: browser.Visit
    figures: list[dict[str, Any]]
    widths: list[int]
    colours: list[str]


@pytest.fixture(scope="module", name="page")
def _page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Claims that hold and that do not, a long name, learning curves of two cases at two levels and their costs."""
    noise = np.exp(0.05 * np.random.default_rng(0).normal(size=(2, 4, 8)))
    rows = [
        {"case": case, "cell_id": f"{case}{n:g}", "seed": seed, "status": "done", "agents": n, "alpha": 0.1}
        | {"error_tail": noise[i, j, seed] / n ** (i + 1)}
        for i, case in enumerate(("joint", "alone"))
        for j, n in enumerate(X)
        for seed in range(8)
    ]
    summary = pd.DataFrame(rows)
    curves = summary.merge(pd.DataFrame({"round": [0, 1, 10, 100, 1000]}), how="cross")
    curves["error_window"] = curves["error_tail"] * (1 + 1 / (1 + curves["round"]))
    curves["agent_steps"] = curves["round"] * curves["agents"]
    curves["bytes_sent"] = np.where(curves["case"] == "joint", 8 * curves["agent_steps"], 0)
    power = {"case": "joint", "metric": "error_tail", "versus": "agents", "law": "power"}
    claims = [
        read_claim(power | {"name": "error falls as 1/N", "expect": -1, "within": 0.15}),
        read_claim(power | {"name": "a-claim-whose-name-cannot-be-broken-" * 4, "expect": -0.5, "within": 0.1}),
        read_claim(
            {
                "name": "below",
                "case": "joint",
                "below": "alone",
                "metric": "error_tail",
                "law": "order",
                "versus": "agents",
            }
        ),
    ]
    verdicts = [judge(claim, summary, curves) for claim in claims]
    assert [verdict.verdict for verdict in verdicts] == ["supported", "refuted", "refuted"]
    details = {"base": {"a-setting-whose-name-is-long": "x" * 200}}
    return write_report(Page("s/t", summary, curves, claims, verdicts, details), tmp_path_factory.mktemp("page"))


def sight(page: Path, *scripts: str, **how: Any) -> Sight:
    visit = browser.look(page, [FIGURES, WIDTHS, COLOURS, *scripts], **how)
    figures, widths, colours, *rest = visit.values
    return Sight(browser.Visit(rest, visit.complaints), figures, widths, colours)


NAMES = [
    *("s-t-claim-01-error-falls-as-1-n", "s-t-claim-02", "s-t-claim-03-below"),
    *(f"s-t-curves-01-error-{panel}" for panel in ("joint", "alone", "bytes-sent", "agent-steps")),
]


def test_on_a_desk(page: Path):
    """Every figure is there, is drawn, offers its files and gives its numbers; the console has nothing to say."""
    shown = sight(page, HOVER, PLACES, FILES)
    assert shown.visit.complaints == []
    assert len(shown.figures) == len(NAMES)
    for figure, name in zip(shown.figures, NAMES, strict=True):
        assert figure["name"].startswith(name)
        assert figure["width"] > 250
        assert 0.5 < figure["height"] / figure["width"] < 1
        assert figure["marks"] > 10
        assert figure["links"] == ["svg", "png", "csv"]
    assert shown.widths[0] == shown.widths[1]
    (hidden, text, row, inside, away), (uses, at), (svg, csv, png) = shown.visit.values
    assert (hidden, inside, away) == (False, True, True)
    assert text.splitlines()[0] == "x: 4"
    assert text.splitlines()[1] == f"y: {float(f'{row[1]:.5g}'):g}"
    assert [line.partition(":")[0] for line in text.splitlines()] == ["x", "y", "low", "high", "seeds", "judged"]
    assert text.splitlines()[-1] == "judged: yes"
    assert np.array(uses)[-4:] == pytest.approx(np.array(at), abs=0.06)
    assert "var(" not in svg
    assert "#0072b2" in svg
    lines = csv.splitlines()
    assert lines[0] == "x,y,lo,hi,seeds,used"
    assert [float(cell) for cell in lines[2].split(",")[:4]] == row[:4]
    assert bytes(png[:8]) == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(bytes(png[16:20]), "big") > 1200


def test_on_a_telephone_in_the_dark(page: Path):
    """400 px wide nothing sticks out; paper and ink are exchanged, inside the figures as well."""
    light = sight(page, width=400)
    dark = sight(page, width=400, dark=True)
    assert light.visit.complaints == dark.visit.complaints == []
    for shown in (light, dark):
        assert shown.widths == [400, 400]
        assert len(shown.figures) == len(NAMES)
        assert all(280 < figure["width"] <= 400 for figure in shown.figures)
    bright = [[sum(json.loads(f"[{c[c.index('(') + 1 : -1]}]")[:3]) > 384 for c in of.colours] for of in (light, dark)]
    assert bright == [[True, False, False, True], [False, True, True, False]]
