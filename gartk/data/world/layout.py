"""Dividing an image into cells and handing them out, so that objects never touch by accident."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Cell = tuple[int, int]
STEPS: tuple[Cell, ...] = ((0, 1), (1, 0), (0, -1), (-1, 0))
DIAGONAL_STEPS: tuple[Cell, ...] = ((1, 1), (1, -1), (-1, 1), (-1, -1))
MAX_CELLS_ALONG = 6


@dataclass
class Cells:
    """A division of the image into rows x cols cells, and those still free in drawing order.

    Units: height, width of a cell in pixels.
    """

    rows: int
    cols: int
    height: float
    width: float
    free: list[Cell]

    @property
    def side(self) -> float:
        """The shorter side of a cell in pixels: the unit of object sizes."""
        return min(self.height, self.width)

    def centre(self, cell: Cell) -> tuple[float, float]:
        """The middle (x, y) of a cell in pixels."""
        return (cell[1] + 0.5) * self.width, (cell[0] + 0.5) * self.height

    def take(self) -> Cell | None:
        """Take any free cell; None when all are taken."""
        return self.free.pop() if self.free else None

    def take_pair(self, *, diagonal: bool = False, ordered: bool = False) -> tuple[Cell, Cell] | None:
        """Take two free neighbours; None when there are none.

        Args:
            diagonal: corners may be the only thing they share.
            ordered: the second lies to the right of or below the first.
        """
        steps = STEPS[:2] if ordered else STEPS + DIAGONAL_STEPS if diagonal else STEPS
        turn = self.free[-1][0] * 3 + self.free[-1][1] if self.free else 0
        for cell in reversed(self.free):
            for i in range(len(steps)):
                step = steps[(i + turn) % len(steps)]
                other = (cell[0] + step[0], cell[1] + step[1])
                if other in self.free:
                    self.free.remove(cell)
                    self.free.remove(other)
                    return cell, other
        return None


def divide(rng: np.random.Generator, hw: tuple[int, int], short_side: int) -> Cells:
    """Divide an image into cells as square as its shape allows, ``short_side`` along its shorter side."""
    height, width = hw
    along = max(short_side, min(MAX_CELLS_ALONG, round(short_side * max(hw) / min(hw))))
    rows, cols = (short_side, along) if height <= width else (along, short_side)
    order = rng.permutation(rows * cols).tolist()
    free = [(i // cols, i % cols) for i in order]
    return Cells(rows=rows, cols=cols, height=height / rows, width=width / cols, free=free)
