"""Pictures of grids, drawn with numpy alone."""

import colorsys
from collections.abc import Sequence

import numpy as np

CELL = 32  # pixels
PAPER, LINE, BLOCKER = (250, 250, 247), (205, 205, 200), (60, 60, 66)
GAP = 8  # pixels between boards
BOARDS = 5  # in a row

Cells = Sequence[tuple[int, int]]


def colour(agent: int) -> tuple[int, int, int]:
    """The colour of an agent: hues a golden section apart, so that neighbours differ."""
    red, green, blue = colorsys.hsv_to_rgb((0.58 + 0.618034 * agent) % 1.0, 0.75, 0.8)
    return round(255 * red), round(255 * green), round(255 * blue)


def picture(
    rows: int, columns: int, agents: Cells, goals: Cells = (), blockers: Cells = (), first: int = 0
) -> np.ndarray:
    """A grid with agents (filled), goals (frames in their agent's colour) and blockers (dark): uint8 [h, w, 3].

    Cells are (x, y), y = 0 on top. Agents in one cell share it in stripes. ``first`` is the id of the first agent.
    """
    image = np.full((rows * CELL + 1, columns * CELL + 1, 3), PAPER, np.uint8)
    image[::CELL] = LINE
    image[:, ::CELL] = LINE
    for k, (x, y) in enumerate(goals):
        inset = 2 + 3 * (list(goals[:k]).count((x, y)) % 4)  # frames of goals in one cell lie inside each other
        frame = _cell(image, x, y, inset)
        inner = frame[2:-2, 2:-2].copy()
        frame[:] = colour(first + k)
        frame[2:-2, 2:-2] = inner
    for x, y in blockers:
        _cell(image, x, y, 3)[:] = BLOCKER
    for cell in dict.fromkeys(agents):
        here = [k for k, other in enumerate(agents) if other == cell]
        stripes = np.array_split(_cell(image, *cell, 8), len(here), axis=1)  # views: colouring one colours the image
        for k, stripe in zip(here, stripes):
            stripe[:] = colour(first + k)
    return image


def _cell(image: np.ndarray, x: int, y: int, inset: int) -> np.ndarray:
    """The inside of a cell, ``inset`` pixels from its lines, as a view."""
    top, left = y * CELL + 1, x * CELL + 1
    return image[top + inset : top + CELL - 1 - inset, left + inset : left + CELL - 1 - inset]


def side_by_side(boards: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one size next to each other, at most five in a row."""
    height, width, _ = boards[0].shape
    across = min(len(boards), BOARDS)
    down = -(-len(boards) // across)
    image = np.full((down * (height + GAP) - GAP, across * (width + GAP) - GAP, 3), 255, np.uint8)
    for k, board in enumerate(boards):
        top, left = k // across * (height + GAP), k % across * (width + GAP)
        image[top : top + height, left : left + width] = board
    return image
