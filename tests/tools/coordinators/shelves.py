"""Two groups that act at once, arrays scattered over them, and shared arrays: an inventory that is counted by hand."""

import numpy as np

from orchestrator.core import Block, Call, Coordinator, Environment, Parameters, ordered_sum


class NowhereParameters(Parameters):
    """No parameters."""


class Nowhere(Environment):
    """An environment in which nothing happens."""

    name, kind = "nowhere", "nothing"
    Parameters = NowhereParameters

    def block(self, members: range) -> tuple[int, ...]:
        return tuple(members)


class Porters(Block):
    """Porter i starts with i + 1 boxes."""

    persistent = ("boxes",)

    def start(self) -> None:
        self.boxes = np.array(self.env, dtype=np.float64) + 1

    def report(self) -> dict[str, np.ndarray]:
        return {"boxes": self.boxes}

    def receive(self, amount: np.ndarray, bonus: np.ndarray) -> None:
        """Own share of what was scattered, and twice the common bonus [1]."""
        self.boxes = self.boxes + amount + 2 * bonus[0]


class Shelves(Block):
    """Shelf j starts with 10 j boxes."""

    persistent = ("boxes",)

    def start(self) -> None:
        self.boxes = 10.0 * np.array(list(self.members))

    def report(self) -> dict[str, np.ndarray]:
        return {"boxes": self.boxes}

    def move(self, change: np.ndarray) -> dict[str, np.ndarray]:
        """Add rows ``change`` [n, 2] and reply with the new stock."""
        self.boxes = self.boxes + change[:, 0] - change[:, 1]
        return {"boxes": self.boxes}


class Inventory(Coordinator):
    """Each round: both groups report at once; then porters get each other's boxes in reverse, shelves move theirs.

    There is one shelf more than twice the porters.
    """

    name = "inventory"
    Parameters = Parameters
    kinds = ("nothing",)
    metrics = {"porters": "boxes with porters", "shelves": "boxes on shelves", "last": "boxes on the last shelf"}
    calls_per_round = 4
    persistent = ("seen",)

    def groups(self):
        return {"agents": self.agents, "shelves": 2 * self.agents + 1}

    def blocks(self):
        return {"agents": Porters, "shelves": Shelves}

    def start(self) -> None:
        self.seen = 0.0

    def round(self):
        porters, shelves = yield Call("report"), Call("report", on="shelves")
        self.seen = float(ordered_sum(shelves["boxes"]))
        bonus = np.array([0.5])
        nothing, moved = yield (
            Call("receive", shared={"bonus": bonus}, scattered={"amount": porters["boxes"][::-1]}, agent_steps=3),
            Call(
                "move",
                on="shelves",
                scattered={"change": np.stack([shelves["boxes"], np.arange(7.0)[: len(shelves["boxes"])]], axis=1)},
            ),
        )
        assert nothing is None
        self.seen += float(moved["boxes"][-1])

    def measure(self):
        porters, shelves = yield (Call("report"), Call("report", on="shelves"))
        boxes = shelves["boxes"]
        return {
            "porters": float(ordered_sum(porters["boxes"])),
            "shelves": float(ordered_sum(boxes)),
            "last": float(boxes[-1]) + self.seen,
        }

    def measure_agents(self):
        porters = yield Call("report")
        return {"boxes": porters["boxes"]}
