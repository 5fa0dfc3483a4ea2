"""Random populations: small instances of mode tracking in which local agents act and nothing is alike.

Ours, for what should hold on any instance and where it still pays to know where the others are. From the instance's
seed come rows and rewards, in the order P_g, P_l, r_g, r_l. An action of the global agent leads to the state of its
number (modulo G) with chance ``control``, else wherever a row drawn from Dirichlet(concentration, ...) leads; a local
agent stays with chance ``persistence``, else moves by such a row of its state, s_g and action. r_l is ``matching``
where s_i = s_g, and (1 - ``matching``) times a number uniform in [0, 1]; r_g is uniform in [0, ``global_weight``].
"""

import numpy as np
from pydantic import Field

from envs.common.instances import PROCESS, stream
from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem, Sizes
from orchestrator.core import Instance, dirichlets


class RandomPopulationParameters(MeanFieldParameters):
    """How many states and actions, and what rows and rewards are drawn from."""

    instance: Instance = Field(
        default=0, description="seed of the problem itself (kernels, rewards); 'seed' follows the replicate's seed"
    )
    states: int = Field(default=2, ge=2, le=4, description="states S of a local agent")
    global_states: int = Field(default=2, ge=1, le=6, description="states G of the global agent")
    global_actions: int = Field(default=2, ge=1, le=6, description="actions A of the global agent")
    local_actions: int = Field(default=2, ge=1, le=6, description="actions B of a local agent")
    control: float = Field(default=0.9, ge=0, le=1, description="chance that the global agent gets to where it wants")
    persistence: float = Field(default=0.9, ge=0, le=1, description="chance that a local agent stays, whatever it does")
    matching: float = Field(default=0.8, ge=0, le=1, description="reward for being in the global agent's state")
    concentration: float = Field(
        default=0.3, ge=0.01, le=100, description="Dirichlet parameter of random rows; small: nearly deterministic"
    )
    global_weight: float = Field(default=0.1, ge=0, description="largest global reward; local ones go up to 1")

    @property
    def sizes(self) -> Sizes:
        return Sizes(self.global_states, self.global_actions, self.states, self.local_actions)


class RandomPopulation(MeanFieldProblem):
    """n local agents and a global one, drawn at random; see ``MeanFieldProblem`` for what it offers."""

    name = "random-population"
    version = 2
    Parameters = RandomPopulationParameters
    parameters: RandomPopulationParameters

    def fill(self) -> None:
        p, rng = self.parameters, stream(self.instance, PROCESS)
        globals_, actions, states, local_actions = p.sizes
        wanted = np.eye(globals_)[np.arange(actions) % globals_]
        anywhere = dirichlets(rng, p.concentration, globals_, globals_, actions)
        self.global_kernel = p.control * wanted + (1 - p.control) * anywhere
        moves = dirichlets(rng, p.concentration, states, states, globals_, local_actions)
        self.local_kernel = p.persistence * np.eye(states)[:, None, None] + (1 - p.persistence) * moves
        self.global_reward = p.global_weight * rng.random((globals_, actions))
        met = np.eye(states, globals_)[:, :, None]
        self.local_reward = p.matching * met + (1 - p.matching) * rng.random((states, globals_, local_actions))
