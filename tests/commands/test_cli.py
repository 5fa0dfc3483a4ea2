"""The command line: what it prints and what it does not import. Its messages are in test_messages.py."""

import contextlib
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.commands import catalogue
from orchestrator.planning import plain, plain_yaml
from orchestrator.planning.sweeps import checked
from orchestrator.plugins import registry
from orchestrator.reference import words

RUN = ["run", "joint-average-td", "shared-subspace-mrp"]
SWEEP = """
name: test/small
env: {name: shared-subspace-mrp, states: 6, features: 3}
cases: {joint: {algorithm: joint-average-td}, alone: {algorithm: independent-td}}
base: {rounds: 20}
grid: {agents: [2, 4]}
seeds: 0..1
claims:
  - {name: joint is better, case: joint, below: alone, metric: theta_error_tail, law: order}
  - {name: no error at all, case: joint, metric: theta_error_tail, versus: agents, law: value,
     expect: -1, within: 0.1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A results folder with one small sweep, and its file beside it."""
    from orchestrator import sweep

    place = tmp_path_factory.mktemp("cli")
    (place / "small.yaml").write_text(SWEEP)
    sweep(place / "small.yaml", results=place / "results", backend="inline")
    return place


def test_sweep_files_that_do_not_fit(call, tmp_path, monkeypatch):
    """Names in claims, empty grids and YAML that would run code."""
    monkeypatch.chdir(tmp_path)
    assert "grid: {" in SWEEP
    cases = {
        "grid: {": ("base: {alpha: 1}\ngrid: {", "the key 'base' appears twice"),
        "case: joint, below: alone": (
            "case: jiont, below: alone",
            "names the unknown case 'jiont': did you mean 'joint'?",
        ),
        "metric: theta_error_tail, law: order": (
            "metric: thta_error_tail, law: order",
            "unknown metric 'thta_error_tail'",
        ),
        "law: value": ("law: vlaue", "did you mean 'value'?"),
        "agents: [2, 4]": ("agents: []", "grid.agents is []; it takes a list of one or more values"),
        "rounds: 20": ("rounds: !!python/object/apply:os.system ['touch owned']", "is not plain YAML"),
        "seeds: 0..1": ("seeds: [1, 1]", "seeds is [1, 1]; it takes 0..7"),
    }
    for old, (new, sentence) in cases.items():
        assert old in SWEEP
        (tmp_path / "bad.yaml").write_text(SWEEP.replace(old, new, 1))
        code, _, err = call("sweep", "bad.yaml", "--backend", "inline")
        assert (code, sentence in err) == (2, True), err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def test_run_prints_a_row_a_cell_and_a_second_run_does_nothing(call, tmp_path):
    """An ad-hoc run is a sweep: rerunning it finds everything stored."""
    words = [*RUN, "--agents", "2,4", "--rounds", "10", "--seeds", "0..1", "--backend", "inline"]
    code, out, err = call(*words, "--results", str(tmp_path / "r"))
    assert code == 0
    assert "4 of 4 replicates to run" in err
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["joint-average-td", "2"], ["joint-average-td", "4"]]
    code, again, err = call(*words, "--results", str(tmp_path / "r"))
    assert code == 0
    assert "nothing to run" in err
    assert again == out


def test_query_formats_agree(call, folder, tmp_path):
    """csv, json and parquet hold the same rows."""
    sql = 'SELECT "case", agents, seed, theta_error_tail FROM summary ORDER BY ALL'
    where = ["--results", str(folder / "results")]
    _, as_json, _ = call("query", sql, "--format", "json", *where)
    rows = json.loads(as_json)
    assert len(rows) == 8
    _, as_csv, _ = call("query", sql, "--format", "csv", *where)
    assert len(as_csv.splitlines()) == 9
    code, _, _ = call("query", sql, "--format", "parquet", "--output", str(tmp_path / "rows.parquet"), *where)
    assert code == 0
    found = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [row["theta_error_tail"] for row in found] == pytest.approx(
        [row["theta_error_tail"] for row in rows], rel=1e-12
    )
    code, _, err = call("query", sql, "--format", "parquet", *where)
    assert (code, "needs --output" in err) == (2, True)
    code, _, err = call("query", "SELECT nonsense FROM runs", *where)
    assert (code, "Traceback" in err, "nonsense" in err) == (2, False, True)
    code, _, err = call("query", "DROP TABLE runs", *where)
    assert (code, "Nothing was executed" in err) == (2, True)


def test_claims_strict_and_json(call, folder):
    """Two seeds are too few for any verdict, so strict passes; every claim is printed."""
    where = ["--results", str(folder / "results")]
    code, out, _ = call("claims", "test/small", "--strict", "--format", "json", *where)
    assert code == 0
    verdicts = {row["claim"]: row["verdict"] for row in json.loads(out)}
    assert verdicts == {"joint is better": "inconclusive", "no error at all": "inconclusive"}
    _, table, _ = call("claims", *where)
    assert table.count("inconclusive") >= 2


def test_strict_exits_with_1_for_a_refuted_claim(call, tmp_path):
    """Six seeds decide that an error is not minus one."""
    (tmp_path / "six.yaml").write_text(SWEEP.replace("0..1", "0..5"))
    where = ["--results", str(tmp_path / "r")]
    code, out, _ = call("sweep", str(tmp_path / "six.yaml"), "--backend", "inline", *where)
    assert code == 0
    assert "refuted" in out
    code, _, _ = call("claims", "test/small", "--strict", *where)
    assert code == 1


def test_status_fingerprint_compact_and_report(call, folder):
    """The rest of the commands on a finished sweep."""
    where = ["--results", str(folder / "results")]
    code, out, _ = call("status", "--format", "json", *where)
    assert code == 0
    assert {(row["case"], row["planned"], row["done"]) for row in json.loads(out)} == {("joint", 4, 4), ("alone", 4, 4)}
    _, before, _ = call("fingerprint", "test/small", *where)
    code, _, _ = call("compact", *where)
    assert code == 0
    assert call("fingerprint", "test/small", *where)[1] == before
    assert len(before.strip()) == 64
    code, out, _ = call("report", "test/small", *where)
    assert code == 0
    assert "joint is better" in Path(out.strip()).read_text()
    code, out, _ = call("report", "--all", *where)
    assert code == 0
    index = Path(out.strip())
    assert index == folder / "results" / "reports" / "index.html"
    assert "<a href='test/small/index.html'>test/small</a>" in index.read_text()
    assert "2 inconclusive" in index.read_text()
    assert (index.parent / "test" / "small" / "index.html").is_file()
    code, _, err = call("report", *where)
    assert (code, err) == (2, "report takes the name of one sweep, or --all for every sweep in the results folder.\n")
    assert call("report", "test/small", "--all", *where)[::2] == (code, err)


def test_plot(call, folder, tmp_path):
    """By name or number, in every format; an unknown claim is told which there are; nothing is judged anew."""
    where = ["--results", str(folder / "results")]
    judged = call("query", "SELECT max(written) FROM claims", *where)
    code, out, _ = call("plot", "test/small", "joint is better", *where)
    assert (code, Path(out.strip()).name) == (0, "01-joint-is-better-single.pdf")
    assert Path(out.strip()).read_bytes().startswith(b"%PDF")
    for number, format, start in (("1", "svg", b"<?xml"), ("2", "png", b"\x89PNG")):
        file = tmp_path / "new" / f"figure.{format}"
        words = ["plot", "test/small", number, "--format", format, "--width", "double", "--output", str(file)]
        assert call(*words, *where) == (0, f"{file}\n", "")
        assert file.read_bytes().startswith(start)
    width, height = struct.unpack(">II", file.read_bytes()[16:24])
    assert (width, height) == (round(7.2 * 300), round(4.2 * 300))
    code, _, err = call("plot", "test/small", "joint is best", *where)
    assert code == 2
    assert err == (
        "test/small makes no claim 'joint is best'; name one of its claims or give its number: "
        "1: joint is better; 2: no error at all.\n"
    )
    assert call("query", "SELECT max(written) FROM claims", *where) == judged


def test_plot_in_python(folder):
    """Axes of one column's width, to be changed and saved by who asked for them."""
    from orchestrator import Results
    from orchestrator.errors import UserError
    from orchestrator.report.style import figure_of

    results = Results(folder / "results")
    axes = results.plot("test/small", "no error at all")
    assert figure_of(axes).get_size_inches().tolist() == [3.5, 2.8]
    assert axes.get_xlabel() == "number of agents N"
    assert axes.get_ylabel() == "parameter error ‖Bwᵢ − θᵢ*‖²\n(mean over the last half)"
    assert axes.get_legend_handles_labels()[1] == ["accepted −1 ± 0.1", "measured, 95% interval"]
    with pytest.raises(UserError, match="width is 'triple'; it takes single or double"):
        results.plot("test/small", "1", width="triple")  # pyright: ignore[reportArgumentType]


def test_dry_run_runs_nothing(call, folder, tmp_path):
    """It lists the cells and creates no folder."""
    code, out, _ = call("sweep", str(folder / "small.yaml"), "--dry-run", "--results", str(tmp_path / "r"))
    assert code == 0
    assert "8 of 8 replicates to run. They take roughly " in out
    assert not (tmp_path / "r").exists()


def test_dry_run_shows_every_key_that_varies_and_the_estimate(call, tmp_path):
    """Those of grid, zip and of a case's own; not the ones that one case alone has, and none that is fixed."""
    content = {
        "name": "small",
        "env": {"name": "shared-subspace-mrp", "states": 5, "features": 3},
        "cases": {
            "joint": {"algorithm": "joint-average-td", "alpha": 0.1},
            "alone": {"algorithm": "independent-td", "alpha": 0.2, "env": {"states": 6}},
        },
        "base": {"rounds": 20, "agents": 2},
        "grid": {"env.rank": [1, 2]},
        "seeds": 0,
    }
    (tmp_path / "small.yaml").write_text(json.dumps(content))
    code, out, _ = call("sweep", str(tmp_path / "small.yaml"), "--dry-run", "--results", str(tmp_path / "r"))
    title, *rows, last = out.splitlines()
    assert code == 0
    assert re.split(r"  +", title) == [
        *("case", "cell", "agents", "rounds", "alpha", "env.states", "env.rank"),
        *("seeds to run", "agent processes", "seconds"),
    ]
    assert [row.split()[4:7] for row in rows] == [
        ["0.1", "5", "1"],
        ["0.1", "5", "2"],
        ["0.2", "6", "1"],
        ["0.2", "6", "2"],
    ]
    assert last.startswith("4 of 4 replicates to run. They take roughly ")


@pytest.mark.parametrize("name", ["joint-average-td", "windy-cliff", "pfedtd-rep"])
def test_describe_names_every_parameter(call, name):
    """Every field of the model is printed with its default."""
    found = registry.algorithm(name) if name in registry.names("algorithm") else registry.environment(name)
    code, out, _ = call("describe", name)
    assert code == 0
    for field in found.Parameters.model_fields:
        assert f"  {field} " in out


@pytest.mark.parametrize("columns", [80, 200])
def test_list_names_everything(call, monkeypatch, columns):
    """Every registered name stands on a line whole, and no line is wider than the screen."""
    from rich.console import Console

    from orchestrator.commands.printing import frames

    for module in (catalogue, frames):
        monkeypatch.setattr(module, "console", lambda: Console(width=columns, highlight=False))
    code, out, _ = call("list")
    assert code == 0
    assert max(map(len, out.splitlines())) <= columns
    first = [line.split()[0] for line in out.splitlines() if line.startswith("  ") and line[2] != " "]
    assert first == [*registry.names("algorithm"), *registry.names("environment"), *registry.sweeps()]


def test_list_reads_what_a_sweep_would_read():
    """Description and minutes of the shipped files, although it builds no cells."""
    for name, path in registry.sweeps().items():
        content = plain_yaml.read(path)
        assert plain.is_mapping(content)
        sweep = checked(content, name)
        assert catalogue._head_of_sweep(path) == (sweep.description, sweep.minutes), name


def test_describe_says_where_it_comes_from_and_what_fits(call):
    """Of an algorithm the class's text and the source; of an environment what its module says."""
    _, out, _ = call("describe", "iql")
    assert "Every agent runs Q-learning on its own table" in out
    assert "Source: Tan 1993; arXiv:2304.05632, equation 1." in out.partition("\nsource\n")[2]
    _, out, _ = call("describe", "warehouse")
    assert out.splitlines()[1].startswith("Warehouse: robots in five zones on a ring, and a controller")
    assert "MeanFieldProblem" not in out
    _, out, _ = call("describe", "digital")
    assert out.splitlines()[-2:] == ["algorithms", "  iql, policy-reciprocity, qd-learning"]


def test_help_imports_nothing_heavy():
    """``--help`` has to answer at once."""
    program = (
        "import sys\nfrom orchestrator import cli\nsys.argv = ['orchestrator', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'ray', 'numba', 'pandas', 'duckdb', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_inline_run_never_imports_ray(tmp_path):
    """Nor does it need Ray to be there."""
    program = (
        "import sys\nsys.modules['ray'] = None\nfrom orchestrator import run\n"
        "run('joint-average-td', 'shared-subspace-mrp', agents=2, rounds=3, seeds=0, backend='inline', "
        f"results={str(tmp_path / 'r')!r})\nprint('done')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "done"


@pytest.mark.slow
def test_a_run_on_ray_in_a_terminal(tmp_path):
    """With a progress bar on stderr: Tune pickles what it is given, and a bar cannot be pickled."""
    ours, theirs = os.openpty()
    words = [*RUN, "--rounds", "3", "--seeds", "0", "--agents-per-actor", "auto", "--results", str(tmp_path / "r")]
    program = f"import sys\nfrom orchestrator import cli\nsys.argv = {['orchestrator', *words]!r}\ncli.main()"
    started = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the terminal's end is an error on Linux
        while chunk := os.read(ours, 4096):
            said += chunk
    out, _ = started.communicate(timeout=120)
    os.close(ours)
    assert started.returncode == 0, said.decode()
    assert "━".encode() in said  # there was a bar
    assert out.splitlines()[1].split()[:3] == ["joint-average-td", "2", "1"]


def test_the_tables_page_is_the_schema():
    """docs/tables.md is made from the schema; ``words.tables_page`` writes it."""
    assert (Path(__file__).parents[2] / "docs" / "tables.md").read_text() == words.tables_page()


def test_rounds_in_a_claim_are_those_planned(call, tmp_path):
    """A replicate that diverged took fewer, and still belongs to its cell: nothing is judged around it."""
    content = SWEEP.split("claims:")[0].replace("{rounds: 20}", "{alpha: 1.0e+200, rounds: 20}")
    claim = "{name: small, case: joint, metric: theta_error_tail, law: value, at_most: 1"
    (tmp_path / "s.yaml").write_text(f"{content}claims:\n  - {claim}, where: {{agents: 2, rounds: 20}}}}\n")
    code, out, err = call("sweep", str(tmp_path / "s.yaml"), "--backend", "inline", "--results", str(tmp_path / "r"))
    assert code == 0
    assert "inconclusive" in out
    assert "diverged" in out
    assert "replicates diverged. That is a result: another run would diverge again." in err


def test_closed_streams_and_narrow_encodings(folder):
    """What is printed where nobody listens is lost, and letters that a terminal lacks are told by number."""
    where = ["--results", str(folder / "results")]
    program = f"import sys\nfrom orchestrator import cli\nsys.argv = ['orchestrator', 'status', *{where!r}]\ncli.main()"
    done = subprocess.run(["sh", "-c", f'{sys.executable} -c "$1" >&-', "sh", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    program = program.replace("'status'", "'query', 'SELECT chr(252) AS x'")
    variables = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables)
    assert (done.returncode, done.stdout.split()) == (0, ["x", "\\xfc"])


def test_a_damaged_definition_is_told(call, folder, tmp_path):
    import shutil

    shutil.copytree(folder / "results", tmp_path / "r")
    (tmp_path / "r" / "sweeps" / "test" / "small.json").write_text('{"name":')
    code, _, err = call("claims", "test/small", "--results", str(tmp_path / "r"))
    assert code == 2
    assert err.startswith("sweeps/test/small.json of the results folder is damaged (")


def test_a_sweep_file_says_what_it_imports_and_a_dry_run_imports_nothing(call, tmp_path, monkeypatch):
    """A file from somebody else may name any file: the user is told before its code runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "helper.py").write_text("from pathlib import Path\nPath('imported').write_text('')\n")
    (tmp_path / "own.py").write_text("import helper\n")
    (tmp_path / "s.yaml").write_text(
        "name: s\nenv: {name: voter-network, graph: ./own.py:Ring}\ncases: {a: {algorithm: exact-gradient}}\n"
    )
    code, out, err = call("sweep", "s.yaml", "--dry-run")
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == "The sweep would import helper.py, own.py."
    assert not (tmp_path / "imported").exists()
    code, _, err = call("sweep", "s.yaml", "--backend", "inline")
    assert code == 2
    assert err.splitlines()[0] == "The sweep imports helper.py, own.py."
    assert "own.py has no 'Ring'" in err
    assert (tmp_path / "imported").exists()


def test_version(call):
    from importlib.metadata import version

    code, out, err = call("--version")
    assert (code, out, err) == (0, f"marl-orchestrator {version('marl-orchestrator')}\n", "")
