"""Which process is killed at which moment, by a seed. The same seed is the same programme."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from tests.tools.faults.cases import CASES, KILLED

#: Kills that are planned for one sweep. A sweep that finishes before them drops the rest.
MOST = 6
#: What is waited for before a kill, and the largest number of seconds that it comes later.
MOMENTS = {"start": 15.0, "work": 4.0, "storing": 1.0}
#: A victim besides the driver -> what its command line or title contains.
PROCESSES = {
    "trial": ("ray::CellTrial", "Trainable.train"),
    "actor": ("ray::HostProcess",),
    "raylet": ("/raylet/raylet",),
    "GCS server": ("/gcs/gcs_server",),
}
VICTIMS = ("driver", *PROCESSES)
#: Victims that only a Ray at work has.
BORN_LATE = ("trial", "actor")


class Kill(NamedTuple):
    """One kill -9."""

    victim: str
    moment: str  #: start of the attempt, the first cell that begins, or the next replicates that are stored
    delay: float  #: seconds after that moment
    which: int  #: picks one of several processes


class Course(NamedTuple):
    """A sweep, and the kills that it has to bear until it is finished."""

    case: str
    kills: tuple[Kill, ...]


def programme(seed: int) -> Iterator[Course]:
    """Courses without end. Every case comes before one comes again."""
    drawn = random.Random(seed)
    while True:
        for case in drawn.sample(KILLED, len(KILLED)):
            yield Course(case, tuple(_kill(drawn, case, first=k == 0) for k in range(MOST)))


def _kill(drawn: random.Random, case: str, first: bool) -> Kill:
    victim = drawn.choice([name for name in VICTIMS if name != "actor" or CASES[case].actors])
    # The first waits until the sweep is half finished; from then on every moment is one of a half-finished sweep.
    moment = drawn.choice([name for name in MOMENTS if name != "start" or victim not in BORN_LATE])
    moment = "storing" if first else moment
    return Kill(victim, moment, round(drawn.uniform(0, MOMENTS[moment]), 2), drawn.randrange(1000))
