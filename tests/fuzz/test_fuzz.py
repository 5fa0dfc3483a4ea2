"""Some odd inputs to every command, and that what is wrong would be noticed. ``make fuzz`` tries thousands."""

import os
import signal
import sys
from pathlib import Path
from random import Random

import pytest

from orchestrator import cli
from orchestrator.commands import printing
from tests.tools.fuzz import fuzzing, stored, trial
from tests.tools.fuzz.fuzzing import KINDS, Input, Tally

#: Inputs of each kind: fewer of those that take longer.
COUNTS = {"sweeps": 12, "words": 8, "queries": 8, "hooks": 4, "claims": 2, "damage": 3}


@pytest.fixture(name="scratch", scope="module")
def _scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(name="base", scope="module")
def _base(scratch) -> Path:
    return stored.lay(scratch)


def loop() -> None:
    """Busy for ever."""
    while True:
        pass


#: What a command does wrong -> how the tool reports it.
PLANTED = {
    "a traceback": lambda: 1 / 0,
    "exit code 3": lambda: os._exit(3),
    "exit code -9": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "no end after": loop,
    "changed": lambda: sys.exit(Path("notes.txt").write_text("lost") - 4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_odd_input_gives_a_result_or_a_sentence(scratch, base, kind):
    tried = [fuzzing.trial(Input(kind, number), 7, scratch, base) for number in range(COUNTS[kind])]
    assert [failure for one in tried for failure in one.failures] == []
    assert {ended.code for one in tried for _, ended in one.ended} >= {0, 2}


@pytest.mark.parametrize("wrong", PLANTED)
def test_what_is_wrong_is_noticed(tmp_path, monkeypatch, wrong):
    place = tmp_path / "place"
    place.mkdir()
    (place / "notes.txt").write_text("kept")
    monkeypatch.setattr(trial, "PATIENCE", 1)
    monkeypatch.setattr(cli, "main", PLANTED[wrong])
    assert trial.attempt(["list"], place).wrong.startswith(wrong)


def test_a_write_outside_of_the_folder_is_noticed_and_refused(tmp_path, monkeypatch):
    (tmp_path / "place").mkdir()
    monkeypatch.setattr(cli, "main", lambda: (tmp_path / "more").mkdir())
    ended = trial.attempt(["list"], tmp_path / "place")
    assert (str(tmp_path / "more") in ended.elsewhere[0], "PermissionError" in ended.output) == (True, True)
    assert not (tmp_path / "more").exists()


def test_a_failing_input_is_named_and_given_again(scratch, base, monkeypatch):
    monkeypatch.setattr(printing, "table", lambda *_: 1 / 0)
    tried = [fuzzing.trial(Input("queries", number), 7, scratch, base) for number in range(8)]
    tally = Tally()
    for one in tried:
        tally.add(one)
    assert tally.failed
    assert tally.lines(1)
    first = tally.failed[0]
    assert tried[first.number].failures[0].startswith(f"{first}: a traceback\n  orchestrator query ")
    assert fuzzing.trial(first, 7, scratch, base).ended[0][0] == tried[first.number].ended[0][0]


@pytest.mark.parametrize("kind", KINDS)
def test_seed_and_number_make_the_input(tmp_path, base, kind):
    made = []
    for text in ("0 a", "0 a", "0 b", "1 a"):
        place = trial.emptied(tmp_path / "place")
        commands = KINDS[kind](Random(text), place, base)
        own = [path for path in sorted(place.rglob("*")) if path.is_file() and not path.is_symlink()]
        made.append((commands, [path.read_bytes() for path in own]))
    assert made[0] == made[1]
    assert made[0] != made[2]
    assert made[0] != made[3]
