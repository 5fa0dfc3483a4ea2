"""Ascent along exact gradients: the oracle that sampled shadow gradients are compared with.

Source: an oracle of ours for arXiv:2302.07938. Reconstructed: the same equations as those of shadow-policy-gradient,
here with exact gradients from kappa hops; they are not charged, since they could not be computed from messages.
"""

from collections.abc import Mapping

from algorithms.general_utilities import measures
from algorithms.general_utilities.agents import PolicyAgents
from algorithms.general_utilities.network import NetworkCoordinator, NetworkParameters
from orchestrator.core import Block, Call, Conversation


class ExactGradient(NetworkCoordinator[NetworkParameters]):
    """Ascent along the exact gradient truncated to kappa hops: the infinite-sample limit of arXiv:2302.07938.

    Agent i receives the exact shadow Q of the agents within kappa hops; kappa = diameter is gradient ascent on the
    team's mean utility. ``rounds: 0`` measures spans and truncation errors of random policies.
    """

    name = "exact-gradient"
    Parameters = NetworkParameters
    version = 3
    kinds = ("exact-network-mdp",)

    def calls_per_round(self) -> float:
        return 2

    def blocks(self) -> Mapping[str, type[Block]]:
        return {"agents": PolicyAgents}

    def round(self) -> Conversation:
        theta = (yield Call("policies", sensed=("theta",)))["theta"]
        gradient = measures.truncated(theta, self.problem, self.parameters.each, self.hops)
        yield Call("climb", scattered={"gradient": gradient}, sensed=("gradient",))

    def measure(self) -> Conversation:
        theta = (yield Call("policies"))["theta"]
        return self.outcome(theta)[1] | measures.exact(theta, self.problem, self.parameters.each, self.hops)
