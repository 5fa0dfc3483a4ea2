"""Frames for people: the order of columns, and nothing else, is changed."""

import itertools

import pandas as pd

from orchestrator import run
from orchestrator.store.frames import in_reading_order


def test_a_summary_reads_from_left_to_right(tmp_path):
    results = run(
        "joint-average-td",
        "shared-subspace-mrp",
        agents=[2, 4],
        alpha=[0.1, 0.2],
        rounds=5,
        seeds="0..1",
        backend="inline",
        results=tmp_path / "r",
    )
    summary = list(results.summary("run/joint-average-td").columns)
    measured = [name for name in summary if name.endswith(("_tail", "_final"))]
    costs = ["rounds", "agent_steps", "calls", "messages", "bytes_sent"]
    constant = ["alpha_exponent", "env_states"]
    circumstances = ["sweep", "sweep_hash", "replicate_id", "cell_id", "algorithm", "env", "versions", "cpu", "written"]
    assert {"gain_error_final", "gain_error_tail"} <= set(measured)
    groups = [["case"], ["agents", "alpha"], ["seed"], ["status"], measured, costs, constant, circumstances]
    places = [[summary.index(name) for name in group] for group in groups]
    assert all(max(left) < min(right) for left, right in itertools.pairwise(places))
    assert places[1] == sorted(places[1])
    assert places[5] == sorted(places[5])
    rows = results.summary("run/joint-average-td")[["agents", "seed"]].to_numpy().tolist()
    assert rows == [[agents, seed] for agents in (2, 2, 4, 4) for seed in (0, 1)]
    curves = list(results.curves("run/joint-average-td").columns)
    places = [curves.index(name) for name in ("case", "agents", "alpha", "seed", "status", "round", "gain_error")]
    assert places == sorted(places)
    assert curves.index("gain_error_window") == places[-1] + 1


def test_no_column_and_no_value_is_lost():
    frame = pd.DataFrame(
        {"written": [1, 2], "loss_tail": [0.5, 0.25], "beta": [1, 1], "seed": [0, 1], "case": ["a"] * 2}
    )
    found = in_reading_order(frame)
    assert list(found.columns) == ["case", "seed", "loss_tail", "beta", "written"]
    pd.testing.assert_frame_equal(found[frame.columns], frame)
    assert list(in_reading_order(frame.iloc[:0]).columns) == list(found.columns)
