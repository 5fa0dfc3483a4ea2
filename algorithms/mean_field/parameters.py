"""Parameters that coordinators and blocks of the mean-field algorithms share."""

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from orchestrator.core import Parameters


def _infinite(value: object) -> object:
    """YAML and the command line read inf as a number."""
    return "inf" if value == math.inf else value


Samples = Annotated[Annotated[int, Field(ge=1)] | Literal["inf"], BeforeValidator(_infinite)]


class SubsamplingParameters(Parameters):
    """How many local agents are seen, how expectations are taken, and how long values are simulated."""

    k: int = Field(5, ge=1, description="local agents that the global one sees, drawn afresh each step")
    rollouts: int = Field(50, ge=0, description="simulated episodes at each record; 0: no simulated return")
    steps: int = Field(50, ge=1, description="steps of an episode")
    samples: Samples = Field("inf", description="draws m per backup and sweep; inf: exact expectations")


class AlternatingMARLParameters(SubsamplingParameters):
    """How the two learn, and when what they have learned counts as progress."""

    eta: Annotated[float, Field(allow_inf_nan=True)] = Field(
        1e-6, description="a new policy is accepted if the team's value rises by more than 2 eta; -inf: always"
    )
    local_learner: Literal["team", "selfish", "k-chain"] = Field(
        "team",
        description="what a shared local policy is best for: the n agents' team value, its owner alone (in the MDP of "
        "s_i and s_g that the others induce), or the team value of k agents who are all seen",
    )
    sweeps: int = Field(200, ge=1, description="Bellman sweeps of the global agent's turn; exact ones stop early")
    alternations: int = Field(10, ge=1, description="turns of both at the most")


class GraphonMFSParameters(Parameters):
    """How many neighbours are drawn, how expectations are taken, and how the outcome is played."""

    kappa: int = Field(
        5, ge=1, description="neighbours that an agent draws at each step, with replacement, in proportion to W"
    )
    samples: Samples = Field("inf", description="draws m per backup and sweep; inf: exact expectations")
    follow: Literal["greedy", "average"] = Field(
        "average",
        description="what neighbours do in a backup, and agents when deployed: the actions greedy in the present Q, or "
        "average: the mean of the greedy policies of all sweeps (fictitious play)",
    )
    rollouts: int = Field(50, ge=1, description="episodes that the simulated return is the mean of")
    steps: int = Field(50, ge=1, description="steps of an episode; its return is that of these steps alone")
