"""Independent TD of the whole parameter vector, and the best subspace of its iterates.

Source: linear TD(0), Sutton 1988. Our baselines for arXiv:2603.02426 and arXiv:2411.15014, the first without any
sharing, the second a strong one. Reconstructed: all settings.
"""

from collections.abc import Mapping

import numpy as np

from algorithms.shared_representation.linear_td import LinearTD
from algorithms.shared_representation.own_map import THETA_METRICS, FullAgents, OwnMapTD
from orchestrator.core import Block, Call, Conversation, ordered_sum, product, symmetric_eigen


class IndependentTD(OwnMapTD):
    """Every agent runs linear TD(0) on its own theta_i [d]; nothing is shared.

    With c = ``gain_step``, and gamma = 1 and a gain with the average objective only,

        delta_i = r_i - eta_i + (gamma phi(s') - phi(s))^T theta_i,    eta_i <- eta_i + c alpha (r_i - eta_i),
        theta_i <- theta_i + alpha delta_i phi(s).
    """

    name = "independent-td"
    metrics = THETA_METRICS

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": FullAgents}

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        return self.problem.errors_theta(agents["head"], agents["gain"])

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        return heads


class SVDSubspace(IndependentTD):
    """Independent TD, and afterwards the best common subspace of its iterates.

    The map is made of the r leading left singular vectors of the stacked theta_i [d, N]; the heads are B^T theta_i.
    Nothing travels during the rounds: the iterates are collected whenever it is measured, which is not charged.
    """

    name = "svd-subspace"
    metrics = LinearTD.metrics

    def measure(self) -> Conversation:
        agents = yield Call("estimates")
        theta = np.array(agents["head"])
        basis = leading_subspace(theta, self.problem.rank)
        return self.problem.errors(basis, product(theta, basis), agents["gain"])

    def thetas(self, heads: np.ndarray) -> np.ndarray:
        basis = leading_subspace(heads, self.problem.rank)
        return product(product(np.array(heads), basis), basis.T.copy())


def leading_subspace(theta: np.ndarray, rank: int) -> np.ndarray:
    """The ``rank`` leading left singular vectors of theta^T [d, N], from the Gram matrix added in the agents' order."""
    gram = ordered_sum(theta[:, :, None] * theta[:, None, :])
    return np.ascontiguousarray(symmetric_eigen(gram)[1][:, ::-1][:, :rank])
