"""Tabular agents that learn under reciprocity: their block and the kernels of a round (arXiv:2304.05632, eq. 5-6)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from algorithms.policy_reciprocity.adjacency import adjacency
from orchestrator.core import Block, draw_alias, draw_integer, inlined, kernel, uniform

#: Sums where nobody listens.
NOTHING = np.empty((0, 0, 0))


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
        """What neighbours receive: tables [n, S, A], and observation types [n] if there are several."""
        return {"table": self.table} | ({"type": self.types} if self.problem.types > 1 else {})

    def everyone(self) -> np.ndarray:
        """How many agents there are of each type, int64 [1, T]."""
        return np.bincount(self.problem.type_of, minlength=self.problem.types)[None]

    def summed(
        self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums [n, T, S, A] of the neighbours' tables in a halo, and their numbers [n, T]."""
        types = halo["type"] if "type" in halo else np.zeros(len(halo["table"]), np.int64)
        return type_sums(halo["table"], types, indptr, indices, self.problem.types)

    def learning(
        self, kappa: float, alpha: float, tau_1: float, beta: float, tau_2: float, epsilon: float, steps: int,
        near: tuple[Any, ...],
    ) -> tuple[Any, ...]:  # fmt: skip
        """The operators and step sizes, as the kernels take them."""
        known = adjacency(self.problem, *near)
        return known.indptr, known.indices, known.weights, kappa, alpha, tau_1, beta, tau_2, epsilon, steps


class TableAgents(Tables):
    """n agents, each in its own copy of the environment. State: also position [n], clock [n] (steps of the episode)."""

    persistent = (*Tables.persistent, "position", "clock")

    def start(self) -> None:
        super().start()
        starts, start_of = self.starts()
        self.position = starts[start_of, self.integers(starts.shape[1])]
        self.clock = np.zeros(self.n, np.int64)

    def learn(self, sums: np.ndarray = NOTHING, path: np.ndarray | None = None, reply: bool = True, **how: Any) -> Any:
        """A round on the complete graph, given the tables' sums [T, S, A] over all agents of each type."""
        self._steps(sums[None], self.everyone(), path, how)
        return self.tables() if reply else None

    def learn_from(
        self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray, path: np.ndarray | None = None,
        reply: bool = True, **how: Any,
    ) -> Any:  # fmt: skip
        """A round given the rows of each agent's neighbours, its own among them."""
        sums, members = self.summed(halo, indptr, indices)
        self._steps(sums, members, path, how)
        return self.tables() if reply else None

    def _steps(self, sums: np.ndarray, members: np.ndarray, path: np.ndarray | None, how: dict[str, Any]) -> None:
        learning = self.learning(**how)
        if path is None:
            touched = np.empty((self.n, how["steps"], 2), np.int64)
            private_steps(*self.process(), sums, members, *learning, *self.arrays(), touched)
        else:
            shared_steps(path, *self.process()[4:9], sums, members, *learning, *self.arrays())

    def starts(self) -> tuple[np.ndarray, np.ndarray]:
        """Where episodes begin, int64 [m, k], and each member's row of it [n]."""
        start_of = self.env.start_of
        return np.atleast_2d(self.env.starts), np.zeros(self.n, np.int64) if start_of is None else start_of

    def process(self) -> tuple[Any, ...]:
        """The arrays of the environment, as the kernels take them."""
        env = self.env
        return (
            env.probability, env.alias, env.successor, env.terminal, env.reward, env.reward_of, env.noise, env.gamma,
            env.type_of, env.observed, *self.starts(), env.limit,
        )  # fmt: skip

    def arrays(self) -> tuple[np.ndarray, ...]:
        """The members' own arrays, as the kernels take them."""
        return self.table, self.visits, self.position, self.clock, self.rng


class Trajectory(Block):
    """The one trajectory of the shared coupling (a group of one member). State: position [1]."""

    persistent = ("position",)

    def start(self) -> None:
        self.position = self.integers(self.problem.states)

    def walk(self, value: np.ndarray, epsilon: float, steps: int) -> dict[str, np.ndarray]:
        """``steps`` transitions, epsilon-greedy in ``value`` [S, A]: (s, a, s'), int64 [1, steps, 3]."""
        path = np.empty((1, steps, 3), np.int64)
        env = self.env
        follow(env.probability, env.alias, env.successor, value, epsilon, self.position, self.rng, path[0])
        return {"path": path}


@kernel
def type_sums(table, types, indptr, indices, count):
    """Sums of the tables over each receiver's neighbours of each type, and how many those are.

    ``table`` [n, S, A], ``types`` int64 [n]; receiver m adds ``indices[indptr[m]:indptr[m + 1]]`` in that order.
    Returns float64 [m, T, S, A] and int64 [m, T].
    """
    receivers = indptr.shape[0] - 1
    states, actions = table.shape[1:]
    sums = np.zeros((receivers, count, states, actions))
    members = np.zeros((receivers, count), np.int64)
    for m in range(receivers):
        for k in range(indptr[m], indptr[m + 1]):
            j = indices[k]
            members[m, types[j]] += 1
            for s in range(states):
                for a in range(actions):
                    sums[m, types[j], s, a] += table[j, s, a]
    return sums, members


@inlined
def reciprocal_value(sums, members, m, indptr, indices, weights, kappa, t, s, a):
    """Q_*(s, a) of an agent of type t (eq. 6), from row m of its neighbours' sums [n, T, S, A] and numbers [n, T]:

    kappa times the mean of Q_j(s, a) over those that have this very state (of its own type), plus 1 - kappa times the
    mean of W_{t <- u} Q_j over those that have an adjacent one.
    """
    types, states = sums.shape[1], sums.shape[2]
    exact = sums[m, t, s, a] / members[m, t]
    if kappa == 1.0:
        return exact
    total, count = 0.0, 0
    for u in range(types):
        row = (t * types + u) * states + s
        if members[m, u] > 0 and indptr[row + 1] > indptr[row]:
            smoothed = 0.0
            for k in range(indptr[row], indptr[row + 1]):
                smoothed += weights[k] * sums[m, u, indices[k], a]
            total += smoothed
            count += members[m, u]
    return kappa * exact + (1.0 - kappa) * (total / count if count > 0 else exact)


@inlined
def visit_step(initial, visits, tau):
    """x / (k + 1)^tau after k visits (eq. 8); x itself if tau is 0."""
    return initial if tau == 0.0 else initial / (visits + 1.0) ** tau


@inlined
def behave(values, epsilon, rng, i):
    """An epsilon-greedy action for ``values`` [A]; ties among the best are broken uniformly."""
    actions = values.shape[0]
    if uniform(rng, i) < epsilon:
        return draw_integer(actions, rng, i)
    best, ties, choice = values[0], 1, 0
    for a in range(1, actions):
        if values[a] > best:
            best, ties, choice = values[a], 1, a
        elif values[a] == best:
            ties += 1
    if ties > 1:
        left = draw_integer(ties, rng, i)
        for a in range(actions):
            if values[a] == best:
                if left == 0:
                    return a
                left -= 1
    return choice


@inlined
def largest(values):
    """max_a of ``values`` [A]."""
    best = values[0]
    for a in range(1, values.shape[0]):
        best = max(best, values[a])
    return best


@kernel
def private_steps(
    probability, alias, successor, terminal, reward, reward_of, noise, gamma, type_of, observed, starts, start_of,
    limit, sums, members, indptr, indices, weights, kappa, alpha, tau_1, beta, tau_2, epsilon, steps,
    table, visits, position, clock, rng, touched,
):  # fmt: skip
    """``steps`` epsilon-greedy steps of every agent in its own copy, Q_* from ``sums`` [1 or n, T, S, A] (eq. 5):

    Q(s, a) <- (1 - alpha_k) Q(s, a) + alpha_k (r + gamma max_a' Q(s', a')) + beta_k (Q_*(s, a) - Q(s, a)).
    The pairs (s, a) that changed are written to ``touched`` int64 [n, steps, 2].
    """
    for i in range(table.shape[0]):
        t, f = type_of[i], position[i]
        m = i if sums.shape[0] > 1 else 0
        for step in range(steps):
            s = observed[t, f]
            a = behave(table[i, s], epsilon, rng, i)
            ahead = successor[f, a, draw_alias(probability[f, a], alias[f, a], rng, i)]
            target = reward[reward_of[i], f, a]
            if noise > 0.0:
                target += noise * (2.0 * uniform(rng, i) - 1.0)
            if not terminal[ahead]:
                target += gamma * largest(table[i, observed[t, ahead]])
            pull = table[i, s, a]
            if beta > 0.0:
                pull = reciprocal_value(sums, members, m, indptr, indices, weights, kappa, t, s, a)
            alpha_k = visit_step(alpha, visits[i, s, a], tau_1)
            beta_k = visit_step(beta, visits[i, s, a], tau_2)
            table[i, s, a] = updated(table[i, s, a], target, pull, alpha_k, beta_k)
            visits[i, s, a] += 1
            touched[i, step, 0], touched[i, step, 1] = s, a
            clock[i] += 1
            f = ahead
            if terminal[ahead] or clock[i] == limit:
                f = starts[start_of[i], draw_integer(starts.shape[1], rng, i)]
                clock[i] = 0
        position[i] = f


@inlined
def updated(q, target, pull, alpha, beta):
    """Equation 5 at one pair."""
    return (1.0 - alpha) * q + alpha * target + beta * (pull - q)


@inlined
def shared_steps(
    path, reward, reward_of, noise, gamma, type_of,
    sums, members, indptr, indices, weights, kappa, alpha, tau_1, beta, tau_2, epsilon, steps,
    table, visits, position, clock, rng,
):  # fmt: skip
    """The same update of all agents (of one type) at the pairs of a common ``path`` int64 [steps, 3] of (s, a, s')."""
    n, actions = table.shape[0], table.shape[2]
    together = sums.shape[0] == 1  # all read the same sums
    for step in range(steps):
        s, a, ahead = path[step, 0], path[step, 1], path[step, 2]
        known = -1  # visits for which the step sizes below hold: in a shared run all agents have the same
        alpha_k = beta_k = pull = 0.0
        if beta > 0.0 and together:
            pull = reciprocal_value(sums, members, 0, indptr, indices, weights, kappa, type_of[0], s, a)
        for i in range(n):
            target = reward[reward_of[i], s, a]
            if noise > 0.0:
                target += noise * (2.0 * uniform(rng, i) - 1.0)
            best = table[i, ahead, 0]
            for b in range(1, actions):
                best = max(best, table[i, ahead, b])
            target += gamma * best
            if beta > 0.0 and not together:
                pull = reciprocal_value(sums, members, i, indptr, indices, weights, kappa, type_of[i], s, a)
            if visits[i, s, a] != known:
                known = visits[i, s, a]
                alpha_k, beta_k = visit_step(alpha, known, tau_1), visit_step(beta, known, tau_2)
            table[i, s, a] = updated(table[i, s, a], target, pull, alpha_k, beta_k)
            visits[i, s, a] += 1


@inlined
def follow(probability, alias, successor, value, epsilon, position, rng, path):
    """The shared trajectory goes on: epsilon-greedy in ``value`` [S, A]; transitions into ``path`` int64 [steps, 3]."""
    for step in range(path.shape[0]):
        s = position[0]
        a = behave(value[s], epsilon, rng, 0)
        ahead = successor[s, a, draw_alias(probability[s, a], alias[s, a], rng, 0)]
        path[step, 0], path[step, 1], path[step, 2] = s, a, ahead
        position[0] = ahead
