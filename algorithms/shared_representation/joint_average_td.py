"""Joint TD with a common subspace and private heads, single timescale.

Source: arXiv:2603.02426. Known is its abstract: personalised average-reward TD, the common subspace and the private
heads estimated together on one timescale, Markovian sampling, a linear speed-up. Reconstructed: the update, QR with
positive diagonal, step-size ratios 1:1:1, initial heads, ``local_steps``.
"""

from algorithms.shared_representation.linear_td import SharedMapParameters
from algorithms.shared_representation.shared_map import SharedMapTD


class JointAverageTD(SharedMapTD[SharedMapParameters]):
    """Single-timescale TD with a common subspace B and private heads and gains (arXiv:2603.02426, reconstructed).

    Per round each agent takes K = ``local_steps`` TD steps with B frozen, psi = B^T phi and c = ``gain_step``,

        delta_i = r_i - eta_i + (gamma psi(s') - psi(s))^T w_i,    eta_i <- eta_i + c alpha (r_i - eta_i),
        w_i <- w_i + alpha delta_i psi(s),                         B <- qr(B + beta / N sum_i G_i), diag(R) > 0,

    and sends G_i, the mean of phi(s) delta_i w_i^T over its steps; gamma = 1 with the average objective. Only B and
    G_i travel. The discounted objective works too (it has no gain).
    """

    name = "joint-average-td"
