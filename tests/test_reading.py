"""Reading a results folder: no algorithm is imported, and nothing is written unless a verdict changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import Results
from orchestrator.api import carry_out
from orchestrator.planning.sweeps import checked
from orchestrator.store import views

CONTENT = {
    "name": "family/small",
    "env": {"name": "shared-subspace-mrp", "states": 6, "features": 4, "rank": 2},
    "cases": {"joint": {"algorithm": "joint-average-td"}, "alone": {"algorithm": "independent-td"}},
    "base": {"agents": 2, "rounds": 4},
    "seeds": "0..5",
    "claims": [
        {"name": "in order", "case": "joint", "metric": "theta_error_tail", "law": "order", "below": "alone"},
        {"name": "undecided", "case": "joint", "metric": "theta_error_tail", "law": "power", "versus": "agents",
         "expect": -1, "within": 0.1},
    ],
}  # fmt: skip
READING = [
    ["status"], ["claims"], ["claims", "family/small", "--format", "json"], ["fingerprint", "family/small"],
    ["query", "SELECT count(*) FROM curves"], ["logs", "family/small"],
]  # fmt: skip


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reading") / "r"
    carry_out(checked(CONTENT, "test"), folder, backend="inline", quiet=True, logged=True)
    Results(folder).judge("family/small")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file below the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_reading_writes_nothing(folder, call, words):
    before = content(folder)
    assert call(*words, "--results", str(folder))[0] == 0
    assert content(folder) == before


def test_a_report_writes_its_page_alone(folder, call):
    before = content(folder)
    assert call("report", "family/small", "--results", str(folder))[0] == 0
    assert set(content(folder)) - set(before) == {"reports/family/small/index.html"}


def test_a_verdict_that_changed_is_stored(folder, tmp_path):
    """More seeds, another estimate: the judgement is appended once, as a second look; the same data are no new one."""
    more = checked(CONTENT | {"seeds": "6..7"}, "test")
    results = carry_out(more, folder, backend="inline", quiet=True)
    before = results.sql("SELECT claim, estimate FROM claims ORDER BY claim")
    results.judge("family/small")
    after = results.sql("SELECT claim, estimate FROM claims ORDER BY claim")
    assert before["estimate"].tolist()[0] != after["estimate"].tolist()[0]
    told = results.sql("SELECT seeds, look FROM verdicts WHERE claim = 'in order' ORDER BY written")
    assert told.to_numpy().tolist() == [[6, 1], [8, 2]]
    assert results.sql("SELECT DISTINCT look FROM verdicts WHERE claim = 'undecided'")["look"].tolist() == [0]
    stored = content(folder)
    results.judge("family/small")
    assert content(folder) == stored


@pytest.mark.parametrize("words", [*READING, ["report", "family/small"]], ids=lambda words: words[0])
def test_reading_imports_no_algorithm_and_no_environment(folder, words):
    program = (
        "import sys\nfrom orchestrator import cli\n"
        f"sys.argv = ['orchestrator', *{words!r}, '--results', {str(folder)!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "loaded = [name for name in sys.modules if name.split('.')[0] in ('algorithms', 'envs', 'numba', 'ray')]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["status"], ["claims"], ["query", "FROM members"]], ids=lambda words: words[0])
def test_reading_starts_duckdb_once(folder, call, monkeypatch, words):
    """Its start and the definition of the views take longer than the statements of a small folder."""
    started, connect = [], views.connect
    monkeypatch.setattr(views, "connect", lambda *tables: started.append(tables) or connect(*tables))
    assert call(*words, "--results", str(folder))[0] == 0
    assert len(started) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "sweeps/family/small.json of the results folder is damaged"),
        ("[]", "sweeps/family/small.json of the results folder is damaged"),
        ('{"name": "family/small"}', "was written by another version of marl-orchestrator"),
        ('{"format": 1, "name": "family/small"}', "is damaged (in description)"),
    ],
    ids=["broken", "a list", "older", "a field missing"],
)
def test_a_damaged_or_older_definition_is_named(folder, tmp_path, call, text, sentence):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "sweeps" / "family" / "small.json").write_text(text)
    code, _, err = call("claims", "family/small", "--results", str(copy))
    assert code == 2
    assert sentence in err
    assert "Run the sweep again" in err
