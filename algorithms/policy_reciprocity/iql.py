"""Independent Q-learning: reciprocity with weight 0.

Source: Tan 1993; arXiv:2304.05632, equation 1. Known: alpha = .5 there. Reconstructed (R): ``a``, ``epsilon``.
"""

from algorithms.policy_reciprocity.parameters import TabularParameters
from algorithms.policy_reciprocity.reciprocity import PolicyReciprocity


class IQL(PolicyReciprocity):
    """Every agent runs Q-learning on its own table (arXiv:2304.05632, eq. 1; Tan 1993) without communication."""

    name = "iql"
    Parameters = TabularParameters
    reciprocal = False
