"""What the tests of tabular reciprocity share: small runs, and the algorithm once more in plain Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from orchestrator.core import Fusible
from orchestrator.core.declared import assign
from orchestrator.core.kernels import draw_alias, draw_integer, uniform
from orchestrator.core.rounds import Exchange
from orchestrator.core.streams import member_streams
from orchestrator.fleet.inline import InlineFleet
from orchestrator.planning.cells import make_cell
from orchestrator.planning.tasks import Task
from orchestrator.running.drive import Outcome, run_task
from orchestrator.running.lockstep import Replica, converse

ROOMS = f"{Path(__file__).parent / 'rooms.py'}:Rooms"
SMALL = {"agents": 6, "rounds": 40}
SIZES: dict[str, dict[str, Any]] = {
    "digital": {"env.states": 5},
    ROOMS: {},
    "navigation": {"env.size": 3, "env.limit": 8},
    "blocker": {"agents": 3, "env.columns": 3, "env.rows": 3, "env.limit": 5},
}


def task(algorithm: str, environment: str = "digital", seeds: Sequence[int] = (0, 1), **settings: Any) -> Task:
    """A small cell. Names with a dot are written with two underscores."""
    given = SMALL | SIZES[environment] | {name.replace("__", "."): value for name, value in settings.items()}
    every = 13 if given["rounds"] < 1000 else "auto"  # leaps of more than one round
    return Task(make_cell(algorithm, environment, given, {"every": every, "agents": True}), tuple(seeds))


class Counting(InlineFleet):
    """Hosts in this process that count the calls of each method."""

    def __init__(self, hosts: int = 1):
        super().__init__(hosts)
        self.asked: list[str] = []

    def call(self, requests: Any) -> Any:
        self.asked += [request.method for request in requests]
        return super().call(requests)


def run(of: Task, hosts: int = 1, fuse: bool = True) -> tuple[Outcome, Counting]:
    """The finished run of every seed, and the fleet with its blocks."""
    fleet = Counting(hosts)
    outcome = run_task(of, fleet, fuse=fuse)
    assert {replica.status for replica in outcome.replicas} == {"done"}, outcome.replicas[0].error
    return outcome, fleet


def everything(ran: tuple[Outcome, Counting]) -> str:
    """All that a run has computed: equal texts mean equal bits, since the repr of a float is exact."""
    outcome, fleet = ran
    results: list[Any] = []
    for replica in outcome.replicas:
        agents = {name: values.tolist() for name, values in replica.agents.items()}
        state = {name: np.asarray(value).tolist() for name, value in replica.coordinator.state().items()}
        results.append((replica.recorder.rows(), replica.recorder.summary(), replica.traffic, agents, state))
    states = [(where, {k: v.tolist() for k, v in state.items()}) for where, state in sorted(fleet.states().items())]
    return repr((results, states))


def tables(ran: tuple[Outcome, Counting], seed: int = 0) -> np.ndarray:
    """Tables [N, S, A] at the end."""
    return ran[1].states()[seed, "agents"]["table"]


def values(ran: tuple[Outcome, Counting], metric: str) -> list[float]:
    """A metric at the end, seed by seed."""
    return [replica.recorder.summary()[f"{metric}_final"] for replica in ran[0].replicas]


class Stepwise:
    """One seed of a task, driven round by round."""

    def __init__(self, of: Task, hosts: int = 1):
        self.fleet, self.of, self.seed = InlineFleet(hosts), of, of.seeds[0]
        self.fleet.load(of, None)
        self.coordinator = of.coordinator(self.seed)
        self.coordinator.start()
        self.replica = Replica(self.seed, self.coordinator)

    def round(self) -> None:
        converse(self.fleet, self.of.sizes, [(self.replica, self.coordinator.round)], charged=True)
        assert not self.replica.error, self.replica.error
        assign(self.coordinator, "completed", self.coordinator.completed + 1)

    def leap(self, rounds: int) -> None:
        assert isinstance(self.coordinator, Fusible)
        self.coordinator.leap(self.fleet.sole_blocks(self.seed) or {}, rounds)
        assign(self.coordinator, "completed", self.coordinator.completed + rounds)

    def poison(self, member: int) -> None:
        """Every value in this member's table becomes NaN."""
        for host in self.fleet.hosts:
            for (_, group), block in host.blocks.items():
                if group == "agents" and member in block.members:
                    block.table[member - block.members.start] = np.nan  # pyright: ignore[reportAttributeAccessIssue]

    def measure(self) -> Any:
        """The metrics of the present state."""
        talks = [(self.replica, self.coordinator.measure)]
        return cast("dict[str, float]", converse(self.fleet, self.of.sizes, talks, charged=False)[self.seed])

    def measure_agents(self) -> Any:
        """Those of each agent."""
        talks = [(self.replica, self.coordinator.measure_agents)]
        return cast("dict[str, np.ndarray]", converse(self.fleet, self.of.sizes, talks, charged=False)[self.seed])

    def set(self, group: str, **arrays: Any) -> None:
        """Overwrite arrays of a group that one block holds."""
        blocks = self.fleet.sole_blocks(self.seed)
        assert blocks is not None
        block = blocks[group]
        for name, array in arrays.items():
            now = getattr(block, name)
            now[:] = np.reshape(array, now.shape)

    @property
    def state(self) -> dict[str, np.ndarray]:
        return self.fleet.states()[self.seed, "agents"]

    @property
    def stage(self) -> np.ndarray:
        """State of a team's environment, int64 [width]."""
        return self.fleet.states()[self.seed, "environment"]["state_now"][0]


def one_round(coordinator: Any, block: Any) -> None:
    """Drive ``round()`` against the one block that holds everyone."""
    talk, reply = coordinator.round(), None
    try:
        while True:
            call = talk.send(reply)
            if isinstance(call, Exchange):
                indptr, indices = call.graph.within(call.hops)
                halo = {name: rows.copy() for name, rows in block.rows().items()}
                reply = block.learn_from(halo=halo, indptr=indptr, indices=indices, **call.shared)
            else:
                reply = getattr(block, call.method)(**call.shared)
    except StopIteration:
        assign(coordinator, "completed", coordinator.completed + 1)


class ByTheBook:
    """Algorithm 1 in plain Python, one agent and one neighbour at a time; only the raw draws are the engine's."""

    def __init__(self, problem: Any, agents: int, seed: int, near: dict[int, list[int]], **p: Any):
        self.problem, self.n, self.near, self.p = problem, agents, near, p
        self.q = [[[0.0] * problem.actions for _ in range(problem.states)] for _ in range(agents)]
        self.k = [[[0] * problem.actions for _ in range(problem.states)] for _ in range(agents)]
        self.rng = member_streams(seed, "agents", "steps", range(agents))
        self.w: dict[tuple[int, int, int], dict[int, float]] = {}
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """Where everyone starts."""
        self.env = self.problem.block(range(self.n))
        first = member_streams(seed, "agents", "start integers", range(self.n))
        starts = self.env.starts
        self.at = [int(starts[draw_integer(len(starts), first, i)]) for i in range(self.n)]
        self.clock = [0] * self.n
        self.shared = getattr(self.problem, "shared", False)
        self.walker_rng = member_streams(seed, "environment", "steps", [0])
        first = member_streams(seed, "environment", "start integers", [0])
        self.walker = draw_integer(self.problem.states, first, 0)

    def operator(self, t: int, u: int, s: int) -> dict[int, float]:
        """Row s of W_{t <- u} as {state: weight}, from Definitions 1 to 3."""
        if (t, u, s) not in self.w:
            away = {other: self.distance(t, u, s, other) for other in range(self.problem.states)}
            close = {other: d for other, d in away.items() if d <= self.p.get("rho", self.problem.adjacency[1])}
            exponential = self.p.get("weights") == "exponential"
            raw = {o: np.exp(self.problem.dimension - d) if exponential else 1.0 for o, d in close.items()}
            self.w[t, u, s] = {o: weight / sum(raw.values()) for o, weight in raw.items()}
        return self.w[t, u, s]

    def distance(self, t: int, u: int, s: int, other: int) -> float:
        metric = self.p.get("adjacency", self.problem.adjacency[0])
        if metric == "index":
            return abs(s - other)
        one = dict(zip(self.problem.seen[t].tolist(), self.problem.coordinates[t][s].tolist(), strict=True))
        two = dict(zip(self.problem.seen[u].tolist(), self.problem.coordinates[u][other].tolist(), strict=True))
        if metric == "shared":
            return sum(one[c] != two[c] for c in one.keys() & two.keys())
        return sum(one.get(c, 0) != two.get(c, 0) for c in one.keys() | two.keys())

    def star(self, before: list, kappa: float, i: int, s: int, a: int) -> float:
        """Equation 6 for agent i."""
        kind = self.problem.type_of
        same = [before[j][s][a] for j in self.near[i] if kind[j] == kind[i]]
        smooth = [
            sum(weight * before[j][o][a] for o, weight in row.items())
            for j in self.near[i]
            if (row := self.operator(kind[i], kind[j], s))
        ]
        exact = sum(same) / len(same)
        return kappa * exact + (1 - kappa) * (sum(smooth) / len(smooth) if smooth else exact)

    def act(self, values: list[float], rng: np.ndarray, i: int) -> int:
        if uniform(rng, i) < self.p["epsilon"]:
            return int(draw_integer(len(values), rng, i))
        best = [a for a, value in enumerate(values) if value == max(values)]
        return best[0] if len(best) == 1 else best[draw_integer(len(best), rng, i)]

    def step_size(self, constant: str, scale: str, exponent: str, visits: int) -> float:
        if constant in self.p:
            return self.p[constant]
        return self.p[scale] / (visits + 1) ** self.p[exponent]

    def draw(self, at: int, a: int, rng: np.ndarray, i: int) -> int:
        column = draw_alias(self.env.probability[at, a], self.env.alias[at, a], rng, i)
        return int(self.env.successor[at, a, column])

    def learn(self, before: list, kappa: float, i: int, at: int, a: int, ahead: int) -> None:
        """Equation 5 for agent i after the transition from full state ``at`` to ``ahead``."""
        env, t = self.env, self.problem.type_of[i]
        s = env.observed[t, at]
        target = env.reward[env.reward_of[i], at, a] + env.noise * (2 * uniform(self.rng, i) - 1)
        if not env.terminal[ahead]:
            target += env.gamma * max(self.q[i][env.observed[t, ahead]])
        self.update(before, kappa, i, s, a, target)

    def update(self, before: list, kappa: float, i: int, s: int, a: int, target: float) -> None:
        """Equation 5 for agent i at one pair."""
        alpha = self.step_size("alpha", "a", "tau_1", self.k[i][s][a])
        beta = self.step_size("beta", "b", "tau_2", self.k[i][s][a])
        q = self.q[i][s][a]
        self.q[i][s][a] = (1 - alpha) * q + alpha * target + beta * (self.star(before, kappa, i, s, a) - q)
        self.k[i][s][a] += 1

    def copies(self) -> list:
        """All tables as they are before a round."""
        return [[list(row) for row in table] for table in self.q]

    def kappa(self, t: int) -> float:
        """The mixing weight of round t."""
        return 1 - (1 - self.p["kappa"]) / (t + 1) ** self.p.get("kappa_schedule", 0)

    def round(self, t: int) -> None:
        kappa, before = self.kappa(t), self.copies()
        if self.shared:
            states, actions = range(self.problem.states), range(self.problem.actions)
            mean = [[sum(table[s][a] for table in before) / self.n for a in actions] for s in states]
            for _ in range(self.p["local_steps"]):
                a = self.act(mean[self.walker], self.walker_rng, 0)
                ahead = self.draw(self.walker, a, self.walker_rng, 0)
                for i in range(self.n):
                    self.learn(before, kappa, i, self.walker, a, ahead)
                self.walker = ahead
            return
        for i in range(self.n):
            for _ in range(self.p["local_steps"]):
                self.alone(before, kappa, i)

    def alone(self, before: list, kappa: float, i: int) -> None:
        """A step of agent i in its own copy."""
        env, at = self.env, self.at[i]
        a = self.act(self.q[i][env.observed[self.problem.type_of[i], at]], self.rng, i)
        ahead = self.draw(at, a, self.rng, i)
        self.learn(before, kappa, i, at, a, ahead)
        self.clock[i] += 1
        if env.terminal[ahead] or self.clock[i] == env.limit:
            ahead = int(env.starts[draw_integer(len(env.starts), self.rng, i)])
            self.clock[i] = 0
        self.at[i] = ahead
