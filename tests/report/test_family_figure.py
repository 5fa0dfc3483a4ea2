"""The figure of a family of curves: one line per value of a second key, each with its fitted floor."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from orchestrator import Results
from orchestrator.api import carry_out
from orchestrator.claims.claim import read_claim
from orchestrator.claims.judge import judge
from orchestrator.planning.sweeps import checked
from orchestrator.report.family_figure import family_panel
from orchestrator.report.page import Page, write_report

X, ALPHAS = np.array([2.0, 4, 8, 16, 32]), (0.05, 0.1, 0.2, 0.4)
FLOORS = read_claim(
    {"name": "floors", "case": "joint", "metric": "error_tail", "law": "power", "versus": "alpha", "expect": 2,
     "within": 0.5, "floor": {"versus": "agents", "decay": 1, "window": [2, 16]}}
)  # fmt: skip


@pytest.fixture(name="summary", scope="module")
def _summary(table):
    noise, parts = np.random.default_rng(5), []
    for alpha in ALPHAS:
        y = (alpha**2 * (0.1 + 2 / X))[:, None] * np.exp(0.05 * noise.normal(size=(5, 8)))
        part = table("error_tail", y, X, alpha=alpha)
        parts.append(part.assign(cell_id=part["cell_id"] + f" {alpha}"))
    return pd.concat(parts, ignore_index=True)


def test_one_line_per_value_with_its_points_and_its_fit(summary):
    verdict = judge(FLOORS, summary, pd.DataFrame())
    panel = family_panel(FLOORS, verdict)
    assert panel is not None
    assert panel.rows.groupby("line")["x"].apply(list).to_dict() == {alpha: X.tolist() for alpha in ALPHAS}
    assert panel.rows[~panel.rows["used"]]["x"].tolist() == [32.0] * 4
    names = panel.axes.get_legend_handles_labels()[1]
    assert names == [f"α = {line.at:g}, C0 = {line.floor:.3g}" for line in verdict.lines]
    fits = {line.get_label(): line for line in panel.axes.lines if line.get_label() in names}
    for name, line in zip(names, verdict.lines, strict=True):
        x, y = np.array(fits[name].get_xdata(), float), np.array(fits[name].get_ydata(), float)
        assert y == pytest.approx(line.floor + line.scale / x)
    assert (panel.axes.get_xscale(), panel.axes.get_yscale()) == ("log", "log")
    assert len({line.get_color() for line in fits.values()}) == 4


def test_the_page_shows_it_beside_the_floors(summary, tmp_path):
    verdict = judge(FLOORS, summary, pd.DataFrame())
    page = write_report(Page("s/t", summary, pd.DataFrame(), [FLOORS], [verdict]), tmp_path)
    html = page.read_text(encoding="utf-8")
    figures = [json.loads(text) for text in re.findall(r"<script type='application/json'>(.*?)</script>", html)]
    assert [figure["columns"][0] for figure in figures] == ["x", "line"]
    assert len(figures[1]["rows"]) == len(summary) / 8
    assert "SELECT line, x, y, lo, hi, seeds, used FROM claim_points" in html


def test_without_curves_there_is_no_figure(summary):
    verdict = judge(FLOORS, summary[summary["agents"] < 2], pd.DataFrame())
    assert family_panel(FLOORS, verdict) is None
    few = judge(FLOORS, summary[summary["agents"] < 4], pd.DataFrame())
    panel = family_panel(FLOORS, few)
    assert panel is not None
    assert panel.axes.get_legend_handles_labels()[1] == [f"α = {alpha:g}" for alpha in ALPHAS]


def test_the_command_draws_it_and_the_tables_hold_it(tmp_path, call):
    content = {
        "name": "family/curves",
        "env": {"name": "shared-subspace-mrp", "states": 6, "features": 4, "rank": 2},
        "cases": {"joint": {"algorithm": "joint-average-td"}},
        "base": {"rounds": 4},
        "grid": {"agents": [2, 4, 8, 16], "alpha": [0.05, 0.1]},
        "seeds": "0..5",
        "claims": [
            {"name": "floors", "case": "joint", "metric": "theta_error_tail", "law": "power", "versus": "alpha",
             "at_most": 2, "floor": {"versus": "agents", "decay": 1}},
            {"name": "other", "case": "joint", "metric": "calls", "law": "value", "at_most": 2, "versus": "agents",
             "where": {"alpha": 0.1}},
        ],
    }  # fmt: skip
    results = carry_out(checked(content, "test"), tmp_path / "r", backend="inline", quiet=True)
    results.judge("family/curves")
    sql = (
        "SELECT line, count(*) AS n FROM claim_points WHERE claim = 'floors' AND line IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    assert results.sql(sql).to_numpy().tolist() == [[0.05, 4], [0.1, 4]]
    code, out, err = call(
        "plot", "family/curves", "floors", "--curves", "--format", "svg", "--results", str(tmp_path / "r")
    )
    assert (code, out.strip().endswith("01-floors-curves-single.svg")) == (0, True), err
    code, _, err = call("plot", "family/curves", "other", "--curves", "--results", str(tmp_path / "r"))
    assert (code, "the claim 'other' is not about floors; it has no family of curves." in err) == (2, True)
    stored = sorted(path.name for path in (tmp_path / "r" / "claims").iterdir())
    Results(tmp_path / "r").judge("family/curves")
    assert sorted(path.name for path in (tmp_path / "r" / "claims").iterdir()) == stored
