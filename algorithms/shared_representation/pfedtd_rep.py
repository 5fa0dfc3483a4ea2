"""PFedTD-Rep: federated TD with a shared representation and private heads, two timescales.

Source: arXiv:2411.15014. Known: heads are fast, the map is slow, heads never leave the agent, and the error is O(N^-2/3
T^-2/3). Reconstructed: the schedules, the step sizes (alpha .1, beta .2, t_0 1000), one fresh transition for the map,
one Frobenius factor.
"""

import math
from typing import Literal

from pydantic import Field

from algorithms.shared_representation.linear_td import SharedMapParameters
from algorithms.shared_representation.shared_map import SharedMapTD


class PFedTDRepParameters(SharedMapParameters):
    """Heads are fast (K steps per map step), the map is slow. Step sizes, exponents and offset are reconstructed.

    The defaults keep both systematic errors below the noise that averaging over N agents removes. The effect of the
    initial map decays as t^(-beta offset lambda), lambda the slowest rate of its mean update: beta * offset must be
    large. The heads leave an error of order alpha_t^2: alpha must be small at the end.
    """

    alpha: float = Field(0.1, gt=0, description="initial head step size")
    beta: float = Field(0.2, ge=0, description="initial map step size")
    offset: float = Field(1000.0, gt=0, description="offset t_0 of the power schedule, in rounds")
    local_steps: int = Field(5, ge=1, description="head steps K an agent takes per round before its map step")
    schedule: Literal["constant", "power"] = Field(
        "power", description="step sizes: constant, or x_t = x / (1 + t / offset)^exponent in rounds t"
    )
    radius: float = Field(
        math.inf,
        gt=0,
        allow_inf_nan=True,
        description="heads are projected on the ball of this radius; inf: no projection",
    )


class PFedTDRep(SharedMapTD[PFedTDRepParameters]):
    """PFedTD-Rep (arXiv:2411.15014): an inner problem over private heads, an outer one over the shared map.

    Per round each agent takes K = ``local_steps`` projected TD steps on its head, psi = B^T phi,

        delta_i = r_i - eta_i + (gamma psi(s') - psi(s))^T w_i,    w_i <- proj(w_i + alpha_t delta_i psi(s)),
        B_i = B + beta_t phi(s) delta_i w_i^T,                     B <- c / N sum_i B_i with ||B||_F = sqrt(r),

    the map step on a fresh transition of the same chain (reusing the last one adds O(alpha) bias). The server averages
    the maps and rescales the average by one global Frobenius factor c (a factor per row would change the span). The
    gain eta_i is that of joint-average-td; with the discounted objective it is 0.
    """

    name = "pfedtd-rep"
    Parameters = PFedTDRepParameters
    fresh = True
    rescaled = True
