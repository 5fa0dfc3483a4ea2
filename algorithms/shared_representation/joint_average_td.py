"""Joint TD with a common subspace and private heads, single timescale.

Source: arXiv:2603.02426 (abstract; the update is our reconstruction, see docs/algorithms.md).
"""

from algorithms.shared_representation.shared_map import SharedMapTD


class JointAverageTD(SharedMapTD):
    """Single-timescale TD with a common subspace B and private heads and gains (arXiv:2603.02426, reconstructed).

    Per round each agent takes K = ``local_steps`` TD steps with B frozen and sends the mean of phi(s) delta_i w_i^T;
    the server sets B <- qr(B + beta / N sum_i G_i), diag(R) > 0. Only B travels. The discounted objective
    works too (it has no gain).
    """

    name = "joint-average-td"
    fresh = False
    rescaled = False
