"""One seed of a cell while it runs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TypeVar

import numpy as np

from orchestrator.core.calls import Traffic
from orchestrator.core.declared import assign
from orchestrator.core.hooks import checked_state
from orchestrator.core.rounds import Coordinator
from orchestrator.fleet.base import Failure
from orchestrator.running.checkpoint import Tree
from orchestrator.running.recorder import Recorder

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Replica:
    """One seed of a cell while it runs."""

    seed: int
    algorithm: Coordinator | None  #: None: it could not be built
    recorder: Recorder = field(default_factory=Recorder)
    traffic: Traffic = field(default_factory=Traffic)
    status: str = "running"  #: running, done, diverged or failed
    error: str = ""
    agents: dict[str, np.ndarray] = field(default_factory=dict)  #: final metrics of each agent, if asked for
    on_failure: Callable[[Failure], None] | None = None  #: called when the seed fails
    note: str | None = None  #: warnings of the environment and the algorithm, known at the end

    @property
    def coordinator(self) -> Coordinator:
        """The coordinator of a seed that could be built. Raises ``RuntimeError`` for others."""
        if self.algorithm is None:
            raise RuntimeError(f"seed {self.seed} has no coordinator: {self.error}")
        return self.algorithm

    @property
    def done(self) -> bool:
        """Whether the algorithm says that this seed takes no further round. An answer that is none fails the seed."""
        return self.ask(lambda: bool(self.coordinator.done), True)

    @property
    def fusible(self) -> bool:
        """Whether the algorithm's rounds may be fused."""
        return self.ask(lambda: bool(self.coordinator.fusible), False)

    def ask(self, question: Callable[[], Answer], otherwise: Answer) -> Answer:
        """What the algorithm answers. If its code raises, the seed fails, and the answer is ``otherwise``."""
        try:
            return question()
        except BaseException as error:
            self.fail(Failure.of(error))
            return otherwise

    @property
    def completed(self) -> int:
        """Whole rounds done."""
        return 0 if self.algorithm is None else self.algorithm.completed

    def fail(self, failure: Failure) -> None:
        """Give this seed up; the others go on."""
        self.status = "failed"
        self.error = f"{failure.kind}: {failure.message}\n{failure.trace}"
        if self.on_failure is not None:
            self.on_failure(failure)

    def state(self) -> Tree:
        """What ``load`` takes. A seed whose coordinator cannot give its state fails."""
        own: Tree = {}
        if self.algorithm is not None and self.status != "failed":
            own = self.ask(lambda: checked_state(self.coordinator), {})
        return {
            "coordinator": own,
            "done": self.algorithm is not None and self.done,
            "completed": self.completed,
            "recorder": self.recorder.state(),
            "traffic": asdict(self.traffic),
            "status": self.status,
            "error": self.error,
            "agents": self.agents,
        }

    def load(self, saved: Tree) -> None:
        """Take over what ``state()`` gave."""
        self.recorder.load(saved["recorder"])
        self.traffic = Traffic(**saved["traffic"])
        if self.algorithm is None and saved["status"] == "running":
            return  # it could be built before and now could not: it stays failed
        self.status, self.error, self.agents = saved["status"], saved["error"], saved["agents"]
        if self.algorithm is not None:
            assign(self.algorithm, "completed", saved["completed"])  # one that has ended stays at the round of its end
            self.ask(lambda: self._load_algorithm(saved), None)

    def _load_algorithm(self, saved: Tree) -> None:
        if saved["status"] != "failed":
            self.coordinator.load(saved["coordinator"])
        self.coordinator.done = saved["done"]
