"""Where the seconds of a cell go: building, starting and compiling are not the coordinator's."""

import time

import pytest

from orchestrator.fleet.inline import InlineFleet
from orchestrator.running.drive import CellRun, Outcome, Pulse, run_task
from orchestrator.running.rows import tables
from orchestrator.running.stopwatch import Seconds
from tests.tools.engine import Diary, Flaky, run, task


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that moves only where somebody sleeps."""
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])


class SlowFleet(InlineFleet):
    """Hosts that take a minute to start."""

    def load(self, task, states):
        time.sleep(60.0)
        super().load(task, states)


def seconds(outcome: Outcome) -> Seconds:
    assert [replica.error for replica in outcome.replicas] == [""]
    return outcome.seconds


def test_startup_is_not_the_coordinators():
    """The coordinator starts once and sleeps 1 s, so does each block; the environment takes 8 s."""
    of = task("sleepy", agents=2, rounds=5, start=1.0, env__building=8.0)
    assert seconds(run(of, 2)) == Seconds(startup=8.0 + 1.0 + 2 * 1.0, agents=0.0, transport=0.0, coordinator=0.0)


def test_a_fleet_that_is_slow_to_load_is_startup_every_time_it_loads():
    of = task("sleepy", agents=2, rounds=5)
    assert seconds(run_task(of, SlowFleet())) == Seconds(60.0, 0.0, 0.0, 0.0)

    class SlowAndFlaky(SlowFleet, Flaky):
        pass

    assert seconds(run_task(of, SlowAndFlaky(1, [3]), Diary())) == Seconds(120.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("hosts", [1, 2])
def test_compiling_is_startup_wherever_it_happens(hosts):
    """16 s in the coordinator's first round and in the first step of every block; steps take 0.25 s, rounds 0.5 s."""
    of = task("sleepy", agents=2, rounds=4, compiling=16.0, step=0.25, think=0.5)
    spent = seconds(run(of, hosts))
    assert spent == Seconds(startup=(1 + hosts) * 16.0, agents=hosts * 4 * 0.25, transport=0.0, coordinator=4 * 0.5)
    assert spent.total == (1 + hosts) * 16.0 + hosts * 1.0 + 2.0


def test_the_table_holds_them():
    of = task("sleepy", agents=2, rounds=4, compiling=16.0, step=0.25, think=0.5)
    (row,) = tables(of, run(of), "attempt")["timings"].to_pylist()
    columns = ("startup_seconds", "agents_seconds", "transport_seconds", "coordinator_seconds")
    assert [row[name] for name in columns] == [32.0, 1.0, 0.0, 2.0]


def test_what_is_done_between_two_pulses_is_not_counted(monkeypatch):
    monkeypatch.setattr("orchestrator.running.drive.PULSE", 0.0)
    course = CellRun(task("sleepy", agents=2, rounds=4, think=0.5), InlineFleet())
    pulses = []
    while isinstance(step := course.advance(), Pulse):
        pulses.append(step)
        time.sleep(1000.0)
    assert pulses == [Pulse(k / 4, 2 * k) for k in (1, 2, 3, 4)]
    assert step.seconds == Seconds(0.0, 0.0, 0.0, 2.0)
