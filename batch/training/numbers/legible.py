"""The check that a person could read each digit of a rendered field.

Chance cuts digits off, hides them under others, or lets them sink into noise and shadow. A label that nobody
can see teaches the network to guess, and makes the thresholds stricter than practice needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey

Affine = npt.NDArray[np.float64]

# An engineer set these by eye, on sheets of fields that pass and that do not.
MAX_CUT_FRACTION = 0.12  # of a digit's height or width that may lie outside the scan
MAX_COVERED_FRACTION = 0.35  # of its ink that other digits may cover
MIN_HEIGHT_PX = 8.0  # of a digit in the finished scan
MIN_CONTRAST = 10.0  # levels between its ink and the paper around it
MIN_CONTRAST_TO_NOISE = 1.6  # this difference, in deviations of the paper around it
NORMAL_QUARTILES = 1.349  # deviations of a normal distribution between its quartiles
AROUND = 0.3  # of a digit's height on each side; the paper there counts as around it
INKED, BARE = 128, 16  # levels of a mask from which a pixel is ink, and below which it is paper


class Written(NamedTuple):
    """A digit on the canvas.

    Attributes:
        ink: Its ink alone, a part of a canvas of twice the scan's pixels, uint8.
        column: Where this part begins on the canvas.
        row: The row, likewise.
        box: Left, top, right and bottom in pixels of the scan, as if nothing were cut off.
    """

    ink: Grey
    column: int
    row: int
    box: tuple[float, float, float, float]

    @classmethod
    def cut(cls, canvas: Grey, box: tuple[float, float, float, float]) -> Written:
        """Cut a digit out of a canvas that holds nothing else."""
        x0, y0, x1, y1 = box
        pad = AROUND * (y1 - y0)
        rows = _part(2 * (y0 - pad), 2 * (y1 + pad), canvas.shape[0])
        columns = _part(2 * (x0 - pad), 2 * (x1 + pad), canvas.shape[1])
        return cls(canvas[rows, columns].copy(), columns.start, rows.start, box)


def are_apart(digits: Sequence[Written], height: int, width: int) -> bool:
    """Return whether each digit lies in the scan, and is not hidden by the others.

    Args:
        digits: The digits.
        height: Height of the scan.
        width: Width of the scan.
    """
    count = np.zeros((2 * height, 2 * width), np.uint8)
    places = []
    for ink, column, row, (x0, y0, x1, y1) in digits:
        wide, tall = x1 - x0, y1 - y0
        beside = max(0.0, -x0) + max(0.0, x1 - width)
        beyond = max(0.0, -y0) + max(0.0, y1 - height)
        if max(beside / max(wide, tall / 3), beyond / tall) > MAX_CUT_FRACTION:
            return False
        place = count[row : row + ink.shape[0], column : column + ink.shape[1]]
        inked = ink >= INKED
        place += inked
        places.append((place, inked))
    return all(inked.any() and (place[inked] > 1).mean() <= MAX_COVERED_FRACTION for place, inked in places)


def are_visible(scan: Grey, digits: Sequence[Written], canvas: Grey, shear: Affine, place: Affine) -> bool:
    """Return whether each digit is large enough, and stands out from the paper around it.

    Args:
        scan: The finished scan, dark ink on light paper, uint8 (height, width).
        digits: Its digits.
        canvas: All that is written and printed, sheared.
        shear: From pixels of the canvas of the digits to those of `canvas`, (2, 3).
        place: From pixels of `canvas` to pixels of the scan, (2, 3).
    """
    bare = cv2.warpAffine(canvas, place, scan.shape[::-1], flags=cv2.INTER_AREA) < BARE
    matrix = place @ np.vstack([shear, (0, 0, 1)])
    for ink, column, row, (_, y0, _, y1) in digits:
        if 2 * (y1 - y0) * matrix[1, 1] < MIN_HEIGHT_PX:
            return False
        corners = np.array([[column, row, 1], [column + ink.shape[1], row + ink.shape[0], 1]], np.float64)
        (left, top), (right, bottom) = corners @ matrix.T
        rows = _part(top, bottom, scan.shape[0])
        columns = _part(left, right, scan.shape[1])
        moved = matrix.copy()
        moved[:, 2] += matrix[:, :2] @ (column, row) - (columns.start, rows.start)
        size = columns.stop - columns.start, rows.stop - rows.start
        if min(size) < 1:
            return False
        cover = cv2.warpAffine(ink, moved, size, flags=cv2.INTER_AREA)
        levels = scan[rows, columns]
        mine = levels[cover >= max(BARE, int(cover.max()) / 2)]  # thin strokes fill no pixel
        paper = levels[bare[rows, columns]]
        if not mine.size or not paper.size:
            return False
        low, middle, high = np.percentile(paper, (25, 50, 75))  # lines on the paper are few, and no noise
        noise = (high - low) / NORMAL_QUARTILES
        if middle - float(mine.mean()) < max(MIN_CONTRAST, MIN_CONTRAST_TO_NOISE * noise):
            return False
    return True


def _part(low: float, high: float, size: int) -> slice:
    start = min(max(0, math.floor(low)), size)
    return slice(start, max(start, min(size, math.ceil(high))))
