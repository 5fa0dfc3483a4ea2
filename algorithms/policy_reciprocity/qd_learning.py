"""QD-learning: consensus on the values of the same state over a communication graph.

Source: Kar, Moura and Poor 2013. Known: consensus plus innovation. Reconstructed: as for policy-reciprocity, and the
mean over neighbours where they sum.
"""

from algorithms.policy_reciprocity.parameters import QDLearningParameters
from algorithms.policy_reciprocity.reciprocity import PolicyReciprocity


class QDLearning(PolicyReciprocity):
    """Q-learning plus consensus of neighbours' tables (Kar, Moura and Poor 2013): policy reciprocity with kappa = 1.

    Q_i <- (1 - alpha_k) Q_i + alpha_k [r_i + gamma max_a' Q_i(s', a')] + beta_k (mean_j Q_j(s, a) - Q_i(s, a)), the
    mean over the agent and its neighbours; Kar et al. sum over the neighbours, which beta absorbs on a regular graph.
    """

    name = "qd-learning"
    Parameters = QDLearningParameters
