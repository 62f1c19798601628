"""The paper of the golden scans.

Each is made of integers from a generator whose stream numpy keeps for ever, by sums and products, so that it
has the same bytes on every machine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from batch.records import Grey

Levels = npt.NDArray[np.float64]
"""Brightness of paper in grey levels, or ink from 0 to 1; (height, width)."""


class Sheet:
    """The paper of a scan, on which digits, lines, shadows and grain are laid.

    Places and directions that a method does not get as arguments come from the generator.
    """

    def __init__(self, digits: Grey, seed: int) -> None:
        self._digits = digits
        self._numbers = np.random.RandomState(seed)
        self.levels: Levels = np.zeros((0, 0))

    def whole(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return int(self._numbers.randint(low, high + 1, dtype=np.int64))

    def part(self, low: float, high: float) -> float:
        """Draw a number in a hundred steps."""
        return low + (high - low) * self.whole(0, 100) / 100.0

    @property
    def height(self) -> int:
        return self.levels.shape[0]

    @property
    def width(self) -> int:
        return self.levels.shape[1]

    def paper(self, height: int, width: int, level: float, slope: float = 0.0, bend: float = 0.0) -> None:
        """Begin with paper of a level, lit from a side, darker towards the rim."""
        y = np.arange(height)[:, None] / height - 0.5
        x = np.arange(width)[None, :] / width - 0.5
        down, right = self.part(-slope, slope), self.part(-slope, slope)
        self.levels = level + down * y + right * x - bend * (x * x + y * y)

    def digit(self, side_px: int, ink: float, edge: float | None = None, aside: float = 0.0) -> None:
        """Write a digit; `ink` is the part of the light it takes, `edge` from 0 (bold) to 1 (thin)."""
        edge = self.part(0.3, 0.8) if edge is None else edge
        factor = -(-side_px // 28)
        pen = self._digits[self.whole(0, len(self._digits) - 1)].astype(np.int64)
        pen = np.repeat(np.repeat(pen, factor, axis=0), factor, axis=1)
        for axis in (0, 1, 0, 1):
            pen = _mean_of_window(pen, factor, axis)
        strokes = np.clip((pen / 255.0 - edge) / 0.25 + 0.5, 0.0, 1.0)
        free_y, free_x = self.height - strokes.shape[0], self.width - strokes.shape[1]
        top = int(free_y * self.part(0.5 - aside / 2, 0.5 + aside / 2))
        left = int(free_x * self.part(0.5 - aside / 2, 0.5 + aside / 2))
        self._lay(strokes, top, left, ink)

    def _lay(self, strokes: Levels, top: int, left: int, ink: float) -> None:
        height, width = strokes.shape
        above, before = max(0, -top), max(0, -left)
        inside = strokes[above : self.height - top, before : self.width - left]
        place = self.levels[max(0, top) : top + height, max(0, left) : left + width]
        place *= 1.0 - ink * inside

    def bar(self, top: int, left: int, height: int, width: int, ink: float, slope: float = 0.0) -> None:
        """Print a straight bar that falls to the right by `slope`."""
        for column in range(max(0, left), min(self.width, left + width)):
            row = top + int(slope * (column - left) + 100.5) - 100
            self.levels[max(0, row) : max(0, row + height), column] *= 1.0 - ink

    def ridge(self, top: int, height: int, middle: int, soft: float, ink: float) -> None:
        """Draw an upright stroke with a soft edge, as wide as that."""
        apart = np.abs(np.arange(self.width)[None, :] - middle)
        self.levels[top : top + height] *= 1.0 - ink * np.clip(1.5 - apart / soft, 0.0, 1.0)

    def turn(self) -> None:
        """Turn the paper by a quarter."""
        self.levels = np.ascontiguousarray(np.rot90(self.levels))

    def shadow(self, dark: float, soft: float) -> None:
        """Lay a shadow over a part of the paper; `soft` is the width of its edge, of the paper's."""
        y = np.arange(self.height)[:, None] / self.height
        x = np.arange(self.width)[None, :] / self.width
        way = (y, x, (x + y) / 2)[self.whole(0, 2)]
        self.levels = self.levels * (1.0 - dark * np.clip((way - self.part(0.3, 0.7)) / soft, 0.0, 1.0))

    def grain(self, deviation: float) -> None:
        """Add noise, nearly normal: the sum of four bytes."""
        drawn = self._numbers.randint(0, 256, (4, self.height, self.width), dtype=np.uint8)
        self.levels = self.levels + deviation * (drawn.astype(np.float64).sum(axis=0) - 510.0) / 147.8

    def scan(self) -> Grey:
        """Return the paper as a scan, or its inverse."""
        levels = np.clip(np.floor(self.levels + 0.5), 0.0, 255.0).astype(np.uint8)
        return 255 - levels if self.whole(0, 3) == 0 else levels


def _mean_of_window(values: npt.NDArray[np.int64], width: int, axis: int) -> npt.NDArray[np.int64]:
    before = width // 2
    padding = [(0, 0), (0, 0)]
    padding[axis] = (before + 1, width - 1 - before)
    sums = np.cumsum(np.pad(values, padding), axis=axis)
    starts = np.arange(values.shape[axis])
    return (np.take(sums, starts + width, axis=axis) - np.take(sums, starts, axis=axis)) // width
