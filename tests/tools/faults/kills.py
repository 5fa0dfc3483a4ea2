"""The seeded programme of kills: a sweep is killed, started, killed again, and in the end compared."""

import collections
import time

from tests.tools.faults.driver import PATIENCE, Driver, Hang, strike
from tests.tools.faults.programme import PROCESSES, Course, Kill, programme
from tests.tools.faults.report import Report
from tests.tools.faults.scene import Scene, scene

#: Without these the driver must end, or finish at once.
ESSENTIAL = ("driver", "raylet", "GCS server")


def kills(number: int, seed: int, report: Report) -> None:
    """Courses of the programme until ``number`` kills have struck."""
    struck = 0
    for course in programme(seed):
        if struck >= number:
            return
        struck += play(Course(course.case, course.kills[: number - struck]), struck, report)


def play(course: Course, before: int, report: Report) -> int:
    """One course, after so many kills ``before``. Returns the number of kills that struck."""
    waiting = collections.deque(course.kills)
    codes: list[int] = []
    with scene(course.case) as here:
        while True:
            driver, struck = here.start(), False
            while waiting and (pid := _moment(here, driver, waiting[0])):
                kill, struck = waiting.popleft(), True
                strike(pid)
                number = before + len(course.kills) - len(waiting)
                _tell(here, driver, kill, number, report)
                if kill.victim in ESSENTIAL:
                    break
            if not waiting or not struck:
                codes += here.finish(driver, struck)
                break
            codes.append(here.wait(driver))
            if codes[-1] == 0:
                break
        said = f"{len(course.kills) - len(waiting)} kills, exit codes {' '.join(map(str, codes))}, {here.seconds:.0f} s"
        report.add(f"sweep {course.case}", said, here.seconds, here.compared(), *here.wrong)
    return len(course.kills) - len(waiting)


def _moment(here: Scene, driver: Driver, kill: Kill) -> int | None:
    """Wait for the moment of a kill. Returns the victim's process, None if the driver ended before."""
    there, since = here.stored, time.monotonic()
    moments = {
        "start": lambda: True,
        "work": lambda: bool(driver.find(PROCESSES["trial"])),
        "storing": lambda: here.stored > there,
    }
    try:
        if not driver.until(moments[kill.moment]):
            return None
        due = (driver.began if kill.moment == "start" else time.monotonic()) + kill.delay
        driver.until(lambda: time.monotonic() >= due)
        if kill.victim == "driver":
            return driver.process.pid if driver.code is None else None
        victims: list[int] = []
        if not driver.until(lambda: victims.extend(driver.find(PROCESSES[kill.victim])) or victims):
            return None
        return victims[kill.which % len(victims)]
    except Hang as hang:
        waited = time.monotonic() - since
        here.wrong.append(f"a hang: {hang}, {waited:.0f} s of them before a kill of the {kill.victim}")
        driver.end()
        return None


def _tell(here: Scene, driver: Driver, kill: Kill, number: int, report: Report) -> None:
    """Say what was done, and, where the driver has to end, what it did."""
    at, began = here.stored, time.monotonic()
    when = f"{number}: {driver.seconds:.0f} s after the start of {here.case}, {at} of {here.total} stored"
    wrong: list[str] = []
    if kill.victim in ESSENTIAL:
        try:
            code = driver.wait(PATIENCE)
            when += f"; the driver ended with {code} after {time.monotonic() - began:.1f} s"
        except Hang:
            wrong.append("a hang")
            driver.end()
        if driver.code == 0 and here.stored < here.total:
            wrong.append("exit code 0, but not finished")
    report.add(f"kill {kill.victim}", when, time.monotonic() - began, None, *wrong)
