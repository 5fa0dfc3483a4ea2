"""One seed of a cell while it runs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from orchestrator.core.calls import Traffic
from orchestrator.core.declared import assign
from orchestrator.core.rounds import Coordinator
from orchestrator.fleet.base import Failure
from orchestrator.running.checkpoint import Tree
from orchestrator.running.recorder import Recorder


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

    @property
    def coordinator(self) -> Coordinator:
        """The coordinator of a seed that could be built. Raises ``RuntimeError`` for others."""
        if self.algorithm is None:
            raise RuntimeError(f"seed {self.seed} has no coordinator: {self.error}")
        return self.algorithm

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
            try:
                own = self.algorithm.state()
            except Exception as error:
                self.fail(Failure.of(error))
        return {
            "coordinator": own,
            "done": self.algorithm is not None and self.algorithm.done,
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
        if self.algorithm is not None:
            if saved["status"] != "failed":
                self.algorithm.load(saved["coordinator"])
            self.algorithm.done = saved["done"]
            assign(
                self.algorithm, "completed", saved["completed"]
            )  # a seed that has ended stays at the round of its end
        elif saved["status"] == "running":
            return  # it could be built before and now could not: it stays failed
        self.status, self.error, self.agents = saved["status"], saved["error"], saved["agents"]
