"""Whatever is typed gives a result or a sentence: odd bytes, odd places, very long names, lists and values."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.planning.plain_yaml import split_values
from tests.tools.coordinators import hooks
from tests.tools.source import ROOT

RUN = ("run", "independent-td", "shared-subspace-mrp", "env.states=5", "env.features=3", "--backend", "inline")


@pytest.mark.parametrize("format", ["table", "csv", "json", "parquet"])
@pytest.mark.parametrize(
    "sql", ["SELECT INTERVAL 1 DAY AS i", "SELECT union_value(a := 5)", "SELECT DATE '9999-12-31' + 400 AS d",
            "SELECT TIMESTAMP 'infinity' AS t", "SELECT 'a' AS x, 'b' AS x"],
)  # fmt: skip
def test_every_type_is_printed_or_refused(call, tmp_path, sql, format):
    call(*RUN, "--rounds", "2", "--seeds", "0", "--results", str(tmp_path / "r"))
    output = ("--output", str(tmp_path / "out")) if format == "parquet" else ()
    code, _, err = call("query", sql, "--format", format, *output, "--results", str(tmp_path / "r"))
    assert code == 0 or (code == 2 and "CAST the column to VARCHAR" in err)


def test_bytes_that_are_no_text_are_refused(call):
    code, _, err = call("query", "SELECT '\udc80'")
    assert (code, err) == (2, "The word \"SELECT '\\\\udc80'\" is not valid UTF-8.\n")


@pytest.mark.parametrize("address", ["auto", "mock://x", "abfs://c@a/x", "http://"])
def test_an_address_that_is_none_is_refused_at_once(call, address):
    began = time.monotonic()
    code, _, err = call("jobs", "--address", address)
    assert (code, err) == (2, f"address is {address!r}; it takes http://HOST:PORT of a job server.\n")
    assert time.monotonic() - began < 60


def test_a_filesystem_that_keeps_nothing_is_no_results_folder(call):
    code, _, err = call("status", "--results", "mock://x")
    assert (code, "mock:// is unknown. It is a path, or a URI" in err) == (2, True)


def test_what_arrow_says_of_a_store_becomes_a_sentence(call, monkeypatch):
    """Azure without an account: an exception of Arrow's own, neither an OSError nor a ValueError."""
    import pyarrow as pa

    from orchestrator.store import remote

    class Refusing:
        @staticmethod
        def from_uri(location: str) -> None:
            raise pa.ArrowException("Unknown error: Failed to get token from DefaultAzureCredential.\nmore")

    monkeypatch.setattr(remote.fs, "FileSystem", Refusing)
    code, _, err = call("status", "--results", "abfs://c@a/x")
    assert code == 2
    assert err.startswith("The results folder abfs://c@a/x cannot be reached: Unknown error: Failed to get token")
    assert len(err.splitlines()) == 1


def test_a_link_that_leads_to_itself(call, tmp_path):
    from orchestrator.checks.doctor import _results

    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    code, _, err = call("status", "--results", str(tmp_path / "loop"))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert (_results(str(tmp_path / "loop")).state, _results(str(tmp_path / "loop" / "r")).state) == ("wrong", "wrong")


def test_a_million_values_are_refused(call, tmp_path):
    from orchestrator.errors import UserError
    from orchestrator.planning.sweeps import adhoc

    with pytest.raises(UserError, match="has 1000000 cells; a sweep takes up to 100000"):
        adhoc("independent-td", "shared-subspace-mrp", {"rounds": list(range(10**6))}, 0, None, "auto")
    (tmp_path / "many.yaml").write_text("name: [" + "1, " * 400_000 + "1]")
    code, _, err = call("sweep", str(tmp_path / "many.yaml"))
    assert (code, "bytes; a sweep file has up to 1000000." in err) == (2, True)


def test_a_value_of_a_million_letters_is_refused_in_a_short_message(call):
    assert split_values("a" * 10**6 + ",[b,'c,]'],d")[1:] == ["[b,'c,]']", "d"]
    code, _, err = call(*RUN, f"alpha={'a' * 100_000}")
    assert code == 2
    assert "it should be a number" in err
    assert len(err) < 5000


def test_check_refuses_settings_that_are_options(call):
    code, _, err = call("check", "independent-td", "shared-subspace-mrp", "agents=7")
    assert (code, err) == (2, "agents is no setting here: write --agents 7 instead of agents=7.\n")


def test_a_name_too_long_for_a_file_is_refused(call, tmp_path):
    code, _, err = call(*RUN, "--name", "n" * 300, "--results", str(tmp_path / "r"))
    assert (code, err) == (2, "run: name has a word of 300 letters; a file's name takes up to 200 of them.\n")


def test_long_names_of_cases_claims_and_values_survive_every_command(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case, claim = "c" * 1000, "ä" * 3000  # YAML takes keys of up to 1024 letters
    edges = " ".join(f"{i}-{(i + 1) % 4}" for i in range(4)) + " 0-1" * 500
    content = {
        "name": "n" * 200,
        "env": {"name": "voter-network"},
        "cases": {case: {"algorithm": "shadow-policy-gradient", "batch": 4}},
        "base": {"rounds": 2, "agents": 4},
        "grid": {"env.graph": [edges, "ring"]},
        "seeds": 0,
        "claims": [{"name": claim, "case": case, "metric": "utility_tail", "law": "value",
                    "versus": "agents", "at_most": 1, "where": {"env.graph": "ring"}}],
    }  # fmt: skip
    (tmp_path / "long.yaml").write_text(json.dumps(content))
    commands = [
        ("sweep", "long.yaml", "--dry-run"), ("sweep", "long.yaml", "--backend", "inline"), ("status",), ("claims",),
        ("claims", "--format", "json"), ("claims", "--format", "csv"), ("report", "n" * 200), ("report", "--all"),
        ("plot", "n" * 200, "1"), ("logs", "n" * 200), ("fingerprint", "n" * 200), ("compact",),
        *(("export", "n" * 200, "--format", format) for format in ("csv", "json", "parquet", "tensorboard")),
        ("query", "FROM summary"), ("query", "FROM claims", "--format", "json"),
    ]  # fmt: skip
    for words in commands:
        code, out, err = call(*words)
        assert code == 0, (words, err)
        if "json" in words and words[0] != "export":
            json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.skipif(sys.platform == "win32", reason="paths")
@pytest.mark.parametrize("folder", ["/home/x/orchestrator", "/data/lib/python", "/home/x/orchestrator/orchestrator"])
def test_a_place_in_a_folder_of_any_name_is_told(folder):
    from orchestrator.errors import error_place

    assert error_place(f'  File "{folder}/mine.py", line 3, in pull\n') == " (mine.py, line 3, in pull)"


#: So that a plug-in finds the tests' tools.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
MAIN = [sys.executable, "-c", "from orchestrator.cli import main; main()"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
@pytest.mark.parametrize("words", [("list",), ("query", "FROM range(70000)", "--format", "csv"), ("status",)])
def test_a_full_disk_below_the_output_is_a_sentence(call, tmp_path, words):
    results = () if words == ("list",) else ("--results", str(tmp_path / "r"))
    if results:
        call(*RUN, "--rounds", "0", "--seeds", "0", *results)
    with open("/dev/full", "w") as full:
        done = subprocess.run([*MAIN, *words, *results], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "The output cannot be written: No space left on device.\n")


@pytest.mark.parametrize("where", ["import", "round"])
def test_a_plug_in_that_closes_the_output_costs_the_output_alone(tmp_path, where):
    text = "import sys\nfrom tests.tools.coordinators import hooks\n"
    text += "sys.stdout.close()\n" if where == "import" else ""
    text += "class Own(hooks.Hooks):\n    def start(self):\n        sys.stdout.close()\n"
    (tmp_path / "own.py").write_text(text)
    words = ("./own.py:Own", f"{Path(hooks.__file__)}:Quiet", "--rounds", "1", "--seeds", "0", "--backend", "inline")
    done = subprocess.run([*MAIN, "run", *words], cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "The output cannot be written: I/O operation on closed file."
