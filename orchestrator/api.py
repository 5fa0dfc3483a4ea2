"""What a notebook uses: ``run`` and ``sweep``. The command line is thin above it."""

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TextIO, cast

from orchestrator.cluster.connection import cluster_nodes, ray_connection
from orchestrator.errors import UserError
from orchestrator.execution import execute
from orchestrator.fleet.base import Failure
from orchestrator.planning import stored, sweeps
from orchestrator.planning.batches import effort
from orchestrator.planning.plain import is_list, to_plain
from orchestrator.planning.plan import Backend, Plan, plan
from orchestrator.planning.seeds import waiting
from orchestrator.planning.sweep import Sweep
from orchestrator.planning.sweeps import Packing
from orchestrator.plugins import registry
from orchestrator.progress import logfile
from orchestrator.progress.lines import Progress
from orchestrator.progress.tally import Tally
from orchestrator.results import Results
from orchestrator.store import Store
from orchestrator.store.store import existing

log = logging.getLogger("orchestrator")


def run(
    algorithm: str | type,
    environment: str | type,
    *,
    agents: object = 1,
    rounds: int = 1000,
    seeds: object = "0..7",
    agents_per_actor: Packing = 1,
    backend: Backend = "ray",
    results: str | Path = "results",
    name: str | None = None,
    address: str | None = None,
    record: Mapping[str, object] | None = None,
    **settings: object,
) -> Results:
    """Run one algorithm on one environment. Returns the results folder, in which the run is the sweep ``name``.

    ``algorithm`` and ``environment`` are names, ``./file.py:Name`` or classes. A setting is a value, or a list, tuple,
    range or array of values to span. Parameters of the environment are written ``env__states=50``.
    ``agents_per_actor=1`` is one process per agent. ``backend="inline"`` never starts Ray. ``record`` says when the run
    is measured: ``every`` (rounds), ``per_decade`` (rows), ``agents`` (final metrics of each agent). Raises
    ``UserError`` for unknown names and for values that do not fit.
    """
    spans = _spans({"agents": agents, "rounds": rounds, **settings})
    names = _reference(algorithm), _reference(environment)
    definition = sweeps.adhoc(*names, spans, to_plain(seeds), name, cast(Packing, to_plain(agents_per_actor)), record)
    return carry_out(definition, results, backend=backend, address=address)


def sweep(
    reference: str | Path,
    *,
    seeds: object = None,
    agents_per_actor: Packing | None = None,
    backend: Backend = "ray",
    results: str | Path = "results",
    address: str | None = None,
    retry_failed: bool = False,
    **overrides: object,
) -> Results:
    """Run what is missing of a shipped sweep or a YAML file, and judge its claims. Returns the results folder.

    Overrides are written as the settings of ``run``.
    """
    definition = sweeps.load(str(reference), _spans(overrides), to_plain(seeds))
    folder = carry_out(
        definition, results, backend=backend, address=address, per_actor=agents_per_actor, retry_failed=retry_failed
    )
    if definition.claims:
        folder.judge(definition.name)
    return folder


def carry_out(
    definition: Sweep,
    results: str | Path,
    *,
    backend: Backend = "ray",
    address: str | None = None,
    per_actor: Packing | None = None,
    retry_failed: bool = False,
    announce: Callable[[Plan], None] = lambda planned: None,
    quiet: bool = False,
    logged: bool = False,
    on_failure: Callable[[Failure], None] | None = None,
) -> Results:
    """Plan a sweep against a results folder and run what is missing.

    Its claims are not judged, unless its seeds grow until they are decided: then they are judged after each batch.
    With ``logged``, what libraries print during the run goes to the sweep's log instead of the terminal.
    """
    with ExitStack() as stack:
        nodes = stack.enter_context(cluster_nodes(address, definition)) if backend == "ray" else None
        first = begun(definition, existing(results))
        part: Sweep | None = first
        while part is not None:
            planned = plan(part, existing(results), backend, per_actor, retry_failed and part is first, nodes)
            store = Store.open(results, create=True)
            for text in planned.warnings if part is first else ():
                log.warning(text)
            announce(planned)
            if part.until and planned.tasks and backend == "ray":
                stack.enter_context(ray_connection(address))  # one for all batches
            log_to = logfile.log_path(store.folder, part.name) if logged and planned.tasks else None
            with logfile.kept(log_to, part.name) if log_to else nullcontext(sys.stderr) as stream:
                if log_to:
                    print(f"Log: {log_to}", file=stream)
                with _progress(planned, quiet, stream) as progress:
                    execute(planned, store, backend, address, progress, on_failure)
            part = _next_batch(part, store)
    return Results(results)


def begun(definition: Sweep, store: Store | None) -> Sweep:
    """The sweep with the seeds of the batch that its last run had begun, where its seeds grow."""
    return stored.begun(definition, store.folder.read(f"sweeps/{definition.name}.json") if store else None)


def _next_batch(definition: Sweep, store: Store) -> Sweep | None:
    """The sweep with one more batch of seeds, if a claim waits for them; None if not."""
    if not definition.until or len(definition.seeds) >= definition.until.at_most:
        return None
    verdicts = Results(store.location).judge(definition.name)
    planned = [row | {"seed": 0} for row in definition.rows]
    return (
        definition.grown(len(definition.seeds) + 1) if waiting(definition.checked_claims, verdicts, planned) else None
    )


def _progress(planned: Plan, quiet: bool, stream: TextIO) -> Progress:
    cases: dict[str, list[str]] = {}
    for case, cell in planned.sweep.cells:
        cases.setdefault(case, []).append(cell.id)
    todo = {task.cell.id: task.seeds for task in planned.tasks}
    weights = {task.cell.id: effort(task, planned.agents_per_actor) for task in planned.tasks}
    return Progress(planned.sweep.name, Tally(cases, todo, weights), planned.finished, planned.total, quiet, stream)


def _spans(settings: Mapping[str, object]) -> dict[str, list[object]]:
    """Settings as lists of values, ``env__states`` written ``env.states``."""
    values = {key.replace("__", "."): to_plain(value) for key, value in settings.items()}
    return {key: value if is_list(value) else [value] for key, value in values.items()}


def _reference(plugin: str | type) -> str:
    """The name of an algorithm or environment; of a class, the name of its file and itself."""
    if isinstance(plugin, str):
        return plugin
    if (known := registry.name_of(plugin)) is not None:
        return known
    file = getattr(sys.modules.get(plugin.__module__), "__file__", None)
    if file is None:
        raise UserError(
            f"{plugin.__name__} is not in a file, so no other process could import it. Write it to a file, in a "
            f"notebook with %%writefile own.py, and pass './own.py:{plugin.__name__}'."
        )
    return f"{file}:{plugin.__name__}"
