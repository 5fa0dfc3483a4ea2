"""Agents with softmax policies, and the simulated copies of their joint environment."""

from collections.abc import Mapping

import numpy as np

from algorithms.general_utilities import batch, critic, utilities
from envs.networks.base import NetworkProblem
from envs.networks.kernels import softmax
from orchestrator.core import Block, ordered_sum


def observers(problem: NetworkProblem, hops: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The agents that each policy observes, as CSR (indptr [N + 1], indices), and the rows O of the largest policy."""
    indptr, indices = problem.graph.within(min(hops, problem.diameter))
    return indptr, indices, problem.states ** int(np.diff(indptr).max())


class Episodes(Block):
    """Simulators of the joint environment, one trajectory per member; between rounds they keep only their streams."""

    def simulate(self, theta: np.ndarray, horizon: int) -> dict[str, np.ndarray]:
        """Trajectories under softmax policies ``theta`` [N, O, A].

        Returns ``seen``, A s + a of every agent, and ``rows``, the policy's row it drew from, int64 [n, H, N] each.
        """
        indptr, indices, _ = observers(self.problem, self.parameters.policy_hops)
        seen = self.problem.rollout(softmax(np.array(theta)), indptr, indices, horizon, self.rng)
        rows = batch.observed_rows(seen, self.problem.actions, self.problem.states, indptr, indices)
        return {"seen": seen, "rows": rows}


class PolicyAgents(Block):
    """n agents with softmax policies. State: theta [n, O, A], minus infinity at actions that an agent does not have."""

    persistent = ("theta",)

    def start(self) -> None:
        rows = observers(self.problem, self.parameters.policy_hops)[2]
        self.theta = self.parameters.theta_scale * self.normal(rows, self.problem.actions)
        has = self.problem.available[self.members.start : self.members.stop]
        self.theta = np.where(has[:, None, :], self.theta, -np.inf)

    def policies(self) -> dict[str, np.ndarray]:
        """Logits theta(o, a), float64 [n, O, A]."""
        return {"theta": self.theta}

    def watch(self, seen: np.ndarray, rows: np.ndarray) -> None:
        """Steps 2 and 3: own occupancy from the batch ``seen`` int64 [n, B, H], and the shadow reward along it.

        ``rows`` int64 [n, B, H] are the rows of the policy that the actions were drawn from.
        """
        problem = self.problem
        self.seen, self.rows = np.ascontiguousarray(seen), np.ascontiguousarray(rows)
        occupancy = batch.batch_occupancy(self.seen, problem.states, problem.actions, problem.gamma)
        self.learn(occupancy)
        shadow = self.shadow_rewards(occupancy)
        if self.parameters.estimator != "raw":
            shadow = batch.centre(occupancy, shadow)
        self.reward = batch.along(self.seen, shadow)

    def learn(self, occupancy: np.ndarray) -> None:
        """Nothing. A subclass may learn from the occupancies [n, S, A] before shadow rewards are computed."""

    def shadow_rewards(self, occupancy: np.ndarray) -> np.ndarray:
        """The shadow reward of each state and action, float64 [n, S, A]."""
        reward = self.problem.reward[self.members.start : self.members.stop]
        return utilities.shadow_rewards(self.parameters.each, self.members, occupancy, self.problem.gamma, reward)

    def trajectory(self) -> dict[str, np.ndarray]:
        """Exchange A sends neighbours the states and actions of the batch, packed, int64 [n, words]."""
        return {"packed": batch.packed(self.seen.reshape(self.n, -1), self.problem.states * self.problem.actions)}

    def evaluate(self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray, width: int) -> None:
        """Step 4: truncated shadow Q of every agent along the batch, for neighbourhoods of up to ``width`` agents."""
        p, problem = self.parameters, self.problem
        steps, solve = self._steps(halo, indptr, indices), critic.SOLVERS[p.critic]
        if p.estimator == "counterfactual":
            self.message = critic.letters(steps, self.reward, problem.actions, width, problem.gamma, solve)
        else:
            self.message = critic.values(steps, self.reward, problem.gamma, solve)

    def evaluate_known(
        self,
        halo: Mapping[str, np.ndarray],
        indptr: np.ndarray,
        indices: np.ndarray,
        width: int,
        hops: int,
        reward: np.ndarray,
        **fields: np.ndarray,
    ) -> None:
        """Step 4 with the exact critic: the fields of ``critic.KnownQ`` of all agents, and their ``reward`` [N, 2, 2].

        Only the states and actions of neighbours within ``hops`` are read; ``constant`` holds the means of the others.
        """
        own, steps = slice(self.members.start, self.members.stop), self._steps(halo, indptr, indices)
        first, everyone = self.problem.graph.within(hops)
        near = everyone[first[own.start] : first[own.stop]]
        q = critic.KnownQ(**{name: array[own] for name, array in fields.items()})
        if self.parameters.estimator == "counterfactual":
            gain = reward[own, :, 1] - reward[own, :, 0]
            self.message = critic.known_letters(steps, near, self.members, q, gain, width)
        else:
            self.message = critic.known_values(steps, near, q, batch.along(self.seen, reward[own]))

    def _steps(self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> critic.Steps:
        """The steps that neighbours sent in exchange A."""
        radix = self.problem.states * self.problem.actions
        codes = batch.unpacked(halo["packed"], radix, self.reward.shape[1])
        return critic.Steps(codes, indptr, indices, radix, self.seen.shape[2])

    def messages(self) -> dict[str, np.ndarray]:
        """Exchange C sends neighbours Q along the batch, float64 [n, B H].

        Counterfactual: letters [n, width, A - 1, B H]. The k-th member of the neighbourhood gets Q less Q with that
        member's action a moved to a + 1, a + 2 ... (mod A).
        """
        return {"message": self.message}

    def ascend(self, halo: Mapping[str, np.ndarray], indptr: np.ndarray, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Steps 6 and 7: the policy gradient of each agent, float64 [n, O, A], and the step along it."""
        advantages = self.parameters.estimator == "counterfactual"
        rows = [slice(*indptr[row : row + 2]) for row in range(self.n)]
        total = np.stack([ordered_sum(halo["message"][here if advantages else indices[here]]) for here in rows])
        gradient = np.zeros(self.theta.shape)
        batch.policy_gradients(
            self.seen,
            self.rows,
            total.reshape(self.n, -1, total.shape[-1]),
            softmax(self.theta),
            self.problem.gamma,
            advantages,
            gradient,
        )
        gradient /= self.seen.shape[1] * self.problem.agents
        del self.seen, self.rows, self.reward, self.message  # large, and needed in this round only
        self.climb(gradient)
        return {"gradient": gradient}

    def climb(self, gradient: np.ndarray) -> None:
        """theta <- theta + step gradient, [n, O, A]."""
        self.theta = self.theta + self.parameters.step * gradient
