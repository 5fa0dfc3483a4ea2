"""Teams under reciprocity once more in plain Python, their environments included."""

from typing import Any

from orchestrator.core.kernels import draw_integer
from orchestrator.core.streams import member_streams
from tests.tools.reciprocity import ByTheBook

MOVES = ((0, 0), (0, -1), (1, 0), (0, 1), (-1, 0))  # stay, up, right, down, left as (x, y)


class TeamByTheBook(ByTheBook):
    """The same for a team, its environment in plain Python as well."""

    rows: int
    columns: int

    def begin(self, seed: int) -> None:
        self.stage_rng = member_streams(seed, "environment", "steps", [0])
        self.ends = self.cuts = 0
        self.fresh()

    def draw_from(self, choices: list) -> Any:
        return choices[draw_integer(len(choices), self.stage_rng, 0)]

    def fresh(self) -> None:
        """A new episode begins."""
        self.clock, self.cells = 0, self.placed()

    def placed(self) -> list[tuple[int, int]]:
        """Cells (x, y) in which the agents start."""
        raise NotImplementedError

    def moved(self, i: int, action: int) -> tuple[int, int]:
        """Where a move leads if the cell is free."""
        x, y = self.cells[i][0] + MOVES[action][0], self.cells[i][1] + MOVES[action][1]
        return (x, y) if 0 <= x < self.columns and 0 <= y < self.rows else self.cells[i]

    def advance(self, actions: list[int]) -> tuple[float, bool]:
        """The team's reward and whether the episode has ended."""
        raise NotImplementedError

    def coordinates(self, i: int) -> tuple[list[int], list[int]]:
        """All coordinates of the state as they are to agent i, and how many values each has."""
        raise NotImplementedError

    def seen(self) -> list[int]:
        """The table row of each agent: the coordinates that it sees in mixed radix."""
        rows = []
        for i in range(self.n):
            values, sizes = self.coordinates(i)
            row = 0
            for c in self.problem.seen[self.problem.type_of[i]]:
                row = row * sizes[c] + values[c]
            rows.append(row)
        return rows

    def round(self, t: int) -> None:
        kappa, before = self.kappa(t), self.copies()
        for _ in range(self.p["local_steps"]):
            row = self.seen()
            actions = [self.act(self.q[i][row[i]], self.rng, i) for i in range(self.n)]
            reward, done = self.advance(actions)
            self.clock += 1
            ahead = self.seen()
            for i in range(self.n):
                more = 0.0 if done else self.problem.gamma * max(self.q[i][ahead[i]])
                self.update(before, kappa, i, row[i], actions[i], reward + more)
            cut = not done and self.clock == self.problem.limit
            self.ends, self.cuts = self.ends + done, self.cuts + cut
            if done or cut:
                self.fresh()

    @property
    def stage(self) -> list[int]:
        """The state as the kernels write it."""
        return [self.clock, *(c for cell in self.cells for c in cell)]


class NavigationByTheBook(TeamByTheBook):
    """Everyone walks to a goal of its own; the team is paid for each that arrives, less the step's cost."""

    def placed(self) -> list[tuple[int, int]]:
        self.rows = self.columns = size = self.problem.parameters.size
        self.goals = [tuple(goal) for goal in self.problem.goals.tolist()]
        every = [(x, y) for y in range(size) for x in range(size)]
        return [self.draw_from([cell for cell in every if cell != goal]) for goal in self.goals]

    def advance(self, actions: list[int]) -> tuple[float, bool]:
        away = [i for i in range(self.n) if self.cells[i] != self.goals[i]]
        for i in away:
            self.cells[i] = self.moved(i, actions[i])
        arrived = sum(self.cells[i] == self.goals[i] for i in away)
        return arrived / self.n - self.problem.parameters.step_cost, self.cells == self.goals

    def coordinates(self, i: int) -> tuple[list[int], list[int]]:
        return [*self.cells[i], *self.goals[i]], [self.columns] * 4


class BlockerByTheBook(TeamByTheBook):
    """One of three has to get past two blockers, each in its half of the last row but one."""

    def placed(self) -> list[tuple[int, int]]:
        self.rows, self.columns = self.problem.parameters.rows, self.problem.parameters.columns
        self.middle = (self.columns + 1) // 2
        self.halves = range(self.middle), range(self.middle, self.columns)
        self.blockers = [(half[0] + half[-1]) // 2 for half in self.halves]
        free, cells = list(range(self.columns)), []
        for _ in range(3):
            cells.append((self.draw_from(free), 0))
            free.remove(cells[-1][0])
        return cells

    def advance(self, actions: list[int]) -> tuple[float, bool]:
        guarded = self.rows - 2
        for i in range(3):
            to = self.moved(i, actions[i])
            if to not in [*self.cells[:i], *self.cells[i + 1 :], *((x, guarded) for x in self.blockers)]:
                self.cells[i] = to
        if any(y == self.rows - 1 for _, y in self.cells):
            return 1.0, True
        for b, half in enumerate(self.halves):
            x = self.blockers[b]
            nearest = min(self.cells, key=lambda cell: abs(cell[0] - x) + abs(cell[1] - guarded))[0]
            to = x + (nearest > x) - (nearest < x)
            if to in half and (to, guarded) not in self.cells:
                self.blockers[b] = to
        return -1.0, False

    def coordinates(self, i: int) -> tuple[list[int], list[int]]:
        return [c for cell in self.cells for c in cell], [self.columns, self.rows] * 3

    @property
    def stage(self) -> list[int]:
        return [*super().stage, *self.blockers]
