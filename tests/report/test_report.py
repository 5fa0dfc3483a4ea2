"""The page that is written: complete, self-contained, escaped."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import duckdb
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from envs.grids.blocker import Blocker
from envs.grids.digital import Digital
from envs.grids.landmarks import Landmarks
from orchestrator import Results
from orchestrator.claims.claim import read_claim
from orchestrator.claims.judge import judge
from orchestrator.execution import execute
from orchestrator.planning import sweeps
from orchestrator.planning.plan import plan
from orchestrator.progress.watcher import Watcher
from orchestrator.report.page import Page, flat, slug, write_report
from orchestrator.report.provenance import origin
from orchestrator.report.style import typeset
from orchestrator.store import Store

X = np.array([2.0, 4, 8, 16])
EVIL = "<script>alert('1/N')</script>"
BASE = {"case": "joint", "metric": "error_tail", "versus": "agents", "law": "power"}
CLAIMS = [
    read_claim(BASE | {"name": EVIL, "expect": -1, "within": 0.15}),
    read_claim(BASE | {"name": "half", "expect": -0.5, "within": 0.1}),
    read_claim(BASE | {"name": "small", "law": "value", "at_most": 1, "where": {"alpha": 0.1}}),
]
#: A figure per claim; per cells that claims look at, curves by round, bytes and steps.
FIGURES = len(CLAIMS) + 3 * len({(claim.metric, *claim.where.items()) for claim in CLAIMS})


@pytest.fixture(name="data", scope="module")
def _data(table):
    noise = np.exp(0.05 * np.random.default_rng(0).normal(size=(4, 8)))
    summary = table("error_tail", noise / X[:, None], X, alpha=0.1)
    curves = summary.merge(pd.DataFrame({"round": [0, 1, 10, 100]}), how="cross")
    curves["agent_steps"] = curves["round"] * curves["agents"]
    curves["bytes_sent"] = 8 * curves["agent_steps"]
    curves["error_window"] = curves["error_tail"] * (1 + 1 / (1 + curves["round"]))
    return summary, curves, CLAIMS


@pytest.fixture(name="report", scope="module")
def _report(data, tmp_path_factory):
    summary, curves, claims = data
    verdicts = [judge(claim, summary, curves) for claim in claims]
    details = {"paper": {"id": "arXiv:1", "note": "<b>"}, "seeds": [0, 1]}
    content = Page("fa<m>ily/s", summary, curves, claims, verdicts, details, labels={"error": "squa<i>red"})
    page = write_report(content, tmp_path_factory.mktemp("page") / "new" / "folder")
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


def numbers(html):
    """The numbers that each figure carries."""
    scripts = re.findall(r"<script type='application/json'>(.*?)</script>", html, re.DOTALL)
    return [json.loads(script) for script in scripts]


def test_the_page_is_one_file_with_every_figure(report):
    page, html, _ = report
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert len(re.findall(r"<figure ", html)) == len(re.findall(r"<svg ", html)) == FIGURES
    for kind in ("svg", "png", "csv"):
        assert html.count(f"data-save='{kind}'") == FIGURES
    names = re.findall(r"<figure data-name='([^']*)'", html)
    assert len(set(names)) == FIGURES
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)


def test_a_figure_carries_its_numbers(report, data):
    """Those of a claim are its points; those of a curve the mean over the seeds and its band, with their price."""
    points, *_, steps = numbers(report[1])
    verdict = report[2][0]
    assert points["columns"] == ["x", "y", "lo", "hi", "seeds", "used"]
    nine = [[float(f"{v:.9g}") for v in (p.x, p.y, p.lo, p.hi)] for p in verdict.points]
    assert points["rows"] == [[*of, p.seeds, p.used] for of, p in zip(nine, verdict.points, strict=True)]
    assert len(points["at"]) == 4
    assert steps["columns"] == ["curve", "round", "bytes_sent", "agent_steps", "y", "lo", "hi", "seeds"]
    _, curves, _ = data
    rows = curves[(curves["agents"] == 16) & (curves["round"] == 100)]
    assert steps["rows"][-1][:5] == ["N = 16", 100, 8 * 1600.0, 1600.0, pytest.approx(rows["error_window"].mean())]


def test_a_long_sweep_stays_a_small_page(data, tmp_path):
    """Curves of 1000 records are thinned, so that a page of many claims stays below 5 MB."""
    summary, _, _ = data
    curves = summary.merge(pd.DataFrame({"round": np.arange(1001)}), how="cross")
    curves["error_window"] = curves["error_tail"] / (1 + curves["round"])
    claims = [read_claim(BASE | {"name": f"c{i}", "expect": -1, "within": 0.15 + i}) for i in range(3)]
    claims.append(
        read_claim(
            BASE
            | {
                "name": "one curve",
                "metric": "error_window",
                "versus": "round",
                "where": {"agents": 2},
                "expect": -1,
                "within": 0.5,
            }
        )
    )
    verdicts = [judge(claim, summary, curves) for claim in claims]
    page = write_report(Page("s", summary, curves, claims, verdicts), tmp_path)
    assert page.stat().st_size < 5e6 / 20 * (len(claims) + 1)
    drawn = numbers(page.read_text(encoding="utf-8"))
    assert len(verdicts[-1].points) == 1000
    rounds = [row[0] for row in drawn[len(claims) - 1]["rows"]]
    assert (100 < len(rounds) <= 200, rounds[0], rounds[-1]) == (True, 1, 1000)
    assert all(len(of["rows"]) <= 200 * 4 for of in drawn)


def test_the_page_needs_no_network(report):
    for tag, attrs in Tags(report[1]).tags:
        assert tag not in ("link", "iframe") or attrs["href"] == "data:,"
        assert not re.match(r"(https?:)?//", (attrs.get("src") or "") + (attrs.get("href") or ""))
    assert not re.search(r"@import|url\(https?:|fetch\(|XMLHttpRequest", report[1])


def test_text_is_escaped(report):
    html = report[1]
    parsed = Tags(html)
    assert not {"b", "m", "i"} & {tag for tag, _ in parsed.tags}
    scripts = [attrs.get("type") for tag, attrs in parsed.tags if tag == "script"]
    assert scripts == ["application/json"] * FIGURES + [None]
    assert EVIL in parsed.text
    assert "fa<m>ily/s" in parsed.text


def test_verdicts_come_first_with_their_sentences(report):
    _, html, verdicts = report
    text = Tags(html).text
    assert [v.verdict for v in verdicts] == ["supported", "refuted", "supported"]
    assert html.index("Verdicts") < html.index("<svg")
    assert html.index("<svg") < html.index("<h2>Learning curves") < html.index("Configuration")
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
    rows = [row for claim in claims for row in judge(claim, summary, curves).to_rows("fa<m>ily/s", "h")[1]]
    connection.register("claim_points", pd.DataFrame(rows))
    answers = [connection.sql(query).df() for query in queries]
    assert [len(part) for part in answers] == [4, 4, 4, 96, 96]  # 32 replicates, three rounds above 0
    assert answers[0]["x"].tolist() == X.tolist()
    columns = ["case", "agents", "seed", "round", "bytes_sent", "agent_steps", "error_window"]
    assert list(answers[3].columns) == columns


def test_a_sweep_without_claims_or_results_has_a_page(tmp_path):
    page = write_report(Page("s", pd.DataFrame(), pd.DataFrame(), [], []), tmp_path)
    text = Tags(page.read_text(encoding="utf-8")).text
    assert "No replicates yet." in text
    assert "This sweep has no claims." in text


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
    definition = sweeps.load(str(path))
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


def test_versions_and_run_times():
    """All versions that occur, and the seconds of every attempt of a case's cells, those of other cells left out."""
    runs = pd.DataFrame(
        {
            "case": ["a", "a", "b"],
            "cell_id": ["1", "2", "3"],
            "agent_steps": [10, 20, 30],
            "bytes_sent": [1, 2, 3],
            "versions": ['{"numpy": "2.1"}', '{"numpy": "2.0"}', '{"numpy": "2.1"}'],
            "cpu": ["X", "X", "Y"],
            "written": pd.to_datetime(["2026-01-01 10:00", "2026-01-01 10:00", "2026-01-02 11:30"]),
        }
    )
    timings = pd.DataFrame(
        {
            "cell_id": ["1", "1", "3", "4"],
            "agents_seconds": [1.0, 2.0, 4.0, 99.0],
            "coordinator_seconds": 0.5,
            "transport_seconds": 0.25,
            "peak_memory_bytes": [2**20, 3 * 2**20, 2**20, 2**30],
        }
    )
    content = origin(runs, timings)
    assert content is not None
    stored = "2026-01-01 10:00 to 2026-01-02 11:30 UTC"
    assert content.versions == {"numpy": "2.0 and 2.1", "processor": "X and Y", "stored": stored}
    assert content.times.to_dict("list") == {
        "case": ["a", "b"],
        "cells": ["2", "1"],
        "replicates": ["2", "1"],
        "agent steps": ["30", "30"],
        "bytes sent": ["3", "3"],
        "agents (s)": ["3.0", "4.0"],
        "coordinator (s)": ["1.0", "0.5"],
        "transport (s)": ["0.5", "0.2"],
        "peak memory": ["3 MiB", "1 MiB"],
    }
    assert origin(pd.DataFrame(), timings) is None


def test_names():
    assert slug("error falls as 1/N!") == "error-falls-as-1-n"
    assert slug("…") == "figure"
    assert flat({"a": {"b": [1, 2]}, "c": 3}) == [("a.b", "1, 2"), ("c", "3")]
