"""Results for other programs: read back with their own readers."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from orchestrator import Results, run

NAME = "run/joint-average-td"


@pytest.fixture(scope="module", name="found")
def _found(tmp_path_factory) -> Results:
    """Two cells of two seeds."""
    place = tmp_path_factory.mktemp("export") / "r"
    settings = {"agents": [2, 4], "rounds": 6, "env__states": 6, "env__features": 3}
    return run("joint-average-td", "shared-subspace-mrp", seeds="0..1", backend="inline", results=place, **settings)


@pytest.fixture(name="where")
def _where(found) -> list[str]:
    return ["--results", str(found.store.folder.local)]


def test_the_tidy_frame_is_the_curves_in_long_form(found):
    curves, tidy = found.curves(NAME), found.tidy(NAME)
    columns = "sweep case algorithm env agents cell_id seed round agent_steps bytes_sent metric value window_mean"
    assert list(tidy.columns) == columns.split()
    metrics = sorted({name.removesuffix("_window") for name in curves.columns if name.endswith("_window")})
    assert sorted(set(tidy["metric"])) == metrics
    assert len(metrics) > 3
    assert len(tidy) == len(curves) * len(metrics)
    wide = tidy.pivot(index=["cell_id", "seed", "round"], columns="metric", values="value")
    again = curves.set_index(["cell_id", "seed", "round"])[metrics].sort_index()
    pd.testing.assert_frame_equal(wide, again, check_names=False, check_exact=True)


def test_seaborn_takes_it_as_it_is(found):
    """A line a number of agents with its band, a panel a metric."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    seaborn = pytest.importorskip("seaborn", reason="seaborn is not installed: pip install -e '.[dev]'")
    tidy = found.tidy(NAME)
    grid = seaborn.relplot(tidy, x="round", y="value", hue="agents", col="metric", kind="line", n_boot=9)
    assert set(grid.axes_dict) == set(tidy["metric"])
    panel = grid.axes_dict["theta_error"]
    few = tidy[(tidy["metric"] == "theta_error") & (tidy["agents"] == 2)]
    drawn = dict(zip(*panel.lines[0].get_data(), strict=True))
    assert drawn == pytest.approx(few.groupby("round")["value"].mean().to_dict())
    assert len(panel.collections) == 2  # the bands


def test_csv_json_and_parquet_hold_the_same_rows(call, found, where, tmp_path):
    read = {
        "csv": pd.read_csv,
        "json": lambda path: pd.DataFrame(json.loads(path.read_text())),
        "parquet": pd.read_parquet,
    }
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for format, reader in read.items():
        code, out, _ = call("export", NAME, "--format", format, "--output", str(tmp_path / format), *where)
        paths = sorted((tmp_path / format).iterdir())
        assert (code, sorted(out.split())) == (0, [str(path) for path in paths])
        tables[format] = {path.stem: reader(path) for path in paths}
    assert set(tables["csv"]) == {"tidy", "summary", "curves", "timings"}  # no claims, no per-agent metrics
    for name, expected in (("tidy", found.tidy(NAME)), ("summary", found.summary(NAME))):
        for format in read:
            got = tables[format][name]
            assert list(got.columns) == list(expected.columns)
            numbers = expected.select_dtypes("number").columns
            pd.testing.assert_frame_equal(got[numbers], expected[numbers], check_exact=True, check_dtype=False)


def test_tensorboard_reads_its_files(call, found, where, tmp_path):
    """Through the event files' own record reader: every recorded value at its round, a run a replicate."""
    from tensorboardX.proto import event_pb2

    code, out, _ = call("export", NAME, "--format", "tensorboard", "--output", str(tmp_path / "tb"), *where)
    assert code == 0
    runs = [tmp_path / "tb" / "joint-average-td" / f"agents={n}" / f"seed={s}" for n in (2, 4) for s in (0, 1)]
    assert sorted(out.split()) == sorted(map(str, runs))
    [file] = runs[0].iterdir()
    read: dict[tuple[str, int], float] = {}
    for data in records(file.read_bytes()):
        event = getattr(event_pb2, "Event").FromString(data)  # noqa: B009 - made when it is imported
        read |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    tidy = found.tidy(NAME)
    tidy = tidy[(tidy["agents"] == 2) & (tidy["seed"] == 0)]
    expected = {(row["metric"], row["round"]): row["value"] for row in tidy.to_dict("records")}
    assert read == pytest.approx(expected, rel=1e-6)  # event files hold single precision


def records(data: bytes):
    """The payloads of a TFRecord file: length (8 bytes), its checksum (4), payload, its checksum (4)."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        yield data[at + 12 : at + 12 + length]
        at += length + 16


def test_one_table_into_the_results_folder_and_never_over_anything(call, found, where):
    code, out, _ = call("export", NAME, "--format", "parquet", "--table", "tidy", *where)
    place = found.store.folder.local / "exports" / f"{NAME}-parquet"
    assert (code, out) == (0, f"{place / 'tidy.parquet'}\n")
    assert pq.read_table(place / "tidy.parquet").num_rows == len(found.tidy(NAME))
    code, out, err = call("export", NAME, "--format", "parquet", *where)
    assert (code, out) == (2, "")
    assert err == f"output: {place} is not empty; remove it or name another --output.\n"
    code, _, err = call("export", NAME, "--table", "tidi", *where)
    assert (code, err) == (2, "table is 'tidi': did you mean 'tidy' or 'timings'?\n")
    code, _, err = call("export", "run/joint", *where)
    assert (code, err) == (2, f"This results folder holds no sweep 'run/joint': did you mean '{NAME}'?\n")
