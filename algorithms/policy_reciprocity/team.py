"""A team in one joint environment: the blocks of environment and agents, and rounds in one compiled loop."""

from collections.abc import Mapping
from typing import NamedTuple, Unpack

import numpy as np

from algorithms.policy_reciprocity.kernels import (
    behave,
    largest,
    reciprocal_value,
    refresh,
    type_sums,
    updated,
    visit_step,
)
from algorithms.policy_reciprocity.rounds import mixing_weight
from algorithms.policy_reciprocity.tables import NOTHING, RoundSettings, Tables
from envs.grids.team_kernels import TeamWorld, observe_team, start_team, step_team
from orchestrator.core import Block, kernel


class Team(NamedTuple):
    """The arrays of n agents of one team."""

    type_of: np.ndarray  # int64 [n], observation type
    table: np.ndarray  # float64 [n, S, A]
    visits: np.ndarray  # int64 [n, S, A]
    rng: np.ndarray  # uint64 [n, 4]


class Episode(NamedTuple):
    """The running episode of the joint environment."""

    world: TeamWorld
    state: np.ndarray  # int64 [1, width]
    rng: np.ndarray  # uint64 [1, 4]


class Moves(NamedTuple):
    """One joint step of n agents and its outcome."""

    row: np.ndarray  # int64 [n], table row in which each agent acted
    action: np.ndarray  # int64 [n]
    ahead: np.ndarray  # int64 [n], table row that the step led to
    reward: float  # the team's
    done: bool  # the episode has ended


class Stage(Block):
    """The joint environment (a group of one member). State: state [1, width], the running episode."""

    persistent = ("state_now",)

    def start(self) -> None:
        self.world: TeamWorld = self.problem.world()
        self.state_now = np.zeros((1, self.problem.width), np.int64)
        start_team(self.world, self.state_now, self.rng, 0)

    def observe(self) -> dict[str, np.ndarray]:
        """The table row that every agent is in, int64 [1, N]."""
        row = np.empty((1, self.problem.agents), np.int64)
        observe_team(self.world, self.state_now, 0, row[0])
        return {"row": row}

    def step(self, actions: np.ndarray) -> dict[str, np.ndarray]:
        """One joint step. ``ahead`` [1, N] are the table rows after it, ``row`` [1, N] those of the next step."""
        ahead, row = np.empty((2, 1, self.problem.agents), np.int64)
        reward, done = advance(self.episode(), np.array(actions), ahead[0], row[0])
        return {"ahead": ahead, "row": row, "reward": np.array([reward]), "done": np.array([float(done)])}

    def episode(self) -> Episode:
        """The running episode, as the kernels take it."""
        return Episode(self.world, self.state_now, self.rng)


class TeamAgents(Tables):
    """n agents of one team. State: table [n, S, A], visits [n, S, A]."""

    def receive_sums(self, sums: np.ndarray) -> None:
        """Keep what Q_* of this round needs on the complete graph: the sums [T, S, A] over all agents of each type."""
        self.sums = self.sums_of_all(sums)

    def receive_rows(self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> None:
        """Keep what Q_* of this round needs: the rows of each agent's neighbours, its own among them."""
        self.sums = self.sums_of_neighbours(halo, indptr, indices)

    def act(self, row: np.ndarray, epsilon: float) -> dict[str, np.ndarray]:
        """An epsilon-greedy action of each agent in its table row, int64 [n]."""
        action = np.empty(self.n, np.int64)
        choose(self.table, np.array(row), epsilon, self.rng, action)
        return {"action": action}

    def update(
        self,
        row: np.ndarray,
        action: np.ndarray,
        ahead: np.ndarray,
        reward: float,
        done: bool,
        **settings: Unpack[RoundSettings],
    ) -> None:
        """The update of every agent after one joint step from ``row`` to ``ahead``, int64 [n]."""
        operators, rates = self.learning(settings)
        sums = self.sums if rates.beta > 0 else self.sums_of_all(NOTHING)
        moves = Moves(np.array(row), np.array(action), np.array(ahead), reward, done)
        touched = np.empty((self.n, rates.steps, 2), np.int64)
        learn(moves, self.problem.gamma, sums, operators, settings["kappa"], rates, self.team(), touched, 0)

    def team(self) -> Team:
        """The members' own arrays, as the kernels take them."""
        return Team(self.types, self.table, self.visits, self.rng)


@kernel
def advance(episode, actions, ahead, row):
    """One joint step, and a fresh episode where one ended or was cut short. Returns (reward, done)."""
    world, state, rng = episode
    reward, done, cut = step_team(world, state, 0, actions)
    observe_team(world, state, 0, ahead)
    if done or cut:
        start_team(world, state, rng, 0)
    observe_team(world, state, 0, row)
    return reward, done


@kernel
def choose(table, row, epsilon, rng, action):
    """An epsilon-greedy action of every agent into ``action`` int64 [n]."""
    for i in range(table.shape[0]):
        action[i] = behave(table[i, row[i]], epsilon, rng, i)


@kernel
def learn(moves, gamma, sums, operators, kappa, rates, team, touched, step):
    """Equation 5 for every agent at its (row, action), with the team's reward; see ``kernels.private_steps``."""
    table, visits = team.table, team.visits
    for i in range(table.shape[0]):
        s, a = moves.row[i], moves.action[i]
        target = moves.reward
        if not moves.done:
            target += gamma * largest(table[i, moves.ahead[i]])
        pull = table[i, s, a]
        if rates.beta > 0.0:
            m = i if sums.values.shape[0] > 1 else 0
            pull = reciprocal_value(sums, m, operators, kappa, team.type_of[i], s, a)
        alpha_k = visit_step(rates.alpha, visits[i, s, a], rates.tau_1)
        beta_k = visit_step(rates.beta, visits[i, s, a], rates.tau_2)
        table[i, s, a] = updated(table[i, s, a], target, pull, alpha_k, beta_k)
        visits[i, s, a] += 1
        touched[i, step, 0], touched[i, step, 1] = s, a


@kernel
def team_rounds(rounds, mixing, types, readers, episode, gamma, operators, rates, team):
    """``rounds`` rounds of a team. Returns the first receiver's sums [T, S, A]."""
    table, type_of = team.table, team.type_of
    n = table.shape[0]
    touched = np.empty((n, rates.steps, 2), np.int64)
    row, ahead, action = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    observe_team(episode.world, episode.state, 0, row)
    sums = type_sums(table, type_of, readers, types)
    for k in range(rounds):
        kappa = mixing_weight(mixing.kappa, mixing.exponent, mixing.t + k)
        for step in range(rates.steps):
            choose(table, row, rates.epsilon, team.rng, action)
            before = row.copy()
            reward, done = advance(episode, action, ahead, row)
            moves = Moves(before, action, ahead, reward, done)
            learn(moves, gamma, sums, operators, kappa, rates, team, touched, step)
        if rates.beta > 0.0:
            refresh(sums.values, table, type_of, readers, touched, False)
    return sums.values[0]
