"""One joint environment for all agents: the stage that they act on, their block, and their rounds fused."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from algorithms.policy_reciprocity.rounds import mixing_weight, refresh
from algorithms.policy_reciprocity.tables import (
    NOTHING,
    Tables,
    behave,
    largest,
    reciprocal_value,
    type_sums,
    updated,
    visit_step,
)
from envs.grids.team_kernels import observe_team, start_team, step_team
from orchestrator.core import Block, kernel


class Stage(Block):
    """The joint environment (a group of one member). State: state [1, width], the running episode."""

    persistent = ("state_now",)

    def start(self) -> None:
        self.world = self.problem.world().arguments
        self.state_now = np.zeros((1, self.problem.width), np.int64)
        start_team(*self.world, self.state_now, self.rng, 0)

    def observe(self) -> dict[str, np.ndarray]:
        """The table row that every agent is in, int64 [1, N]."""
        row = np.empty((1, self.problem.agents), np.int64)
        observe_team(*self.world, self.state_now, 0, row[0])
        return {"row": row}

    def step(self, actions: np.ndarray) -> dict[str, np.ndarray]:
        """One joint step: the rows that it leads to [1, N], those that go on from there, the reward and the end [1]."""
        ahead, row = np.empty((2, 1, self.problem.agents), np.int64)
        reward, done = advance(*self.world, self.state_now, self.rng, actions, ahead[0], row[0])
        return {"ahead": ahead, "row": row, "reward": np.array([reward]), "done": np.array([float(done)])}


class TeamAgents(Tables):
    """n agents of one team. State: table [n, S, A], visits [n, S, A]."""

    def hear(self, sums: np.ndarray) -> None:
        """Q_* of a round on the complete graph: the tables' sums [T, S, A] over all agents of each type."""
        self.sums, self.heard = sums[None], self.everyone()

    def hear_from(self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> None:
        """Q_* of a round from the rows of each agent's neighbours, its own among them."""
        self.sums, self.heard = self.summed(halo, indptr, indices)

    def act(self, row: np.ndarray, epsilon: float) -> dict[str, np.ndarray]:
        """An epsilon-greedy action of each agent in its table row, int64 [n]."""
        action = np.empty(self.n, np.int64)
        choose(self.table, row, epsilon, self.rng, action)
        return {"action": action}

    def absorb(
        self, row: np.ndarray, action: np.ndarray, ahead: np.ndarray, reward: float, done: bool, **how: Any
    ) -> None:
        """The update of every agent after one joint step from ``row`` to ``ahead``, int64 [n]."""
        talks = how["beta"] > 0
        sums, heard = (self.sums, self.heard) if talks else (NOTHING[None], self.everyone())
        touched = np.empty((self.n, how["steps"], 2), np.int64)
        learn(
            row, action, ahead, reward, done, self.problem.gamma, self.types, sums, heard, *self.learning(**how),
            self.table, self.visits, touched, 0,
        )  # fmt: skip


@kernel
def advance(rule, rows, columns, goals, limit, step_cost, state, rng, actions, ahead, row):
    """One joint step of ``state[0]``, and a fresh episode where one ended or was cut short. Returns (reward, done)."""
    reward, done, cut = step_team(rule, rows, columns, goals, limit, step_cost, state, 0, actions)
    observe_team(rule, rows, columns, goals, limit, step_cost, state, 0, ahead)
    if done or cut:
        start_team(rule, rows, columns, goals, limit, step_cost, state, rng, 0)
    observe_team(rule, rows, columns, goals, limit, step_cost, state, 0, row)
    return reward, done


@kernel
def choose(table, row, epsilon, rng, action):
    """An epsilon-greedy action of every agent into ``action`` int64 [n]."""
    for i in range(table.shape[0]):
        action[i] = behave(table[i, row[i]], epsilon, rng, i)


@kernel
def learn(
    row, action, ahead, reward, done, gamma, type_of, sums, members,
    indptr, indices, weights, kappa, alpha, tau_1, beta, tau_2, epsilon, steps,
    table, visits, touched, step,
):  # fmt: skip
    """Equation 5 for every agent at its (row, action), with the team's reward; see ``tables.private_steps``."""
    for i in range(table.shape[0]):
        s, a = row[i], action[i]
        target = reward
        if not done:
            target += gamma * largest(table[i, ahead[i]])
        pull = table[i, s, a]
        if beta > 0.0:
            m = i if sums.shape[0] > 1 else 0
            pull = reciprocal_value(sums, members, m, indptr, indices, weights, kappa, type_of[i], s, a)
        alpha_k, beta_k = visit_step(alpha, visits[i, s, a], tau_1), visit_step(beta, visits[i, s, a], tau_2)
        table[i, s, a] = updated(table[i, s, a], target, pull, alpha_k, beta_k)
        visits[i, s, a] += 1
        touched[i, step, 0], touched[i, step, 1] = s, a


@kernel
def team_rounds(
    rounds, kappa, exponent, t, types, indptr, indices, world, gamma, type_of, near, how, table, visits, rng,
    state, stage_rng,
):  # fmt: skip
    """``rounds`` rounds of a team from round t on. Returns the first receiver's sums [T, S, A]."""
    beta, epsilon, steps = how[2], how[4], how[5]
    n = table.shape[0]
    touched = np.empty((n, steps, 2), np.int64)
    row, ahead, action = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    observe_team(*world, state, 0, row)
    sums, members = type_sums(table, type_of, indptr, indices, types)
    for k in range(rounds):
        now = mixing_weight(kappa, exponent, t + k)
        for step in range(steps):
            choose(table, row, epsilon, rng, action)
            before = row.copy()
            reward, done = advance(*world, state, stage_rng, action, ahead, row)
            learn(
                before, action, ahead, reward, done, gamma, type_of, sums, members,
                *near, now, *how, table, visits, touched, step,
            )  # fmt: skip
        if beta > 0.0:
            refresh(sums, table, type_of, indptr, indices, touched, False)
    return sums[0]
