"""Tasks: a cell with the seeds to run, as plain data from which any process builds the coordinators."""

import contextlib
import traceback
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.core.declared import built
from orchestrator.core.environment import Environment
from orchestrator.core.hooks import checked_cautions, checked_groups, checked_number
from orchestrator.core.rounds import Coordinator
from orchestrator.errors import UserError, asked, ends_process, error_place, line, said, staying
from orchestrator.planning.cells import Cell, origin_of

#: Names in ``Coordinator.resources`` -> Ray's.
RESOURCES = {"cpu": "CPU", "gpu": "GPU"}


@dataclass(frozen=True)
class Outlook:
    """What building a cell's problem once says about its run."""

    memory: float  #: bytes of the environments and of a round's messages, those of all agents together
    calls_per_round: float  #: communications in a round at the most
    warnings: tuple[str, ...]  #: sentences of the environment and the algorithm about these parameters


@dataclass(frozen=True)
class Task:
    """A cell and the seeds to run, as plain data. Any process can build the coordinators from it."""

    cell: Cell
    seeds: tuple[int, ...]

    @cached_property
    def _problems(self) -> dict[int, Environment]:
        return {}

    def problem(self, seed: int) -> Environment:
        """The environment for ``seed``. Seeds with the same instance share one, which is kept until ``release``."""
        cell = self.cell
        instance = getattr(cell.environment_model, "instance", 0)
        instance = seed if instance == "seed" else instance
        if instance not in self._problems:
            if cell.origin and cell.origin != origin_of(cell.environment_class, cell.environment_model):
                raise UserError(
                    f"{cell.environment_class.name} is not the environment here that the sweep was planned with. "
                    "Install the same packages on all machines, and run the command again."
                )
            self._problems[instance] = built(cell.environment_class, cell.environment_model, cell.agents, instance)
        return self._problems[instance]

    def coordinator(self, seed: int) -> Coordinator:
        """A new coordinator for ``seed``, before its start."""
        cell = self.cell
        return built(cell.algorithm_class, cell.algorithm_model, self.problem(seed), cell.agents, cell.rounds, seed)

    def release(self) -> None:
        """Free the problems and their tables. They are built again when they are needed."""
        self._problems.clear()

    @cached_property
    def outlook(self) -> Outlook:
        """Build the first seed's problem and coordinator, and ask them everything that planning needs.

        Raises ``UserError`` for a problem or coordinator that refuses its parameters or fails.
        """
        with self._errors_as_sentences():
            coordinator = self.coordinator(self.seeds[0])
            checked_groups(coordinator)
            return Outlook(
                memory=checked_number("memory of the environment", coordinator.problem.memory)
                + checked_number("memory of the algorithm", coordinator.memory),
                calls_per_round=checked_number("calls_per_round()", coordinator.calls_per_round()),
                warnings=tuple(checked_cautions(coordinator)),
            )

    @contextlib.contextmanager
    def _errors_as_sentences(self) -> Generator[None]:
        environment, algorithm = self.cell.environment_class.name, self.cell.algorithm_class.name
        try:
            with staying():
                yield
        except UserError:
            raise
        except ValueError as error:  # a parameter that does not fit the others
            text = said(error) or type(error).__name__
            raise UserError(text if text.startswith(environment) else f"{environment}: {text}") from error
        except BaseException as error:
            if ends_process(error):
                raise
            where = error_place("".join(traceback.format_exception(error)))
            raise UserError(
                f"{algorithm} on {environment} cannot be built: {type(error).__name__}: {line(error)}{where}."
            ) from error

    @property
    def sizes(self) -> Mapping[str, int]:
        """Size of each group."""
        return self._sizes

    @cached_property
    def _sizes(self) -> Mapping[str, int]:
        for seed in self.seeds:
            with contextlib.suppress(
                Exception, SystemExit, GeneratorExit
            ):  # a seed whose problem cannot be built fails alone, with its error
                return checked_groups(self.coordinator(seed))
        return {"agents": self.cell.agents}

    @property
    def resources(self) -> dict[str, float]:
        """What the trial reserves for its coordinator, by Ray's names."""
        algorithm = self.cell.algorithm_class
        with asked(algorithm.name, "resources()"):
            amounts = dict(algorithm.resources(self.cell.algorithm_model))
            checked = {str(name): checked_number(f"resources() of {name}", amounts[name]) for name in amounts}
        return {RESOURCES.get(name, name): amount for name, amount in checked.items() if amount}

    def hosts(self, agents_per_actor: int | None) -> int:
        """Number of hosts that hold the cell's blocks with so many agents each. None is one host."""
        return 1 if agents_per_actor is None else -(-self.cell.agents // min(agents_per_actor, self.cell.agents))

    def __getstate__(self) -> dict[str, object]:
        return {"cell": self.cell, "seeds": self.seeds}


@dataclass(frozen=True)
class Unit:
    """A task and its packing: what a trial runs in one piece."""

    task: Task
    agents_per_actor: int | None  #: None: in the trial's own process


def unfinished(tasks: Sequence[Task], finished: Collection[tuple[str, int]]) -> list[Task]:
    """The tasks without their finished (cell id, seed) pairs."""
    rest = [Task(task.cell, tuple(s for s in task.seeds if (task.cell.id, s) not in finished)) for task in tasks]
    return [task for task in rest if task.seeds]
