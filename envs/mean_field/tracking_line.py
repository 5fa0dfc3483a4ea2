"""Tracking line: local agents on three points of a line are pushed by a global agent that moves on five.

Source: arXiv:2412.00661, with the numbers of the authors' code as read by us: s_g, a_g in {-2, ..., 2}, s_l, a_l in
{-1, 0, 1}, s_l' = clip(s_l + a_l - s_g), s_g' = clip(s_g + a_g), each clipped to its own line; nothing is random.
r_l = max(.1, (1 - |s|) + (.5 - .1 |a|) + (.3 - .1 |s - s_g|) + .2 [|s - s_g| <= 1]) of the local agent's s and a,
r_g = 1 + (.2 if a_g = 0 else .1) + .1 |s_g|. There n = 14, gamma = .9. Indices run from the left end: 0 is -2 or -1.
Reconstructed: how the process starts (uniformly), and the local policy where none is learnt (uniform).
"""

import numpy as np

from envs.mean_field.base import MeanFieldParameters, MeanFieldProblem, Sizes

GLOBAL, LOCAL = np.arange(-2, 3), np.arange(-1, 2)


class TrackingLineParameters(MeanFieldParameters):
    """The discount; the rest is the source's."""

    @property
    def sizes(self) -> Sizes:
        return Sizes(len(GLOBAL), len(GLOBAL), len(LOCAL), len(LOCAL))


class TrackingLine(MeanFieldProblem):
    """n local agents and a global one; see ``MeanFieldProblem`` for what it offers."""

    name = "tracking-line"
    version = 2
    Parameters = TrackingLineParameters
    parameters: TrackingLineParameters

    def fill(self) -> None:
        self.global_kernel = _reaches(GLOBAL[:, None] + GLOBAL, GLOBAL)
        s, g, a = LOCAL[:, None, None], GLOBAL[None, :, None], LOCAL[None, None, :]
        self.local_kernel = _reaches(s + a - g, LOCAL)
        apart = abs(s - g)
        paid = (1.0 - abs(s)) + (0.5 - 0.1 * abs(a)) + (0.3 - 0.1 * apart) + 0.2 * (apart <= 1)
        self.local_reward = np.maximum(0.1, paid)
        self.global_reward = 1.0 + np.where(GLOBAL == 0, 0.2, 0.1)[None, :] + 0.1 * abs(GLOBAL)[:, None]


def _reaches(goal: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Rows [*goal, len(line)] with a 1 where ``goal``, clipped to the ``line``, lies."""
    return (np.clip(goal, line[0], line[-1])[..., None] == line).astype(float)
