"""Blocks of tabular reciprocity (arXiv:2304.05632, eq. 5-6): the agents, and the trajectory that they may share."""

from collections.abc import Mapping
from typing import TypedDict, Unpack

import numpy as np

from algorithms.policy_reciprocity.adjacency import Metric, Weights, adjacency
from algorithms.policy_reciprocity.kernels import (
    Learners,
    Operators,
    Process,
    Rates,
    Readers,
    Sums,
    follow,
    private_steps,
    shared_steps,
    type_sums,
)
from envs.grids.observed import ObservedBlock
from orchestrator.core import Block

#: Sums that are not read.
NOTHING = np.empty((0, 0, 0))
#: Operators that are not used.
NO_OPERATORS = Operators(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


class RoundSettings(TypedDict):
    """What every agent is sent about a round besides the tables of others."""

    kappa: float
    alpha: float
    tau_1: float
    beta: float
    tau_2: float
    epsilon: float
    steps: int
    near: tuple[Metric, float, Weights]  # metric, level and weights of the adjacency


class Tables(Block):
    """n agents with tables of action values. State: table [n, S, A], visits [n, S, A]."""

    persistent = ("table", "visits")

    def start(self) -> None:
        self.table = self.zeros(self.problem.states, self.problem.actions)
        self.visits = np.zeros(self.table.shape, np.int64)

    @property
    def types(self) -> np.ndarray:
        """Observation type of each member, int64 [n]."""
        return self.problem.type_of[self.members.start : self.members.stop]

    def tables(self) -> dict[str, np.ndarray]:
        """Tables [n, S, A]."""
        return {"table": self.table}

    def rows(self) -> dict[str, np.ndarray]:
        """What neighbours receive: tables [n, S, A], and observation types [n] if there is more than one."""
        return {"table": self.table} | ({"type": self.types} if self.problem.types > 1 else {})

    def sums_of_all(self, sums: np.ndarray) -> Sums:
        """The sums [T, S, A] over all agents of each type, which every member reads."""
        members = np.bincount(self.problem.type_of, minlength=self.problem.types)
        return Sums(np.array(sums[None]), members[None])

    def sums_of_neighbours(self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> Sums:
        """The sums of the neighbours' tables in a halo."""
        table = np.array(halo["table"])
        types = np.array(halo["type"]) if "type" in halo else np.zeros(len(table), np.int64)
        return type_sums(table, types, Readers(np.array(indptr), np.array(indices)), self.problem.types)

    def learning(self, settings: RoundSettings) -> tuple[Operators, Rates]:
        """The operators and step sizes of a round, as the kernels take them."""
        p, operators = settings, NO_OPERATORS
        if p["beta"] > 0 and p["kappa"] < 1:
            built = adjacency(self.problem, *p["near"])
            operators = Operators(built.indptr, built.indices, built.weights)
        return operators, Rates(p["alpha"], p["tau_1"], p["beta"], p["tau_2"], p["epsilon"], p["steps"])


class TableAgents(Tables):
    """n agents, each in its own copy of the environment. State: also position [n], clock [n] (steps of the episode)."""

    persistent = (*Tables.persistent, "position", "clock")

    def start(self) -> None:
        super().start()
        process = self.process()
        self.position = process.starts[process.start_of, self.integers(process.starts.shape[1])]
        self.clock = np.zeros(self.n, np.int64)

    def learn(
        self,
        sums: np.ndarray = NOTHING,
        path: np.ndarray | None = None,
        reply: bool = True,
        **settings: Unpack[RoundSettings],
    ) -> dict[str, np.ndarray] | None:
        """A round on the complete graph, given the tables' sums [T, S, A] over all agents of each type."""
        self._steps(self.sums_of_all(sums), path, settings)
        return self.tables() if reply else None

    def learn_from(
        self,
        halo: Mapping[str, np.ndarray],
        indptr: np.ndarray,
        indices: np.ndarray,
        path: np.ndarray | None = None,
        reply: bool = True,
        **settings: Unpack[RoundSettings],
    ) -> dict[str, np.ndarray] | None:
        """A round given the rows of each agent's neighbours, its own among them."""
        self._steps(self.sums_of_neighbours(halo, indptr, indices), path, settings)
        return self.tables() if reply else None

    def _steps(self, sums: Sums, path: np.ndarray | None, settings: RoundSettings) -> None:
        operators, rates = self.learning(settings)
        process, learners, kappa = self.process(), self.learners(), settings["kappa"]
        if path is None:
            touched = np.empty((self.n, rates.steps, 2), np.int64)
            private_steps(process, sums, operators, kappa, rates, learners, touched)
        else:
            shared_steps(np.array(path), process, sums, operators, kappa, rates, learners)

    def process(self) -> Process:
        """The environment of the members, as the kernels take it."""
        return process_of(self.env, self.n)

    def learners(self) -> Learners:
        """The members' own arrays, as the kernels take them."""
        return Learners(self.table, self.visits, self.position, self.clock, self.rng)


class Trajectory(Block):
    """The common trajectory of the shared coupling (a group of one member). State: position [1]."""

    persistent = ("position",)

    def start(self) -> None:
        self.position = self.integers(self.problem.states)

    def walk(self, value: np.ndarray, epsilon: float, steps: int) -> dict[str, np.ndarray]:
        """``steps`` transitions, epsilon-greedy in ``value`` [S, A]: (s, a, s'), int64 [1, steps, 3]."""
        path = np.empty((1, steps, 3), np.int64)
        follow(process_of(self.env, self.n), np.array(value), epsilon, self.position, self.rng, path)
        return {"path": path}


def process_of(env: ObservedBlock, members: int) -> Process:
    """An environment's tables as the kernels take them; ``starts`` has a row for each kind of start."""
    start_of = np.zeros(members, np.int64) if env.start_of is None else env.start_of
    return Process(
        probability=env.probability,
        alias=env.alias,
        successor=env.successor,
        terminal=env.terminal,
        reward=env.reward,
        reward_of=env.reward_of,
        noise=env.noise,
        gamma=env.gamma,
        type_of=env.type_of,
        observed=env.observed,
        starts=np.atleast_2d(env.starts),
        start_of=start_of,
        limit=env.limit,
    )
