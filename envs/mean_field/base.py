"""A global agent and n alike local agents that it can see only some of: what every such environment offers.

arXiv:2412.00661, arXiv:2603.03759: s_g' ~ P_g(. | s_g, a_g), s_i' ~ P_l(. | s_i, s_g, a_i) with the present s_g, reward
r_g(s_g, a_g) + (1 / n) sum_i r_l(s_i, s_g, a_i), discount gamma.
"""

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from envs.common.cache import Cache
from envs.mean_field import histograms
from envs.mean_field.joint_lumping import JointLumping, joint_bytes
from envs.mean_field.lumping import MOST_OPERATIONS, Lumping, operations
from orchestrator.core import Environment, Parameters, elementwise, exp, log, ordered_sum

if TYPE_CHECKING:  # imported only where a face is asked for
    from envs.mean_field.gymnasium import GlobalFace
    from envs.mean_field.pettingzoo import PopulationFace

#: Largest size in bytes of the chain of everyone's states and actions.
MOST_JOINT = 1e9


class Sizes(NamedTuple):
    """Numbers of states and actions."""

    global_states: int  #: G
    global_actions: int  #: A
    local_states: int  #: S
    local_actions: int  #: B


class MeanFieldParameters(Parameters):
    """What all these environments have. A subclass gives ``sizes``, which must not need the arrays."""

    gamma: float = Field(default=0.9, ge=0, lt=1, description="discount factor")

    @property
    def sizes(self) -> Sizes:
        """Of states and actions."""
        raise NotImplementedError  # abstract

    def lumpable(self, agents: int, most: float = MOST_OPERATIONS) -> bool:
        """Whether the exact chain of the histogram of so many local agents takes at most so many multiplications."""
        sizes = self.sizes
        return operations(agents, sizes.global_states, sizes.local_states) <= most

    def jointly_lumpable(self, agents: int) -> bool:
        """Whether the best that full information reaches over all joint actions is, too."""
        sizes = self.sizes
        if joint_bytes(agents, sizes.global_states, sizes.local_states, sizes.local_actions) > MOST_JOINT:
            return False
        classes = sizes.local_states * sizes.local_actions
        need = operations(agents, sizes.global_states, sizes.local_states, classes)
        return self.lumpable(agents) and need <= MOST_OPERATIONS


class MeanFieldProblem(Environment):
    """Arrays of one model, which a subclass makes in ``fill``; agents are the n local ones.

    ``global_kernel`` float64 [G, A, G], ``local_kernel`` [S, G, B, S], ``global_reward`` [G, A], ``local_reward``
    [S, G, B], ``local_policy`` [S, G, B], what local agents do where an algorithm does not learn it: all alike unless
    ``fill`` says otherwise. At the start s_g is uniform and local states are drawn independently, uniformly or, where
    ``concentration`` is a number, from one distribution that is itself drawn from Dirichlet(concentration, ...).

    Raises ValueError for fewer than one agent, and for rows that are not distributions, naming the row.
    """

    kind = "mean-field"
    parameters: MeanFieldParameters
    concentration: ClassVar[float | None] = None  #: of the Dirichlet distribution of initial states; None: uniform
    gamma: float  #: discount
    global_states: int  #: G
    global_actions: int  #: A
    local_states: int  #: S
    local_actions: int  #: B
    global_kernel: np.ndarray  #: float64 [G, A, G], P_g(s_g' | s_g, a_g)
    local_kernel: np.ndarray  #: float64 [S, G, B, S], P_l(s_i' | s_i, s_g, a_i)
    global_reward: np.ndarray  #: float64 [G, A], r_g(s_g, a_g)
    local_reward: np.ndarray  #: float64 [S, G, B], r_l(s_i, s_g, a_i)
    local_policy: np.ndarray  #: float64 [S, G, B], chances of local actions where an algorithm does not learn them

    def __init__(self, parameters: MeanFieldParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        self.gamma = parameters.gamma
        sizes: Sizes = parameters.sizes
        self.global_states, self.global_actions, self.local_states, self.local_actions = sizes
        shape = self.local_states, self.global_states, self.local_actions
        self.local_policy = np.full(shape, 1.0 / self.local_actions)
        self.fill()
        self._check()

    def fill(self) -> None:
        """Make the arrays."""
        raise NotImplementedError  # abstract

    def _check(self) -> None:
        for name in ("global_kernel", "local_kernel", "local_policy"):
            array = getattr(self, name)
            total = ordered_sum(np.moveaxis(array, -1, 0))
            wrong = np.argwhere((array < 0).any(axis=-1) | ~(abs(total - 1) <= 1e-9))
            if len(wrong):
                row = tuple(int(index) for index in wrong[0])
                raise ValueError(f"{name}: row {row} is not a distribution: it sums to {total[row]:.6g}.")

    @property
    def lumpable(self) -> bool:
        """Whether the exact chain of all local agents' histogram is small enough to compute."""
        return self.parameters.lumpable(self.agents)

    @property
    def memory(self) -> float:
        """Bytes of the exact chain where there is one, roughly."""
        cells = float(histograms.histograms(self.agents, self.local_states))
        return 8.0 * self.global_states * cells**2 if self.lumpable else 0.0

    def lumping(self, policy: np.ndarray, agents: int | None = None) -> Lumping:
        """The exact chain of ``agents`` local agents (default all) that follow ``policy`` [S, G, B].

        It is cached: the same policy gives the same object, also for other seeds of a cell.
        """
        members = self.agents if agents is None else agents
        size = 8.0 * self.global_states * histograms.histograms(members, self.local_states) ** 2
        group, key = ("lumpings", members), policy.tobytes()
        return self.cache.get(group, key, lambda: Lumping(self, np.array(policy), members), size)

    @cached_property
    def cache(self) -> Cache:
        """Results computed from these arrays; all seeds of a cell share them."""
        return Cache()

    def pooled(self, counts: np.ndarray) -> np.ndarray:
        """The local agents' part of the team's reward, float64 [rows, G], given their states and actions.

        Entry s B + b of ``counts`` int64 [rows, S * B] is the number of local agents in state s with action b. If a row
        counts only k sampled agents, the result is the reward if all N agents had these proportions. Here it is the
        mean of r_l. An environment whose reward has another form overrides this, ``expected`` and ``jointly``, and has
        the kind ``pooled-mean-field``.
        """
        return means(np.asarray(counts), self._by_place)

    @cached_property
    def _by_place(self) -> np.ndarray:
        """r_l as float64 [S * B, G]."""
        return np.ascontiguousarray(self.local_reward.transpose(0, 2, 1).reshape(-1, self.global_states))

    def expected(self, cells: np.ndarray, locally: np.ndarray) -> np.ndarray:
        """Mean of ``pooled`` if local agents draw their actions independently, float64 [cells, G].

        ``cells`` int64 [cells, S] are histograms of all N, ``locally`` [cells, G, S, B] the chances of actions.
        """
        return expected(cells, locally, self.local_reward)

    @cached_property
    def jointly(self) -> np.ndarray:
        """V* float64 [cells, G] of a central controller, which sees all states and chooses all actions."""
        return JointLumping(self).best

    @cached_property
    def first(self) -> np.ndarray:
        """Probability of each histogram of the N local agents at the start, float64 [cells]."""
        return self.first_of(self.agents)

    def first_of(self, members: int) -> np.ndarray:
        """As ``first``, for ``members`` local agents instead of N."""
        states, alpha = self.local_states, self.concentration
        cells, ways = histograms.enumerated(members, states), histograms.log_rising(1.0, members)
        if alpha is None:
            logs = np.full(len(cells), ways[members] - members * log(states))
        else:  # counts of members whose common distribution is drawn from Dirichlet(alpha, ...)
            logs = np.full(len(cells), ways[members] - histograms.log_rising(states * alpha, members)[members])
            ways = ways - histograms.log_rising(alpha, members)
        for count in cells.T:
            logs -= ways[count]
        return elementwise(exp, logs)

    def gym(self, k: int | None = None, horizon: int | None = None, render_mode: str | None = None) -> "GlobalFace":
        """The global agent as a gymnasium environment: it sees s_g and the histogram of ``k`` local states (None: all).

        The k are drawn afresh each step; local agents follow ``local_policy``. It never ends, ``horizon`` truncates it.
        """
        from envs.mean_field.gymnasium import GlobalFace  # gymnasium is imported only where a face is asked for

        return GlobalFace(self, k, horizon, render_mode)

    def parallel(
        self, k: int | None = None, horizon: int | None = None, render_mode: str | None = None
    ) -> "PopulationFace":
        """Agents ``global``, ``local_0`` … as a PettingZoo ``ParallelEnv`` with a common reward. Needs PettingZoo."""
        from envs.mean_field.pettingzoo import (
            PopulationFace,  # PettingZoo is imported only where this face is asked for
        )

        return PopulationFace(self, k, horizon, render_mode)


def means(counts: np.ndarray, paid: np.ndarray) -> np.ndarray:
    """Mean of ``paid`` [places, G] over the members of each row of ``counts`` int64 [rows, places]: [rows, G]."""
    out = np.zeros((len(counts), paid.shape[1]))
    for place in range(len(paid)):
        out += counts[:, place, None] * paid[place]
    return out / counts.sum(axis=1)[:, None]


def expected(cells: np.ndarray, locally: np.ndarray, local_reward: np.ndarray) -> np.ndarray:
    """sum_s c_s sum_b ``locally``[c, g, s, b] r_l(s, g, b) / n, float64 [cells, G]."""
    _, globals_, states, actions = locally.shape
    out = np.zeros((len(cells), globals_))
    for s in range(states):
        for b in range(actions):
            out += cells[:, s, None] * locally[:, :, s, b] * local_reward[s, :, b]
    return out / cells.sum(axis=1)[:, None]
