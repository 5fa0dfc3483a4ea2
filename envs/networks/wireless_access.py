"""Wireless access: users with deadlines share access points and must not send to one at the same time.

Source: Qu, Lin, Wierman and Li (2020), as used in arXiv:2302.07938; 5 x 5 users, gamma .7, 12 slots, arrivals .5,
success .8. Reconstructed: users on a square grid, row by row, with one access point in the middle of every 2 x 2 block,
so a user reaches 1, 2 or 4; packets live two slots; what has arrived before the first slot is one fresh packet with
chance ``arrival``. In a slot a user may send its earliest packet to an access point of its own; this gets through with
chance ``success`` if nobody else sends there. Then a packet in its last slot expires, one with two slots left ages, and
a fresh one arrives with chance ``arrival``. Sending without a packet sends nothing and so disturbs nobody.

That the last slot's transmission got through is part of the state, so that rewards are a function of it. A user's next
state depends on the states and actions of its neighbours, those who share an access point with it; given all states and
actions, users move independently.
"""

import math
from functools import cached_property

import numpy as np
from pydantic import Field

from envs.networks.base import NetworkProblem
from envs.networks.rollout import draw_action, observed_row
from orchestrator.core import Graph, Parameters, kernel, uniform

GOT_THROUGH, LAST_SLOT, FRESH = 1, 2, 4  # bits of a state: flag, packet with one slot left, packet with two


class WirelessAccessParameters(Parameters):
    """How long, how busy, how noisy."""

    gamma: float = Field(default=0.7, ge=0, lt=1, description="discount factor")
    slots: int = Field(default=12, ge=1, description="slots in an episode")
    arrival: float = Field(default=0.5, ge=0, le=1, description="chance of a new packet for a user in a slot")
    success: float = Field(default=0.8, ge=0, le=1, description="chance that a packet sent without collision arrives")


class WirelessAccess(NetworkProblem):
    """side * side users, s_i = 4 [a packet with two slots left] + 2 [one with one] + [the last slot's got through].

    Action 0 is idle. Action k in 1..4 sends to the k-th of the user's access points, in ascending order. Raises
    ValueError for a number of users that is not the square of 2 or more, and in every method for policies of other
    shapes.
    """

    name = "wireless-access"
    kind = "access-network-mdp"
    version = 2
    Parameters = WirelessAccessParameters
    parameters: WirelessAccessParameters
    states = 8
    actions = 5
    points: int  #: number of access points
    access: np.ndarray  #: int64 [N, 4], the access points of each user, numbered row by row, filled up with -1

    def __init__(self, parameters: WirelessAccessParameters, agents: int, instance: int) -> None:
        side = math.isqrt(max(agents, 0))
        if side < 2 or side * side != agents:
            raise ValueError(f"agents must be the square of a number from 2 on (4, 9, 16, 25, ...), got {agents}.")
        super().__init__(parameters, agents, instance)
        self.side = side
        self.gamma = parameters.gamma
        self.points = (side - 1) * (side - 1)
        self.access = np.array([self._within_reach(i) for i in range(agents)], np.int64)
        self.graph = Graph(agents, [(i, j) for i in range(agents) for j in range(i) if self._meet(i, j)])

    @property
    def memory(self) -> float:
        """Bytes of hop counts and tables, roughly."""
        return 4.0 * self.agents**2 + 8.0 * self.agents * (self.states * self.actions + 16)

    @property
    def horizon(self) -> int:
        """Observations in an episode: slots + 1, since the result of the last slot is observed after it."""
        return self.parameters.slots + 1

    @property
    def diameter(self) -> int:
        return self.side - 1

    @cached_property
    def available(self) -> np.ndarray:
        """Actions that a user has, bool [N, 5]: idle, and one for each of its access points."""
        return np.concatenate([np.ones((self.agents, 1), bool), self.access >= 0], axis=1)

    @cached_property
    def reward(self) -> np.ndarray:
        """r_i(s_i, a_i) float64 [N, 8, 5]: 1 in the states that follow a successful transmission."""
        reward = np.zeros((self.agents, self.states, self.actions))
        reward[:, GOT_THROUGH::2] = 1.0
        return reward

    def _simulate(
        self, policy: np.ndarray, indptr: np.ndarray, indices: np.ndarray, rng: np.ndarray, seen: np.ndarray
    ) -> None:
        p = self.parameters
        rollout(p.arrival, p.success, self.points, self.access, policy, indptr, indices, rng, seen)

    def episode_return(self, seen: np.ndarray) -> np.ndarray:
        """(1 / N) sum_i sum_{t >= 1} gamma^(t - 1) 1[i's packet of slot t - 1 was received], float64 [B].

        ``seen`` is int64 [B, H, N].
        """
        delivered = (seen // self.actions & GOT_THROUGH).sum(axis=2)
        total, discount = np.zeros(len(seen)), 1.0
        for t in range(1, seen.shape[1]):  # slot after slot: the same bits however episodes are batched
            total += discount * delivered[:, t]
            discount *= self.gamma
        return total / self.agents

    def aloha(self, p: float) -> np.ndarray:
        """Slotted ALOHA: a user with a packet sends with probability ``p``, to one of its access points; [n, 8, 5].

        A local policy. Raises ValueError for a ``p`` outside [0, 1].
        """
        if not 0 <= p <= 1:
            raise ValueError(f"p must be a probability, got {p}.")
        own = self.access >= 0
        policy = np.zeros((self.agents, self.states, self.actions))
        policy[:, :LAST_SLOT, 0] = 1.0
        policy[:, LAST_SLOT:, 0] = 1.0 - p
        policy[:, LAST_SLOT:, 1:] = (p * own / own.sum(axis=1, keepdims=True))[:, None]
        return policy

    def _within_reach(self, i: int) -> list[int]:
        row, column = divmod(i, self.side)
        blocks = range(self.side - 1)
        own = [y * len(blocks) + x for y in (row - 1, row) for x in (column - 1, column) if y in blocks and x in blocks]
        return own + [-1] * (4 - len(own))

    def _meet(self, i: int, j: int) -> bool:
        (y, x), (v, u) = divmod(i, self.side), divmod(j, self.side)
        return abs(y - v) <= 1 and abs(x - u) <= 1


@kernel
def move(arrival, success, points, access, states, actions, rng, b):
    """One slot from the joint ``states`` under ``actions``, both int64 [N], the states changed in place.

    Draws from stream b of ``rng``: user by user, whether a packet sent alone gets through, then whether one arrives.
    """
    n = states.shape[0]
    senders = np.zeros(points, np.int64)
    for i in range(n):
        if actions[i] > 0 and states[i] >= LAST_SLOT:
            senders[access[i, actions[i] - 1]] += 1
    for i in range(n):
        waiting, through = states[i] & FRESH, 0
        if actions[i] > 0 and states[i] >= LAST_SLOT and senders[access[i, actions[i] - 1]] == 1:
            through = GOT_THROUGH if uniform(rng, b) < success else 0
            if through and not states[i] & LAST_SLOT:  # the earliest packet was the fresh one
                waiting = 0
        states[i] = through | (LAST_SLOT if waiting else 0) | (FRESH if uniform(rng, b) < arrival else 0)


@kernel
def rollout(arrival, success, points, access, policy, indptr, indices, rng, out):
    """Episodes under ``policy``, codes 5 s + a into ``out`` int64 [B, H, N]; row b draws from stream b of ``rng``."""
    batch, horizon, n = out.shape
    states, actions = np.empty(n, np.int64), np.empty(n, np.int64)
    for b in range(batch):
        for i in range(n):
            states[i] = FRESH if uniform(rng, b) < arrival else 0
        for t in range(horizon):
            if t > 0:
                move(arrival, success, points, access, states, actions, rng, b)
            for i in range(n):
                row = observed_row(states, indptr[i], indptr[i + 1], indices, 8)
                actions[i] = draw_action(policy, i, row, uniform(rng, b))
                out[b, t, i] = 5 * states[i] + actions[i]
