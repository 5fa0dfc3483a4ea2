"""Members of graphon mean-field subsampling: shards of the table over (histogram, own state), and agents that play."""

import numpy as np

from algorithms.mean_field.cells import greedy
from algorithms.mean_field.parameters import GraphonMFSParameters
from envs.graphon.graphon_robots import GraphonRobots, Robots
from envs.mean_field import histograms
from envs.mean_field.histograms import rank
from envs.mean_field.lumping import average_rows, under
from orchestrator.core import Block, kernel, ordered_mean, uniform


class GraphonCells(Block[GraphonMFSParameters, GraphonRobots, Robots]):
    """n histograms of kappa neighbours.

    State: q [n, S, A], the value of each own state and action there, and mean [n, S, A], the mean of the policies that
    were greedy before each sweep.
    """

    persistent = ("q", "mean")

    def start(self) -> None:
        self.q = self.zeros(self.problem.states, self.problem.actions)
        self.mean = greedy(self.q)
        # The neighbours' moves and P(F' | F) under them. Not part of the state: they can be computed again.
        self.going, self.ahead = self.zeros(0), self.zeros(0)

    @property
    def known(self) -> tuple[np.ndarray, ...]:
        """Made once for all seeds: all histograms, the members' own [n, S], P(s' | s, a) [n, S, A, S], r [n, S, A]."""
        kappa, problem = self.parameters.kappa, self.problem

        def make() -> tuple[np.ndarray, ...]:
            cells = histograms.enumerated(kappa, problem.states)
            own = cells[self.members.start : self.members.stop].copy()
            return cells, own, *problem.model(own / kappa)

        return problem.cache.get("shards", (kappa, self.members), make)

    def sweep(self, values: np.ndarray, before: int) -> dict[str, np.ndarray]:
        """One Bellman sweep, after so many ``before``, against V ``values`` float64 [cells, S].

        Returns the members' own V, [n, S].
        """
        _, own, chance, paid = self.known
        values, samples, gamma = np.array(values), self.parameters.samples, self.problem.gamma
        self.mean = self.mean + (greedy(self.q) - self.mean) / (before + 1)
        going = under(self.mean if self.parameters.follow == "average" else greedy(self.q), chance)
        going = np.ascontiguousarray(going.transpose(1, 0, 2))
        if samples == "inf":
            self.q = exact_values(paid, chance, self.next_cells(going), values, gamma)
        else:
            table = histograms.binomials(self.parameters.kappa, self.problem.states)
            self.q = sampled_values(paid, chance, going, own, values, gamma, samples, table, self.rng)
        return {"values": self.q.max(axis=2)}

    def next_cells(self, going: np.ndarray) -> np.ndarray:
        """P(F' | F) [n, cells] of neighbours that move by ``going`` [n, S, S]; only changed rows are computed."""
        cells, own, _, _ = self.known
        if self.going.shape != going.shape:
            self.going, self.ahead = np.full(going.shape, np.nan), self.zeros(len(cells))
        new = np.nonzero((self.going != going).any(axis=(1, 2)))[0]
        if len(new):
            self.ahead[new] = histograms.moves(own[new], going[new], cells)
        self.going = going
        return self.ahead

    def deployed(self) -> dict[str, np.ndarray]:
        """The policy float64 [n, S, A] that agents play: greedy, ties split evenly, or the mean of the greedy ones."""
        return {"policy": self.mean if self.parameters.follow == "average" else greedy(self.q)}


class GraphonAgents(Block[GraphonMFSParameters, GraphonRobots, Robots]):
    """n agents that play what was learned, each on kappa neighbours drawn afresh at every step; nothing persists.

    Between ``arrive`` and ``returns`` they carry their streams and what they were paid, of R episodes each.
    """

    def arrive(self, policy: np.ndarray) -> dict[str, np.ndarray]:
        """Begin R episodes of the ``policy`` float64 [cells, S, A]; returns the members' states int64 [n, R]."""
        self.streams, self.policy = self.stream("episodes"), np.array(policy)
        self.returned, self.discount = self.zeros(self.parameters.rollouts), 1.0
        return {"states": uniform_states(self.problem.states, self.parameters.rollouts, self.streams)}

    def step(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """One step in everyone's ``states`` int64 [N, R]; returns the members' next ones [n, R]."""
        states, kappa = np.array(states), self.parameters.kappa
        shown = self.env.shown(kappa, states, self.streams)
        own = states[self.members.start : self.members.stop]
        table = histograms.binomials(kappa, self.problem.states)
        after, paid = self.env.step(draw_actions(self.policy, own, shown, table, self.streams), states, self.streams)
        self.returned += self.discount * paid
        self.discount *= self.problem.gamma
        return {"states": after}

    def returns(self) -> dict[str, np.ndarray]:
        """Mean discounted return of each member over the episodes, [n]."""
        return {"returns": ordered_mean(np.ascontiguousarray(self.returned.T))}


def exact_values(
    paid: np.ndarray, chance: np.ndarray, ahead: np.ndarray, values: np.ndarray, gamma: float
) -> np.ndarray:
    """Q [n, S, A] = r + gamma sum_s' P(s' | s, F / kappa, a) sum_F' P(F' | F) V(F', s').

    ``paid`` [n, S, A], ``chance`` [n, S, A, S], ``ahead`` P(F' | F) [n, cells], ``values`` V [cells, S].
    """
    mean, total = average_rows(ahead, values), np.zeros(paid.shape)
    for t in range(chance.shape[3]):
        total += chance[..., t] * mean[:, t, None, None]
    return paid + gamma * total


@kernel
def draw(chances, rng, i):
    """An index with ``chances`` [S], from stream ``i``."""
    u, total = uniform(rng, i), 0.0
    for t in range(chances.shape[0] - 1):
        total += chances[t]
        if u < total:
            return t
    return chances.shape[0] - 1


@kernel
def sampled_values(paid, chance, going, own, values, gamma, samples, table, rng):
    """As ``exact_values``, with the mean over ``samples`` draws of the own and the neighbours' next states.

    ``own`` int64 [n, S] are the members' histograms, whose neighbours move by ``going`` [n, S, S]; member i draws from
    stream i of ``rng``, its own next state first.
    """
    n, states, actions = paid.shape
    out, after = np.empty(paid.shape), np.empty(states, np.int64)
    for i in range(n):
        for s in range(states):
            for a in range(actions):
                total = 0.0
                for _ in range(samples):
                    then = draw(chance[i, s, a], rng, i)
                    after[:] = 0
                    for j in range(states):
                        for _ in range(own[i, j]):
                            after[draw(going[i, j], rng, i)] += 1
                    total += values[rank(after, table), then]
                out[i, s, a] = paid[i, s, a] + gamma * total / samples
    return out


@kernel
def uniform_states(states, episodes, rng):
    """Independent states int64 [n, R], all equally likely."""
    out = np.empty((rng.shape[0], episodes), np.int64)
    for i in range(out.shape[0]):
        for r in range(episodes):
            out[i, r] = min(int(uniform(rng, i) * states), states - 1)
    return out


@kernel
def draw_actions(policy, own, shown, table, rng):
    """Actions int64 [n, R] of ``policy`` [cells, S, A] in states ``own`` [n, R], ``shown`` counts [n, R, S]."""
    n, episodes = own.shape
    out = np.empty((n, episodes), np.int64)
    for i in range(n):
        for r in range(episodes):
            out[i, r] = draw(policy[rank(shown[i, r], table), own[i, r]], rng, i)
    return out
