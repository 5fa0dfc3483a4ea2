"""Episodes of a population, with the global agent and every local one as members: values without an exact chain.

At each step the global agent draws k local agents and sees only their states; local agents act on (s_g, own state), or
on what they see of k - 1 others that each draws for itself; then all move, under the present s_g.
"""

from functools import cached_property

import numpy as np

from algorithms.mean_field.parameters import SubsamplingParameters
from envs.common.chains import alias_tables
from envs.mean_field import histograms
from envs.mean_field.base import MeanFieldProblem
from envs.mean_field.histograms import rank
from orchestrator.core import Block, Call, Conversation, dirichlets, draw_integer, inlined, kernel, next_uint64, uniform


class Overseer(Block[SubsamplingParameters, MeanFieldProblem]):
    """The global agent. It keeps nothing: episodes begin and end within a measurement or a round."""

    def begin(self, policy: np.ndarray, episodes: int, role: str) -> dict[str, np.ndarray]:
        """Take over ``policy`` [cells, G, A] of k agents' states, and draw s_g of all episodes: int64 [1, episodes]."""
        self._rng, self._policy = self.stream(role), np.array(policy)
        self._table = histograms.binomials(self.parameters.k, self.problem.local_states)
        states = self.problem.global_states
        self._state = draw_states(np.full((episodes, states), 1 / states), self._rng)
        return {"state": self._state.copy()}

    def act(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """One step given all local ``states`` [n, episodes], of which k are seen: actions, and where s_g goes."""
        kernel, k = self.problem.global_kernel, self.parameters.k
        action = oversee(states, k, self._policy, kernel, self._table, self._state, self._rng)
        return {"action": action, "state": self._state.copy()}


class Population(Block[SubsamplingParameters, MeanFieldProblem]):
    """n local agents. They keep nothing, like the global one."""

    def begin(self, spread: np.ndarray, role: str) -> dict[str, np.ndarray]:
        """Draw the local states of all episodes from ``spread`` [episodes, S]: int64 [n, episodes]."""
        if role not in self._streams:  # a thousand take ten milliseconds, and policies are compared on the same ones
            self._streams[role] = self.stream(role)
        self._rng = self._streams[role].copy()
        self._state = draw_states(np.array(spread), self._rng)
        return {"state": self._state.copy()}

    @cached_property
    def _streams(self) -> dict[str, np.ndarray]:
        """Fresh streams by role."""
        return {}

    def follow(self, seen: np.ndarray, local: np.ndarray) -> dict[str, np.ndarray]:
        """One step with the policy ``local`` [S, G, B], s_g = ``seen`` [episodes]: s B + b as of now, and where to."""
        place = follow(seen, local.shape[1:], *rows(local), *self._moves(), self._state, self._rng)
        return {"place": place, "state": self._state.copy()}

    def sample(self, seen: np.ndarray, states: np.ndarray, shares: np.ndarray) -> dict[str, np.ndarray]:
        """One step with ``shares`` [cells, G, S, B], what one in state s does given what it sees of k, itself included.

        Each draws its own k - 1 others of all ``states`` [n, episodes]; s_g and replies as in ``follow``.
        """
        k, first = self.parameters.k, self.members.start
        table = histograms.binomials(k, self.problem.local_states)
        place = sample(seen, states, first, k, shares, table, *self._moves(), self._state, self._rng)
        return {"place": place, "state": self._state.copy()}

    def _moves(self) -> tuple[np.ndarray, np.ndarray]:
        return self.problem.cache.get("local moves", None, lambda: rows(self.problem.local_kernel))


def episodes(
    problem: MeanFieldProblem,
    count: int,
    steps: int,
    policy: np.ndarray,
    role: str,
    generator: np.random.Generator,
    **plays: np.ndarray,
) -> Conversation:
    """Episodes of ``steps`` steps under a global ``policy`` [cells, G, A]: discounted returns float64 [count], and how
    often s_g went from g to h, discounted, float64 [G, G].

    Local agents play ``local`` [S, G, B] or ``shares`` [cells, G, S, B], whichever is given. The same ``role`` and
    ``generator`` state give the same random numbers: policies are compared on common ones.
    """
    states = problem.local_states
    spread = np.full((count, states), 1.0 / states)
    if problem.concentration is not None:
        spread = dirichlets(generator, problem.concentration, states, count)
    replies = yield (
        Call("begin", on="global", shared={"policy": policy, "episodes": count, "role": role}),
        Call("begin", shared={"spread": spread, "role": role}),
    )
    seen, where = replies[0]["state"][0], replies[1]["state"]
    total, discount = np.zeros(count), 1.0
    moves = np.zeros((problem.global_states, problem.global_states))
    for _ in range(steps):
        if "local" in plays:
            local_call = Call("follow", shared={"seen": seen, **plays}, agent_steps=count)
        else:
            local_call = Call("sample", shared={"seen": seen, "states": where, **plays}, agent_steps=count)
        one, all_ = yield Call("act", on="global", shared={"states": where}), local_call
        counts = count_places(all_["place"], states * problem.local_actions)
        paid = problem.pooled(counts)[np.arange(count), seen] + problem.global_reward[seen, one["action"][0]]
        moves += discount * count_moves(seen, one["state"][0], problem.global_states)
        total, discount = total + discount * paid, discount * problem.gamma
        seen, where = one["state"][0], all_["state"]
    return total, moves


@kernel
def draw_index(distribution, rng, i):
    """An index drawn from ``distribution`` by stream i."""
    u, total, last = uniform(rng, i), 0.0, 0
    for index in range(distribution.shape[0]):
        if distribution[index] > 0.0:
            last = index
            total += distribution[index]
            if u < total:
                break
    return last


@kernel
def draw_states(spread, rng):
    """States int64 [n, episodes], member i's of episode e drawn from ``spread``[e] by stream i."""
    out = np.empty((rng.shape[0], spread.shape[0]), np.int64)
    for i in range(rng.shape[0]):
        for e in range(spread.shape[0]):
            out[i, e] = draw_index(spread[e], rng, i)
    return out


def count_places(place: np.ndarray, places: int) -> np.ndarray:
    """How many members are at each place, int64 [episodes, places], of ``place`` int64 [n, episodes]."""
    episodes = place.shape[1]
    numbers = place + places * np.arange(episodes)
    return np.bincount(numbers.reshape(-1), minlength=episodes * places).reshape(episodes, places)


def count_moves(before: np.ndarray, after: np.ndarray, states: int) -> np.ndarray:
    """How many of the episodes went from g to h, int64 [G, G], of ``before`` and ``after`` int64 [episodes]."""
    return np.bincount(states * before + after, minlength=states**2).reshape(states, states)


@kernel
def _count_sample(order, k, first, states, e, counts, rng, i):
    """Add the states in episode e of k members of ``order`` from place ``first`` on, drawn without replacement."""
    left = order.shape[0]
    for j in range(first, first + k):
        other = j + draw_integer(left - j, rng, i)
        order[j], order[other] = order[other], order[j]
        counts[states[order[j], e]] += 1


@kernel
def oversee(states, k, policy, global_kernel, table, present, rng):
    """Actions int64 [m, episodes] of m global agents; ``present`` int64 [m, episodes], their s_g, moves on.

    Agent i draws from stream i of ``rng``, episode after episode.
    """
    out = np.empty(present.shape, np.int64)
    order, counts = np.empty(states.shape[0], np.int64), np.empty(table.shape[1], np.int64)
    for i in range(present.shape[0]):
        for j in range(order.shape[0]):
            order[j] = j
        for e in range(present.shape[1]):
            for s in range(counts.shape[0]):
                counts[s] = 0
            _count_sample(order, k, 0, states, e, counts, rng, i)
            g = present[i, e]
            out[i, e] = draw_index(policy[rank(counts, table), g], rng, i)
            present[i, e] = draw_index(global_kernel[g, out[i, e]], rng, i)
    return out


def rows(distributions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Alias tables of [..., X] as rows [all, X]: in an inner loop one index is faster than several."""
    keep, alias = alias_tables(distributions)
    return keep.reshape(-1, keep.shape[-1]), alias.reshape(-1, keep.shape[-1])


@inlined
def draw_row(keep, alias, row, rng, i):
    """``draw_alias`` of a row of tables, without taking a view of it."""
    bits = next_uint64(rng, i)
    column = np.int64(((bits >> np.uint64(32)) * np.uint64(keep.shape[1])) >> np.uint64(32))
    coin = np.float64(bits & np.uint64(0xFFFFFFFF)) * (1.0 / 4294967296.0)
    return column if coin < keep[row, column] else alias[row, column]


@kernel
def follow(seen, shape, plays, plays_alias, moves, moves_alias, present, rng):
    """Places s B + b int64 [n, episodes]; ``present`` int64 [n, episodes] moves on. Member i draws from stream i.

    ``plays`` and ``moves`` are tables of ``rows`` over (s, s_g) and (s, s_g, b); ``shape`` is (G, B).
    """
    out = np.empty(present.shape, np.int64)
    globals_, actions = shape
    for i in range(present.shape[0]):
        for e in range(present.shape[1]):
            s = present[i, e]
            row = s * globals_ + seen[e]
            b = draw_row(plays, plays_alias, row, rng, i)
            out[i, e] = s * actions + b
            present[i, e] = draw_row(moves, moves_alias, row * actions + b, rng, i)
    return out


@kernel
def sample(seen, states, first, k, shares, table, moves, moves_alias, present, rng):
    """As ``follow`` of members ``first``.., each acting on the states of k members: its own and k - 1 drawn others'."""
    out = np.empty(present.shape, np.int64)
    actions = shares.shape[3]
    order, counts = np.empty(states.shape[0], np.int64), np.empty(table.shape[1], np.int64)
    for i in range(present.shape[0]):
        # Itself in front: the others are drawn from the places behind it. The order before a member's first draw must
        # not depend on who shares its block.
        for j in range(order.shape[0]):
            order[j] = j
        order[0], order[first + i] = first + i, 0
        for e in range(present.shape[1]):
            s, g = present[i, e], seen[e]
            for t in range(counts.shape[0]):
                counts[t] = 0
            counts[s] = 1
            _count_sample(order, k - 1, 1, states, e, counts, rng, i)
            b = draw_index(shares[rank(counts, table), g, s], rng, i)
            out[i, e] = s * actions + b
            present[i, e] = draw_row(moves, moves_alias, (s * shares.shape[1] + g) * actions + b, rng, i)
    return out
