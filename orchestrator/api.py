"""What a notebook uses: ``run``, ``sweep`` and ``Results``. The command line is thin above it."""

import logging
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from orchestrator.cluster.connection import joined
from orchestrator.execution import execute
from orchestrator.fleet.base import Failure
from orchestrator.planning import sweeps
from orchestrator.planning.batches import effort
from orchestrator.planning.plan import Backend, Plan, plan
from orchestrator.planning.sweeps import Sweep
from orchestrator.progress import logfile
from orchestrator.progress.lines import Progress
from orchestrator.progress.tally import Tally
from orchestrator.results import Results
from orchestrator.store import Store
from orchestrator.store.store import existing

log = logging.getLogger("orchestrator")

if TYPE_CHECKING:
    pass


def run(
    algorithm: str,
    environment: str,
    *,
    agents: int | list[int] = 1,
    rounds: int = 1000,
    seeds: Any = "0..7",
    agents_per_actor: int | str = 1,
    backend: Backend = "ray",
    results: str | Path = "results",
    name: str | None = None,
    address: str | None = None,
    **settings: Any,
) -> "Results":
    """Run one algorithm on one environment and return the results folder, in which it is the sweep ``name``.

    A setting is a value or a list of values to span; parameters of the environment are written ``env__states=50``.
    ``agents_per_actor=1`` is one process per agent; ``backend="inline"`` never starts Ray. Raises ``UserError`` for
    unknown names and values that do not fit.
    """
    spans = _spans({"agents": agents, "rounds": rounds, **settings})
    definition = sweeps.adhoc(algorithm, environment, spans, seeds, name, agents_per_actor)
    return carry_out(definition, results, backend=backend, address=address)


def sweep(
    reference: str | Path,
    *,
    seeds: Any = None,
    agents_per_actor: int | str | None = None,
    backend: Backend = "ray",
    results: str | Path = "results",
    address: str | None = None,
    retry_failed: bool = False,
    **overrides: Any,
) -> "Results":
    """Run what is missing of a shipped sweep or a YAML file and return the results folder. Overrides as in ``run``."""
    definition = sweeps.load(str(reference), _spans(overrides), seeds)
    found = carry_out(
        definition, results, backend=backend, address=address, per_actor=agents_per_actor, retry_failed=retry_failed
    )
    if definition.claims:
        found.judge(definition.name)
    return found


def carry_out(
    definition: Sweep,
    results: str | Path,
    *,
    backend: Backend = "ray",
    address: str | None = None,
    per_actor: Any = None,
    retry_failed: bool = False,
    announce: Callable[[Plan], None] = lambda planned: None,
    quiet: bool = False,
    logged: bool = False,
    on_failure: Callable[[Failure], None] | None = None,
) -> "Results":
    """Plan a sweep against a results folder and run what is missing; who asked for it judges its claims.

    ``logged``: what libraries say meanwhile goes to the sweep's log and not to the terminal.
    """
    with joined(address, definition) if backend == "ray" else nullcontext(None) as nodes:
        planned = plan(definition, existing(results), backend, per_actor, retry_failed, nodes)
        store = Store.open(results, create=True)
        announce(planned)
        log_to = logfile.place(store.folder, definition.name) if logged and planned.tasks else None
        with logfile.kept(log_to, definition.name) if log_to else nullcontext(sys.stderr) as stream:
            if log_to:
                print(f"Log: {log_to}", file=stream)
            with _progress(planned, quiet, stream) as progress:
                execute(planned, store, backend, address, progress, on_failure)
    return Results(results)


def _progress(planned: Plan, quiet: bool, stream: TextIO) -> Progress:
    cases: dict[str, list[str]] = {}
    for case, cell in planned.sweep.cells:
        cases.setdefault(case, []).append(cell.id)
    todo = {task.cell.id: task.seeds for task in planned.tasks}
    weights = {task.cell.id: effort(task, planned.agents_per_actor) for task in planned.tasks}
    return Progress(planned.sweep.name, Tally(cases, todo, weights), planned.finished, planned.total, quiet, stream)


def _spans(given: dict[str, Any]) -> dict[str, list[Any]]:
    """Settings as lists of values, ``env__states`` written ``env.states``."""
    return {key.replace("__", "."): value if isinstance(value, list) else [value] for key, value in given.items()}
