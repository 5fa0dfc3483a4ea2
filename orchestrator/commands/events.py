"""The log of a sweep, and what the log and the tables hold about a cell or a replicate."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import UserError, nearest, uncoloured
from orchestrator.progress import logfile
from orchestrator.results import Results
from orchestrator.store.store import existing

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seconds between two looks at a log that is being followed.
PAUSE = 0.3
CELL = re.compile(r"([0-9a-f]{16})(?:-(\d+))?")


def known(results: str, name: str) -> bool:
    """Whether ``name`` is a sweep, a cell or a replicate of the results folder; False if there is no such folder."""
    if existing(results) is None:
        return False
    folder = Results(results)
    return name in folder.sweeps() or bool(_cases(folder, name))


def unknown(results: str, name: str) -> UserError:
    """The error for a name that is neither in the results folder nor a job."""
    if existing(results) is None:
        return UserError(
            f"There are no results in {results}, hence no sweep and no cell {name!r}: name the folder that has them "
            "with --results, or a cluster with --address."
        )
    folder = Results(results)
    return UserError(
        f"{folder.store.folder.title} holds no sweep and no cell {name!r}: {nearest(name, folder.sweeps())} "
        "For a job of a cluster give --address."
    )


def log_text(results: str, name: str) -> str:
    """The log of a sweep, or what is stored and logged of a cell or a replicate. ``known(results, name)`` holds."""
    folder = Results(results)
    cases = _cases(folder, name)
    if not cases:
        return _text(logfile.log_path(folder.store.folder, name)) or f"No log of {name} is kept in {results}.\n"
    lines = _replicates(folder, name, cases)
    for sweep in dict.fromkeys(sweep for sweep, _ in cases):
        log = _text(logfile.log_path(folder.store.folder, sweep)).splitlines()
        if own := [line for line in log if name in line or (match(name)[0] in line and not match(name)[1])]:
            lines += ["", f"in the log of {sweep}:", *own]
    return uncoloured("\n".join(lines)) + "\n"


def follow(results: str, sweep: str, say: Callable[[str], None]) -> None:
    """Hand a sweep's log to ``say`` as it grows, until no process writes it any more."""
    path = logfile.log_path(Results(results).store.folder, sweep)
    at = 0
    while True:
        running = logfile.running(path)
        text = _text(path)
        say(text[at:])
        at = len(text)
        if not running:
            return
        time.sleep(PAUSE)


def match(name: str) -> tuple[str, str]:
    """Cell id and seed of a cell's or replicate's name. Both are empty for another name."""
    parts = CELL.fullmatch(name)
    return (parts[1], parts[2] or "") if parts else ("", "")


def _cases(folder: Results, name: str) -> "Sequence[tuple[str, str]]":
    """Sweep and case of every membership of the named cell."""
    cell, _ = match(name)
    if not cell:
        return []
    rows = folder.store.query(f"SELECT DISTINCT sweep, \"case\" FROM members WHERE cell_id = '{cell}' ORDER BY ALL")
    return [(row["sweep"], row["case"]) for row in rows.to_pylist()]


def _replicates(folder: Results, name: str, cases: "Sequence[tuple[str, str]]") -> list[str]:
    cell, seed = match(name)
    only = f"cell_id = '{cell}'" + (f" AND seed = {seed}" if seed else "")
    runs = folder.store.query(
        f"SELECT seed, algorithm, env, agents, status, rounds, error, note FROM runs WHERE {only} ORDER BY seed"
    ).to_pylist()
    where = "; ".join(f"case {case} of {sweep}" for sweep, case in cases)
    what = (
        f", {runs[0]['algorithm']} on {runs[0]['env']}, {runs[0]['agents']} agents"
        if runs
        else ": nothing is stored yet"
    )
    lines = [f"cell {cell} ({where}){what}"]
    for run in runs:
        lines.append(
            f"seed {run['seed']}: {run['status']}"
            + (f" after {run['rounds']} rounds" if run["rounds"] is not None else "")
        )
        lines += list(_indented(run["error"])) + list(_indented(run["note"]))
    columns = folder.store.query(f"SELECT * FROM timings WHERE cell_id = '{cell}' ORDER BY written").to_pylist()
    events = [line for row in columns for line in (row.get("events") or "").splitlines()]
    return lines + (["", "events of the run:", *events] if events else [])


def _indented(text: str | None) -> Iterator[str]:
    for line in (text or "").splitlines():
        yield f"    {line}"


def _text(path: Path) -> str:
    try:
        return uncoloured(path.read_text(errors="replace"))
    except FileNotFoundError:
        return ""
