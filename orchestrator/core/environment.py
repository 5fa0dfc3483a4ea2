"""The base class of environments."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from orchestrator.core.declared import Declared

#: The type of a parameter ``instance``: the seed of what an environment draws once, or the replicate's own seed.
Instance = Annotated[int, Field(ge=0)] | Literal["seed"]


class Environment(Declared):
    """A problem for N agents: what its parameters draw, and the arrays that a block of agents needs to act in it.

    A subclass sets ``name``, ``kind`` and ``Parameters`` and writes ``__init__`` and ``block``. An algorithm runs on it
    if the algorithm lists its ``kind``; what an environment of each shipped kind offers is listed in docs/kinds.md.

        >>> import numpy as np
        >>> from pydantic import Field
        >>> from orchestrator.core import Environment, Instance, Parameters
        >>> class CoinsParameters(Parameters):
        ...     instance: Instance = Field(0, description="seed of the coins; 'seed' follows the replicate's seed")
        ...     spread: float = Field(0.1, ge=0, le=0.5, description="largest distance of a coin's chance from 1/2")
        >>> class Coins(Environment):
        ...     '''Every agent has a coin of its own.'''
        ...     name, kind = "coins", "coin"
        ...     Parameters = CoinsParameters
        ...     def block(self, members):
        ...         self.check_members(members)
        ...         # One stream per agent: agent 7 has the same coin in every block.
        ...         drawn = [np.random.default_rng([self.instance, i]).uniform(-1, 1) for i in members]
        ...         return 0.5 + self.parameters.spread * np.array(drawn)
        >>> coins = Coins(CoinsParameters(spread=0.2), agents=8, instance=0)
        >>> bool((coins.block(range(2, 5)) == coins.block(range(8))[2:5]).all())
        True
        >>> coins.block(range(6, 9))
        Traceback (most recent call last):
        ValueError: members must be consecutive agents in 0..7, got range(6, 9).

    ``agents`` is N. ``instance`` is the seed of everything drawn for the problem itself: the parameter ``instance`` if
    ``Parameters`` has one (the replicate's seed where it is ``"seed"``), else 0. Everything must be a function of
    ``parameters``, ``agents`` and ``instance``, since every process builds the environment anew.

    Raises ValueError for fewer than ``fewest_agents`` agents. A subclass raises ValueError for whatever else it does
    not accept; the user is shown the sentence.
    """

    #: Its name in sweep files and on the command line.
    name: ClassVar[str]
    #: Algorithms that list this word in their ``kinds`` run on it.
    kind: ClassVar[str]
    #: Part of a cell's id: raise it when the numbers change.
    version: ClassVar[int] = 1
    #: The model of its parameters, written ``env.NAME`` on the command line and in grids.
    Parameters: ClassVar[type]
    #: kind -> the class that algorithms of that kind get in place of this one. For example, ``gym:…`` is an
    #: ``observed-mdp`` and has a face ``linear-mrp``: ``fedtd`` runs on the face, ``iql`` on the environment itself.
    faces: ClassVar[Mapping[str, "type[Environment]"]] = {}
    #: Other packages whose code makes its numbers, by import name; ``runs.versions`` has their versions.
    libraries: ClassVar[Sequence[str]] = ()
    #: The smallest number of agents.
    fewest_agents: ClassVar[int] = 1

    parameters: BaseModel  #: the values of its parameters
    agents: int  #: number of agents N
    instance: int  #: seed of everything that is drawn for the problem itself

    engine_sets = frozenset({"parameters", "agents", "instance"})
    declares = ("name", "version", "kind", "faces", "libraries", "fewest_agents")
    built_from = "parameters, agents, instance"

    def __init__(self, parameters: BaseModel, agents: int, instance: int) -> None:
        if agents < self.fewest_agents:
            raise ValueError(f"agents must be at least {self.fewest_agents}, got {agents}.")
        self.parameters, self.agents, self.instance = parameters, agents, instance

    @classmethod
    def identity(cls, parameters: BaseModel) -> str:
        """What makes its numbers besides name, version and parameters, as a text that becomes part of the cell's id.

        Empty, the default, for an environment whose code is this program's or a plug-in file's. An environment of an
        installed package returns the hash of its process, or of its source files: after an edit it is another one.
        """
        return ""

    @classmethod
    def derived(cls, parameters: BaseModel) -> Mapping[str, float]:
        """Numbers that follow from the parameters. NAME is the column ``env_NAME`` and the key ``env.NAME`` of a claim.

        They make a plan or a figure readable where a parameter is a text. They are not part of the cell's id.
        """
        return {}

    def block(self, members: range) -> object:
        """The arrays for the agents ``members`` (consecutive ids in 0..N-1), ``Block.env`` in an algorithm.

        They must not depend on which agents share the block. None (the default) if agents need no arrays.
        """
        return None

    def check_members(self, members: range) -> None:
        """Raises ValueError unless ``members`` are consecutive ids in 0..N-1."""
        if members.step != 1 or not 0 <= members.start <= members.stop <= self.agents:
            raise ValueError(f"members must be consecutive agents in 0..{self.agents - 1}, got {members}.")

    @property
    def memory(self) -> float:
        """Bytes that the environment takes for all agents together, roughly."""
        return 0.0

    def warnings(self) -> Sequence[str]:
        """Warnings about the parameters, printed before a run and stored in ``runs.note``."""
        return ()

    def portrait(self) -> np.ndarray | None:
        """A picture of the environment for the report, uint8 [height, width, 3], or None."""
        return None
