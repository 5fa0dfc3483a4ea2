"""Frames for people: the order of columns, and nothing else, is changed."""

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
    assert summary[:7] == ["case", "agents", "alpha", "seed", "status", "gain_error_final", "gain_error_tail"]
    costs = summary.index("rounds")
    assert summary[costs : costs + 5] == ["rounds", "agent_steps", "calls", "messages", "bytes_sent"]
    assert all(name.endswith(("_tail", "_final")) for name in summary[5:costs])
    assert summary[costs + 5] == "alpha_exponent"
    circumstances = {"algorithm", "env", "versions", "cpu", "written"}
    assert set(summary[-9:]) == {"sweep", "sweep_hash", "replicate_id", "cell_id"} | circumstances
    rows = results.summary("run/joint-average-td")[["agents", "seed"]].to_numpy().tolist()
    assert rows == [[agents, seed] for agents in (2, 2, 4, 4) for seed in (0, 1)]
    curves = list(results.curves("run/joint-average-td").columns)
    assert curves[:8] == [*summary[:4], "status", "round", "gain_error", "gain_error_window"]


def test_no_column_and_no_value_is_lost():
    frame = pd.DataFrame(
        {"written": [1, 2], "loss_tail": [0.5, 0.25], "beta": [1, 1], "seed": [0, 1], "case": ["a"] * 2}
    )
    found = in_reading_order(frame)
    assert list(found.columns) == ["case", "seed", "loss_tail", "beta", "written"]
    pd.testing.assert_frame_equal(found[frame.columns], frame)
    assert list(in_reading_order(frame.iloc[:0]).columns) == list(found.columns)
