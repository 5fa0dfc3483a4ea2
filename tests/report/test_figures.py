"""What the figures draw, read back from their axes."""

import colorsys
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from orchestrator.claims.claim import read_claim
from orchestrator.claims.verdict import Point, Verdict
from orchestrator.plugins import registry
from orchestrator.report.aggregate import bootstrap
from orchestrator.report.claim_figure import claim_panel, y_label
from orchestrator.report.curve_figures import band_of, band_words, cost_panels, curve_panels, curves_of, free_cases
from orchestrator.report.embed import dark_colour
from orchestrator.report.style import (
    COLUMNS,
    figure_of,
    label,
    legend,
    log_axis,
    look,
    name_axes,
    new_axes,
    number,
    save,
    settle,
    typeset,
)
from orchestrator.report.write import MOST_LETTERS

X = np.array([2.0, 4, 8, 16, 32])
BASE = {"name": "c", "case": "joint", "metric": "error_tail", "versus": "agents"}
SLOPE = BASE | {"law": "power", "expect": -1, "within": 0.15}


def verdict(law="power", fit=None, used=(True,) * 5, versus: str | None = "agents"):
    points = tuple(Point(x, 2 / x, 1.8 / x, 2.2 / x, 8, u) for x, u in zip(X, used, strict=True))
    return Verdict(
        claim="c",
        case="joint",
        metric="error_tail",
        versus=versus,
        law=law,
        estimate=-1,
        ci_low=-1.1,
        ci_high=-0.9,
        interval="95%",
        expected="-1 +- 0.15",
        verdict="supported",
        reason="Why.",
        points=points,
        fit=fit or {},
    )


def lines(ax) -> dict[str, Any]:
    return {line.get_label(): line for line in ax.get_lines()}


def test_a_power_law_is_drawn_on_log_axes_with_fit_and_expectation():
    ax = claim_panel(read_claim(SLOPE), verdict(fit={"intercept": np.log(2), "slope": -1.0})).axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("number of agents N", "error (mean over the last half)")
    drawn = lines(ax)
    fitted = drawn["fitted exponent −1"]
    assert fitted.get_ydata()[[0, -1]] == pytest.approx([1, 2 / 32])
    # The expected law goes through the middle of the fit, so that only the slopes are compared.
    assert drawn["expected exponent −1 ± 0.15"].get_ydata() == pytest.approx(fitted.get_ydata())
    assert drawn["measured, 95% interval of the mean"].get_xdata().tolist() == X.tolist()


def test_levels_that_were_not_judged_are_hollow_and_not_fitted():
    fit = {"intercept": np.log(2), "slope": -1.0}
    ax = claim_panel(read_claim(SLOPE), verdict(fit=fit, used=(True,) * 4 + (False,))).axes
    assert lines(ax)["not judged"].get_xdata().tolist() == [32]
    assert lines(ax)["not judged"].get_markerfacecolor() == "white"
    assert max(lines(ax)["fitted exponent −1"].get_xdata()) == pytest.approx(16)


def test_a_fitted_floor_is_drawn():
    fit = {"intercept": 0.0, "slope": -0.7, "floor": 0.05, "scale": 1.0, "decay": 1.0}
    drawn = lines(claim_panel(read_claim(SLOPE), verdict(fit=fit)).axes)
    assert drawn["fit with floor, C0 = 0.05"].get_ydata()[-1] == pytest.approx(0.05 + 1 / 32)


def test_the_bound_is_drawn():
    claim = read_claim(BASE | {"law": "bound", "constant": 3, "exponent": -1})
    bound = lines(claim_panel(claim, verdict("bound")).axes)["bound 3 · N^−1"]
    assert bound.get_ydata() == pytest.approx(3 / bound.get_xdata())


@pytest.mark.parametrize(("by", "sign"), [("ratio", "/"), ("difference", "−")])
def test_an_order_names_its_comparison_on_the_axis(by, sign):
    claim = read_claim(BASE | {"law": "order", "below": "alone", "by": by})
    assert y_label(claim) == f"error (mean over the last half):\njoint {sign} alone"


def test_a_claim_without_points_says_so():
    nan = float("nan")
    empty = Verdict("c", "joint", "error_tail", "agents", "power", nan, nan, nan, "", "-1", "inconclusive", "Why.")
    assert "no finished replicates" in claim_panel(read_claim(SLOPE), empty).axes.texts[0].get_text()


@pytest.mark.parametrize("edge", [1.7e308, -1.7e308, 1e300, 5e-324])
@pytest.mark.parametrize("law", [{"law": "value"}, {"law": "floor", "decay": 1}])
def test_an_accepted_value_at_the_end_of_all_numbers_is_drawn(law, edge):
    ax = claim_panel(read_claim(BASE | law | {"expect": edge, "within": 1}), verdict(law["law"])).axes
    low, high = ax.get_ylim()
    assert low < high
    assert abs(low) <= 1.5e300
    assert abs(high) <= 1.5e300
    ax.figure.canvas.draw()


def test_bands():
    six = np.array([[1.0, 2, 3, 4, 5, 9]])
    mean, low, high = (float(part[0]) for part in band_of(six))
    half = 2.570582 * six.std(ddof=1) / np.sqrt(6)
    assert mean == 4
    assert (low, high) == pytest.approx((4 / np.exp(half / 4), 4 * np.exp(half / 4)), rel=1e-6)
    assert [float(part[0]) for part in band_of(six - 4)] == pytest.approx([0, -half, half], rel=1e-6, abs=1e-12)
    assert [float(part[0]) for part in band_of(six[:, :5])] == [3, 1, 5]
    # A curve that is not above 0 everywhere has no log axis, so no point of it has a band on the logarithm.
    low, high = (part[0] for part in band_of(np.vstack([six, six - 4]))[1:])
    assert (low, high) == pytest.approx((4 - half, 4 + half), rel=1e-6)
    # A mean of next to nothing: the band ends at a factor of 1000.
    assert [float(part[0]) for part in band_of(six - 3.999)] == pytest.approx([1e-3, 1e-6, 1.0])


def curves():
    rows = [
        {"case": case, "cell_id": f"{case}{n}", "agents": n, "seed": s, "round": r, "status": "done"}
        | {"error_window": (s + 1) / (r + 1) / n}
        for case in ("joint", "alone")
        for n in (2, 4)
        for s in range(3)
        for r in (0, 1, 10, 100)
    ]
    return pd.DataFrame(rows)


def test_learning_curves_have_a_panel_a_case_and_a_line_a_level():
    learned = curves_of(curves(), "error", ("joint", "alone"), "agents")
    panels = curve_panels(learned, "error", "agents")
    assert [panel.title for panel in panels] == ["joint", "alone"]
    line = lines(panels[0].axes)["N = 4"]
    assert line.get_xdata().tolist() == [1, 10, 100]
    assert line.get_ydata() == pytest.approx([2 / 2 / 4, 2 / 11 / 4, 2 / 101 / 4])
    assert band_words(learned) == "Line: mean over 3 seeds; band: smallest to largest seed"
    assert panels[0].axes.get_yscale() == "log"
    assert panels[0].axes.get_ylim() == panels[1].axes.get_ylim()


def test_learning_curves_leave_out_what_did_not_finish():
    frame = curves()
    frame.loc[frame["seed"] == 2, "status"] = "diverged"
    panels = curve_panels(curves_of(frame, "error", ("joint",), "agents"), "error", "agents")
    line = lines(panels[0].axes)["N = 2"]
    assert line.get_ydata()[0] == pytest.approx(1.5 / 2 / 2)


def scores(metric="return"):
    """Eight seeds: six rise from 0 to 1 alike, one is far above, one far below."""
    far = {6: 100.0, 7: -100.0}
    rows = [
        {"case": "joint", "cell_id": "c", "seed": s, "round": r, "status": "done"}
        | {f"{metric}_window": at + far.get(s, 0.01 * s)}
        for s in range(8)
        for r, at in ((1, 0.0), (10, 0.5), (100, 1.0))
    ]
    return pd.DataFrame(rows)


def band(ax) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper edge of the one band."""
    (filled,) = ax.collections
    vertices = filled.get_paths()[0].vertices
    low, high = (np.array([of(vertices[vertices[:, 0] == x, 1]) for x in (1, 10, 100)]) for of in (min, max))
    return low, high


def test_scores_are_interquartile_means_with_bootstrap_bands():
    """Of eight seeds the two lowest and highest do not count: .01, .02, .03 and .04 are left of the six."""
    learned = curves_of(scores(), "return", score=True)
    ax = curve_panels(learned, "return")[0].axes
    drawn = lines(ax)["joint"].get_ydata()
    assert drawn == pytest.approx(np.array([0.0, 0.5, 1.0]) + 0.025)
    table = scores().pivot(index="seed", columns="round", values="return_window").to_numpy()
    _, low, high = bootstrap([table])
    assert band(ax) == (pytest.approx(low), pytest.approx(high))
    assert (low < drawn).all()
    assert (drawn < high).all()
    assert band_words(learned) == "Line: interquartile mean over 8 seeds; band: 95% bootstrap interval over runs"
    assert ax.get_yscale() == "linear"  # the middle is above 0 everywhere, the bottom of the band is not


def test_other_metrics_are_means_with_t_bands():
    learned = curves_of(scores("error"), "error")
    ax = curve_panels(learned, "error")[0].axes
    table = scores("error").pivot(index="round", columns="seed", values="error_window").to_numpy()
    mean, low, high = band_of(table)
    assert lines(ax)["joint"].get_ydata() == pytest.approx(mean)
    assert band(ax) == (pytest.approx(low), pytest.approx(high))
    assert band_words(learned) == "Line: mean over 8 seeds; band: 95% t interval of the mean"


def priced():
    """Of two cases at N = 2 and 4 one sends 8 bytes a step, the other nothing."""
    frame = curves()
    frame["agent_steps"] = frame["round"] * frame["agents"]
    frame["bytes_sent"] = np.where(frame["case"] == "joint", 8 * frame["agent_steps"], 0)
    return frame


def test_costs_compare_the_cases_at_their_highest_level():
    learned = curves_of(priced(), "error", ("joint", "alone"), "agents")
    sent, steps = cost_panels(learned, "error", "agents")
    assert set(lines(sent.axes)) == {"joint, N = 4"}
    assert set(lines(steps.axes)) == {"joint, N = 4", "alone, N = 4"}
    assert lines(sent.axes)["joint, N = 4"].get_xdata().tolist() == [32, 320, 3200]
    assert lines(steps.axes)["alone, N = 4"].get_xdata().tolist() == [4, 40, 400]
    assert (sent.axes.get_xscale(), sent.axes.get_xlabel()) == ("log", "bytes sent")
    assert free_cases(learned) == ["No bytes sent: alone."]


def test_costs_of_one_case_show_its_levels():
    learned = curves_of(priced(), "error", ("joint",), "agents")
    for panel in cost_panels(learned, "error", "agents"):
        assert list(lines(panel.axes)) == ["N = 2", "N = 4"]


def test_the_rows_of_a_panel_are_what_is_drawn():
    (panel,) = curve_panels(curves_of(priced(), "error", ("joint",)), "error")
    drawn = np.concatenate([line.get_xydata() for line in panel.axes.get_lines()])
    assert panel.rows[[panel.x, panel.y]].to_numpy() == pytest.approx(drawn)


def test_curves_of_an_exponential_law_have_a_straight_axis_of_rounds():
    (panel,) = curve_panels(curves_of(curves(), "error", ("joint",)), "error", log=False)
    assert panel.axes.get_xscale() == "linear"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tau_1", "τ₁"),
        ("env.gamma", "γ"),
        ("subspace_error_tail", "subspace error (mean over the last half)"),
        ("lambda_2_final", "λ₂ (at the end)"),
        ("agents", "number of agents N"),
        ("bytes_sent", "bytes sent"),
        ("kappa", "κ (hops)"),
        ("gap_final", "gap V* − V (at the end)"),
    ],
)
def test_axes_are_labelled_in_the_words_of_the_field(name, text):
    assert label(name, {"kappa": "κ (hops)", "gap": "gap V* − V"}) == text


@pytest.mark.parametrize("name", registry.names("algorithm"))
def test_labels_of_metrics_are_few_words(name):
    """No longer than those of parameters, and of metrics that the algorithm's family has."""
    found = registry.algorithm(name)
    assert found.labels.keys() & found.metrics.keys()
    assert all(len(text) <= MOST_LETTERS for text in found.labels.values())


def test_ticks():
    assert [number(v) for v in (0.01, -2, 1e4)] == ["0.01", "−2", "10000"]
    assert [number(v, powers=True) for v in (0.001, 1e4, 2e4)] == ["10⁻³", "10⁴", "20000"]
    with look():
        ax = new_axes(3, 3)
        log_axis(ax, "x", np.array([2.0, 4, 8]))
        log_axis(ax, "y", np.array([1e-6, 1.0]))
    assert ax.get_xticks().tolist() == [2, 4, 8]
    assert ax.yaxis.get_major_formatter()(1e-2, 0) == "10⁻²"


def test_numbers_too_long_for_a_tick_are_not_ticked():
    """Levels that are no short numbers have the ticks of a common log axis."""
    with look():
        ax = new_axes(3, 3)
        levels = np.array([0.0287836, 0.0498132, 0.998752])
        ax.plot(levels, levels)
        log_axis(ax, "x", levels)
    assert set(ax.get_xticks().tolist()) >= {0.05, 0.1, 0.2, 0.5, 1.0}
    assert 0.0287836 not in ax.get_xticks()


@pytest.mark.parametrize("size", COLUMNS.values())
@pytest.mark.parametrize(
    "names", [["a"], ["expected exponent −1 ± 0.15", "fitted exponent −0.953"], list("abcdefghijklm")]
)
def test_the_legend_is_above_the_axes_and_inside_the_figure(size, names):
    """It covers no number, whatever is drawn; long labels are folded."""
    with look():
        ax = new_axes(*size)
        for name in names:
            ax.plot([1, 2], [3, 4], label=name)
        legend(ax)
        name_axes(ax, "agents", "parameter error ‖Bwᵢ − θᵢ*‖² (mean over the last half):\none / other")
        settle(ax)
        figure_of(ax).canvas.draw()
    drawn, axes, page = ax.get_legend(), ax.get_window_extent(), figure_of(ax).bbox
    assert drawn is not None
    assert drawn.get_window_extent().y0 >= axes.y1
    assert drawn.get_window_extent().x1 <= page.x1
    assert len(drawn.get_texts()) == min(len(names), 9)
    text = ax.yaxis.label.get_window_extent()
    assert page.y0 <= text.y0 <= text.y1 <= page.y1
    assert "\n(mean over the last half):\none / other" in ax.get_ylabel() or size == COLUMNS["double"]


def test_the_same_figure_is_the_same_file():
    files = {save(claim_panel(read_claim(SLOPE), verdict()).axes, "svg") for _ in range(2)}
    assert len(files) == 1
    assert save(claim_panel(read_claim(SLOPE), verdict()).axes, "png")[:4] == b"\x89PNG"


def test_signs_of_print():
    assert typeset("(-inf, 1] and [2, inf), an info") == "(−∞, 1] and [2, ∞), an info"
    assert typeset("-1 +- 0.15, 0-7, 1e-05, N^-2 <= 3") == "−1 ± 0.15, 0-7, 1e-05, N^−2 ≤ 3"


def test_levels_keep_their_order_on_a_dark_page():
    """The lines of four levels go from dark to light and stay apart in lightness."""
    rows = pd.concat([curves().assign(agents=n, cell_id=str(n), case="joint") for n in (2, 4, 8, 16)])
    (panel,) = curve_panels(curves_of(rows, "error", versus="agents"), "error", "agents")
    colours = [str(line.get_color()) for line in panel.axes.get_lines()]
    assert len(colours) == 4
    lightness = [colorsys.rgb_to_hls(*to_rgb(dark_colour(colour)))[1] for colour in colours]
    assert all(after - before > 0.05 for before, after in pairwise(lightness))
    assert dark_colour("#000000") == "#ffffff"
