"""Learning the map together: the round that joint TD and PFedTD-Rep share, driven and fused."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from algorithms.shared_representation.linear_td import LinearTD, SharedMapParameters, projected, step_size, td_steps
from orchestrator.core import Call, Conversation, kernel, orthonormal


class SharedMapTD(LinearTD):
    """Only the map B travels: down to the agents, and up as gradients. Heads w_i and gains eta_i never leave them."""

    Parameters = SharedMapParameters
    fresh: ClassVar[bool]  #: the map's gradient at one further transition, not as the mean over the head steps
    rescaled: ClassVar[bool]  #: the new map is rescaled by one Frobenius factor, not made orthonormal

    def round(self) -> Conversation:
        steps = self.parameters.local_steps
        reply = yield Call("learn_map", shared=self.sent(), agent_steps=steps + 1 if self.fresh else steps)
        self.basis = server_step(self.basis, self.beta(), reply["gradient"], self.rescaled)

    def sent(self) -> Mapping[str, Any]:
        """What the agents are sent in a round."""
        p = self.parameters
        return {
            "basis": self.basis,
            "alpha": self.alpha(),
            "gain_step": p.gain_step,
            "steps": p.local_steps,
            "fresh": self.fresh,
            "radius": getattr(p, "radius", np.inf),
        }

    def leap(self, blocks: Any, rounds: int) -> None:
        """``rounds`` rounds fused."""
        p, block, sent = self.parameters, blocks["agents"], self.sent()
        env = block.env
        self.basis = map_rounds(
            rounds, self.completed, p.schedule == "power", p.offset, p.alpha, p.alpha_exponent, p.beta, p.beta_exponent,
            env.process, env.probability, env.alias, env.reward, env.noise, env.gamma, env.phi, self.basis,
            p.gain_step if env.average else 0.0, p.local_steps, sent["radius"], self.fresh, self.rescaled,
            block.head, block.gain, block.position, block.rng,
        )  # fmt: skip


@kernel
def server_step(basis, beta, gradient, rescaled):
    """B + beta mean_i G_i [d, r], the gradients [N, d, r] added in the agents' order, then brought back to size.

    Orthonormal: qr(.) with diag(R) > 0. Rescaled: one factor such that ||B||_F = sqrt(r).
    """
    n, d, r = gradient.shape
    out = np.zeros((d, r))
    for i in range(n):
        for f in range(d):
            for c in range(r):
                out[f, c] += gradient[i, f, c]
    square = 0.0
    for f in range(d):
        for c in range(r):
            out[f, c] = basis[f, c] + beta * (out[f, c] / n)
            square += out[f, c] * out[f, c]
    return out * math.sqrt(r / square) if rescaled else orthonormal(out)


@kernel
def map_rounds(
    rounds, t, power, offset, alpha, alpha_exponent, beta, beta_exponent,
    process, probability, alias, reward, noise, gamma, phi, basis,
    gain_step, steps, radius, fresh, rescaled, head, gain, position, rng,
):  # fmt: skip
    """``rounds`` rounds of ``SharedMapTD.round`` from round t on, for one block that holds all agents."""
    gradient = np.empty((head.shape[0], basis.shape[0], basis.shape[1]))
    for k in range(rounds):
        a = step_size(alpha, t + k, power, alpha_exponent, offset)
        b = step_size(beta, t + k, power, beta_exponent, offset)
        gradient[:] = 0.0
        td_steps(
            process, probability, alias, reward, noise, gamma, phi, projected(phi, basis),
            a, gain_step, steps, radius, True, fresh, head, gain, position, rng, gradient,
        )  # fmt: skip
        basis = server_step(basis, b, gradient, rescaled)
    return basis
