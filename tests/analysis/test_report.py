"""The page that is written: complete, self-contained, escaped."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import duckdb
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from envs.blocker import Blocker
from envs.digital import Digital
from envs.landmarks import Landmarks
from orchestrator import Results, sweepfile
from orchestrator.analysis.claims import judge, read_claim
from orchestrator.analysis.report import flat, slug, write_report
from orchestrator.analysis.style import typeset
from orchestrator.execution import execute, plan
from orchestrator.progress import Watcher
from orchestrator.store import Store

X = np.array([2.0, 4, 8, 16])
EVIL = "<script>alert('1/N')</script>"
BASE = {"case": "joint", "metric": "error_tail", "versus": "agents", "law": "power"}


@pytest.fixture(name="data")
def _data(table):
    noise = np.exp(0.05 * np.random.default_rng(0).normal(size=(4, 8)))
    summary = table("error_tail", noise / X[:, None], X, alpha=0.1)
    curves = summary.merge(pd.DataFrame({"round": [0, 1, 10, 100]}), how="cross")
    curves["error_window"] = curves["error_tail"] * (1 + 1 / (1 + curves["round"]))
    claims = [
        read_claim(BASE | {"name": EVIL, "expect": -1, "within": 0.15}),
        read_claim(BASE | {"name": "half", "expect": -0.5, "within": 0.1}),
        read_claim(BASE | {"name": "small", "law": "value", "at_most": 1, "where": {"alpha": 0.1}}),
    ]
    return summary, curves, claims


@pytest.fixture(name="report")
def _report(data, tmp_path):
    summary, curves, claims = data
    verdicts = [judge(claim, summary, curves) for claim in claims]
    details = {"paper": {"id": "arXiv:1", "note": "<b>"}, "seeds": [0, 1], "units": {"error_tail": "squared"}}
    page = write_report("fa<m>ily/s", summary, curves, claims, verdicts, tmp_path / "new" / "folder", details)
    return page, page.read_text(encoding="utf-8"), verdicts


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_every_figure_is_embedded_and_lies_beside_the_page(report):
    page, html, _ = report
    images = [attrs["src"] for tag, attrs in Tags(html).tags if tag == "img"]
    assert len(images) == 5  # three claims; curves of error, and of error where alpha = 0.1
    files = sorted(path.stem for path in page.parent.glob("*.svg"))
    assert files == sorted(path.stem for path in page.parent.glob("*.png"))
    embedded = {base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")) for source in images}
    assert embedded == {path.read_bytes() for path in page.parent.glob("*.svg")}
    for name in files:
        assert f"href='{name}.svg'" in html
        assert f"href='{name}.png'" in html


def test_the_page_needs_no_network(report):
    for tag, attrs in Tags(report[1]).tags:
        assert tag not in ("script", "link", "iframe")
        assert not re.match(r"(https?:)?//", (attrs.get("src") or "") + (attrs.get("href") or ""))


def test_text_is_escaped(report):
    html = report[1]
    parsed = Tags(html)
    assert not {"script", "b", "m"} & {tag for tag, _ in parsed.tags}
    assert EVIL in parsed.text
    assert "fa<m>ily/s" in parsed.text


def test_verdicts_come_first_with_their_sentences(report):
    _, html, verdicts = report
    text = Tags(html).text
    assert [v.verdict for v in verdicts] == ["supported", "refuted", "supported"]
    assert html.index("Verdicts") < html.index("<img")
    assert html.index("<img") < html.index("Learning curves") < html.index("Configuration")
    for verdict in verdicts:
        assert typeset(verdict.reason) in text
    assert "4 cells, 32 replicates: 32 done" in text


def test_the_sql_gives_the_data_of_the_figures(report, data):
    summary, curves, claims = data
    queries = re.findall(r"<pre>(.*?)</pre>", report[1], re.DOTALL)
    queries = [Tags(query).text for query in queries]
    connection = duckdb.connect()
    frame = curves.assign(sweep="fa<m>ily/s")
    connection.register("curves", frame)
    rows = [
        row
        for claim in claims
        for row in judge(claim, summary, curves).to_rows("fa<m>ily/s", "h")[1]
    ]  # fmt: skip
    connection.register("claim_points", pd.DataFrame(rows))
    found = [connection.sql(query).df() for query in queries]
    assert [len(part) for part in found] == [4, 4, 4, len(frame), len(frame)]
    assert found[0]["x"].tolist() == X.tolist()
    assert list(found[3].columns) == ["case", "agents", "seed", "round", "error_window"]


def test_a_sweep_without_claims_or_results_has_a_page(tmp_path):
    page = write_report("s", pd.DataFrame(), pd.DataFrame(), [], [], tmp_path)
    text = Tags(page.read_text(encoding="utf-8")).text
    assert "No replicates yet." in text
    assert "makes no claims" in text


PICTURED = """
name: test/pictures
env: {name: landmarks}
cases:
  digital: {algorithm: iql, agents: 3, env: {name: digital, states: 4}}
  landmarks: {algorithm: iql, grid: {agents: [2, 3]}, env: {size: 3}}
  again: {algorithm: qd-learning, agents: 2, env: {size: 3}}
  blocker: {algorithm: iql, agents: 3, env: {name: blocker, columns: 5}}
base: {rounds: 2}
seeds: 0
"""
PLAIN = """
name: test/plain
env: {name: shared-subspace-mrp}
cases: {joint: {algorithm: joint-average-td}}
base: {agents: 2, rounds: 2}
seeds: 0
"""


def reported(text, place):
    """The page of a sweep of which the store knows its cells, and no run yet."""
    path = place / "sweep.yaml"
    path.write_text(text)
    definition = sweepfile.load(str(path))
    nothing_to_do = replace(plan(definition, None, "inline", None), tasks=[])
    execute(nothing_to_do, Store.open(place / "results", create=True), "inline", None, Watcher())
    return Results(place / "results").report(definition.name).read_text(encoding="utf-8")


def test_environments_that_can_draw_themselves_are_shown(tmp_path):
    """Once for each environment and number of agents, drawn as they are when an episode starts."""
    html = reported(PICTURED, tmp_path)
    part = html[html.index("<h2>Environments") : html.index("<h2>Configuration")]
    images = {attrs["alt"]: attrs["src"] for tag, attrs in Tags(part).tags if tag == "img"}
    assert list(images) == ["digital, 3 agents", "landmarks, 2 agents", "landmarks, 3 agents", "blocker, 3 agents"]
    drawn = {}
    for title, source in images.items():
        assert f"<h3>{title}</h3>" in part
        data = base64.b64decode(source.removeprefix("data:image/png;base64,"))
        drawn[title] = np.rint(255 * imread(io.BytesIO(data))[..., :3]).astype(np.uint8)
    expected = {
        "digital, 3 agents": Digital(Digital.Parameters(states=4), 3, 0),
        "landmarks, 2 agents": Landmarks(Landmarks.Parameters(size=3), 2, 0),
        "landmarks, 3 agents": Landmarks(Landmarks.Parameters(size=3), 3, 0),
        "blocker, 3 agents": Blocker(Blocker.Parameters(columns=5), 3, 0),
    }
    for title, problem in expected.items():
        np.testing.assert_array_equal(drawn[title], problem.portrait())
        assert len(np.unique(drawn[title].reshape(-1, 3), axis=0)) > 2  # paper, lines and somebody


def test_a_sweep_whose_environments_cannot_draw_themselves_has_no_such_section(tmp_path):
    html = reported(PLAIN, tmp_path)
    assert "Environments" not in html
    assert "<img" not in html
    assert "<h2>Configuration" in html


def test_names():
    assert slug("error falls as 1/N!") == "error-falls-as-1-n"
    assert slug("…") == "figure"
    assert flat({"a": {"b": [1, 2]}, "c": 3}) == [("a.b", "1, 2"), ("c", "3")]
