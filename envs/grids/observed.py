"""Tables of agents that act in their own copies of one process and observe parts of its state."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ObservedBlock:
    """Tables for n consecutive members. F full states, A actions, W possible successors of each pair, T types."""

    probability: np.ndarray  #: float64 [F, A, W], alias table: chance to keep the drawn column
    alias: np.ndarray  #: int64 [F, A, W]: the column taken otherwise
    successor: np.ndarray  #: int64 [F, A, W]: full state that a column leads to
    terminal: np.ndarray  #: bool [F]: entering it ends the episode
    reward: np.ndarray  #: float64 [m, F, A], mean reward of a step
    reward_of: np.ndarray  #: int64 [n], row of `reward` of each member
    noise: float  #: half width of the uniform noise on every reward
    observed: np.ndarray  #: int64 [T, F], table row in which a type sees a full state
    type_of: np.ndarray  #: int64 [n], observation type of each member
    starts: (
        np.ndarray
    )  #: int64 [k], full states in which an episode begins, all equally likely; or [m, k], see start_of
    limit: int  #: steps after which an episode is cut short; 0: never
    gamma: float  #: discount
    start_of: np.ndarray | None = None  #: int64 [n], row of `starts` of each member, where they differ
