"""How far a sweep is: counted, drawn on a terminal, told in plain lines, kept in a log, ended by Ctrl-C."""

import io
import logging
import warnings

import pytest
from rich.console import Console

from orchestrator.progress import logfile
from orchestrator.progress.display import Display, amount, duration
from orchestrator.progress.lines import Progress
from orchestrator.progress.tally import Tally

CASES = {"joint": ["a", "b"], "alone": ["c", "stored"]}
TODO = {"a": (0, 1), "b": (0, 1), "c": (1,)}


def ended(cell: str, seed: int, status: str = "done", steps: int = 100) -> dict:
    """A row of runs as execution tells it."""
    who = {"cell_id": cell, "seed": seed, "algorithm": "alg", "agents": 4}
    return who | {"status": status, "error": None if status == "done" else f"{status}: why", "agent_steps": steps}


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="tally")
def _tally(clock) -> Tally:
    """Three cells to run, of weights 4, 4 and 2, and one that is stored."""
    return Tally(CASES, TODO, {"a": 4.0, "b": 4.0, "c": 2.0}, clock)


def test_cells_are_counted_by_case(tally):
    tally.on_start("a", (0, 1))
    tally.on_start("c", (1,))
    assert tally.counts("joint") == {"cells": 2, "done": 0, "running": 1, "failed": 0}
    assert tally.counts("alone") == {"cells": 2, "done": 1, "running": 1, "failed": 0}
    tally.on_end([ended("a", 0), ended("a", 1)])
    tally.on_end([ended("c", 1, "failed", 0)])
    assert tally.counts("joint") == {"cells": 2, "done": 1, "running": 0, "failed": 0}
    assert tally.counts("alone") == {"cells": 2, "done": 1, "running": 0, "failed": 1}
    assert (tally.replicates, tally.failures) == (3, 1)


def test_a_cell_whose_seeds_run_apart_is_one_cell(tally):
    """It runs while one of its parts does, and is done when all are."""
    tally.on_start("a", (0,))
    tally.on_start("a", (1,))
    tally.on_end([ended("a", 0)])
    assert tally.counts("joint") == {"cells": 2, "done": 0, "running": 1, "failed": 0}
    tally.on_lost("a", (1,))
    assert tally.counts("joint")["running"] == 0


def test_share_pace_and_time_left_follow_the_weights(tally, clock):
    assert (tally.share(), tally.left(), tally.rate()) == (0.0, None, 0.0)
    tally.on_start("a", (0, 1))
    clock.now = 30.0  # processes started and loops were compiled before anything was heard of
    tally.on_progress("a", (0, 1), 1e-9, 0)
    assert tally.left() is None
    clock.now = 40.0
    tally.on_progress("a", (0, 1), 0.5, 1000)
    assert tally.share() == 0.2
    assert tally.left() == pytest.approx(40.0)
    assert tally.rate() == tally.rate("joint") == 25.0
    assert tally.rate("alone") == 0.0
    tally.on_end([ended("a", 0, steps=1000), ended("a", 1, steps=1000)])
    clock.now = 80.0
    assert tally.share() == 0.4
    assert (tally.rate(), tally.rate("joint")) == (25.0, 50.0)  # the case ran in the first half of the time only


def test_numbers_for_people():
    assert [amount(n) for n in (0, 950, 1234, 12345, 3.4e6, 5e9)] == ["0", "950", "1.2 k", "12 k", "3.4 M", "5.0 G"]
    assert [duration(s) for s in (0.4, 40, 60, 200, 7500)] == ["0 s", "40 s", "1 min", "3 min 20 s", "2 h 5 min"]


def drawn(tally: Tally, title: str = "test/small") -> list[str]:
    """The display as text, 80 columns wide."""
    screen = Console(file=io.StringIO(), width=80)
    with screen.capture() as capture:
        screen.print(Display(title, tally, 2, 7, io.StringIO()).drawn())
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_table_on_a_terminal(tally, clock):
    tally.on_start("a", (0, 1))
    tally.on_progress("a", (0, 1), 1e-9, 0)
    clock.now = 10.0
    tally.on_progress("a", (0, 1), 0.5, 34_000_000)
    tally.on_end([ended("c", 1, "failed", 0)])
    assert drawn(tally) == [
        "test/small  cells  done  running  failed  steps/s",
        "joint           2     0        1       0    3.4 M",
        "alone           2     1        0       1",
        "━━━━╸         40% 3 of 7 replicates, 0:15 left, 3.4 M steps/s, 0:10 passed",
    ]


def test_one_cell_has_a_bar_alone(clock):
    tally = Tally({"joint": ["a"]}, {"a": range(5)}, {"a": 1.0}, clock)
    tally.on_preparing("starting Ray")
    clock.now = 9.0
    assert drawn(tally) == ["               0% 2 of 7 replicates, starting Ray, 0:09 passed"]
    tally.on_start("a", range(5))
    assert drawn(tally) == ["               0% 2 of 7 replicates, starting Ray, 0:09 passed"]
    tally.on_progress("a", range(5), 1e-9, 0)
    clock.now = 3725.0
    tally.on_progress("a", range(5), 0.25, 0)
    assert drawn(tally) == ["━━━           25% 2 of 7 replicates, 3:05:48 left, 1:02:05 passed"]


def test_plain_lines_without_a_terminal(tally, clock):
    """One at first after ten seconds, one at the end, one for what failed; nothing when quiet."""
    said = io.StringIO()
    with Progress("mine", tally, 2, 7, stream=said) as progress:
        progress.on_preparing("starting Ray")
        progress.on_start("a", (0, 1))
        clock.now = 9.0
        progress.on_progress("a", (0, 1), 0.4, 900)
        clock.now = 20.0
        progress.on_progress("a", (0, 1), 0.5, 2000)
        progress.on_end([ended("c", 1, "diverged", 0)])
        progress.on_end([ended("a", 0), ended("a", 1, "failed"), ended("b", 0), ended("b", 1)])
    assert said.getvalue().splitlines() == [
        "mine: starting Ray",
        "mine: 2 of 7 replicates, 100 steps/s, 20 s passed, about 3 min 40 s left",
        "cell c (alg, 4 agents), seed 1: diverged: diverged: why",
        "cell a (alg, 4 agents), seed 1: failed: failed: why",
        "mine: 7 of 7 replicates, 1 failed, 20 steps/s, 20 s passed",
    ]
    with Progress("mine", tally, 2, 7, quiet=True, stream=said) as progress:
        progress.on_preparing("starting Ray")
        progress.on_end([])
    assert len(said.getvalue().splitlines()) == 5


def test_the_log_takes_what_libraries_say(tmp_path, capsys):
    """Prints, warnings and loggers of others; ours are in it and, if they warn, in sight."""
    path = tmp_path / "logs" / "a" / "b.log"
    assert not logfile.running(path)
    with logfile.kept(path, "a/b") as people, Progress("a/b", Tally({}, {}, {}), 0, 0, stream=people):
        assert logfile.running(path)
        print("printed by Ray")
        warnings.warn("warned by numba", RuntimeWarning, stacklevel=1)
        logging.getLogger("matplotlib").warning("logged by matplotlib")
        logging.getLogger("orchestrator").warning("told by us")
        logging.getLogger("orchestrator").info("noted by us")
    assert not logfile.running(path)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "told by us\n")
    said = path.read_text()
    for words in (
        "printed by Ray",
        "RuntimeWarning: warned by numba",
        "logged by matplotlib",
        "told by us",
        "noted by us",
    ):
        assert said.count(words) == 1
    assert said.splitlines()[0].endswith("INFO orchestrator: a/b begins")
    assert said.splitlines()[-1].endswith("INFO orchestrator: a/b ends")
