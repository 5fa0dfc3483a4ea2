"""Windy cliff: a grid whose wind differs from agent to agent; each evaluates its own epsilon-greedy policy.

Sources: arXiv:2411.15014, after Jin et al. (AISTATS 2022). Known: -1 a step, -100 for the cliff, +100 for the goal;
every action but down is blown down with probability theta_i / 3, theta_i ~ U(0, 1).
Reconstructed: the start is the bottom left cell, the goal the bottom right one, the cliff everything between; bumping
into a wall stays put; the reward belongs to the cell one leaves, and from the cliff or the goal the next step leads
back to the start whatever the action (the episode restarts inside the chain, so it has a stationary distribution and
the discounted value runs on through restarts); the policy is epsilon-greedy on the agent's own optimal action values,
found by value iteration, ties to the first of up, right, down, left.
"""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from envs.common import chains
from envs.common.instances import PROCESS, check_rank, leading, stream
from envs.linear import kernels
from envs.linear.base import LinearParameters
from envs.linear.reward_processes import LinearMRP, Processes
from orchestrator.core import kernel

if TYPE_CHECKING:  # imported only where a face is asked for
    from envs.faces.gym_table import TableEnv

UP, RIGHT, DOWN, LEFT = range(4)
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))


class WindyCliffParameters(LinearParameters):
    """Grid, discount and policy."""

    rows: int = Field(default=4, ge=2, description="rows of the grid; the last one holds start, cliff and goal")
    columns: int = Field(
        default=4, ge=3, description="columns of the grid; columns - 2 cells of the last row are cliff"
    )
    rank: int = Field(default=2, ge=1, description="dimension r of the shared map, far below rows times columns")
    gamma: float = Field(default=0.95, ge=0, lt=1, description="discount factor")
    epsilon: float = Field(
        default=0.1, gt=0, le=1, description="chance of a uniformly drawn action in the policy evaluated"
    )
    reward_scale: float = Field(default=1.0, gt=0, description="factor on all rewards; 0.01 brings the values near 1")
    reward_noise: float = Field(
        default=0.0, ge=0, description="standard deviation of the Gaussian noise on every reward"
    )


@kernel
def greedy_actions(transition, reward, gamma):
    """Optimal actions int64 [m, S] of processes ``transition`` [m, S, A, S], ``reward`` [S], by value iteration.

    Sweeps until no value moves by more than 1e-12 of the largest |reward| / (1 - gamma); actions within 1e-9 of the
    best on that scale tie, and the first of them wins.
    """
    m, states, actions, _ = transition.shape
    scale = 0.0
    for s in range(states):
        scale = max(scale, abs(reward[s]))
    scale /= 1.0 - gamma
    choice = np.zeros((m, states), np.int64)
    ahead = np.empty((states, actions))
    for p in range(m):
        values = np.zeros(states)
        moved = np.inf
        while moved > 1e-12 * scale:
            moved = 0.0
            for s in range(states):
                for a in range(actions):
                    ahead[s, a] = 0.0
                    for t in range(states):
                        ahead[s, a] += transition[p, s, a, t] * values[t]
            for s in range(states):
                value = reward[s] + gamma * _largest(ahead[s])
                moved = max(moved, abs(value - values[s]))
                values[s] = value
        for s in range(states):
            while ahead[s, choice[p, s]] < _largest(ahead[s]) - 1e-9 * scale:
                choice[p, s] += 1
    return choice


@kernel
def _largest(values):
    best = values[0]
    for a in range(1, values.shape[0]):
        best = max(best, values[a])
    return best


class WindyCliff(LinearMRP):
    """A grid with a cliff whose wind differs from agent to agent; each evaluates its own policy.

    Features are one-hot (d = S = rows * columns, cells row by row from the top left), so the TD fixed points are the
    true values. They share no exact subspace: ``basis`` is the best rank-r one, the top r left singular vectors of the
    matrix of all agents' values, and subspace_error is measured against it. A rank-r algorithm's own stationary point
    lies near it, not on it; value_error is what the agents lose in the end.
    """

    name = "windy-cliff"
    version = 2
    average = False
    Parameters = WindyCliffParameters
    parameters: WindyCliffParameters

    def __init__(self, parameters: WindyCliffParameters, agents: int, instance: int) -> None:
        super().__init__(parameters, agents, instance)
        given = parameters
        self.gamma, self.noise, self.rank = given.gamma, given.reward_noise, given.rank
        self.states = self.features = given.rows * given.columns
        check_rank(self.rank, min(self.features, self.process_count), " (the lesser of cells and distinct processes)")
        self.phi = np.eye(self.states)
        self.start = (given.rows - 1) * given.columns
        self.goal = self.states - 1
        self.cell_reward = np.full(self.states, -1.0)
        self.cell_reward[self.start + 1 : self.goal] = -100.0
        self.cell_reward[self.goal] = 100.0
        self.cell_reward *= given.reward_scale

    @cached_property
    def _calm(self) -> np.ndarray:
        """[S, A, S], the grid without wind."""
        rows, columns = self.parameters.rows, self.parameters.columns
        calm = np.zeros((self.states, len(STEPS), self.states))
        for s in range(self.states):
            for a, (down, right) in enumerate(STEPS):
                row = min(max(s // columns + down, 0), rows - 1)
                column = min(max(s % columns + right, 0), columns - 1)
                calm[s, a, self.start if s > self.start else row * columns + column] = 1.0
        return calm

    def winds(self, processes: np.ndarray) -> np.ndarray:
        """theta [m] of the listed base processes."""
        return np.array([stream(self.instance, PROCESS, process).uniform() for process in processes.tolist()])

    def grids(self, processes: np.ndarray) -> np.ndarray:
        """[m, S, A, S], the controlled processes under wind: with chance theta / 3 the step of `down` is taken."""
        gust = (self.winds(processes) / 3)[:, None, None, None]
        return (1 - gust) * self._calm + gust * self._calm[:, DOWN : DOWN + 1]

    def policies(self, grids: np.ndarray) -> np.ndarray:
        """[m, S, A], epsilon-greedy policies on the optimal action values of ``grids`` [m, S, A, S]."""
        epsilon, actions = self.parameters.epsilon, len(STEPS)
        best = greedy_actions(grids, self.cell_reward, self.gamma)
        return (1 - epsilon) * np.eye(actions)[best] + epsilon / actions

    def draw(self, processes: np.ndarray) -> Processes:
        """The listed base processes under their policies, with their exact values."""
        grids = self.grids(processes)
        transition = kernels.under_policies(grids, self.policies(grids))
        reward = np.tile(self.cell_reward, (len(processes), 1))
        values = kernels.values_of_rewards(transition, reward, self.gamma)
        stationary = chains.stationary_distributions(transition)
        return Processes(transition, reward, np.zeros(len(processes)), stationary, values, values)

    @cached_property
    def basis(self) -> np.ndarray:
        """[S, r], the top singular vectors of the stacked values, signs fixed so that the largest entry is positive."""
        return leading(self.solution.theta, self.rank)

    @cached_property
    def wind(self) -> np.ndarray:
        """[N], theta_i of every agent."""
        return self.winds(np.arange(self.process_count))[self.process_of]

    def policy(self, agent: int = 0) -> np.ndarray:
        """[S, A], the policy that agent ``agent`` evaluates."""
        return self.policies(self.grids(self.process_of[agent : agent + 1]))[0]

    def gym(self, agent: int = 0, horizon: int | None = None) -> "TableEnv":
        """Agent ``agent``'s grid as a gymnasium environment with its four actions, starting in the start cell.

        Like the tables it restarts inside the chain and never terminates; ``horizon`` truncates it. Acting by
        :meth:`policy` gives the process that is evaluated.
        """
        from envs.faces.gym_table import TableEnv  # gymnasium is imported only where a face is asked for

        reward = np.repeat(self.cell_reward[:, None], len(STEPS), axis=1)
        initial = np.eye(self.states)[self.start]
        return TableEnv(self.grids(self.process_of[agent : agent + 1])[0], reward, self.noise, initial, horizon)
